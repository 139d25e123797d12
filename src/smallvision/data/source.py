"""A data source before its pixels are read: labels and shapes are known at once, pixels come block by block on demand.

The labels decide which images are kept, the shapes decide how much memory these take, and only then pixels are read,
straight into their final place. So no image is in memory twice, and data that does not fit is refused before it is
read. torch is imported only by `read`, which returns tensors.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Rows = NDArray[np.int64]
Pixels = NDArray[np.uint8]
Shape = tuple[int, int, int]  # (C, H, W)


class Block(NamedTuple):
    """Some images of a source, all of one shape.

    Parameters
    ----------
    rows : int64 (n,), ascending places in the split.
    pixels : uint8 (n, C, H, W).
    hashes : int64 (n,), the content hash of each image before it was resized; None where images are not resized.
    """

    rows: Rows
    pixels: Pixels
    hashes: Rows | None = None


class Images(NamedTuple):
    """Images that were read.

    Parameters
    ----------
    pixels : uint8 (n, C, H, W).
    hashes : int64 (n,), see `Block.hashes`; None where images are not resized.
    """

    pixels: "Tensor"
    hashes: Rows | None


@dataclass(frozen=True)
class RawSplit:
    """One split of a source, its pixels not yet read.

    Parameters
    ----------
    labels : int64 (N,), 0..K-1.
    shapes : int64 (N, 3), (C, H, W) of each image as `blocks` yields it.
    blocks : yields the images of ascending rows, in that order.
    """

    labels: Rows
    shapes: Rows
    blocks: Callable[[Rows], Iterator[Block]]


@dataclass(frozen=True)
class PixelRange:
    """Which number of the original images became black (0), and which became white (255).

    Parameters
    ----------
    black, white : black is the smaller number.
    type : of which numbers that is said: "uint8", "integers", "floats" or "bool" of arrays; "files" of image files with
        more than 8 bits, "float files" of those with floating-point numbers only.
    """

    black: float
    white: float
    type: str

    def to_uint8(self, values: NDArray[Any]) -> Pixels:
        """Numbers from `black` to `white` as uint8: 255 * (x - black) / (white - black), rounded."""
        scaled = values.astype(np.float64)
        scaled -= self.black
        scaled *= 255
        scaled /= self.white - self.black
        return np.rint(scaled, out=scaled).astype(np.uint8)


@dataclass(frozen=True)
class Told:
    """What is known of a source once its pixels are read.

    Parameters
    ----------
    range : which numbers became black and white; None where they were 0 to 255.
    notes : sentences about the pixels that are shown to people.
    """

    range: PixelRange | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Raw:
    """A whole source.

    Parameters
    ----------
    name : the name in messages.
    classes : K names.
    train, validation, test : the splits; None where the source has no such split.
    notes : sentences about the source that are shown to people.
    told : what is known once the pixels are read.
    """

    name: str
    classes: tuple[str, ...]
    train: RawSplit
    validation: RawSplit | None = None
    test: RawSplit | None = None
    notes: tuple[str, ...] = ()
    told: Callable[[], Told] = Told


def same_shape(count: int, shape: Shape) -> Rows:
    """(N, 3): one shape for every image, as a broadcast view that takes no memory."""
    return np.broadcast_to(np.asarray(shape, dtype=np.int64), (count, 3))


def by_shape(split: RawSplit, rows: Rows) -> list[Rows]:
    """Rows in groups of equal shape, the smallest shape first; within a group in the order given."""
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


def read(split: RawSplit, targets: Sequence[Rows]) -> list[Images]:
    """Reads disjoint sets of rows, going through the source once.

    Parameters
    ----------
    split : the source.
    targets : ascending rows, at least one in each set; the images of a set have one shape.

    Returns
    -------
    list of Images : one per set; pixels are written straight into their place, so that nothing is held twice.
    """
    import torch

    outputs = [torch.empty((len(rows), *map(int, split.shapes[rows[0]])), dtype=torch.uint8) for rows in targets]
    hashes: list[Rows | None] = [None] * len(targets)
    owner = np.full(len(split.labels), -1, dtype=np.int32)
    place = np.empty(len(split.labels), dtype=np.int64)
    for number, rows in enumerate(targets):
        owner[rows] = number
        place[rows] = np.arange(len(rows))
    for block in split.blocks(np.flatnonzero(owner >= 0)):
        for number in np.unique(owner[block.rows]):
            mine = owner[block.rows] == number
            places = place[block.rows[mine]]  # ascending, without gaps: rows come in order
            part = block.pixels if mine.all() else block.pixels[mine]
            outputs[number].numpy()[places[0] : places[0] + len(places)] = part
            if block.hashes is not None:
                known = hashes[number]
                if known is None:
                    known = hashes[number] = np.empty(len(targets[number]), dtype=np.int64)
                known[places] = block.hashes[mine]
    return [Images(pixels, content) for pixels, content in zip(outputs, hashes, strict=True)]
