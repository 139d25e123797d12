"""IDX files, raw or gzipped: the format of MNIST (LeCun, Cortes & Burges, "The MNIST database", file format section).

A file is a big-endian header (two zero bytes, type of the numbers, count of dimensions, each dimension), then the
numbers. Only uint8 is read. The sizes in a header are checked against the size of the file before memory is reserved
for them.
"""

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import cast

import numpy as np

from smallvision.data import memory
from smallvision.data.source import Block, Pixels, Rows
from smallvision.errors import BadInput, counted
from smallvision.storage.reading import open_regular

_UINT8 = 8
_BLOCK_BYTES = 4_000_000  # read at a time; limits the memory that a wrong header in a gzipped file can take
_LARGEST_RATIO = 1100  # deflate shrinks to 1/1032 at most
_CURE = "delete it and download it again"


@dataclass(frozen=True)
class Header:
    """The header of an IDX file.

    Parameters
    ----------
    shape : the dimensions.
    offset : where the numbers begin, in bytes of the unzipped file.
    """

    shape: tuple[int, ...]
    offset: int

    @property
    def bytes(self) -> int:
        """Bytes of the numbers, without the header."""
        return math.prod(self.shape)


def read_header(path: Path, dimensions: int) -> Header:
    """The header of an IDX file of uint8, checked against the size of the file.

    Parameters
    ----------
    path : the file, raw or gzipped.
    dimensions : 3 for images (N, H, W), 1 for labels (N,).

    Raises
    ------
    BadInput : not an IDX file, another type or count of dimensions, a file too short or too long for its header.
    """
    with _opened(path) as file:
        magic = file.read(4)
        if len(magic) < 4 or magic[:2] != b"\0\0":
            raise BadInput(f"{path}: this is not an IDX file (it starts with {magic.hex(' ') or 'nothing'}); {_CURE}")
        if magic[2] != _UINT8 or magic[3] != dimensions:
            raise BadInput(
                f"{path}: the file has IDX type {magic[2]} with {counted(magic[3], 'dimension')}; expected type "
                f"{_UINT8} "
                f"(uint8) with {dimensions}"
            )
        sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise BadInput(f"{path}: the file ends within its header; {_CURE}")
    shape = tuple(int(size) for size in np.frombuffer(sizes, dtype=">u4"))
    header = Header(shape, 4 + 4 * dimensions)
    if 0 in shape:
        raise BadInput(f"{path}: the file holds no images or labels (its header says {_times(shape)}); {_CURE}")
    on_disk = path.stat().st_size
    if _zipped(path):
        if header.bytes > on_disk * _LARGEST_RATIO:
            raise BadInput(f"{path}: its header says {_times(shape)}, too many for {on_disk:,} gzipped bytes; {_CURE}")
    elif on_disk != header.offset + header.bytes:
        raise BadInput(
            f"{path}: its header says {_times(shape)}, so {header.offset + header.bytes:,} bytes, but it has "
            f"{on_disk:,} bytes; {_CURE}"
        )
    return header


def blocks(path: Path, header: Header, rows: Rows) -> Iterator[Block]:
    """The images of ascending rows as blocks (n, 1, H, W). The file is read to its end, where gzip has its checksum.

    Raises
    ------
    BadInput : truncated, damaged, or longer than its header says.
    """
    count, height, width = header.shape
    at_once = max(1, _BLOCK_BYTES // (height * width))
    with _opened(path) as file:
        file.read(header.offset)
        for first in range(0, count, at_once):
            number = min(at_once, count - first)
            data = np.frombuffer(_exactly(file, number * height * width, path), dtype=np.uint8)
            wanted = rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + number)]
            if len(wanted):
                images = data.reshape(number, 1, height, width)
                yield Block(wanted, images if len(wanted) == number else images[wanted - first])
        if file.read(1):
            raise BadInput(f"{path}: longer than its header says ({_times(header.shape)}); {_CURE}")


def read_idx(path: Path, dimensions: int = 3) -> Pixels:
    """A whole IDX file of uint8, raw or gzipped.

    Parameters
    ----------
    path : the file; gzip is recognised by its content, not by its name.
    dimensions : 3 for images (N, H, W), 1 for labels (N,).

    Raises
    ------
    BadInput : missing, not IDX, truncated, damaged or too long.
    """
    header = read_header(path, dimensions)
    memory.require(header.bytes, str(path), "use a file with fewer images")
    out = bytearray()
    with _opened(path) as file:
        file.read(header.offset)
        while len(out) < header.bytes:
            out += _exactly(file, min(_BLOCK_BYTES, header.bytes - len(out)), path)
        if file.read(1):
            raise BadInput(f"{path}: longer than its header says ({_times(header.shape)}); {_CURE}")
    return np.frombuffer(out, dtype=np.uint8).reshape(header.shape)


@contextmanager
def _opened(path: Path) -> Iterator[BufferedIOBase]:
    """The content of the file, unzipped; any error while it is open becomes a BadInput of one line."""
    try:
        with open_regular(path) as raw, gzip.open(raw) if _zipped(path) else raw as file:
            yield cast(BufferedIOBase, file)
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BadInput(f"{path}: its gzip data are damaged ({error}); {_CURE}") from None
    except EOFError:
        raise BadInput(f"{path}: its gzip data are truncated; {_CURE}") from None
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None


def _zipped(path: Path) -> bool:
    with open_regular(path) as file:
        return file.read(2) == b"\x1f\x8b"


def _exactly(file: BufferedIOBase, count: int, path: Path) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise BadInput(f"{path}: the file is truncated (at least {count - len(data):,} bytes are missing); {_CURE}")
    return data


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{size:,}" for size in shape)
