"""Figures from a verifier's pairs for its report: the ROC curve, the distance at the threshold, the effect of chance on
ECE."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np

POINTS = 200  # along each axis, at which a curve is kept: as many as a figure can show


@dataclass(frozen=True, eq=False)
class Curve:
    """True accepts over false accepts (Fawcett 2006, "An introduction to ROC analysis"), from accepting no pair to
    accepting all.

    Parameters
    ----------
    false_accepts, true_accepts : float64 (T,), shares of the pairs of two classes and of one, ascending from 0 to 1.
    of_two : how many pairs of two classes there are; a rate below 1 / of_two is none.
    """

    false_accepts: np.ndarray
    true_accepts: np.ndarray
    of_two: int

    @property
    def equal(self) -> float:
        """The rate at which as large a share is falsely accepted as falsely rejected, between two points by a straight
        line.
        """
        excess = self.false_accepts + self.true_accepts - 1  # ascends from -1 to 1
        return float(np.interp(0.0, excess, self.false_accepts))

    @property
    def least(self) -> float:
        """Where a logarithmic axis of false accepts begins: half of what a single pair would make."""
        return 0.5 / self.of_two

    def thinned(self) -> "Curve":
        """The curve with no more points than can be seen, as close on a logarithmic axis as on a linear one."""
        wanted = np.unique(np.concatenate([np.linspace(0, 1, POINTS), np.geomspace(self.least, 1, POINTS)]))
        along = np.searchsorted(self.false_accepts, wanted, side="right") - 1
        up = np.searchsorted(self.true_accepts, np.linspace(0, 1, POINTS), side="left")
        kept = np.unique(np.concatenate([along, up, [0, len(self.false_accepts) - 1]]))
        between = np.interp(wanted, self.false_accepts, self.true_accepts)  # where pairs have one probability
        false, true = (
            np.concatenate([self.false_accepts[kept], wanted]),
            np.concatenate([self.true_accepts[kept], between]),
        )
        order = np.lexsort((true, false))
        return Curve(false[order], true[order], self.of_two)


def curve(probabilities: np.ndarray, same: np.ndarray) -> Curve:
    """The curve of n pairs; pairs with equal probabilities are accepted together.

    Parameters
    ----------
    probabilities : float (n,), or any score that is the larger the more alike.
    same : 0 or 1 (n,), whether a pair is of one class; at least one of either.
    """
    order = np.argsort(-probabilities, kind="stable")
    values, truth = probabilities[order], same[order] == 1
    ends = np.flatnonzero(np.append(values[1:] != values[:-1], True))  # the last of each probability
    false, true = (np.concatenate([[0.0], np.cumsum(kind)[ends] / kind.sum()]) for kind in (~truth, truth))
    return Curve(false, true, int((~truth).sum()))


def threshold_score(verifier: Mapping[str, Any]) -> float | None:
    """The head's score from which a pair is said to be of one class.

    None where no such score is: the probability does not rise with the score, or the threshold is 0 or 1.

    Parameters
    ----------
    verifier : of result.json: `slope` and `intercept` of the logistic curve, and `threshold`, a probability.
    """
    slope, intercept, threshold = (float(verifier[key]) for key in ("slope", "intercept", "threshold"))
    if slope <= 0 or not 0 < threshold < 1:
        return None
    return (log(threshold / (1 - threshold)) - intercept) / slope


def threshold_distance(verifier: Mapping[str, Any]) -> float | None:
    """The distance up to which a pair is said to be of one class, where the head's score is minus the distance; None as
    above.
    """
    score = threshold_score(verifier)
    return None if score is None else -score


def chance_error(reliability: np.ndarray) -> float:
    """The calibration error to be expected of probabilities that are right, by chance alone, from 0 to 1.

    In a bin of n pairs with the mean probability p the number of one class is taken to be binomial; its mean distance
    from n p is 2 m (1 - p) P(m) for m = floor(n p) + 1 (de Moivre 1730; Diaconis & Zabell 1991, "Closed form summation
    for classical distributions", Statist. Sci. 6). Pairs that share an image vary more, so this is a lower limit.

    Parameters
    ----------
    reliability : float64 (bins, 3), mean probability, share of one class, pairs.
    """
    from scipy.stats import binom

    likely, counts = reliability[:, 0].clip(0, 1), reliability[:, 2]
    middle = np.minimum(np.floor(counts * likely) + 1, counts)
    off = 2 * middle * (1 - likely) * binom.pmf(middle, counts, likely)  # (bins,), pairs
    return float(off.sum() / counts.sum())


def surest(probabilities: np.ndarray, same: np.ndarray) -> tuple[float, float]:
    """How sure the answers of n pairs are on average, from 0.5 to 1, and what share of them is right, "same" from one
    half on.
    """
    sure = np.maximum(probabilities, 1 - probabilities)
    return float(sure.mean()), float(((probabilities >= 0.5) == (same == 1)).mean())
