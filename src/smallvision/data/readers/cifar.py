"""The files of CIFAR-10, pickled and binary (Krizhevsky 2009, "Learning multiple layers of features from tiny images").

Unpickling runs functions that the file names. A file may therefore name exactly four: ``_reconstruct``, ``ndarray`` and
``dtype`` of numpy, and ``_codecs.encode``, and only with the arguments that the official files give them. Code of this
module takes their place, so that numpy meets nothing of the file but the bytes of the pixels. Before that,
`pickle_scan` reads the instructions and refuses those that would take more memory or time than such a file needs.
"""

import io
import math
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from smallvision.data.readers import pickle_scan
from smallvision.data.source import Block, Pixels, Rows
from smallvision.errors import BadInput, shown
from smallvision.storage.reading import open_regular, read_limited, require_regular

SHAPE = (3, 32, 32)
CLASSES = 10
_PIXELS = 3 * 32 * 32
_RECORD = 1 + _PIXELS  # binary layout: the label, then red, green, blue planes
_LARGEST_PICKLE = 64_000_000  # bytes; the real ones have 31 to 45 million
_RECORDS_AT_ONCE = 1000
_CURE = "delete it and download it again"


_NDARRAY = object()  # stands for the class numpy.ndarray, which the files name but never call


_UINT8 = (3, "|", None, None, None, -1, -1, 0)  # what numpy says of its dtype of uint8


class _Dtype:
    """Stands for numpy's dtype of uint8, and takes no other state than that."""

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or state not in (_UINT8, (3, b"|", *_UINT8[2:])):
            raise pickle.UnpicklingError("it has numbers of another type than CIFAR-10")


class _Array:
    """Stands for an array of numpy, which is made here of its bytes: numpy itself meets no state of the file's."""

    def __init__(self) -> None:
        self.values: Pixels | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise pickle.UnpicklingError("an array that is made in another way than in CIFAR-10")
        version, shape, kind, by_columns, data = state
        sizes = isinstance(shape, tuple) and len(shape) <= 4 and all(type(n) is int and 0 <= n < 2**40 for n in shape)
        if version != 1 or not sizes or not isinstance(kind, _Dtype) or not isinstance(data, bytes):
            raise pickle.UnpicklingError("an array that is made in another way than in CIFAR-10")
        if len(data) != math.prod(shape):
            raise pickle.UnpicklingError(f"it has an array of {math.prod(shape):,} numbers with {len(data):,} bytes")
        self.values = np.frombuffer(data, np.uint8).reshape(shape, order="F" if by_columns else "C")


def _reconstruct(kind: Any, shape: Any, code: Any) -> Any:
    if kind is not _NDARRAY or shape != (0,):
        raise pickle.UnpicklingError("an array that is made in another way than in CIFAR-10")
    return _Array()


def _dtype(code: Any, *flags: Any) -> Any:
    if code not in ("u1", b"u1", "|u1", b"|u1"):
        raise pickle.UnpicklingError(f"it has numbers of type {_brief(code)}")
    return _Dtype()


def _encode(text: Any, encoding: Any = "latin1", *rest: Any) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1") or rest:
        raise pickle.UnpicklingError(f"it has text encoded as {_brief(encoding)}")
    return text.encode("latin1")


def _brief(value: Any) -> str:
    return shown(repr(value[:40])) if isinstance(value, str | bytes) else type(value).__name__


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
}


class _Function:
    """A function that a file may call, and whose attributes it may not set."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it sets attributes of a function")


class _Unpickler(pickle.Unpickler):
    """Refuses every global that the files of CIFAR-10 do not use, and names it."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {shown(f'{module}.{name}')}")
        found = _ALLOWED[module, name]
        return found if found is _NDARRAY else _Function(found)


