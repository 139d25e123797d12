"""How much memory is available, and a check that refuses data which does not fit, before any of it is read."""

import os
from pathlib import Path

from smallvision.errors import BadInput


def available_bytes() -> int:
    """Bytes that can still be used: the smallest of the limits of the system and of the process's control groups."""
    limits = [_system(), *_control_groups()]
    return max(0, min(limit for limit in limits if limit is not None))


def _system() -> int:
    """Bytes that the whole machine has left."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system, so nothing is refused
        return 1 << 62


def _control_groups() -> list[int | None]:
    """Bytes that containers leave (cgroup versions 2 and 1). The page cache counts as free: it can be reclaimed."""
    return [
        _left(Path("/sys/fs/cgroup"), "memory.max", "memory.current", "file"),
        _left(Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache"),
    ]


def _left(folder: Path, limit: str, used: str, cache: str) -> int | None:
    """Bytes that a control group leaves, from the files of these names in `folder`; None without a limit."""
    try:
        total = int((folder / limit).read_text())  # "max" means no limit and raises ValueError
        current = int((folder / used).read_text())
        counts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return total - current + int(counts.get(cache, 0))


def require(needed: int, name: str, cure: str) -> None:
    """Refuses images that do not fit into memory.

    Parameters
    ----------
    needed : bytes that the pixels take at most.
    name : the source, for the message.
    cure : what a person can change, for the message.

    Raises
    ------
    BadInput : more is needed than is available; the message says both.
    """
    available = available_bytes()
    if needed > available:
        raise BadInput(
            f"{name}: this needs {human(needed)} of memory, but only {human(available)} are available; {cure}"
        )


def human(count: float) -> str:
    """A number of bytes in words: 47.0 MB, 1.2 GB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
