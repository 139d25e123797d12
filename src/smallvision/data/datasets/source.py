"""What a source delivers before anything is read: labels and shapes at once, pixels block by block when asked for.

Labels decide which images are kept, shapes decide how much memory that takes; only then pixels are read, straight
into their place. So no image is in memory twice, and what does not fit is refused before it is read.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Rows = NDArray[np.int64]
Pixels = NDArray[np.uint8]
Shape = tuple[int, int, int]  # (C, H, W)
Block = tuple[Rows, Pixels]  # rows, and their pixels (n, C, H, W)


@dataclass(frozen=True)
class RawSplit:
    """One split of a source, its pixels not yet read.

    Parameters
    ----------
    labels : (N,) int64, 0..K-1.
    shapes : (N, 3) int64, each image's (C, H, W).
    blocks : yields the pixels of ascending rows, in that order, each block of one shape.
    hashes : (N,) int64, what each image is known by where that is not its pixels as they come, because they are resized;
        filled in while blocks are read. None: by its pixels.
    """

    labels: Rows
    shapes: Rows
    blocks: Callable[[Rows], Iterator[Block]]
    hashes: Rows | None = None


@dataclass(frozen=True)
class Raw:
    """A whole source: its splits, and the names of its classes."""

    name: str
    classes: tuple[str, ...]
    train: RawSplit
    validation: RawSplit | None = None
    test: RawSplit | None = None
    notes: tuple[str, ...] = ()


def same_shape(count: int, shape: Shape) -> Rows:
    """(N, 3): the one shape for every image, taking no memory."""
    return np.broadcast_to(np.asarray(shape, dtype=np.int64), (count, 3))


def by_shape(split: RawSplit, rows: Rows) -> list[Rows]:
    """Rows in groups of equal shape, smallest shape first; within a group in the order given."""
    if not len(rows):
        return []
    if not split.shapes.strides[0]:  # one shape for all, from same_shape
        return [rows]
    _, group = np.unique(split.shapes[rows], axis=0, return_inverse=True)
    group = group.reshape(-1)
    return [rows[group == number] for number in range(int(group.max()) + 1)]


def size_bytes(split: RawSplit, rows: Rows) -> int:
    """Bytes that the pixels of these rows take."""
    if not len(rows):
        return 0
    if not split.shapes.strides[0]:
        return len(rows) * int(np.prod(split.shapes[0]))
    return int(split.shapes[rows].prod(axis=1).sum())


def read(split: RawSplit, targets: Sequence[Rows]) -> list[Tensor]:
    """Read disjoint sets of ascending rows, each of one shape, going through the source once.

    Returns
    -------
    list of Tensor : for each target uint8 (n, C, H, W), filled in place, so that nothing is held twice.
    """
    outputs = [torch.empty((len(rows), *map(int, split.shapes[rows[0]])), dtype=torch.uint8) for rows in targets]
    owner = np.full(len(split.labels), -1, dtype=np.int32)
    place = np.empty(len(split.labels), dtype=np.int64)
    for number, rows in enumerate(targets):
        owner[rows] = number
        place[rows] = np.arange(len(rows))
    for rows, pixels in split.blocks(np.flatnonzero(owner >= 0)):
        for number in np.unique(owner[rows]):
            mine = owner[rows] == number
            places = place[rows[mine]]  # ascending, without gaps: rows come in order
            part = pixels if mine.all() else pixels[mine]
            outputs[number].numpy()[places[0] : places[0] + len(places)] = part
    return outputs
