"""Named arrays, from an .npz file or passed in from Python, under the same names and with the same checks.

The names are x_train and y_train; optionally x_val (or x_validation) and y_val, x_test and y_test; and classes. Images
are (N, H, W), (N, H, W, C) or (N, C, H, W).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallvision.data.datasets.base import Dataset
from smallvision.data.source import Block, Pixels, Raw, RawSplit, Rows, Shape, same_shape
from smallvision.errors import BadInput, nearest
from smallvision.experiment.data import DataSpec

NAMES = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test", "classes")
_AT_ONCE = 4_000_000  # bytes converted at a time
_CURE = "give uint8 (0 to 255), for example (255 * x).round().astype(numpy.uint8)"


@dataclass(frozen=True)
class Member:
    """One array, possibly still in its file.

    Parameters
    ----------
    name : the name in messages, such as "data.npz: x_train".
    shape, dtype : of the whole array.
    parts : number of rows at a time -> arrays of that many rows (the last one may have fewer), in order.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    parts: Callable[[int], Iterator[NDArray[Any]]]

    def whole(self) -> NDArray[Any]:
        """The whole array."""
        return np.concatenate(list(self.parts(max(1, self.shape[0]))))


def in_memory(name: str, value: Any) -> Member:
    """An array, a tensor or nested lists as a member. Raises BadInput for a value that is no array."""
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except ValueError:
        raise BadInput(f'{name}: rows of different lengths; images of several sizes need source = "folder"') from None
    if array.dtype.hasobject or not array.shape:
        raise BadInput(f"{name}: got {type(value).__name__} of {array.dtype}; expected an array of numbers")

    def parts(at_once: int) -> Iterator[NDArray[Any]]:
        for first in range(0, len(array), at_once):
            yield array[first : first + at_once]

    return Member(name, array.shape, array.dtype, parts)


def from_mapping(arrays: Mapping[str, Any], where: str = "arrays") -> Raw:
    """A source from named arrays. They are copied when they are read, so later changes to them have no effect.

    Parameters
    ----------
    arrays : name -> array, or None for an array that is left out.
    where : the name in messages.

    Raises
    ------
    BadInput : a name that is unknown or missing, a shape or type that images cannot have, labels that do not fit.
    """
    members = {}
    for name, value in arrays.items():
        short = name.replace("_validation", "_val")
        if short not in NAMES:
            raise BadInput(f'{where}: unknown name "{name}"; {nearest(name, NAMES)}')
        if value is not None:
            members[short] = value if isinstance(value, Member) else _member(f"{where}: {name}", short, value)
    for split in ("train", "val", "test"):
        for given, needed in (("x", "y"), ("y", "x")):
            if f"{given}_{split}" in members and f"{needed}_{split}" not in members:
                raise BadInput(f"{where}: has {given}_{split} and no {needed}_{split}")
    if "x_train" not in members:
        raise BadInput(f"{where}: has no x_train and y_train")

    labels = {s: _labels(members[f"y_{s}"], members[f"x_{s}"]) for s in ("train", "val", "test") if f"x_{s}" in members}
    classes = _classes(members, labels, where)
    for split, numbers in labels.items():
        outside = numbers[(numbers < 0) | (numbers >= len(classes))]
        if len(outside):
            name = members[f"y_{split}"].name
            raise BadInput(f"{name}: label {outside[0]} is out of range (0 to {len(classes) - 1})")
    splits = {split: _split(members[f"x_{split}"], numbers) for split, numbers in labels.items()}
    for split, part in splits.items():
        if tuple(part.shapes[0]) != tuple(splits["train"].shapes[0]):
            size, train_size = (" x ".join(map(str, images.shapes[0])) for images in (part, splits["train"]))
            name = members[f"x_{split}"].name
            raise BadInput(
                f"{name}: images of {size} (C x H x W), and those of x_train are {train_size}; give one size"
            )
    return Raw(where, classes, splits["train"], splits.get("val"), splits.get("test"))


def _member(label: str, name: str, value: Any) -> Member:
    if name == "classes":
        array = np.asarray([str(class_name) for class_name in value])
        return Member(label, array.shape, array.dtype, lambda at_once: iter([array]))
    return in_memory(label, value)


def _labels(member: Member, images: Member) -> Rows:
    flat = member.shape[:1] if member.shape[1:] in ((), (1,)) else None  # (N, 1) is common, with the same meaning
    if member.dtype.kind not in "iu" or flat is None:
        raise BadInput(
            f"{member.name}: got {member.dtype} of shape {member.shape}; expected integers of shape (N,), "
            f"the number of each image's class (for one-hot rows: y.argmax(1))"
        )
    if flat != images.shape[:1]:
        raise BadInput(f"{member.name}: {flat[0]:,} labels for {images.shape[0]:,} images")
    if not flat[0]:
        raise BadInput(f"{images.name}: has no images")
    return member.whole().reshape(-1).astype(np.int64)


