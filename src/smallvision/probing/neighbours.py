"""The training images nearest to an image: shown for a query of each class, and counted over all images."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from smallvision.data.imageset import ImageSet
from smallvision.metrics import neighbours
from smallvision.runs.probe_arrays import NEIGHBOURS, QUERIES
from smallvision.tasks import sample_images

AT = (1, NEIGHBOURS)
LARGEST_SIDE = 128  # of a picture; larger pictures are made smaller


@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest training images by cosine: distances float64 (N, near) and indices int64 (N, near)."""

    distances: np.ndarray
    indices: np.ndarray


def nearest(shown: np.ndarray, train: np.ndarray) -> Nearest:
    """The NEIGHBOURS nearest training images, fewer where there are fewer, of features (N, D) among (M, D)."""
    return Nearest(*neighbours.nearest(shown, train, min(NEIGHBOURS, len(train)), "cosine"))


def precision(found: Nearest, shown: np.ndarray, train: np.ndarray) -> dict[str, float]:
    """The share of the nearest 1 and 8 training images that are of the image's class: {"1": .., "8": ..}.

    Parameters
    ----------
    shown, train : labels int64 (N,) and (M,). With fewer than 8 training images all of them are the nearest.
    """
    same = train[found.indices] == shown[:, None]  # (N, near)
    return {str(k): float(same[:, :k].mean()) for k in AT}


def queries(labels: np.ndarray, classes: int) -> np.ndarray:
    """Rows int64 (Q,) of the first image of each class that has one, of QUERIES classes at most."""
    first = [np.flatnonzero(labels == label)[:1] for label in range(classes)]
    return np.concatenate(first).astype(np.int64)[:QUERIES]


def pictures(asked: np.ndarray, found: dict[str, Nearest], shown: ImageSet, train: ImageSet) -> dict[str, np.ndarray]:
    """The queries and their neighbours as pictures, with labels and distances.

    Parameters
    ----------
    asked : rows int64 (Q,) of the shown images.
    found : source -> the neighbours of all images shown.

    Returns
    -------
    dict : `query_index`, `query_pixels` uint8 (Q, C, H, W), and for each source `neighbours_<source>_pixels` uint8
        (Q, near, C, H, W), `_labels` int64 and `_distances` float64 (Q, near).
    """
    labels = train.labels.numpy()
    stacks = {"query_pixels": sample_images.stacked(shown, asked)["pixels"]}
    out = {"query_index": asked}
    for name, some in found.items():
        rows = some.indices[asked]  # (Q, near)
        stacks[f"neighbours_{name}_pixels"] = sample_images.stacked(train, rows.reshape(-1))["pixels"]
        out |= {f"neighbours_{name}_labels": labels[rows], f"neighbours_{name}_distances": some.distances[asked]}
    size = [max(stack.shape[axis] for stack in stacks.values()) for axis in (2, 3)]
    for name, stack in stacks.items():
        padded = np.pad(stack, ((0, 0), (0, 0), (0, size[0] - stack.shape[2]), (0, size[1] - stack.shape[3])))
        small = shrunk(padded, LARGEST_SIDE)
        out[name] = small if name == "query_pixels" else small.reshape(len(asked), -1, *small.shape[1:])
    return out


def shrunk(pixels: np.ndarray, side: int) -> np.ndarray:
    """Images uint8 (n, C, H, W), made smaller if a side is longer than `side`."""
    height, width = pixels.shape[2:]
    share = side / max(height, width)
    if share >= 1 or not len(pixels):
        return pixels
    size = max(1, round(share * height)), max(1, round(share * width))
    small = functional.interpolate(
        torch.from_numpy(pixels).float(), size, mode="bilinear", antialias=True, align_corners=False
    )
    return small.round().clamp(0, 255).to(torch.uint8).numpy()
