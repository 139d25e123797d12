"""The images behind a difference: those that one side alone gets right, that depend on the seed, or that no run gets
right.

Two accuracies that are alike can hide thousands of images on which the networks disagree; these are the images to look
at. Where images have no right answer but a number each (a squared error), they are those on which the numbers are
furthest apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallvision.comparison.predictions import AlignedPredictions

MOST = 20


@dataclass(frozen=True)
class Disagreement:
    """Images of one kind."""

    title: str
    total: int
    rows: NDArray[np.int64]  # the first of them, the clearest first; indices into `AlignedPredictions`


def disagreements(answers: AlignedPredictions, a: str, b: str, most: int = MOST) -> tuple[Disagreement, ...]:
    """The images on which two sides disagree, which change with the seed, and which all runs of both get wrong.

    A side gets an image right when more than half of its runs do, and wrong when more than half do not: with an even
    number of runs an image can be neither. The clearest come first: those on which the sides' shares of right answers
    are furthest apart (for the seed: nearest to one half), and of equals the one whose id is lowest.

    Where each image has a number and no right answer, a side is better on the images on which the mean over its runs
    is; those on which the means are furthest apart come first. No other kind exists there.

    Parameters
    ----------
    answers : of both sides at least.
    a, b : two sides.
    most : rows kept of each kind, 0 or more.

    Returns
    -------
    tuple of Disagreement : right in `a` and wrong in `b`; the other way round; where a side has several runs, those
        that some runs of a side get right and others wrong; wrong in every run of both sides. Of numbers: better in
        `a`, and better in `b`.
    """
    if answers.values is not None:
        return _by_value(answers.values, a, b, answers.metric.higher, most)
    shares = {side: answers.correct(side).mean(0) for side in (a, b)}  # (N,) each
    gap = shares[a] - shares[b]
    found = [
        _kind(f"{one} right, {other} wrong", (shares[one] > 0.5) & (shares[other] < 0.5), sign * gap, most)
        for one, other, sign in ((a, b, 1), (b, a, -1))
    ]
    if max(len(answers.predictions[side]) for side in (a, b)) > 1:
        unsure = np.maximum(
            *(0.5 - np.abs(shares[side] - 0.5) for side in (a, b))
        )  # 0: all runs alike, 0.5: half and half
        found.append(_kind("changes with the seed", unsure > 0, unsure, most))
    mean = (shares[a] + shares[b]) / 2
    return (*found, _kind("wrong in every run", mean == 0, -mean, most))


def _by_value(
    values: Mapping[str, NDArray[np.float64]], a: str, b: str, higher: bool, most: int
) -> tuple[Disagreement, ...]:
    gap = values[a].mean(0) - values[b].mean(0)  # (N,)
    lead = gap if higher else -gap  # above 0 where `a` is better
    return tuple(_first(f"{one} better", sign * lead > 0, sign * lead, most) for one, sign in ((a, 1), (b, -1)))


def _kind(title: str, which: NDArray[np.bool_], clarity: NDArray[np.float64], most: int) -> Disagreement:
    return _first(title, which, clarity.round(9), most)  # 1/3 and 1 - 2/3 are one share


def _first(title: str, which: NDArray[np.bool_], clarity: NDArray[np.float64], most: int) -> Disagreement:
    rows = np.flatnonzero(which)
    order = np.argsort(-clarity[rows], kind="stable")
    return Disagreement(title, len(rows), rows[order][:most])
