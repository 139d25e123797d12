"""Values as text for messages and for TOML, and paths with a leading "~"."""

import json
from pathlib import Path
from typing import Any

from smallvision.errors import BadInput


def inline(value: Any) -> str:
    """A value as TOML in one line, as it stands on the right of an override."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)} = {inline(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(inline, value))}]"
    return json.dumps(value, ensure_ascii=False)


def writable(text: str) -> str:
    """The text with surrogates escaped, which file names that are not UTF-8 have, so that it can be printed."""
    return text.encode("utf-8", "backslashreplace").decode()


def expanded(path: str | Path) -> Path:
    """The path with a leading "~" replaced by the home folder.

    Raises
    ------
    BadInput : "~name" names no user of this machine, or the path is not UTF-8, so that no experiment can record it.
    """
    if str(path) != writable(str(path)):
        raise BadInput(
            f"{writable(str(path))}: the name of this file is not UTF-8, so it cannot be written into the run; rename "
            "the file"
        )
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise BadInput(f"{path}: there is no home folder of that name; write the path in full") from None


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """{"recipe": {"epochs": 2}} -> {"recipe.epochs": 2}, lists by their indices."""
    if not isinstance(value, dict | list):
        return {prefix: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {k: v for key, inner in items for k, v in flat(inner, f"{prefix}.{key}" if prefix else str(key)).items()}
