""".npz files, read as a stream: nothing is unpickled, and no array is held in addition to its pixels."""

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from smallvision.data import memory
from smallvision.data.datasets.arrays import NAMES, from_mapping
from smallvision.data.datasets.base import Dataset
from smallvision.data.datasets.members import Member
from smallvision.data.source import Raw
from smallvision.errors import BadInput, SmallvisionError, shown
from smallvision.experiment.data import DataSpec
from smallvision.experiment.text import expanded
from smallvision.storage.reading import open_zip

_CURE = "save it again with numpy.savez"


def read(dataset: Dataset, spec: DataSpec, root: Path | None) -> Raw:
    """The arrays in `spec.path`: x_train and y_train, and optionally x_val, y_val, x_test, y_test and classes.

    Raises
    ------
    BadInput : the file is missing or damaged, an array holds Python objects (which would have to be unpickled), or as
        `arrays.from_mapping`.
    """
    assert spec.path is not None
    path = expanded(spec.path)
    with _opened(path, str(path)) as archive:
        names = [name for name in archive.namelist() if name.endswith(".npy")]
    members = {name.removesuffix(".npy"): _member(path, name) for name in names}
    for name, member in members.items():
        if not name.startswith("x_") and name in NAMES:
            memory.require(math.prod(member.shape) * member.dtype.itemsize, member.name, _CURE)
    return from_mapping(members, spec, path.name)


def _member(path: Path, name: str) -> Member:
    """One array of the file, known by its header. Raises BadInput."""
    label = f"{path}: {shown(name.removesuffix('.npy'))}"
    with _opened(path, label) as archive, archive.open(name) as file:
        shape, dtype, offset = _header(file, label)
        declared = archive.getinfo(name).file_size
    if declared != offset + math.prod(shape) * dtype.itemsize:
        raise BadInput(
            f"{label}: its header says {shape} of {dtype}, but there are {declared - offset:,} bytes; {_CURE}"
        )

    def parts(at_once: int) -> Iterator[NDArray[Any]]:
        with _opened(path, label) as archive, archive.open(name) as file:
            file.read(offset)
            for first in range(0, shape[0], at_once):
                number = min(at_once, shape[0] - first)
                data = file.read(number * math.prod(shape[1:]) * dtype.itemsize)
                yield np.frombuffer(data, dtype=dtype).reshape(number, *shape[1:])
            file.read(1)  # beyond the end, so that the checksum is compared

    return Member(label, shape, dtype, parts)


@contextmanager
def _opened(path: Path, label: str) -> Iterator[zipfile.ZipFile]:
    """The archive; any error while it is open becomes a BadInput whose one line names the array."""
    try:
        with open_zip(path) as archive:
            yield archive
    except SmallvisionError:
        raise
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # zipfile, zlib and numpy raise many kinds of errors on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadInput(f"{label}: this is not a readable .npz array ({reason[:100]}); {_CURE}") from None


def _header(file: IO[bytes], label: str) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape, type and length of the header of a .npy stream."""
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    if dtype.hasobject:
        raise BadInput(
            f"{label}: the array holds Python objects, which would have to be unpickled; save numbers instead"
        )
    if fortran and len(shape) > 1:
        raise BadInput(f"{label}: the array is stored column by column; {_CURE} from numpy.ascontiguousarray(x)")
    if not shape:
        raise BadInput(f"{label}: this is a single value; expected an array")
    return shape, dtype, file.tell()


NPZ = Dataset(name="npz", about="an .npz file of arrays x_train, y_train, ... (data.path)", read=read)
