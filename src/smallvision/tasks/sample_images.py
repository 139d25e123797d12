"""Images that the report of a run shows: chosen ones, the mistakes among them, the first layer's weights."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from smallvision.data.imageset import ImageSet

SHOWN = 20
FILTERS = 64
PANEL = 10  # images of each kind in the panel of an expanded training set
LARGEST_SIDE = 256  # of an image among others of other sizes; larger ones are kept smaller


def chosen(images: ImageSet, predictions: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """The first images, the first mistakes and the most confident mistakes of a split.

    With images of several sizes the first ones are those of each size in turn: in the split's order they would all be
    of the smallest.

    Parameters
    ----------
    images : N images in the split's own order.
    predictions : int64 (N,).
    probabilities : float32 (N, K).

    Returns
    -------
    dict : `first_*`, `mistake_*`, `confident_*`, each `index` int64 (n,) into the split and `pixels` uint8 (n, C, H,
        W); with images of several sizes also `sizes` int64 (n, 2): how much of each is the image, from its upper left.
    """
    labels = images.labels.cpu().numpy()
    wrong = np.flatnonzero(predictions != labels)  # indices of the mistakes, not their number
    confidence = probabilities[wrong, predictions[wrong]]
    by_confidence = wrong[np.argsort(-confidence, kind="stable")]
    picks = {"first": first(images), "mistake": first(images, wrong), "confident": by_confidence[:SHOWN]}
    out = {}
    for name, index in picks.items():
        out[f"{name}_index"] = index.astype(np.int64)
        out |= {f"{name}_{key}": value for key, value in stacked(images, index).items()}
    return out


def first(images: ImageSet, among: np.ndarray | None = None) -> np.ndarray:
    """The first SHOWN rows (of those `among`, ascending), with images of several sizes those of each size in turn."""
    rows = np.arange(len(images)) if among is None else among
    if len(images.groups) == 1:
        return rows[:SHOWN]
    owner = np.searchsorted(np.cumsum([len(group) for group in images.groups]), rows, side="right")
    starts = np.searchsorted(owner, owner)  # where the rows of the same size begin
    return rows[np.lexsort((owner, np.arange(len(rows)) - starts))[:SHOWN]]


def stacked(images: ImageSet, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The `pixels` of some rows, uint8 (n, C, H, W), and their `sizes` int64 (n, 2) when the set has several.

    Then H and W are the largest of the set, at most LARGEST_SIDE, and images lie in the upper left corner.
    """
    if len(images.groups) == 1:
        return {"pixels": images.pixels[torch.from_numpy(rows).to(images.labels.device)].cpu().numpy()}
    small = [_within(height, width) for height, width in images.sizes]
    room = [max(sides) for sides in zip(*small, strict=True)]
    pixels = np.zeros((len(rows), images.largest[0], *room), np.uint8)
    sizes = np.zeros((len(rows), 2), np.int64)
    for place, image in enumerate(_images(images, rows)):
        height, width = sizes[place] = _within(*image.shape[1:])
        pixels[place, :, :height, :width] = _smaller(image, height, width).cpu().numpy()
    return {"pixels": pixels, "sizes": sizes}


def _within(height: int, width: int) -> tuple[int, int]:
    share = min(1.0, LARGEST_SIDE / max(height, width))
    return max(1, round(share * height)), max(1, round(share * width))


def _smaller(image: Tensor, height: int, width: int) -> Tensor:
    if image.shape[1:] == (height, width):
        return image
    small = functional.interpolate(
        image[None].float(), (height, width), mode="bilinear", antialias=True, align_corners=False
    )
    return small[0].round().clamp(0, 255).to(torch.uint8)


def _images(images: ImageSet, rows: Sequence[int] | np.ndarray) -> list[Tensor]:
    """Each row's own pixels (C, H, W)."""
    ends = np.cumsum([len(group) for group in images.groups])
    owner = np.searchsorted(ends, rows, side="right")
    return [images.groups[g][int(row - ends[g] + len(images.groups[g]))] for g, row in zip(owner, rows, strict=True)]


def panel(train: ImageSet, kinds: int) -> Tensor:
    """The first images of each kind that an expanded training set consists of, uint8 (kinds, n, C, H, W)."""
    group = max(train.groups, key=len)
    return group.reshape(kinds, -1, *group.shape[1:])[:, :PANEL]


def filters(model: nn.Module, shape: tuple[int, int, int]) -> np.ndarray:
    """The first layer's weights as pictures: a convolution's kernels, or a dense layer's rows in the image's shape.

    Returns
    -------
    np.ndarray : float32 (F, C, kh, kw), at most FILTERS of them; (0, C, 1, 1) for a network that has neither.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            return module.weight.detach()[:FILTERS].float().cpu().contiguous().numpy()
        if isinstance(module, nn.Linear) and module.in_features == shape[0] * shape[1] * shape[2]:
            return module.weight.detach()[:FILTERS].reshape(-1, *shape).float().cpu().numpy()
    return np.zeros((0, shape[0], 1, 1), np.float32)
