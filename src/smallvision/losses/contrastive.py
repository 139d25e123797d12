"""The contrastive loss: it pulls images of one class together, and images of two classes at least a margin apart.

Hadsell, Chopra & LeCun 2006, "Dimensionality reduction by learning an invariant mapping", formula 4: half the squared
distance of a pair of one class; of a pair of two classes, half the square of the margin less the distance, where that
is above 0. All pairs of the batch count. A batch has far more pairs of two classes than of one, so each kind has a mean
of its own, over the pairs whose loss is not 0, and the loss is the sum of both means. pytorch-metric-learning does the
same: with `power` 1 this is its ContrastiveLoss on LpDistance(normalize_embeddings=False), whose default does not
square.
"""

from dataclasses import dataclass

from torch import Tensor

from smallvision.experiment.task import VerifySpec
from smallvision.losses.base import SEMI_HARD
from smallvision.losses.pair_distances import MARGIN, distances, mean_of_nonzero, other_class, same_class
from smallvision.nn.siamese import Siamese


@dataclass(frozen=True)
class Contrastive:
    """The loss of `contrastive` as an experiment asks for it; see `losses.base.PairLoss`."""

    margin: float
    metric: str | None = None
    normalized: bool = False
    of_head: bool = False
    no_remedies: tuple[str, ...] = (SEMI_HARD,)  # all pairs count, none are mined

    @classmethod
    def of(cls, spec: VerifySpec) -> "Contrastive":
        return cls(MARGIN if spec.margin is None else spec.margin)

    def __call__(self, network: Siamese, representations: Tensor, labels: Tensor) -> Tensor:
        return contrastive(representations, labels, self.margin, metric=network.metric)


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
    Tensor : a scalar. Both means are over the pairs whose loss is not 0; a batch without such a pair has loss and
        gradient 0.

    Raises
    ------
    BadInput : another metric.
    """
    distance = distances(representations, metric)  # (B, B), each pair twice
    of_one_class = (distance * same_class(labels)) ** power / power
    of_two_classes = ((margin - distance).relu() * other_class(labels)) ** power / power
    return mean_of_nonzero(of_one_class) + mean_of_nonzero(of_two_classes)
