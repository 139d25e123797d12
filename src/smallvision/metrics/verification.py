"""How well scores separate pairs of one class from pairs of two: the ROC curve, and every figure that is read from it.

A score is the larger the more alike two images are: a probability, or a distance with its sign changed. A pair is
accepted, said to be of one class, from a threshold on. The share of pairs of one class that are accepted is the
true-accept rate, that of pairs of two classes the false-accept rate (ISO/IEC 19795-1; the ROC curve as in Fawcett 2006,
"An introduction to ROC analysis", Pattern Recognition Letters 27). Pairs may have weights, as many sets of them at once
as a bootstrap needs.
"""

from dataclasses import dataclass

import numpy as np

from smallvision.errors import BadInput

# Rates of false accepts at which true accepts are reported, and how many pairs of two classes that takes.
FALSE_ACCEPTS = {0.01: 1_000, 0.001: 100_000}


@dataclass(frozen=True, eq=False)
class Roc:
    """Rates at every threshold where they change, from accepting no pair to accepting all.

    Parameters
    ----------
    false_accepts : float64 (..., T), of pairs of two classes, ascending from 0 to 1.
    true_accepts : float64 (..., T), of pairs of one class, ascending from 0 to 1.
    thresholds : float64 (T,), the score from which pairs are accepted, descending; the first is just above every score.
    """

    false_accepts: np.ndarray
    true_accepts: np.ndarray
    thresholds: np.ndarray


@dataclass(frozen=True)
class Verification:
    """Figures of a set of pairs, all shares from 0 to 1.

    Parameters
    ----------
    pairs, same : how many pairs, and how many of them of one class.
    threshold : from which score pairs were accepted.
    accuracy, false_accept, true_accept : at this threshold.
    auc : area under the ROC curve.
    equal_error : where false accepts and false rejects are equally many.
    true_accept_at : {false-accept rate: true-accept rate}, for those of FALSE_ACCEPTS for which there are enough pairs.
    """

    pairs: int
    same: int
    threshold: float
    accuracy: float
    false_accept: float
    true_accept: float
    auc: float
    equal_error: float
    true_accept_at: dict[float, float]


def measure(scores: np.ndarray, same: np.ndarray, threshold: float) -> Verification:
    """All figures of pairs; `threshold` was chosen on others. Arguments and errors otherwise as `roc`."""
    curve = roc(scores, same)
    count, of_one = len(np.asarray(same)), int(np.asarray(same).sum())
    false, true = rates_at(curve, threshold)
    return Verification(
        pairs=count,
        same=of_one,
        threshold=float(threshold),
        accuracy=float(accuracy(curve, threshold, of_one / count)),
        false_accept=float(false),
        true_accept=float(true),
        auc=float(auc(curve)),
        equal_error=float(equal_error(curve)[0]),
        true_accept_at={
            rate: float(true_accept_at(curve, rate)) for rate, least in FALSE_ACCEPTS.items() if count - of_one >= least
        },
    )


def roc(scores: np.ndarray, same: np.ndarray, weights: np.ndarray | None = None) -> Roc:
    """The curve of n pairs; pairs with equal scores are accepted together.

    Parameters
    ----------
    scores : (n,), the larger the more alike.
    same : bool (n,), whether a pair is of one class.
    weights : (..., n), not negative, how often each pair counts; None for once. Where all of a kind are 0, its rates
        are NaN.

    Raises
    ------
    BadInput : other shapes, scores that are not finite, no pair of one class or none of two.
    """
    values, truth = checked_scores(scores, same)
    order = np.argsort(-values, kind="stable")
    values, truth = values[order], truth[order]
    ends = np.flatnonzero(np.append(values[1:] != values[:-1], True))  # the last of each score
    often = np.ones(len(values)) if weights is None else np.asarray(weights)[..., order]
    accepted = []
    for kind in (~truth, truth):
        sums = np.cumsum(often[..., kind], axis=-1, dtype=np.float64)
        sums = np.concatenate([np.zeros_like(sums[..., :1]), sums], axis=-1)
        upto = np.concatenate([[0], np.cumsum(kind)[ends]])  # pairs of the kind so far
        with np.errstate(invalid="ignore"):
            accepted.append(sums[..., upto] / sums[..., -1:])
    return Roc(accepted[0], accepted[1], np.concatenate([[np.nextafter(values[0], np.inf)], values[ends]]))


