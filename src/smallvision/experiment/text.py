"""Text that goes in and out: a value as a message shows it, and as TOML has it; a path as a person writes it."""

import json
from pathlib import Path
from typing import Any

from smallvision.errors import BadInput


def short(value: Any) -> str:
    """A value as a message shows it: its repr, at most 60 characters."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than 4 300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."


def inline(value: Any) -> str:
    """A value as TOML writes it in one line, as on the right of an override."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)} = {inline(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(inline, value))}]"
    return json.dumps(value, ensure_ascii=False)


def writable(text: str) -> str:
    """The text with what is no character (a surrogate, as a name that is not UTF-8 has) escaped: it can be printed."""
    return text.encode("utf-8", "backslashreplace").decode()


def expanded(path: str | Path) -> Path:
    """The path with a leading "~" replaced by the home folder.

    Raises
    ------
    BadInput : "~name" of nobody here; a name that is not UTF-8, which no experiment can record.
    """
    if str(path) != writable(str(path)):
        raise BadInput(f"{writable(str(path))}: not UTF-8, so it cannot be recorded; rename it")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise BadInput(f"{path}: there is no home folder of that name; write the path in full") from None
