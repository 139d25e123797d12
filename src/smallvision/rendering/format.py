"""Numbers as a report writes them: with their unit, and never more exact than they are."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

SPACE = "\u202f"  # narrow and not broken: 60 000


def whole(value: int) -> str:
    """101 770."""
    return f"{value:,}".replace(",", SPACE)


def percent(share: float, digits: int = 2) -> str:
    """A share of 0 to 1 in percent: 98.46 %."""
    return f"{100 * share:.{digits}f}{SPACE}%"


def interval(ends: list[float]) -> str:
    """97.68 to 99.57 %."""
    return f"{100 * ends[0]:.2f} to {percent(ends[1])}"


def probability(value: float) -> str:
    """A probability in percent; what only rounds to certainty is not called certain."""
    if value < 1 and round(100 * value, 1) >= 100:
        return f"> 99.9{SPACE}%"
    return percent(value, 1)


def seconds(value: float) -> str:
    """62.4 s, 4 min 12 s, 1 h 05 min."""
    if value < 100:
        return f"{value:.3g}{SPACE}s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d}{SPACE}s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(value: int) -> str:
    """Bytes in decimal units: 191 kB, 1.2 MB."""
    for unit, letters in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if value >= unit:
            return f"{value / unit:.{3 if value < 1000 * unit else 6}g}{SPACE}{letters}"
    return f"{value}{SPACE}B"


def shape(sizes: list[int]) -> str:
    """10 × 12 × 12."""
    return " × ".join(str(size) for size in sizes)


def moment(value: float | str | None) -> str:
    """A time in Unix seconds as UTC, to the minute; what is text already stays."""
    if value is None or isinstance(value, str):
        return value or "not yet"
    try:
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, OSError, ValueError):
        return f"{value} s since 1970"


def run_path(path: Path) -> str:
    """The path of a run as seen from the folder that its runs folder lies in: "runs/digits-1f94f146-s0"."""
    whole = path.absolute()
    return f"{whole.parent.name}/{whole.name}" if whole.parent.name else whole.name


def relative_command(command: str, path: Path) -> str:
    """A command without the place of the runs folder on the machine that it was typed on; see `run_path`.

    Parameters
    ----------
    command : as it was recorded.
    path : of a run; what lies in the same folder is named in the same way.
    """
    folder = path.absolute().parent
    return command.replace(f"{folder}/", f"{folder.name}/") if folder.name else command


def listed(parts: Sequence[str]) -> str:
    """The parts in one phrase: "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
