"""Named arrays, from an .npz file or passed in from Python, under the same names and with the same checks.

The names are x_train and y_train; optionally x_val (or x_validation) and y_val, x_test and y_test; and classes. Images
are (N, H, W), (N, H, W, C) or (N, C, H, W).
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallvision.data.datasets.array_ranges import pixel_ranges
from smallvision.data.datasets.array_survey import kind_of
from smallvision.data.datasets.base import Dataset
from smallvision.data.datasets.members import Member, in_memory
from smallvision.data.source import Block, Pixels, Raw, RawSplit, Rows, Shape, same_shape
from smallvision.errors import BadInput, counted, nearest
from smallvision.experiment.data import DataSpec

NAMES = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test", "classes")
_AT_ONCE = 4_000_000  # bytes converted at a time


def from_mapping(arrays: Mapping[str, Any], spec: DataSpec, where: str = "arrays") -> Raw:
    """A source from named arrays. They are copied when they are read, so later changes to them have no effect.

    Parameters
    ----------
    arrays : name -> array, or None for an array that is left out.
    spec : `white` and `range` state which numbers are black and white.
    where : the name in messages.

    Raises
    ------
    BadInput : a name that is unknown or missing, a shape or type that images cannot have, labels that do not fit;
        numbers that are not told to be black or white, see `array_ranges.pixel_ranges`.
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
                raise BadInput(f"{where}: there is {given}_{split} but no {needed}_{split}; add it")
    if "x_train" not in members:
        raise BadInput(f"{where}: there are no arrays x_train and y_train; add them")

    labels = {s: _labels(members[f"y_{s}"], members[f"x_{s}"]) for s in ("train", "val", "test") if f"x_{s}" in members}
    classes = _classes(members, labels, where)
    for split, numbers in labels.items():
        outside = numbers[(numbers < 0) | (numbers >= len(classes))]
        if len(outside):
            name = members[f"y_{split}"].name
            raise BadInput(f"{name}: label {outside[0]} is out of range (0 to {len(classes) - 1})")
    layouts = {split: _layout(members[f"x_{split}"]) for split in labels}
    to_uint8, told = pixel_ranges({split: members[f"x_{split}"] for split in labels}, spec)
    splits = {s: _split(members[f"x_{s}"], numbers, *layouts[s], to_uint8) for s, numbers in labels.items()}
    for split, part in splits.items():
        if tuple(part.shapes[0]) != tuple(splits["train"].shapes[0]):
            size, train_size = (" x ".join(map(str, images.shapes[0])) for images in (part, splits["train"]))
            name = members[f"x_{split}"].name
            raise BadInput(
                f"{name}: images of {size} (C x H x W), but those of x_train are {train_size}; make all images one size"
            )
    return Raw(where, classes, splits["train"], splits.get("val"), splits.get("test"), told=lambda: told)


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
        raise BadInput(f"{member.name}: {counted(flat[0], 'label')} for {counted(images.shape[0], 'image')}")
    if not flat[0]:
        raise BadInput(f"{images.name}: the array has no images")
    return member.whole().reshape(-1).astype(np.int64)


def _classes(members: Mapping[str, Member], labels: Mapping[str, Rows], where: str) -> tuple[str, ...]:
    if "classes" in members:
        member = members["classes"]
        if len(member.shape) != 1 or member.dtype.kind != "U":
            raise BadInput(f"{member.name}: got {member.dtype} of shape {member.shape}; expected a list of names")
        names = tuple(str(name) for name in member.whole())
        if len(set(names)) != len(names):
            raise BadInput(f"{member.name}: a name is given twice; every class needs its own name")
        if len(names) < 2:
            raise BadInput(f"{member.name}: {len(names)} names; a classifier needs at least two classes")
        return names
    largest = int(labels["train"].max())
    if largest >= len(labels["train"]):  # some class would be empty, and the list of names could be endless
        raise BadInput(f"{where}: label {largest} is out of range for {len(labels['train']):,} training images")
    if largest < 1:
        raise BadInput(f"{members['y_train'].name}: all labels are 0; a classifier needs at least two classes, 0 and 1")
    return tuple(str(number) for number in range(largest + 1))


def _split(
    member: Member,
    labels: Rows,
    shape: Shape,
    arrange: Callable[[Pixels], Pixels],
    to_uint8: Callable[[NDArray[Any]], Pixels],
) -> RawSplit:
    row_bytes = max(1, int(np.prod(member.shape[1:])) * member.dtype.itemsize)
    at_once = max(1, _AT_ONCE // row_bytes)

    def blocks(rows: Rows) -> Iterator[Block]:
        first = 0
        for part in member.parts(at_once):
            wanted = rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + len(part))]
            if len(wanted):
                chosen = part if len(wanted) == len(part) else part[wanted - first]
                yield Block(wanted, arrange(to_uint8(chosen)))
            first += len(part)

    return RawSplit(labels, same_shape(len(labels), shape), blocks)


def _layout(member: Member) -> tuple[Shape, Callable[[Pixels], Pixels]]:
    """(C, H, W), and a function that brings a block into that order; the axis of length 1 or 3 holds the channels."""
    sizes = member.shape[1:]
    if kind_of(member.dtype) is None or 0 in sizes:
        cure = "every image needs at least one pixel" if 0 in sizes else "use numbers: uint8, or floats from 0 to 1"
        if member.dtype.kind == "V" and member.dtype.names is None:  # bfloat16 is saved as bytes without a meaning
            cure = "save x.astype(numpy.float32) instead"
        raise BadInput(f"{member.name}: got {member.dtype} of shape {member.shape}; {cure}")
    if len(sizes) == 2:
        return (1, sizes[0], sizes[1]), lambda block: block[:, None]
    if len(sizes) == 3 and (sizes[0] in (1, 3)) != (sizes[2] in (1, 3)):
        if sizes[0] in (1, 3):
            return (sizes[0], sizes[1], sizes[2]), lambda block: block
        return (sizes[2], sizes[0], sizes[1]), lambda block: block.transpose(0, 3, 1, 2)
    raise BadInput(
        f"{member.name}: shape {member.shape} is not (N, H, W), (N, H, W, C) or (N, C, H, W) with C = 1 or 3; "
        "reshape the array"
    )


def read(dataset: Dataset, spec: DataSpec, root: Path | None) -> Raw:
    """Raises BadInput: arrays have no files to load; they are passed in, see `load.from_arrays`."""
    raise BadInput(f'data.source "{dataset.name}" has no files to load; pass the arrays themselves in Python')


ARRAYS = Dataset(name="arrays", about="arrays that are passed in from Python", read=read)
