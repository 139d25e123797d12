"""How much memory there is, and the refusal of data that would not fit, before any of it is read."""

import os
from pathlib import Path

from smallvision.errors import BadInput


def available_bytes() -> int:
    """Bytes that can still be used: the smallest of what the system and the process's control groups leave."""
    limits = [_system(), *_control_groups()]
    return max(0, min(limit for limit in limits if limit is not None))


def _system() -> int:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system: better to try than to refuse
        return 1 << 62


def _control_groups() -> list[int | None]:
    """What containers leave, in cgroup version 2 and 1. Page cache can be given back, so it counts as free."""
    return [
        _left(Path("/sys/fs/cgroup"), "memory.max", "memory.current", "file"),
        _left(Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache"),
    ]


def _left(folder: Path, limit: str, used: str, cache: str) -> int | None:
    try:
        total = int((folder / limit).read_text())  # "max" means no limit, and is no number
        current = int((folder / used).read_text())
        counts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return total - current + int(counts.get(cache, 0))


def require(needed: int, name: str, cure: str) -> None:
    """Refuse images that do not fit into memory.

    Parameters
    ----------
    needed : bytes the pixels take at their largest.
    name : the source, for the message.
    cure : what a person can change.

    Raises
    ------
    BadInput : how much is needed, how much there is, and the cure.
    """
    available = available_bytes()
    if needed > available:
        raise BadInput(f"{name}: needs {human(needed)} of memory, and {human(available)} are available; {cure}")


def human(count: float) -> str:
    """Bytes as a person reads them: 47.0 MB, 1.2 GB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