def read_cifar_pickle(path: Path) -> tuple[Pixels, Rows]:
    """One batch of CIFAR-10 in the Python layout.

    Returns
    -------
    pixels (N, 3, 32, 32) uint8 and labels (N,) int64.

    Raises
    ------
    BadInput : missing, truncated, damaged, or a pickle that is not a batch of CIFAR-10.
    """
    try:
        data = read_limited(path, _LARGEST_PICKLE, "a batch of CIFAR-10")
        pickle_scan.scan(data)
        content = _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None
    except BadInput:
        raise
    except (EOFError, MemoryError):
        raise BadInput(f"{path}: the pickle is truncated; {_CURE}") from None
    except Exception as error:  # a damaged pickle can raise almost anything
        raise BadInput(
            f"{path}: this is not a batch of CIFAR-10, so it was not read ({_short(error)}); {_CURE}"
        ) from None
    if not isinstance(content, dict):
        raise BadInput(f"{path}: this is not a batch of CIFAR-10 (it is a pickled {type(content).__name__}); {_CURE}")
    table = {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in content.items()}
    array, labels = table.get("data"), table.get("labels")
    pixels = array.values if isinstance(array, _Array) else None
    if not _is_batch(pixels):
        raise BadInput(f'{path}: its "data" is not uint8 (N, {_PIXELS}); {_CURE}')
    if not isinstance(labels, list) or len(labels) != len(pixels) or not all(type(x) is int for x in labels):
        raise BadInput(f'{path}: its "labels" are not {len(pixels):,} integers; {_CURE}')
    return pixels.reshape(-1, *SHAPE), _checked(np.array(labels, dtype=object), path)


def read_cifar_binary(path: Path) -> tuple[Pixels, Rows]:
    """One batch of CIFAR-10 in the binary layout, as `read_cifar_pickle` returns it. Raises BadInput."""
    labels = binary_labels(path)
    pixels = np.empty((len(labels), *SHAPE), dtype=np.uint8)
    for block in binary_blocks(path, np.arange(len(labels))):
        pixels[block.rows[0] : block.rows[-1] + 1] = block.pixels
    return pixels, labels


def binary_labels(path: Path) -> Rows:
    """The labels of a binary batch, each the first byte of its record; the pixels stay on disk. Raises BadInput."""
    try:
        require_regular(path)
        size = path.stat().st_size
        if size % _RECORD or not size:
            raise BadInput(f"{path}: {size:,} bytes are not a whole number of records of {_RECORD:,} bytes; {_CURE}")
        labels = np.memmap(path, dtype=np.uint8, mode="r", shape=(size // _RECORD, _RECORD))[:, 0]
        return _checked(np.array(labels, dtype=object), path)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None


def binary_blocks(path: Path, rows: Rows) -> Iterator[Block]:
    """The images of ascending rows of a binary batch, as blocks (n, 3, 32, 32). Raises BadInput."""
    try:
        with open_regular(path) as file:
            first = 0
            while data := file.read(_RECORDS_AT_ONCE * _RECORD):
                records = np.frombuffer(data, dtype=np.uint8).reshape(-1, _RECORD)
                wanted = rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + len(records))]
                if len(wanted):
                    yield Block(wanted, records[wanted - first, 1:].reshape(-1, *SHAPE))
                first += len(records)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None


def pickle_blocks(path: Path, rows: Rows) -> Iterator[Block]:
    """The images of ascending rows of a pickled batch, as blocks (n, 3, 32, 32). Raises BadInput."""
    pixels, _ = read_cifar_pickle(path)
    for first in range(0, len(rows), _RECORDS_AT_ONCE):
        wanted = rows[first : first + _RECORDS_AT_ONCE]
        yield Block(wanted, pixels[wanted])


def _is_batch(pixels: Any) -> TypeGuard[Pixels]:
    return isinstance(pixels, np.ndarray) and pixels.ndim == 2 and pixels.shape[1:] == (_PIXELS,) and len(pixels) > 0


def _checked(labels: Any, path: Path) -> Rows:
    wrong = [label for label in labels if not 0 <= label < CLASSES]
    if wrong:
        raise BadInput(f"{path}: label {wrong[0]} is out of range (0 to {CLASSES - 1}); {_CURE}")
    return np.asarray(labels, dtype=np.int64)


def _short(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 100 else text[:97] + "..."
