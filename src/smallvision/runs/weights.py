"""Files of weights (.safetensors): their sizes are checked before a library reads them. No torch.

A file begins with the length of its header in eight bytes, low byte first; the header is JSON (safetensors, "Format").
"""

import os
from pathlib import Path
from typing import BinaryIO

from smallvision.data import memory
from smallvision.errors import BadInput
from smallvision.storage.reading import open_regular, too_large

LARGEST = 8 * 1024**3  # bytes: two thousand million weights
LARGEST_HEADER = 16 * 1024**2  # bytes; a tensor takes about a hundred


def read(path: Path) -> bytes:
    """The content of a file of weights, after `check`. Raises BadInput and OSError as `check` does."""
    with open_regular(path) as file:
        size = _size(path, file)
        memory.require(2 * size, str(path), "use a machine with more memory")  # the file, and the tensors
        return file.read(size)


def check(path: Path) -> None:
    """Check the sizes of a file of weights, for a library that opens the path itself.

    Raises
    ------
    BadInput : no regular file, too large, or with a header that is too long or longer than the file.
    OSError : there is no such file, or it may not be read.
    """
    with open_regular(path) as file:
        _size(path, file)


def _size(path: Path, file: BinaryIO) -> int:
    """Bytes of an opened file; it stands at its beginning afterwards."""
    size = os.fstat(file.fileno()).st_size
    if size > LARGEST:
        raise too_large(path, size, LARGEST, "a file of weights")
    header = int.from_bytes(file.read(8), "little")
    if size < 8 or header > size - 8:
        raise BadInput(
            f"{path}: the file has {size:,} bytes, fewer than its header says, so it is not a complete safetensors file"
        )
    if header > LARGEST_HEADER:
        raise BadInput(
            f"{path}: its header has {header:,} bytes, and the header of a file of weights may have at most "
            f"{LARGEST_HEADER:,}; it is not read"
        )
    file.seek(0)
    return size
