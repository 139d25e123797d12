"""Measures the memory that a call needs besides its inputs and outputs: the rise of this process's resident set.

On Linux the peak is VmHWM, set back just before the call by writing 5 to /proc/self/clear_refs (proc(5)), and what was
there before is VmRSS; the kernel counts pages in batches, so either may be some 0.3 MB out. Elsewhere it is ru_maxrss,
which cannot be set back: only a rise above everything before is seen. The resident set counts whatever took the memory:
torch, numpy, compiled code.
"""

import ctypes
import gc
import sys
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

__all__ = ["keep_freed", "method", "needed"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
RESET = Path("/proc/self/clear_refs")


def method() -> str:
    """How memory is measured here: "VmHWM", "ru_maxrss" or "none"."""
    if RESET.exists():
        return "VmHWM"
    try:
        import resource  # noqa: F401
    except ImportError:
        return "none"
    return "ru_maxrss"


def needed(function: Callable[[], Tensor]) -> int | None:
    """Bytes a call needs beside what it is given and returns; None where that cannot be measured."""
    how = method()
    if how == "none":
        return None
    if how == "VmHWM":
        function()  # what is made only once, compiled code or a library's tables, is not the call's
    gc.collect()
    give_back()
    before = _size("VmRSS") if how == "VmHWM" else _most()
    if how == "VmHWM":
        RESET.write_text("5")
    result = function()
    return max(0, (_size("VmHWM") if how == "VmHWM" else _most()) - before - result.nbytes)


def give_back() -> None:
    """Give freed memory back to the system, now and from here on: every block above 64 KiB is then mapped by itself."""
    _malloc(2**16, 0)
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return


def keep_freed() -> None:
    """Keep freed memory for the next call, from here on."""
    _malloc(2**30, 2**31 - 1)


def _malloc(mapped: int, kept: int) -> None:
    """Thresholds of mallopt(3), in bytes: from which size a block is mapped, and how much free memory is kept. glibc's
    only."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(M_MMAP_THRESHOLD, mapped)
    mallopt(M_TRIM_THRESHOLD, kept)


def _size(key: str) -> int:
    """A size from /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key + ":"))


def _most() -> int:
    """The largest resident set so far, in bytes."""
    from resource import RUSAGE_SELF, getrusage

    return getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
