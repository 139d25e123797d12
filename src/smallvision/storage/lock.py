"""A lock on a folder, so that one process at a time writes a run or a study. No torch."""

import fcntl
import os
from pathlib import Path

from smallvision.errors import BadInput


def take_lock(folder: Path, shown: Path, taken: str, cure: str) -> int:
    """Lock a folder by POSIX flock.

    The lock ends with the process, even after kill -9, or when its descriptor is closed.

    Parameters
    ----------
    folder : where the file "lock" is.
    shown : what messages call the folder.
    taken : the message where another process holds the lock.
    cure : the advice where the file system has no locks.

    Returns
    -------
    int : the file descriptor of the lock; `os.close` releases it.

    Raises
    ------
    BadInput : another process holds the lock, or the file system gives none.
    """
    try:
        descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise BadInput(f"{shown}: cannot be written: {error.strerror or error}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise BadInput(f"{shown}: {taken}") from None
    except OSError as error:
        os.close(descriptor)
        raise BadInput(f"{shown}: its file system gives no lock ({error.strerror or error}); {cure}") from None
    return descriptor
