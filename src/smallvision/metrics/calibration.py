"""Calibration: the probability that a pair is of one class, from its distance, and how reliable such probabilities are.

Platt's calibration: a logistic curve over the distance, of greatest likelihood (Platt 1999, "Probabilistic outputs for
support vector machines"). Its targets are not 1 and 0 but those of Laplace's rule, (N₊ + 1) / (N₊ + 2) and 1 / (N₋ +
2), so that the curve is of finite steepness even where distances separate the pairs entirely. It is found by Newton's
method with a step that is halved until the loss falls (Lin, Lin & Weng 2007, "A note on Platt's probabilistic outputs
for support vector machines", Mach. Learn. 68).

A probability holds for pairs of which the same share is of one class as where it was fitted: half, if those were
balanced.
"""

from dataclasses import dataclass

import numpy as np

from smallvision.errors import BadInput
from smallvision.metrics.verification import checked_scores

BINS = 15
STEPS = 100  # of Newton's method, at most; ten are usual
CLOSE = 1e-10  # largest entry of the gradient, a mean over pairs, at which the search ends
SMALLEST = 1e-10  # step that is tried


@dataclass(frozen=True)
class Calibration:
    """A logistic curve: the probability at a distance d is 1 / (1 + exp(−(slope · d + intercept))); slope is below 0 as
    a rule."""

    slope: float
    intercept: float

    def probability(self, distances: np.ndarray) -> np.ndarray:
        """Probability that each pair is of one class, from distances of any shape: float64 of that shape, 0 to 1."""
        from scipy.special import expit

        return np.asarray(expit(self.slope * np.asarray(distances, np.float64) + self.intercept))


@dataclass(frozen=True, eq=False)
class Reliability:
    """What a reliability diagram shows, for at most BINS bins of equally many pairs, by rising probability.

    Parameters
    ----------
    predicted : float64 (bins,), the mean probability.
    observed : float64 (bins,), the share of pairs that are of one class.
    counts : int64 (bins,), pairs; unequal where many have the same probability.
    error : the expected calibration error, from 0 to 1: how far predicted is from observed, a mean over pairs.
    """

    predicted: np.ndarray
    observed: np.ndarray
    counts: np.ndarray
    error: float


def fit(distances: np.ndarray, same: np.ndarray) -> Calibration:
    """Platt's calibration of n pairs.

    Parameters
    ----------
    distances : (n,).
    same : bool (n,), whether a pair is of one class.

    Returns
    -------
    Calibration : of greatest likelihood for Platt's targets; of slope 0 when all distances are equal.

    Raises
    ------
    BadInput : other shapes, distances that are not finite, no pair of one class or none of two.
    """
    values, truth = checked_scores(distances, same)
    of_one, of_two = int(truth.sum()), int((~truth).sum())
    targets = np.where(truth, (of_one + 1) / (of_one + 2), 1 / (of_two + 2))
    centre, width = float(values.mean()), float(values.std())
    # On a scale of its own, so that neither the unit nor an offset of the distances matters to the steps.
    scaled = (values - centre) / width if width > 0 else np.zeros_like(values)
    slope, intercept = _newton(scaled, targets, float(np.log((of_one + 1) / (of_two + 1))))
    slope = slope / width if width > 0 else 0.0
    return Calibration(slope, intercept - slope * centre)


def reliability(probabilities: np.ndarray, same: np.ndarray, bins: int = BINS) -> Reliability:
    """How probabilities of n pairs compare with the truth, in bins of equally many (Nguyen & O'Connor 2015, "Posterior
    calibration and exploratory analysis for natural language processing models").

    Parameters
    ----------
    probabilities : (n,), from 0 to 1, that a pair is of one class.
    same : bool (n,), whether it is.
    bins : how many at most; their limits are quantiles, and pairs of one probability are never parted.

    Raises
    ------
    BadInput : other shapes, no probabilities, no pair of one class or none of two, no bin.
    """
    values, truth = checked_scores(probabilities, same)
    if values.min() < 0 or values.max() > 1:
        raise BadInput(f"probabilities: got {values.min():g} to {values.max():g}; expected 0 to 1")
    if bins < 1:
        raise BadInput(f"bins: got {bins}; expected at least 1")
    limits = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])
    places = np.searchsorted(limits, values)  # a limit belongs to the bin below
    counts = np.bincount(places, minlength=bins)
    filled = counts > 0
    predicted = np.bincount(places, values, bins)[filled] / counts[filled]
    observed = np.bincount(places, truth, bins)[filled] / counts[filled]
    error = float((counts[filled] * np.abs(predicted - observed)).sum() / len(values))
    return Reliability(predicted, observed, counts[filled].astype(np.int64), error)


def _newton(values: np.ndarray, targets: np.ndarray, intercept: float) -> tuple[float, float]:
    """Slope and intercept of least cross-entropy, which is convex, from (0, intercept)."""
    from scipy.special import expit

    inputs = np.stack([values, np.ones_like(values)], axis=1)  # (n, 2)
    curve = np.array([0.0, intercept])
    loss = _entropy(inputs @ curve, targets)
    for _ in range(STEPS):
        probabilities = expit(inputs @ curve)  # (n,)
        gradient = inputs.T @ (probabilities - targets) / len(targets)  # (2,)
        if np.abs(gradient).max() < CLOSE:
            break
        curvature = (inputs.T * (probabilities * (1 - probabilities))) @ inputs / len(targets) + 1e-12 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        part = 1.0
        while part >= SMALLEST and not (tried := _entropy(inputs @ (curve - part * step), targets)) < loss:
            part /= 2
        if part < SMALLEST:  # rounding allows no better curve
            break
        curve, loss = curve - part * step, tried
    return float(curve[0]), float(curve[1])


def _entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    return float((np.logaddexp(0, logits) - targets * logits).mean())
