"""One process at a time writes a run, and one a study. No torch."""

import fcntl
import os
from pathlib import Path

from smallvision.errors import BadInput


def take_lock(folder: Path, shown: Path, taken: str, cure: str) -> int:
    """Take a folder's lock: POSIX flock, which goes with the process, even after kill -9, or with `os.close` of what is returned.

    Parameters
    ----------
    folder, shown : where the file "lock" is, and what a message calls it.
    taken, cure : what is said where another process holds it, and what helps where the file system has no locks.

    Raises
    ------
    BadInput : the lock is taken or cannot be.
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
