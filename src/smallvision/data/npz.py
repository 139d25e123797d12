""".npz files as a source, read as a stream: nothing is unpickled, and no array is in memory beside its pixels."""

import math
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from smallvision.data import memory
from smallvision.data.arrays import NAMES, Member, from_mapping
from smallvision.data.raw import Raw
from smallvision.errors import BadInput
from smallvision.experiment.data import DataSpec

_CURE = "write it again with numpy.savez"


def read_npz(spec: DataSpec, root: Path | None) -> Raw:
    """The arrays in `spec.path`: x_train, y_train, and x_val, y_val, x_test, y_test, classes where there are.

    Raises
    ------
    BadInput : missing or damaged, objects (which would have to be unpickled), or as `arrays.from_mapping`.
    """
    assert spec.path is not None
    path = Path(spec.path).expanduser()
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
        members = {name.removesuffix(".npy"): _member(path, name) for name in names}
    except zipfile.BadZipFile:
        raise BadInput(f"{path}: not an .npz file; {_CURE}") from None
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None
    for name, member in members.items():
        if not name.startswith("x_") and name in NAMES:
            memory.require(math.prod(member.shape) * member.dtype.itemsize, member.name, _CURE)
    return from_mapping(members, path.name)


def _member(path: Path, name: str) -> Member:
    label = f"{path}: {name.removesuffix('.npy')}"
    with zipfile.ZipFile(path) as archive, archive.open(name) as file:
        shape, dtype, offset = _header(file, label)
        declared = archive.getinfo(name).file_size
    if declared != offset + math.prod(shape) * dtype.itemsize:
        raise BadInput(f"{label}: its header says {shape} of {dtype}, and it has {declared - offset:,} bytes; {_CURE}")

    def parts(at_once: int) -> Iterator[NDArray[Any]]:
        try:
            with zipfile.ZipFile(path) as archive, archive.open(name) as file:
                file.read(offset)
                for first in range(0, shape[0], at_once):
                    number = min(at_once, shape[0] - first)
                    data = file.read(number * math.prod(shape[1:]) * dtype.itemsize)
                    yield np.frombuffer(data, dtype=dtype).reshape(number, *shape[1:])
                file.read(1)                          # to the end, so that the check sum is compared
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
            raise BadInput(f"{label}: damaged ({error}); {_CURE}") from None
        except OSError as error:
            raise BadInput(f"{path}: {error.strerror or error}") from None

    return Member(label, shape, dtype, parts)


def _header(file: IO[bytes], label: str) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape, type and length of the header of a .npy stream."""
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise BadInput(f"{label}: no readable array ({' '.join(str(error).split())[:100]}); {_CURE}") from None
    if dtype.hasobject:
        raise BadInput(f"{label}: holds Python objects, which would have to be unpickled; give numbers")
    if fortran and len(shape) > 1:
        raise BadInput(f"{label}: stored column by column; {_CURE} from numpy.ascontiguousarray(x)")
    if not shape:
        raise BadInput(f"{label}: a single value; expected an array")
    return shape, dtype, file.tell()
