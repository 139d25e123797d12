"""The arrays of an .npz file, read and checked against a table: nothing is unpickled, nothing large is unpacked unseen."""

import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from smallvision.errors import BadInput
from smallvision.storage.schema import damaged

LARGEST_ARRAYS = 1024**3  # bytes of all arrays of a file together, unpacked

Arrays = Mapping[str, np.ndarray]
ArrayTable = Mapping[
    str, tuple[str, tuple[str, ...]]
]  # name -> kinds of dtype ("i", "u", "f", "U") and the names of the axes


@dataclass(frozen=True)
class ArraySchema:
    """What the arrays of a file look like, and which of them go with which.

    Attributes
    ----------
    table : for each array the kinds of its dtype, as numpy's `dtype.kind` has them ("u" means uint8), and the name of each axis.
        Axes of one name have one length; an axis named by a number has that length.
    always : the arrays that are always there.
    points : arrays whose values are indices, and the axis that they point into.
    together : pairs of arrays of which neither is there without the other.
    needs : pairs of arrays of which the first is not there without the second.
    """

    table: ArrayTable
    always: Sequence[str] = ()
    points: Mapping[str, str] = field(default_factory=dict)
    together: Sequence[tuple[str, str]] = ()
    needs: Sequence[tuple[str, str]] = ()

    def __or__(self, other: "ArraySchema") -> "ArraySchema":
        """Both schemas as one; they have no array in common."""
        return ArraySchema(
            {**self.table, **other.table},
            (*self.always, *other.always),
            {**self.points, **other.points},
            (*self.together, *other.together),
            (*self.needs, *other.needs),
        )


def unpacked(file: Path) -> dict[str, np.ndarray]:
    """Every array of an .npz, after comparing each header with what the archive says is there. Raises BadInput."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > LARGEST_ARRAYS:
                raise BadInput(f"{file}: unpacks to {total:,} bytes, more than {LARGEST_ARRAYS:,}; not read")
            for member in members:
                with archive.open(member) as stream:
                    major = np.lib.format.read_magic(stream)[0]
                    header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
                    shape, _, dtype = header(stream)
                    size = math.prod(shape) * dtype.itemsize
                    if dtype.hasobject or min(shape, default=0) < 0 or stream.tell() + size != member.file_size:
                        raise damaged(file, f"{member.filename} is no plain array of the size it says")
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except BadInput:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds for damaged bytes
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise damaged(file, f"not a readable .npz: {reason}") from None


def check_arrays(
    file: Path, arrays: Arrays, schema: ArraySchema, lengths: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Compare arrays with a schema: dtypes, numbers of axes, lengths, finite numbers, indices that point at something.

    Parameters
    ----------
    file : where the arrays are from, for messages.
    arrays : all that the file holds; arrays that the schema does not know are passed over.
    schema : what they should look like.
    lengths : lengths of axes that are known beforehand.

    Returns
    -------
    dict : the length of each axis.

    Raises
    ------
    BadInput : the first array that is missing or contradicts the schema is named.
    """
    table, sizes = schema.table, {"2": 2, "3": 3, **(lengths or {})}
    missing = [name for name in schema.always if name not in arrays]
    missing += [b for pair in schema.together for a, b in (pair, pair[::-1]) if a in arrays and b not in arrays]
    missing += [b for a, b in schema.needs if a in arrays and b not in arrays]
    if missing:
        raise damaged(file, f"has no array {missing[0]}")
    known = {name: entry for name, entry in table.items() if name in arrays}
    for name, (kinds, axes) in known.items():
        array = arrays[name]
        if array.dtype.kind not in kinds or array.ndim != len(axes) or (kinds == "u" and array.dtype != np.uint8):
            raise damaged(file, f"{name} is {array.dtype} with {array.ndim} axes, expected {len(axes)}")
        for axis, length in zip(axes, array.shape, strict=True):
            if sizes.setdefault(axis, length) != length:
                raise damaged(file, f"{name} is {array.shape}, expected {axis} = {sizes[axis]}")
        if kinds == "f" and not np.isfinite(array).all():
            raise damaged(file, f"{name} has values that are no finite numbers")
    for name in [name for name in known if name in schema.points]:
        array, limit = arrays[name], sizes.get(schema.points[name], np.iinfo(np.int64).max)
        if array.size and not (array.min() >= 0 and array.max() < limit):
            raise damaged(file, f"{name} has values outside 0 to {limit - 1}")
    return sizes
