"""Batches of images that are already on the device: bytes are gathered, then converted to float in [0, 1].

Images of several sizes that share a batch (see data/batching/buckets.py) are padded with zeros at the bottom and at the
right, up to the largest height and width of the batch, and a mask says which pixels belong to an image.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from smallvision.data.imageset import ImageSet

SCORED, SCORED_PIXELS = 1000, 2**22  # images scored at a time, fewer when they have more pixels than 64x64 gray
GATHERED = 2**19  # pixels gathered at once, at least; 2 MB as floats


@dataclass(frozen=True, eq=False)
class Batch:
    """The images of one training step.

    Parameters
    ----------
    pixels : float32 (B, C, H, W) in [0, 1].
    labels : int64 (B,), the class of each image, 0..K-1.
    targets : what a classifier's loss is taken against, set by transforms that mix images: hard, int64 (B,), or soft,
        float32 (B, K), each row a distribution over the classes. None: the labels.
    mask : bool (B, 1, H, W), True in the upper left corner, where pixels belong to the image, False where they are
        padding, which is 0. None: nothing is padded.
    """

    pixels: Tensor
    labels: Tensor
    targets: Tensor | None = None
    mask: Tensor | None = None


def epoch(images: ImageSet, rows: Iterable[Tensor]) -> Iterator[Batch]:
    """The batches of one epoch.

    Parameters
    ----------
    images : of one size or of several.
    rows : int64 indices, one tensor per batch, as the functions of `samplers` return them.
    """
    return _of_one_size(images, rows) if len(images.groups) == 1 else _of_several(images, rows)


def at_once(pixels: int) -> int:
    """How many images of so many pixels, channels counted, are scored at a time. No score depends on it."""
    return max(1, min(SCORED, SCORED_PIXELS // pixels))


def in_order(images: ImageSet, count: Callable[[int], int] | None = None) -> list[Tensor]:
    """Rows for scoring: all images in order, so many at a time, each batch of one size.

    The rows are on the device of the images; those of images of several sizes are on the CPU.

    Parameters
    ----------
    count : how many images of so many pixels a batch has; `at_once` unless given.
    """
    size = count or at_once
    rows: list[Tensor] = []
    start = 0
    device = images.labels.device if len(images.groups) == 1 else None
    for group in images.groups:
        rows += torch.split(torch.arange(start, start + len(group), device=device), size(group[0].numel()))
        start += len(group)
    return rows


def _of_one_size(images: ImageSet, rows: Iterable[Tensor]) -> Iterator[Batch]:
    pixels = images.pixels
    size = pixels[:1].numel()
    for together in _together(rows, size):
        sizes, indices = [len(row) for row in together], torch.cat(together)
        parts = zip(
            as_float(pixels.index_select(0, indices)).split(sizes),  # type: ignore[no-untyped-call]
            images.labels.index_select(0, indices).split(sizes),  # type: ignore[no-untyped-call]
            strict=True,
        )
        for part, labels in parts:
            yield Batch(part, labels)


def _together(rows: Iterable[Tensor], size: int) -> Iterator[list[Tensor]]:
    """Rows of several small batches at a time, because one gather for all of them is faster than one for each."""
    together: list[Tensor] = []
    for row in rows:
        together.append(row)
        if sum(map(len, together)) * size >= GATHERED:
            yield together
            together = []
    if together:
        yield together


def _of_several(images: ImageSet, rows: Iterable[Tensor]) -> Iterator[Batch]:
    starts = np.cumsum([0, *map(len, images.groups)])
    device = images.labels.device
    for row in rows:
        indices = row.cpu().numpy()
        owner = np.searchsorted(starts, indices, side="right") - 1  # (B,), the group of each image
        inside = torch.from_numpy(indices - starts[owner])
        labels = images.labels.index_select(0, row.to(device))
        if (owner == owner[0]).all():
            bytes_ = images.groups[owner[0]].index_select(0, inside.to(device))
            yield Batch(as_float(bytes_), labels)
        else:
            bytes_, mask = _padded(images.groups, owner, inside)
            yield Batch(as_float(bytes_), labels, mask=mask)


def _padded(groups: Sequence[Tensor], owner: np.ndarray, inside: Tensor) -> tuple[Tensor, Tensor]:
    """uint8 (B, C, H, W), each image in the upper left corner, and the mask (B, 1, H, W), see `Batch`."""
    present = np.unique(owner)
    height, width = (max(groups[g].shape[axis] for g in present) for axis in (2, 3))
    first = groups[present[0]]
    pixels = first.new_zeros((len(owner), first.shape[1], height, width))
    mask = torch.zeros((len(owner), 1, height, width), dtype=torch.bool, device=first.device)
    for g in present:
        places = np.flatnonzero(owner == g)
        tall, wide = groups[g].shape[2:]
        if len(places) == 1:  # a view is copied only once
            pixels[places[0], :, :tall, :wide] = groups[g][int(inside[places[0]])]
            mask[places[0], :, :tall, :wide] = True
        else:
            which = torch.from_numpy(places).to(first.device)
            pixels[which, :, :tall, :wide] = groups[g].index_select(0, inside[places].to(first.device))
            mask[which, :, :tall, :wide] = True
    return pixels, mask


def as_float(pixels: Tensor) -> Tensor:
    """uint8 pixels as float32 in [0, 1]; 0 becomes exactly 0, and 255 exactly 1."""
    return pixels.to(torch.float32).div_(255)
