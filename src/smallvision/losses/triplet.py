"""The triplet loss: it wants an image nearer to one of its class than to one of another class, by a margin.

Schroff, Kalenichenko & Philbin 2015, "FaceNet: A unified embedding for face recognition and clustering", section 3.1;
with distances as they are rather than squared, which collapses less easily (Hermans, Beyer & Leibe 2017, "In defense of
the triplet loss for person re-identification", on the distance measure). The triplets are those of the batch; which of
them count is the mining:

- "all": every anchor with every other image of its class and every image of other classes (Hermans et al., "batch
  all").
- "semi-hard": of these, those whose negative is farther from the anchor than the positive, but not by the margin
  (Schroff et al., section 3.2; all of them, where they take one for each pair).
- "hard": each anchor with its farthest positive and its nearest negative (Hermans et al., "batch hard").

The loss is the mean over those triplets that do not yet keep the margin, as in pytorch-metric-learning: its
TripletMarginLoss on LpDistance(normalize_embeddings=False), for "semi-hard" after its TripletMarginMiner, for "hard"
after its BatchHardMiner.

A batch has about B³ triplets, and none is made: their sum needs only the number of triplets that each distance is in,
which follows from the sorted distances of each anchor. So 160 images take memory for 160² numbers, not for four
million.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from smallvision.errors import BadInput
from smallvision.experiment.task import VerifySpec
from smallvision.losses.base import SEMI_HARD
from smallvision.losses.pair_distances import MARGIN, distances, mean_of_nonzero, other_class, same_class
from smallvision.nn.siamese import Siamese


@dataclass(frozen=True)
class Triplet:
    """The loss of `triplet` as an experiment asks for it; see `losses.base.PairLoss`."""

    margin: float
    mining: str
    metric: str | None = None
    normalized: bool = False
    of_head: bool = False

    @classmethod
    def of(cls, spec: VerifySpec) -> "Triplet":
        return cls(MARGIN if spec.margin is None else spec.margin, spec.mining or "semi-hard")

    @property
    def no_remedies(self) -> tuple[str, ...]:
        return (SEMI_HARD,) if self.mining == "semi-hard" else ()

    def __call__(self, network: Siamese, representations: Tensor, labels: Tensor) -> Tensor:
        return triplet(representations, labels, self.margin, self.mining, network.metric)


def triplet(
    representations: Tensor, labels: Tensor, margin: float, mining: str = "all", metric: str = "euclidean"
) -> Tensor:
    """max(0, d(anchor, positive) − d(anchor, negative) + margin), the mean over mined triplets where it is not 0.

    Parameters
    ----------
    representations : (B, D).
    labels : int64 (B,).
    margin : in units of the distance, above 0.
    mining : "all", "semi-hard" or "hard".
    metric : "euclidean" or "cosine".

    Returns
    -------
    Tensor : a scalar; 0, with a gradient of 0, for a batch without a triplet that counts.

    Raises
    ------
    BadInput : another mining or metric.
    """
    if mining not in MINING:
        raise BadInput(f'mining: got "{mining}"; known: {", ".join(MINING)}')
    return MINING[mining](distances(representations, metric), same_class(labels), other_class(labels), margin)


def _all(distance: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    return _mean(distance, _times(distance, positive, negative, margin), margin)


def _semi_hard(distance: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    nearer = _times(distance, positive, negative, 0, equal=True)  # the negative is as near as the positive, or nearer
    return _mean(distance, _times(distance, positive, negative, margin) - nearer, margin)


def _hard(distance: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    farthest = distance.masked_fill(~positive, -torch.inf).amax(1)  # (B,); an anchor without a positive, or without a
    nearest = distance.masked_fill(~negative, torch.inf).amin(1)  # negative, misses the margin by −∞: not at all
    return mean_of_nonzero((farthest - nearest + margin).relu())


@torch.no_grad()
def _times(distance: Tensor, positive: Tensor, negative: Tensor, margin: float, equal: bool = False) -> Tensor:
    """In how many triplets with d(a, n) < d(a, p) + margin (or equal) each distance is: int64 (B, B), with a minus for
    d(a, n)."""
    negatives = distance.masked_fill(~negative, torch.inf).sort(1).values
    positives = distance.masked_fill(~positive, torch.inf).sort(1).values + margin
    nearer = torch.searchsorted(negatives, distance + margin, right=equal)  # negatives, to each positive
    farther = positive.sum(1, keepdim=True) - torch.searchsorted(
        positives, distance, right=not equal
    )  # and the reverse
    return nearer * positive - farther * negative


def _mean(distance: Tensor, times: Tensor, margin: float) -> Tensor:
    """The sum of d(a, p) − d(a, n) + margin over all triplets, divided by their number, from `_times`."""
    count = times.clamp(min=0).sum()  # each triplet has one d(a, p)
    return ((distance * times).sum() + margin * count) / count.clamp(min=1)


MINING: dict[str, Callable[[Tensor, Tensor, Tensor, float], Tensor]] = {
    "all": _all,
    "semi-hard": _semi_hard,
    "hard": _hard,
}
