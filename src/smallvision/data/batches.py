"""Batches out of images that already lie on the device: a gather of bytes, then float in [0, 1]."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from smallvision.data.images import ImageSet

GATHERED = 2**19                                     # pixels gathered at once, at least: 2 MB as floats


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
    size = pixels[:1].numel()
    for some in _together(rows, size):
        sizes, every = [len(row) for row in some], torch.cat(some)
        parts = zip(
            as_float(pixels.index_select(0, every)).split(sizes),  # type: ignore[no-untyped-call]
            images.labels.index_select(0, every).split(sizes),  # type: ignore[no-untyped-call]
            images.ids.index_select(0, every).split(sizes),  # type: ignore[no-untyped-call]
            strict=True,
        )
        for part, labels, ids in parts:
            yield Batch(pixels=part, labels=labels, ids=ids)


def _together(rows: Iterable[Tensor], size: int) -> Iterator[list[Tensor]]:
    """Rows of several small batches at a time: one gather for all of them costs little more than one for each."""
    some: list[Tensor] = []
    for row in rows:
        some.append(row)
        if sum(map(len, some)) * size >= GATHERED:
            yield some
            some = []
    if some:
        yield some


def as_float(pixels: Tensor) -> Tensor:
    """uint8 -> float32 in [0, 1]; 0 is exactly 0 and 255 exactly 1."""
    return pixels.to(torch.float32).div_(255)
