"""Accuracy by resolution: how well the images of each size are answered."""

from typing import Any

import numpy as np

from smallvision.metrics.intervals import wilson

ROWS = 12  # sizes that have a row each; of more, neighbours by area are taken together
BANDS = 8


def by_size(labels: np.ndarray, predictions: np.ndarray, sizes: np.ndarray) -> list[dict[str, Any]]:
    """A row for each size, smallest area first; of more than ROWS sizes, for BANDS bands of areas with about as many
    images.

    Parameters
    ----------
    labels, predictions : int64 (N,).
    sizes : int64 (N, 2), height and width of each image.

    Returns
    -------
    list of dict : `smallest` and `largest` [H, W] by area, `count`, `accuracy`, `accuracy_interval` (95 %, Wilson).
    """
    different, which = np.unique(sizes, axis=0, return_inverse=True)
    which, areas = which.reshape(-1), different.prod(axis=1)
    order = np.argsort(areas, kind="stable")
    if len(different) <= ROWS:
        bands = np.arange(len(different))  # of each size in that order
    else:
        seen = np.bincount(which)[order].cumsum()
        bands = np.unique((seen - 1) * BANDS // len(sizes), return_inverse=True)[1]
    band = np.empty(len(different), np.int64)
    band[order] = bands
    rows = []
    for number in range(int(bands.max()) + 1):
        inside = band[which] == number
        mine = order[bands == number]
        right, count = int((labels == predictions)[inside].sum()), int(inside.sum())
        rows.append(
            {
                "smallest": different[mine[0]].tolist(),
                "largest": different[mine[-1]].tolist(),
                "count": count,
                "accuracy": right / count,
                "accuracy_interval": list(wilson(right, count)),
            }
        )
    return rows
