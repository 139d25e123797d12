"""Functions shared by losses on pairs and triplets: distances between all images of a batch, pairs of one class, and
the mean.

Everything is a matrix over the batch. So an image goes through the encoder once, however many pairs it is in; no pair
is computed by itself; and nothing is read back from the device, whichever pairs count.

Distances are computed in three places, whose results differ in their last bits: here for all pairs of a batch, in
`nn.siamese.Siamese.apart` for listed pairs, and in `metrics.neighbours` in float64. One function for all three would
change the gradients of training or the reported figures.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from smallvision.errors import BadInput

MARGIN = 1.0  # where an experiment says none, in units of the distance


def distances(representations: Tensor, metric: str = "euclidean") -> Tensor:
    """Between all pairs of a batch, in float32 at least; where a distance is zero, so is its gradient.

    Parameters
    ----------
    representations : (B, D).
    metric : "euclidean", or "cosine": 1 − cos of the angle, 0 to 2, and 1 for a vector of zeros (as
        metrics/neighbours.py).

    Returns
    -------
    Tensor : (B, B), not negative.

    Raises
    ------
    BadInput : another metric.
    """
    if metric not in METRICS:
        raise BadInput(f'metric: got "{metric}"; known: {", ".join(METRICS)}')
    # Half precision would tell near images apart by rounding.
    with torch.autocast(representations.device.type, enabled=False):
        return METRICS[metric](representations if representations.dtype == torch.float64 else representations.float())


def same_class(labels: Tensor) -> Tensor:
    """Which two images are of one class: bool (B, B), False on the diagonal. `labels` are int64 (B,)."""
    return (labels[:, None] == labels[None, :]).fill_diagonal_(False)


def other_class(labels: Tensor) -> Tensor:
    """Which two images are of different classes: bool (B, B). `labels` are int64 (B,)."""
    return labels[:, None] != labels[None, :]


def every_pair(labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each pair of a batch once: int64 (M,) and (M,), the one image and the other; bool (M,), of one class; M = B (B −
    1) / 2."""
    one, other = torch.triu_indices(len(labels), len(labels), 1, device=labels.device)
    return one, other, labels[one] == labels[other]


def mean_of_nonzero(losses: Tensor) -> Tensor:
    """The mean of those losses, none negative, that are not zero; 0 when all are. A scalar.

    Before long nearly all pairs and triplets are far enough apart, and a mean over all would dilute the few that still
    have a gradient (Hermans, Beyer & Leibe 2017, "In defense of the triplet loss", whose losses marked ≠0 are these).
    """
    return losses.sum() / (losses > 0).sum().clamp(min=1)


def _euclidean(rows: Tensor) -> Tensor:
    # By differences: |x|² + |y|² − 2 x·y cancels, and two equal images would be apart. Its gradient at zero is zero.
    return torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")


def _cosine(rows: Tensor) -> Tensor:
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    unit = rows / torch.where(lengths > 0, lengths, 1)
    return (1 - unit @ unit.T).clamp(min=0)


METRICS: dict[str, Callable[[Tensor], Tensor]] = {"euclidean": _euclidean, "cosine": _cosine}  # (B, D) -> (B, B)
