"""The contrastive loss: images of one class shall be at one place, images of two classes a margin apart.

Hadsell, Chopra & LeCun 2006, "Dimensionality reduction by learning an invariant mapping", formula 4: half the squared distance of a
pair of one class, half the square of what is missing to the margin of a pair of two. All pairs of the batch count. A batch has far
more pairs of two classes than of one, so each kind has a mean of its own, over the pairs where there is something left to lose, and
the loss is the sum of both; that is how pytorch-metric-learning takes it, too: with `power` 1 this is its ContrastiveLoss on
LpDistance(normalize_embeddings=False), whose default does not square.
"""

from torch import Tensor

from smallvision.losses.pair_distances import distances, mean_of_positive, other_class, same_class


def contrastive(
    representations: Tensor, labels: Tensor, margin: float, power: float = 2, metric: str = "euclidean"
) -> Tensor:
    """The mean of d^power / power over pairs of one class + that of max(0, margin − d)^power / power over pairs of two.

    Parameters
    ----------
    representations : (B, D).
    labels : int64 (B,).
    margin : in units of the distance, above 0.
    power : 2 is Hadsell, Chopra & LeCun's; at least 1.
    metric : "euclidean" or "cosine".

    Returns
    -------
    Tensor : a scalar; 0, with a gradient of 0, for a batch without a pair that counts. Both means are over what is not 0.

    Raises
    ------
    BadInput : another metric.
    """
    apart = distances(representations, metric)  # (B, B), each pair twice
    together = (apart * same_class(labels)) ** power / power
    too_near = ((margin - apart).relu() * other_class(labels)) ** power / power
    return mean_of_positive(together) + mean_of_positive(too_near)
