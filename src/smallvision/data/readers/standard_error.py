"""Keeps lines off standard error that libraries in C print there themselves, past Python.

libtiff describes every damaged strip so, while Pillow raises an exception about the file, which says enough.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_lock = threading.Lock()
_kept: list[int] = []  # a copy of standard error's descriptor for each thread in `silent`; the first is the real one


@contextmanager
def silent() -> Iterator[None]:
    """Lead what is written to descriptor 2 nowhere, for the whole process, until every thread has left this context."""
    with _lock:
        with suppress(OSError, ValueError, AttributeError):  # no standard error, or one that is not a file
            sys.stderr.flush()
        try:
            _kept.append(os.dup(2))
            if len(_kept) == 1:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, 2)
                os.close(nowhere)
        except OSError:  # it is closed, so nothing can be printed there
            _kept.append(-1)
    try:
        yield
    finally:
        with _lock:
            if len(_kept) == 1 and _kept[0] >= 0:
                os.dup2(_kept[0], 2)
            last = _kept.pop()  # of another thread, maybe; the first one goes last
            if last >= 0:
                os.close(last)
