"""The dimensions of a representation: which are constant, which duplicate another one, and how many are really used."""

from dataclasses import dataclass

import numpy as np

from smallvision.metrics.features import checked

SAME = 0.999  # absolute correlation above which one dimension duplicates another
CONSTANT = 1e-6  # range of a dimension, as a share of its largest value, that rounding alone can make of a constant


@dataclass(frozen=True, eq=False)
class Dimensions:
    """The D dimensions of a representation, measured on N images.

    Parameters
    ----------
    dead : bool (D,), see `dead`.
    duplicate_of : int64 (D,), see `duplicates`.
    effective_rank : 0 to min(N - 1, D), see `effective_rank`.
    spectrum : float64 (min(N, D),), see `spectrum`.
    """

    dead: np.ndarray
    duplicate_of: np.ndarray
    effective_rank: float
    spectrum: np.ndarray


def measure(features: np.ndarray) -> Dimensions:
    """All figures of features (N, D). Raises BadInput when they are not numbers, or not finite."""
    values = checked("features", features)
    sigma = _singular_values(values)
    return Dimensions(dead(values), duplicates(values), _rank(sigma), _shares(sigma))


def dead(features: np.ndarray) -> np.ndarray:
    """Which dimensions are the same for every image, but for the rounding of floats: bool (D,)."""
    values = checked("features", features)
    low, high = values.min(0).astype(np.float64), values.max(0).astype(np.float64)
    return np.asarray(high - low <= CONSTANT * np.maximum(np.abs(low), np.abs(high)))


def duplicates(features: np.ndarray, same: float = SAME) -> np.ndarray:
    """Which dimensions duplicate an earlier one: the absolute value of their correlation (Pearson's) exceeds `same`.

    Parameters
    ----------
    features : (N, D).
    same : between 0 and 1.

    Returns
    -------
    np.ndarray : int64 (D,), the first such earlier dimension, or -1 where there is none. Dead dimensions have no
        correlation: they are -1, and no other dimension is a duplicate of them.
    """
    values = checked("features", features)
    living = np.flatnonzero(~dead(values))
    out = np.full(values.shape[1], -1, np.int64)
    if len(living):
        some = values[:, living].astype(np.float64)
        some -= some.mean(0)
        some /= np.linalg.norm(some, axis=0)
        earlier = np.triu(np.abs(some.T @ some) > same, 1)  # [i, j]: j duplicates i < j
        duplicate = earlier.any(0)
        out[living[duplicate]] = living[earlier.argmax(0)[duplicate]]
    return out


def effective_rank(features: np.ndarray) -> float:
    """How many directions the features really use (Roy & Vetterli 2007, "The effective rank", EUSIPCO).

    exp(− Σ p ln p), p being the singular values of the features less their mean, divided by their sum: D when all
    directions are as wide, 1 when there is one, 0 when every image has the same features.
    """
    return _rank(_singular_values(checked("features", features)))


def spectrum(features: np.ndarray) -> np.ndarray:
    """The share of the variance that each principal component explains: float64 (min(N, D),), descending, sums to 1.

    Zeros when every image has the same features.
    """
    return _shares(_singular_values(checked("features", features)))


def _singular_values(values: np.ndarray) -> np.ndarray:
    """Singular values of the centred features, descending; 0 for dead dimensions."""
    centred = values - values.mean(0, dtype=np.float64)
    centred[:, dead(values)] = 0
    return np.asarray(np.linalg.svd(centred, compute_uv=False))


def _rank(sigma: np.ndarray) -> float:
    if not sigma[0] > 0:
        return 0.0
    shares = sigma[sigma > 0] / sigma.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _shares(sigma: np.ndarray) -> np.ndarray:
    scaled = (sigma / sigma[0] if sigma[0] > 0 else sigma) ** 2
    return np.asarray(scaled / scaled.sum() if sigma[0] > 0 else scaled)
