"""Distances of the two images of each pair, from representations that were computed once, however many pairs an image
is in."""

import numpy as np
import torch
from torch.nn import functional

from smallvision.errors import BadInput
from smallvision.metrics.features import checked
from smallvision.metrics.neighbours import ELEMENTS, METRICS


def pair_distances(representations: np.ndarray, pairs: np.ndarray, metric: str = "euclidean") -> np.ndarray:
    """Distances of pairs, in doubles.

    Parameters
    ----------
    representations : (N, D), float32 or float64.
    pairs : int64 (n, 2), rows of `representations`.
    metric : "euclidean", or "cosine": 1 − cos of the angle, 0 to 2, and 1 for a vector of zeros.

    Returns
    -------
    np.ndarray : float64 (n,).

    Raises
    ------
    BadInput : representations that are not finite, an unknown metric, a pair of one image with itself or with one there
        is not.
    """
    if metric not in METRICS:
        raise BadInput(f'metric: got "{metric}"; known: {", ".join(METRICS)}')
    rows = torch.from_numpy(checked("representations", representations)).double()
    which = torch.from_numpy(checked_pairs(pairs, len(rows)))
    if metric == "cosine":  # of length one, each image once; zeros stay as they are
        rows = functional.normalize(rows, eps=torch.finfo(torch.float64).tiny)
    out = torch.empty(len(which), dtype=torch.float64)
    at_once = max(1, ELEMENTS // rows.shape[1])
    for start in range(0, len(which), at_once):
        one, other = which[start : start + at_once].T
        out[start : start + at_once] = METRICS[metric](rows[one], rows[other])
    return out.numpy()


def checked_pairs(pairs: np.ndarray, count: int) -> np.ndarray:
    """Pairs of `count` images as int64 (n, 2). Raises BadInput unless each is of two different images, from 0 to
    `count` − 1."""
    given = np.asarray(pairs)
    if given.ndim != 2 or given.shape[1] != 2 or not len(given) or given.dtype.kind not in "iu":
        raise BadInput(
            f"pairs: got {given.dtype} of shape {given.shape}; expected two images for each pair, (pairs, 2)"
        )
    if given.min() < 0 or given.max() >= count:
        raise BadInput(
            f"pairs: image {given.max() if given.max() >= count else given.min():,} does not exist; expected 0 to "
            f"{count - 1:,}"
        )
    alone = np.flatnonzero(given[:, 0] == given[:, 1])
    if len(alone):
        raise BadInput(
            f"pairs: {len(alone):,} of {len(given):,} are of one image with itself (the first is image "
            f"{given[alone[0], 0]:,}), so their distance is 0 for every network; use two different images in every "
            "pair"
        )
    return given.astype(np.int64)
