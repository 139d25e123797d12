"""Opens files that other people or programs may have put there: regular files only, and no more of them than expected.

A pipe without a writer, a terminal or /dev/zero would be read for ever; a socket and a directory cannot be read. The
kind of a file is therefore checked before it is opened, and again on the open file, in case it was replaced in between.
"""

import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from smallvision.errors import BadInput, shown

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_LARGEST_DIRECTORY = 4_000_000  # bytes of the list of members of a zip archive: some 80 000 members
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY"))


def open_regular(path: str | Path) -> BinaryIO:
    """Open a regular file for reading in binary; nothing else is opened.

    Raises
    ------
    BadInput : a directory, pipe, socket or device, also at the end of a link.
    OSError : there is no such file, a link leads nowhere or in a circle, or the file may not be read.
    """
    require_regular(path)
    descriptor = os.open(path, _FLAGS)
    try:
        _refuse(path, os.fstat(descriptor).st_mode)
        return cast(BinaryIO, os.fdopen(descriptor, "rb"))
    except BaseException:
        os.close(descriptor)
        raise


def require_regular(path: str | Path, limit: int | None = None, what: str = "a file of this kind") -> None:
    """Refuse what is not a regular file, for a library that opens the path itself.

    Parameters
    ----------
    path : the file.
    limit : its largest size in bytes; None for any size.
    what : what a file of this kind is called, for the message.

    Raises
    ------
    BadInput : a directory, pipe, socket or device, also at the end of a link; or a file larger than `limit`.
    OSError : there is no such file, a link leads nowhere or in a circle, or its folder may not be entered.
    """
    found = os.stat(path)
    _refuse(path, found.st_mode)
    if limit is not None and found.st_size > limit:
        raise too_large(path, found.st_size, limit, what)


def read_limited(path: str | Path, limit: int, what: str) -> bytes:
    """The whole content of a regular file.

    Parameters
    ----------
    path : the file.
    limit : its largest size in bytes.
    what : what a file of this kind is called, for the message.

    Raises
    ------
    BadInput, OSError : as for `require_regular`.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise too_large(path, size, limit, what)
        content = file.read(limit + 1)  # some files of the system say that they have no bytes, and have
    if len(content) > limit:
        raise too_large(path, len(content), limit, what)
    return content


@contextmanager
def open_zip(path: str | Path) -> Iterator[zipfile.ZipFile]:
    """A zip archive that numpy may have written, open for reading.

    Raises
    ------
    BadInput : no regular file; a list of members of more than 4 MB, which would take far more memory; members that are
        compressed in another way than numpy's, whose sizes are then known to within a factor of 1 032 (deflate).
    OSError, zipfile.BadZipFile and others : the file cannot be read, or is not an archive.
    """
    with open_regular(path) as file:
        bounded = _Bounded(file, path)
        archive = zipfile.ZipFile(cast(BinaryIO, bounded))
        bounded.most = None
        for member in archive.infolist():
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise BadInput(f"{path}: {shown(member.filename)} is compressed in a way that numpy does not write")
            if member.file_size > 1100 * member.compress_size + 1000:
                sizes = f"{member.compress_size:,} bytes that would unpack to {member.file_size:,}"
                raise BadInput(f"{path}: {shown(member.filename)} has {sizes}, which is not possible in a zip archive")
        yield archive


class _Bounded:
    """A file from which no more than `most` bytes are read at a time, until that is None."""

    def __init__(self, file: BinaryIO, path: str | Path) -> None:
        self._file, self._path = file, path
        self.most: int | None = _LARGEST_DIRECTORY

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        if self.most is None:
            return self._file.read(size)
        data = self._file.read(self.most + 1 if size < 0 else min(size, self.most + 1))
        if len(data) > self.most:
            raise BadInput(
                f"{self._path}: the list of members of this archive has more than {self.most:,} bytes, so it is not "
                "read"
            )
        return data


def too_large(path: str | Path, size: int, limit: int, what: str) -> BadInput:
    """The error for a file of more bytes than `limit`."""
    return BadInput(f"{path}: the file has {size:,} bytes, and {what} may have at most {limit:,}; it is not read")


def _refuse(path: str | Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "not a regular file")
        cure = "name a file in it" if stat.S_ISDIR(mode) else "write its content to a file and name that file"
        raise BadInput(f"{path}: this is {kind}, and only regular files are read; {cure}")
