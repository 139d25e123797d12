"""Batches out of images that already lie on the device: a gather of bytes, then float in [0, 1]."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from smallvision.data.images import ImageSet


@dataclass(frozen=True, eq=False)
class Batch:
    """What a step sees.

    Parameters
    ----------
    pixels : float32 (B, C, H, W) in [0, 1].
    labels : int64 (B,).
    ids : int64 (B, 2), see ImageSet.
    target : what is to be learned when it is not the label (clean pixels), else None.
    mask : where pixels are padding, else None.
    """

    pixels: Tensor
    labels: Tensor
    ids: Tensor
    target: Tensor | None = None
    mask: Tensor | None = None


def epoch(images: ImageSet, rows: Iterable[Tensor]) -> Iterator[Batch]:
    """The batches of one epoch.

    Parameters
    ----------
    images : of one size.
    rows : int64 indices, one tensor per batch, as from `orders`.

    Raises
    ------
    BadInput : images of several sizes.
    """
    pixels = images.pixels
    for row in rows:
        yield Batch(
            pixels=as_float(pixels.index_select(0, row)),
            labels=images.labels.index_select(0, row),
            ids=images.ids.index_select(0, row),
        )


def as_float(pixels: Tensor) -> Tensor:
    """uint8 -> float32 in [0, 1]; 0 is exactly 0 and 255 exactly 1."""
    return pixels.to(torch.float32).div_(255)
