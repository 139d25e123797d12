"""The triplet loss: an image shall be nearer to one of its class than to one of another class, by a margin.

Schroff, Kalenichenko & Philbin 2015, "FaceNet: A unified embedding for face recognition and clustering", section 3.1; with distances
as they are rather than squared, which collapses less easily (Hermans, Beyer & Leibe 2017, "In defense of the triplet loss for person
re-identification", on the distance measure). The triplets are those of the batch; which of them count is the mining:

- "all": every anchor with every other image of its class and every image of other classes (Hermans et al., "batch all").
- "semi-hard": of these, those whose negative is farther from the anchor than the positive, but not by the margin (Schroff et al.,
  section 3.2; all of them, where they take one for each pair).
- "hard": each anchor with its farthest positive and its nearest negative (Hermans et al., "batch hard").

The loss is the mean over those triplets that do not yet keep the margin, as in pytorch-metric-learning: its TripletMarginLoss on
LpDistance(normalize_embeddings=False), for "semi-hard" after its TripletMarginMiner, for "hard" after its BatchHardMiner.

A batch has about B³ triplets, and not one is made: their sum needs no more of a distance than how many of them it is in, which the
sorted distances of each anchor tell. So 160 images take memory for 160² numbers, not for four million.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from smallvision.errors import BadInput
from smallvision.losses.pair_distances import distances, mean_of_positive, other_class, same_class


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


def _all(apart: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    return _mean(apart, _times(apart, positive, negative, margin), margin)


def _semi_hard(apart: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    nearer = _times(apart, positive, negative, 0, equal=True)  # the negative is as near as the positive, or nearer
    return _mean(apart, _times(apart, positive, negative, margin) - nearer, margin)


def _hard(apart: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    farthest = apart.masked_fill(~positive, -torch.inf).amax(1)  # (B,); an anchor without a positive, or without a
    nearest = apart.masked_fill(~negative, torch.inf).amin(1)  # negative, misses the margin by −∞: not at all
    return mean_of_positive((farthest - nearest + margin).relu())


@torch.no_grad()
def _times(apart: Tensor, positive: Tensor, negative: Tensor, margin: float, equal: bool = False) -> Tensor:
    """In how many triplets with d(a, n) < d(a, p) + margin (or equal) each distance is: int64 (B, B), with a minus for d(a, n)."""
    negatives = apart.masked_fill(~negative, torch.inf).sort(1).values
    positives = apart.masked_fill(~positive, torch.inf).sort(1).values + margin
    nearer = torch.searchsorted(negatives, apart + margin, right=equal)  # negatives, to each positive
    farther = positive.sum(1, keepdim=True) - torch.searchsorted(positives, apart, right=not equal)  # and the reverse
    return nearer * positive - farther * negative


def _mean(apart: Tensor, times: Tensor, margin: float) -> Tensor:
    """The sum of d(a, p) − d(a, n) + margin over all triplets, divided by their number, from `_times`."""
    count = times.clamp(min=0).sum()  # each triplet has one d(a, p)
    return ((apart * times).sum() + margin * count) / count.clamp(min=1)


MINING: dict[str, Callable[[Tensor, Tensor, Tensor, float], Tensor]] = {
    "all": _all,
    "semi-hard": _semi_hard,
    "hard": _hard,
}
