"""How far apart the two images of each pair are, from representations that were computed once, however many pairs an image is in."""

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
    BadInput : representations that are not finite, an unknown metric, a pair of one image with itself or with one there is not.
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
    """Pairs of `count` images as int64 (n, 2). Raises BadInput unless each is of two different images, from 0 to `count` − 1."""
    found = np.asarray(pairs)
    if found.ndim != 2 or found.shape[1] != 2 or not len(found) or found.dtype.kind not in "iu":
        raise BadInput(
            f"pairs: got {found.dtype} of shape {found.shape}; expected two images for each pair, (pairs, 2)"
        )
    if found.min() < 0 or found.max() >= count:
        raise BadInput(
            f"pairs: image {found.max() if found.max() >= count else found.min():,} is not there; expected 0 to {count - 1:,}"
        )
    alone = np.flatnonzero(found[:, 0] == found[:, 1])
    if len(alone):
        raise BadInput(
            f"pairs: {len(alone):,} of {len(found):,} are of one image with itself (the first is image {found[alone[0], 0]:,}), "
            "which are at no distance whatever the network; give two images each"
        )
    return found.astype(np.int64)
