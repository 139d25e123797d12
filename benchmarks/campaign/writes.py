"""Every write below a folder counted, in this process and those forked from it: something can be done at byte N.

Files that Python opens for writing are replaced by ones that count, and so are the calls that make, rename, cut and
remove files. A write is interrupted in its middle: the bytes before N are in the file, the others are not.
"""

import builtins
import errno
import fcntl
import io
import mmap
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

CALLS = ("replace", "rename", "unlink", "remove", "mkdir", "rmdir", "truncate", "fsync", "link", "symlink")
HIGH = 1024  # the first descriptor that a forked worker leaves open
STEPS = 2  # a call counts as two: something can be done before it and after it
GROWS = ("replace", "rename", "mkdir", "link", "symlink")  # calls that a full disk can refuse


class Writes:
    """Counts what is written below a folder; made before forking, installed in the child.

    Parameters
    ----------
    folder : whose files are counted.
    at : the byte or call at which `act` is called, counted over all processes; None to count only.
    act : what is done there, such as ending the process; it is given this object. If it returns, the write goes on.
    log : a file that gets the size of every write and call as a line, in their order.

    Attributes
    ----------
    leader : the process in which the files were replaced first.
    """

    def __init__(
        self,
        folder: Path,
        at: int | None = None,
        act: Callable[["Writes"], None] | None = None,
        log: Path | None = None,
    ) -> None:
        self.folder, self.at, self.act = os.path.realpath(folder), at, act
        self.leader = 0
        self._shared = mmap.mmap(-1, 8)
        self._log = _high(os.open(log, os.O_CREAT | os.O_APPEND | os.O_TRUNC | os.O_WRONLY, 0o644)) if log else None

    @property
    def count(self) -> int:
        """Bytes and calls so far."""
        return int(struct.unpack("q", self._shared[:8])[0])

    def install(self) -> None:
        """Put counting files and calls in the place of Python's, in this process and those that it forks."""
        self.leader, self._open = os.getpid(), builtins.open
        builtins.open = io.open = self._watched_open  # type: ignore[assignment]
        for name in CALLS:
            setattr(os, name, self._watched_call(name, getattr(os, name)))

    def inside(self, path: Any) -> bool:
        """Whether a path is below the folder."""
        if isinstance(path, int):
            try:
                path = os.readlink(f"/proc/self/fd/{path}")
            except OSError:
                return False
        try:
            return os.path.abspath(os.fsdecode(path)).startswith(self.folder)
        except (TypeError, ValueError):
            return False

    def reached(self, size: int) -> int | None:
        """Count `size` more; how many of these come before `at`, None if `at` is not among them."""
        before = self.count
        self._shared[:8] = struct.pack("q", before + size)
        if self._log is not None:
            os.write(self._log, b"%d\n" % size)
        if self.at is None or not before <= self.at < before + size:
            return None
        return self.at - before

    def refused(self) -> bool:
        """Whether the disk is full: never here."""
        return False

    def _watched_open(
        self,
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        if isinstance(file, int) or not set(mode) & set("wax+") or not self.inside(file):
            return self._open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        if self.refused() and not os.path.exists(file):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(file))
        raw = _Counted(file, mode.replace("b", "").replace("t", ""), closefd, opener)
        raw.writes = self
        if buffering == 0:
            return raw
        size = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
        buffered = io.BufferedRandom(raw, size) if "+" in mode else io.BufferedWriter(raw, size)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline, buffering == 1)

    def _watched_call(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*values: Any, **options: Any) -> Any:
            place = values[-1] if name in ("replace", "rename", "link", "symlink") else values[0]
            if not options.get("dir_fd") and not self.inside(place):
                return call(*values, **options)
            if name in GROWS and self.refused():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(place))
            reached = self.reached(STEPS)
            if reached == 0 and self.act:
                self.act(self)
            found = call(*values, **options)
            if reached == 1 and self.act:
                self.act(self)
            return found

        return watched


class _Counted(io.FileIO):
    """A file without a buffer whose writes are counted."""

    writes: Writes

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        if self.writes.refused():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        before = self.writes.reached(len(view))
        if before is None:
            return super().write(view) or 0
        written = super().write(view[:before]) if before else 0
        if self.writes.act:
            self.writes.act(self.writes)
        if self.writes.refused():
            if written:
                return written  # as the system does: the next write is the one that fails
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return (written or 0) + (super().write(view[before:]) or 0)


class FullDisk(Writes):
    """A disk that is full from byte `at` on: every later write that needs room raises ENOSPC, as the system's would."""

    def __init__(self, folder: Path, at: int) -> None:
        super().__init__(folder, at, self._fill)
        self._full = mmap.mmap(-1, 1)

    def _fill(self, _: Writes) -> None:
        self._full[0] = 1

    def refused(self) -> bool:
        return bool(self._full[0])


def _high(descriptor: int) -> int:
    """The same file under a number that forked workers do not close."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD, HIGH)
    os.close(descriptor)
    return moved


def sizes(log: Path) -> list[int]:
    """The sizes of all writes and calls, of a log."""
    return [int(line) for line in log.read_text().split()]


def places(log: list[int], draw: Any) -> int:
    """A random place: half of the time any byte, else any byte of any write or call, however short it is."""
    if draw.random() < 0.5:
        return int(draw.randrange(sum(log)))
    number = draw.randrange(len(log))
    return int(sum(log[:number]) + draw.randrange(log[number]) if log[number] else sum(log[:number]))