def _classes(members: Mapping[str, Member], labels: Mapping[str, Rows], where: str) -> tuple[str, ...]:
    if "classes" in members:
        member = members["classes"]
        if len(member.shape) != 1 or member.dtype.kind != "U":
            raise BadInput(f"{member.name}: got {member.dtype} of shape {member.shape}; expected a list of names")
        names = tuple(str(name) for name in member.whole())
        if len(set(names)) != len(names):
            raise BadInput(f"{member.name}: a name is there twice")
        if len(names) < 2:
            raise BadInput(f"{member.name}: {len(names)} names; a classifier needs at least two classes")
        return names
    largest = int(labels["train"].max())
    if largest >= len(labels["train"]):  # some class would be empty, and the list of names could be endless
        raise BadInput(f"{where}: label {largest} is out of range for {len(labels['train']):,} training images")
    if largest < 1:
        raise BadInput(
            f"{members['y_train'].name}: no label is above 0; a classifier needs at least two classes, 0 and 1"
        )
    return tuple(str(number) for number in range(largest + 1))


def _split(member: Member, labels: Rows) -> RawSplit:
    shape, arrange = _layout(member)
    row_bytes = max(1, int(np.prod(member.shape[1:])) * member.dtype.itemsize)
    at_once = max(1, _AT_ONCE // row_bytes)

    def blocks(rows: Rows) -> Iterator[Block]:
        first = 0
        for part in member.parts(at_once):
            wanted = rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + len(part))]
            if len(wanted):
                chosen = part if len(wanted) == len(part) else part[wanted - first]
                yield Block(wanted, arrange(to_uint8(chosen, member.name)))
            first += len(part)

    return RawSplit(labels, same_shape(len(labels), shape), blocks)


def _layout(member: Member) -> tuple[Shape, Callable[[Pixels], Pixels]]:
    """(C, H, W), and a function that brings a block into that order; the axis of length 1 or 3 holds the channels."""
    sizes = member.shape[1:]
    if member.dtype.kind not in "iuf" or 0 in sizes:
        raise BadInput(f"{member.name}: got {member.dtype} of shape {member.shape}; {_CURE}")
    if len(sizes) == 2:
        return (1, sizes[0], sizes[1]), lambda block: block[:, None]
    if len(sizes) == 3 and (sizes[0] in (1, 3)) != (sizes[2] in (1, 3)):
        if sizes[0] in (1, 3):
            return (sizes[0], sizes[1], sizes[2]), lambda block: block
        return (sizes[2], sizes[0], sizes[1]), lambda block: block.transpose(0, 3, 1, 2)
    raise BadInput(
        f"{member.name}: shape {member.shape} is none of (N, H, W), (N, H, W, C), (N, C, H, W) with C = 1 or 3; "
        f"reshape it"
    )


def to_uint8(block: NDArray[Any], name: str) -> Pixels:
    """Pixels as uint8 where nothing is lost: integers from 0 to 255, or floats that are such an integer divided by 255.

    Raises
    ------
    BadInput : other values; whether to round them is not decided here.
    """
    if block.dtype == np.uint8:
        return block
    if block.dtype.kind in "iu":
        if block.min() < 0 or block.max() > 255:
            raise BadInput(f"{name}: values from {block.min()} to {block.max()}; {_CURE}")
        return block.astype(np.uint8)
    scaled = block.astype(np.float64) * 255
    rounded = np.rint(scaled)
    off = np.abs(scaled - rounded).max()  # NaN where a pixel is NaN, which no comparison passes
    if not (off <= 1e-4 and rounded.min() >= 0 and rounded.max() <= 255):
        low, high = np.nanmin(block), np.nanmax(block)
        raise BadInput(f"{name}: floats ({low:.4g} to {high:.4g}) that are not whole numbers over 255; {_CURE}")
    return rounded.astype(np.uint8)


def read(dataset: Dataset, spec: DataSpec, root: Path | None) -> Raw:
    """Raises BadInput: arrays have no files to load; they are passed in, see `load.from_arrays`."""
    raise BadInput(f'data.source "{dataset.name}" has no files to load; pass the arrays themselves in Python')


ARRAYS = Dataset(name="arrays", about="arrays that are passed in from Python", read=read)
