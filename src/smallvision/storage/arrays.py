"""Reads the arrays of an .npz file and checks them against a schema. Sizes are checked first; nothing is unpickled."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from smallvision.errors import BadInput, first_line, shown
from smallvision.storage.reading import open_regular, open_zip, require_regular
from smallvision.storage.schema import damaged

LARGEST_ARRAYS = 1024**3  # bytes of all arrays of a file together, unpacked

Arrays = Mapping[str, np.ndarray]
# name -> kinds of dtype ("i", "u", "f", "U") and the names of the axes
ArrayTable = Mapping[str, tuple[str, tuple[str, ...]]]


@dataclass(frozen=True)
class ArraySchema:
    """Which arrays a file holds, and what each of them looks like.

    Attributes
    ----------
    table : for each array the kinds of its dtype, as in numpy's `dtype.kind` ("u" means uint8), and the name of each
        axis. Axes of the same name have the same length; an axis named by a number has that length.
    always : names of the arrays that every such file has.
    points : names of arrays whose values are indices, and the axis that they index.
    together : pairs of arrays; a file has both or neither.
    needs : pairs of arrays; a file that has the first has the second, too.
    """

    table: ArrayTable
    always: Sequence[str] = ()
    points: Mapping[str, str] = field(default_factory=dict)
    together: Sequence[tuple[str, str]] = ()
    needs: Sequence[tuple[str, str]] = ()

    def __or__(self, other: "ArraySchema") -> "ArraySchema":
        """The union of two schemas that have no array in common."""
        return ArraySchema(
            {**self.table, **other.table},
            (*self.always, *other.always),
            {**self.points, **other.points},
            (*self.together, *other.together),
            (*self.needs, *other.needs),
        )


def unpacked(file: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz file, after a check that each header has the size of the archive. Raises BadInput."""
    try:
        require_regular(file, LARGEST_ARRAYS, "a file of arrays")
        with open_zip(file) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > LARGEST_ARRAYS:
                raise BadInput(
                    f"{file}: the arrays have {total:,} bytes when unpacked, and at most {LARGEST_ARRAYS:,} are read"
                )
            for member in members:
                with archive.open(member) as stream:
                    major = np.lib.format.read_magic(stream)[0]
                    header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
                    shape, _, dtype = header(stream)
                    size = math.prod(shape) * dtype.itemsize
                    if dtype.hasobject or min(shape, default=0) < 0 or stream.tell() + size != member.file_size:
                        raise damaged(
                            file, (f"{shown(member.filename)} is not a plain array of the size that its header states")
                        )
        with open_regular(file) as opened, np.load(opened, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except BadInput:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds for damaged bytes
        reason = first_line(error)
        raise damaged(file, f"it is not a readable .npz file: {reason}") from None


def check_arrays(
    file: Path, arrays: Arrays, schema: ArraySchema, lengths: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Compare arrays with a schema: presence, dtypes, numbers of axes, lengths, finite numbers, ranges of indices.

    Parameters
    ----------
    file : the .npz, for messages.
    arrays : all arrays of the file; those that the schema does not name are ignored.
    schema : what the arrays have to look like.
    lengths : axis -> length, where it is known beforehand.

    Returns
    -------
    dict : the length of each axis.

    Raises
    ------
    BadInput : the first array that is missing or contradicts the schema is named.
    """
    table, sizes = schema.table, {"2": 2, "3": 3, **(lengths or {})}
    sources: dict[str, str] = {}  # the first array with each axis, for messages
    missing = [name for name in schema.always if name not in arrays]
    missing += [b for pair in schema.together for a, b in (pair, pair[::-1]) if a in arrays and b not in arrays]
    missing += [b for a, b in schema.needs if a in arrays and b not in arrays]
    if missing:
        raise damaged(file, f"the array {missing[0]} is missing")
    known = {name: entry for name, entry in table.items() if name in arrays}
    for name, (kinds, axes) in known.items():
        array = arrays[name]
        if array.dtype.kind not in kinds or array.ndim != len(axes) or (kinds == "u" and array.dtype != np.uint8):
            raise damaged(file, f"{name} is {array.dtype} with {array.ndim} axes; expected {len(axes)} axes")
        for axis, length in zip(axes, array.shape, strict=True):
            if axis not in sizes:
                sizes[axis], sources[axis] = length, name
            if sizes[axis] != length:
                origin = f" as in {sources[axis]}" if axis in sources else ""
                raise damaged(file, f"{name} has shape {array.shape}; expected {axis} = {sizes[axis]}{origin}")
        if kinds == "f" and not np.isfinite(array).all():
            raise damaged(file, f"{name} has values that are not finite numbers")
    for name in [name for name in known if name in schema.points]:
        array, limit = arrays[name], sizes.get(schema.points[name], np.iinfo(np.int64).max)
        if array.size and not (array.min() >= 0 and array.max() < limit):
            raise damaged(file, f"{name} has values outside 0 to {limit - 1}")
    return sizes
