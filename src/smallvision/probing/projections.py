"""Two-dimensional maps of the images, and how well the classes can be told apart in them."""

import importlib.util
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from smallvision.data.imageset import ImageSet
from smallvision.data.seeds import mix, permutation
from smallvision.errors import BadInput
from smallvision.metrics import neighbours, projections
from smallvision.probing.neighbours import shrunk
from smallvision.runs.probe_arrays import THUMBS
from smallvision.tasks import sample_images

VOTERS = 10
THUMB_SIDE = 48
_ON_MAP, _THUMBS = 13, 14  # seeds of two independent draws


def refuse_missing(kinds: Sequence[str]) -> None:
    """Raise BadInput for a map whose library is not installed, before anything is computed."""
    if "umap" in kinds and importlib.util.find_spec("umap") is None:
        raise BadInput(
            'maps: "umap" needs umap-learn, which is not installed; install it with pip install "smallvision[maps]", '
            "or use tsne"
        )


def chosen(count: int, most: int, seed: int) -> np.ndarray:
    """The rows of the images on the maps, int64 (M,), ascending: at most `most` of `count` images."""
    return np.sort(permutation(count, mix(seed, _ON_MAP))[:most])


def draw(
    kind: str, source: str, features: np.ndarray, labels: np.ndarray, seed: int
) -> tuple[dict[str, Any], np.ndarray]:
    """One map.

    Parameters
    ----------
    features, labels : (M, D) and int64 (M,) of the images on it.

    Returns
    -------
    tuple : its entry in probe.json; float32 (M, 2).
    """
    began = time.perf_counter()
    places = projections.project(kind, features, seed)
    seconds = time.perf_counter() - began
    return {
        "kind": kind,
        "source": source,
        "images": len(places),
        "seconds": seconds,
        "neighbours": vote(places, labels),
    }, places


def vote(places: np.ndarray, labels: np.ndarray) -> float:
    """The share of images, 0 to 1, whose 10 nearest neighbours on a map vote for their class.

    Parameters
    ----------
    places : (M, 2), M >= 2; with fewer than 11 images all other images vote.
    labels : int64 (M,).
    """
    count = len(places)
    k = min(VOTERS, count - 1)
    near = neighbours.nearest(places, places, k + 1)[1]  # (M, k + 1), itself mostly among them
    others = near != np.arange(count)[:, None]
    others[others.all(1), -1] = False  # of several images in one place, the image itself may be missing
    return float((neighbours.votes(labels, near[others].reshape(count, k)) == labels).mean())


def thumbs(images: ImageSet, on_map: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Pictures for the maps: `map_index`; `thumb_index` int64 (T,) into it, ascending; `thumbs` uint8 (T, C, H, W)."""
    some = np.sort(permutation(len(on_map), mix(seed, _THUMBS))[:THUMBS])
    pixels = sample_images.stacked(images, on_map[some])["pixels"]
    return {"map_index": on_map, "thumb_index": some, "thumbs": shrunk(pixels, THUMB_SIDE)}
