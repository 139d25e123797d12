"""A lock on a folder, so that one process at a time writes a run or a study. No torch.

It is POSIX's flock, or on Windows, which has none, that of msvcrt.
"""

import importlib
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from smallvision.errors import BadInput, Busy
from smallvision.storage.reading import require_regular

RETRY_SECONDS = 0.05
LOCKED_BYTE = 2**30  # of the file, on Windows: far behind what it holds, since nobody else can read what is locked


def _module(name: str) -> Any:
    """A module of the standard library that not every system has; None where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


FCNTL, MSVCRT = _module("fcntl"), _module("msvcrt")
RENAMED = MSVCRT is None or FCNTL is not None  # whether a folder can be renamed while its lock is held: not on Windows


def take_lock(folder: Path, shown: Path, taken: str, cure: str) -> int:
    """Lock a folder.

    The lock ends with the process, even after kill -9, or when its descriptor is closed.

    Parameters
    ----------
    folder : where the file "lock" is.
    shown : what messages call the folder.
    taken : the message where another process holds the lock; which one, and since when, is put before its first ";".
    cure : the advice where the file system has no locks.

    Returns
    -------
    int : the file descriptor of the lock; `os.close` releases it.

    Raises
    ------
    Busy : another process holds the lock.
    BadInput : the file system or the system gives no lock, or the folder cannot be written.
    """
    if FCNTL is None and MSVCRT is None:
        raise BadInput(
            f"{shown}: nothing can be written here, because this Python has no file locks (neither fcntl nor "
            "msvcrt); runs and studies can be read here, but they must be made on another system"
        )
    try:
        if os.path.lexists(folder / "lock"):
            require_regular(folder / "lock")
        descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise BadInput(f"{shown}: the folder cannot be written: {error.strerror or error}") from None
    try:
        try:
            _lock(descriptor)
        except BlockingIOError:  # maybe by a process that looked whether it is free, and is done at once
            time.sleep(RETRY_SECONDS)
            _lock(descriptor)
    except BlockingIOError:
        who = _holder(descriptor)
        os.close(descriptor)
        raise Busy(f"{shown}: {_by(taken, who)}") from None
    except OSError as error:
        os.close(descriptor)
        raise BadInput(
            f"{shown}: its file system does not support file locks ({error.strerror or error}); {cure}"
        ) from None
    if not _stands(descriptor, folder / "lock"):  # opened before another process removed it
        os.close(descriptor)
        raise Busy(f"{shown}: another process has just removed or replaced this folder; repeat the same command")
    with suppress(OSError):  # on a full disk the lock holds all the same
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, f"{os.getpid()} {time.time():.0f} {socket.gethostname()}\n".encode())
    return descriptor


def holder(folder: Path) -> str | None:
    """Who holds the lock of a folder.

    Returns
    -------
    str or None : " (process 4711, since 2026-01-31 15:04)", "" where the lock does not say; None where nobody holds it.
    """
    try:
        require_regular(folder / "lock")
        descriptor = os.open(folder / "lock", os.O_RDONLY)
    except (OSError, BadInput):
        return None
    try:
        if FCNTL is not None or MSVCRT is not None:
            _lock(descriptor)  # and is released at once
    except BlockingIOError:
        return _holder(descriptor)
    except OSError:
        pass  # no locks here, so nobody holds one
    finally:
        os.close(descriptor)
    return None


def refuse_held(folder: Path, taken: str) -> None:
    """Raise Busy where another process holds the lock of a folder; `taken` is as for `take_lock`."""
    who = holder(folder)
    if who is not None:
        raise Busy(f"{folder}: {_by(taken, who)}")


def _by(taken: str, who: str) -> str:
    """A message with who holds the lock before its first ";"."""
    return taken.replace(";", f"{who};", 1)


def _stands(descriptor: int, file: Path) -> bool:
    """Whether an open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(file))
    except OSError:
        return False


def _lock(descriptor: int) -> None:
    """Take the lock or raise BlockingIOError where another process has it."""
    if FCNTL is not None:
        FCNTL.flock(descriptor, FCNTL.LOCK_EX | FCNTL.LOCK_NB)
        return
    os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
    try:
        MSVCRT.locking(descriptor, MSVCRT.LK_NBLCK, 1)
    except PermissionError as error:  # what msvcrt says of a lock that is taken
        raise BlockingIOError(*error.args) from None


def _holder(descriptor: int) -> str:
    """Who holds a lock, as its file says it: " (process 4711, since 2026-01-31 15:04)"; "" where it does not say."""
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        pid, since, host = os.read(descriptor, 300).decode("ascii").split()
        moment = time.strftime("%Y-%m-%d %H:%M", time.localtime(int(since)))
        elsewhere = "" if host == socket.gethostname() else f" on {host}"
        return f" (process {int(pid)}{elsewhere}, since {moment})" if host.isprintable() else ""
    except (OSError, OverflowError, ValueError):
        return ""
