"""The images behind a difference: who got which right, what the seed decides, and what nobody gets. No torch.

Two accuracies that are alike can hide thousands of images on which the networks disagree; these are the images to look at.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallvision.answers import Answers

MOST = 20


@dataclass(frozen=True)
class Disagreement:
    """Images of one kind."""

    title: str
    total: int
    rows: NDArray[np.int64]               # the first of them, the clearest first; indices into `Answers`


def disagreements(answers: Answers, a: str, b: str, most: int = MOST) -> tuple[Disagreement, ...]:
    """The images on which two sides disagree, which change with the seed, and which all runs of both get wrong.

    A side gets an image right when more than half of its runs do, and wrong when more than half do not: with an even number of
    runs an image can be neither. The clearest come first: those on which the sides' shares of right answers are furthest apart
    (for the seed: nearest to one half), and of equals the one whose id is lowest.

    Parameters
    ----------
    answers : of both sides at least.
    a, b : two sides.
    most : rows kept of each kind, 0 or more.

    Returns
    -------
    tuple of Disagreement : right in `a` and wrong in `b`; the other way round; where a side has several runs, those that some
        runs of a side get right and others wrong; wrong in every run of both sides.
    """
    shares = {side: answers.right(side).mean(0) for side in (a, b)}                                # (N,) each
    gap = shares[a] - shares[b]
    found = [
        _kind(f"{one} right, {other} wrong", (shares[one] > 0.5) & (shares[other] < 0.5), sign * gap, most)
        for one, other, sign in ((a, b, 1), (b, a, -1))
    ]
    if max(len(answers.predictions[side]) for side in (a, b)) > 1:
        unsure = np.maximum(*(0.5 - np.abs(shares[side] - 0.5) for side in (a, b)))                # 0: all runs alike, 0.5: half and half
        found.append(_kind("changes with the seed", unsure > 0, unsure, most))
    mean = (shares[a] + shares[b]) / 2
    return (*found, _kind("wrong in every run", mean == 0, -mean, most))


def _kind(title: str, which: NDArray[np.bool_], clarity: NDArray[np.float64], most: int) -> Disagreement:
    rows = np.flatnonzero(which)
    order = np.argsort(-clarity[rows].round(9), kind="stable")        # 1/3 and 1 - 2/3 are one share
    return Disagreement(title, len(rows), rows[order][:most])