def auc(curve: Roc) -> np.ndarray:
    """The area under the curve by trapezoids: the chance that a pair of one class scores higher than one of two, ties
    half. (...)."""
    widths = np.diff(curve.false_accepts)
    return np.asarray((widths * (curve.true_accepts[..., 1:] + curve.true_accepts[..., :-1])).sum(-1) / 2)


def equal_error(curve: Roc) -> tuple[np.ndarray, np.ndarray]:
    """Where as large a share is falsely accepted as falsely rejected, between two points of the curve by a straight
    line.

    Returns
    -------
    tuple of np.ndarray : the rate, and the threshold, both (...).
    """
    excess = curve.false_accepts + curve.true_accepts - 1  # ascends from -1 to 1
    after = np.argmax(excess >= 0, axis=-1)[..., None]
    before = np.maximum(after - 1, 0)  # only where all is NaN are both the first point

    def between(values: np.ndarray) -> np.ndarray:
        low, high = np.take_along_axis(values, before, -1), np.take_along_axis(values, after, -1)
        return np.asarray((low + part * (high - low))[..., 0])

    low, high = np.take_along_axis(excess, before, -1), np.take_along_axis(excess, after, -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        part = -low / (high - low)
    return between(curve.false_accepts), between(np.broadcast_to(curve.thresholds, excess.shape))


def true_accept_at(curve: Roc, false_accept: float) -> np.ndarray:
    """The largest true-accept rate with no more false accepts than this share of the pairs of two classes. (...)."""
    return _at(curve.true_accepts, _last(curve, false_accept))


def threshold_at(curve: Roc, false_accept: float) -> float:
    """The lowest threshold, of one curve (T,), with no more false accepts than this share, 0 to 1; where none is low
    enough, above all."""
    return float(curve.thresholds[int(_last(curve, false_accept))])


def rates_at(curve: Roc, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """False-accept and true-accept rate, both (...), when pairs are accepted whose score is at least the threshold."""
    last = int(np.searchsorted(-curve.thresholds, -threshold, side="right")) - 1
    # Above the first threshold nothing is accepted either.
    place = np.full(curve.false_accepts.shape[:-1], max(last, 0))
    return _at(curve.false_accepts, place), _at(curve.true_accepts, place)


def accuracy(curve: Roc, threshold: float, same: float = 0.5) -> np.ndarray:
    """The share of pairs that are judged correctly at a threshold, (...), where `same` is the share of pairs that are
    of one class."""
    false, true = rates_at(curve, threshold)
    return same * true + (1 - same) * (1 - false)


def checked_scores(scores: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores as float64 (n,) and same as bool (n,). Raises BadInput unless they fit, are finite, and there are pairs of
    either kind."""
    values, truth = np.asarray(scores), np.asarray(same)
    if values.ndim != 1 or values.dtype.kind not in "fiu" or truth.shape != values.shape or truth.dtype != np.bool_:
        raise BadInput(
            f"scores, same: got {values.dtype} of shape {values.shape} and {truth.dtype} of shape {truth.shape}; "
            "expected a number and a boolean for each pair"
        )
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise BadInput(f"scores: {bad:,} of {len(values):,} pairs have scores that are not finite")
    if truth.all() or not truth.any():
        raise BadInput(
            f"same: {int(truth.sum()):,} of {len(truth):,} pairs are of one class; expected pairs of one class and "
            "pairs of two"
        )
    return values.astype(np.float64), truth


def _last(curve: Roc, false_accept: float) -> np.ndarray:
    return np.asarray((curve.false_accepts <= false_accept).sum(-1) - 1)


def _at(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    return np.asarray(np.take_along_axis(values, places[..., None], -1)[..., 0])
