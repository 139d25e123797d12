"""Batches out of images that already lie on the device: a gather of bytes, then float in [0, 1].

Images of several sizes that share a batch (see data/batching/buckets.py) are padded with zeros below and to the right, up to the
largest of the batch, and a mask says which pixels are an image's own.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from smallvision.data.load import ImageSet

SCORED, SCORED_PIXELS = 1000, 2**22  # images scored at a time, fewer when they are larger than 64x64 gray
GATHERED = 2**19  # pixels gathered at once, at least: 2 MB as floats


@dataclass(frozen=True, eq=False)
class Batch:
    """What a step sees.

    Parameters
    ----------
    pixels : float32 (B, C, H, W) in [0, 1].
    labels : int64 (B,).
    ids : int64 (B, 2), see ImageSet.
    target : what is to be learned when it is not the label (clean pixels), else None.
    mask : bool (B, 1, H, W), True in the upper left corner, where pixels are the image's own, False where they are
        padding, which is 0; None where nothing is padded.
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
    images : of one size, or of several.
    rows : int64 indices, one tensor per batch, as from `orders`.
    """
    return _of_one_size(images, rows) if len(images.groups) == 1 else _of_several(images, rows)


def in_order(images: ImageSet) -> list[Tensor]:
    """Rows for scoring: all images in order, SCORED at a time, those of one size together; of several sizes on the CPU, see `epoch`."""
    rows: list[Tensor] = []
    start = 0
    device = images.labels.device if len(images.groups) == 1 else None
    for group in images.groups:
        at_once = max(1, min(SCORED, SCORED_PIXELS // group[0].numel()))
        rows += torch.split(torch.arange(start, start + len(group), device=device), at_once)
        start += len(group)
    return rows


def _of_one_size(images: ImageSet, rows: Iterable[Tensor]) -> Iterator[Batch]:
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


def _of_several(images: ImageSet, rows: Iterable[Tensor]) -> Iterator[Batch]:
    starts = np.cumsum([0, *map(len, images.groups)])
    device = images.labels.device
    for row in rows:
        indices = row.cpu().numpy()
        owner = np.searchsorted(starts, indices, side="right") - 1  # (B,), the group of each image
        inside = torch.from_numpy(indices - starts[owner])
        there = row.to(device)
        labels, ids = images.labels.index_select(0, there), images.ids.index_select(0, there)
        if (owner == owner[0]).all():
            bytes_ = images.groups[owner[0]].index_select(0, inside.to(device))
            yield Batch(as_float(bytes_), labels, ids)
        else:
            bytes_, mask = _padded(images.groups, owner, inside)
            yield Batch(as_float(bytes_), labels, ids, mask=mask)


def _padded(groups: Sequence[Tensor], owner: np.ndarray, inside: Tensor) -> tuple[Tensor, Tensor]:
    """uint8 (B, C, H, W), each image in the upper left corner, and the mask (B, 1, H, W) of the images' own pixels."""
    present = np.unique(owner)
    height, width = (max(groups[g].shape[axis] for g in present) for axis in (2, 3))
    first = groups[present[0]]
    pixels = first.new_zeros((len(owner), first.shape[1], height, width))
    mask = torch.zeros((len(owner), 1, height, width), dtype=torch.bool, device=first.device)
    for g in present:
        places = np.flatnonzero(owner == g)
        tall, wide = groups[g].shape[2:]
        if len(places) == 1:  # a view, so that it is copied once
            pixels[places[0], :, :tall, :wide] = groups[g][int(inside[places[0]])]
            mask[places[0], :, :tall, :wide] = True
        else:
            which = torch.from_numpy(places).to(first.device)
            pixels[which, :, :tall, :wide] = groups[g].index_select(0, inside[places].to(first.device))
            mask[which, :, :tall, :wide] = True
    return pixels, mask


def as_float(pixels: Tensor) -> Tensor:
    """uint8 -> float32 in [0, 1]; 0 is exactly 0 and 255 exactly 1."""
    return pixels.to(torch.float32).div_(255)
