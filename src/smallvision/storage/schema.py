"""A small language for the shape of a JSON file, and the check of a value against it.

A shape is one of the words below (a leaf), `{key: shape}` for a table (where "key?" may be absent), `[shape]` for a
list of any length, `[shape, shape]` for a list of two, or a tuple of alternatives, in which None stands for null.
"""

from pathlib import Path
from typing import Any

from smallvision.errors import BadInput, counted, short

WHOLE, NUMBER, SHARE, TEXT = "a whole number >= 0", "a number", "a number from 0 to 1", "text"
AMOUNT = "a number >= 0"
FLAG = "true or false"


def damaged(file: Path, what: str) -> BadInput:
    """The error for a file that is not as the run wrote it."""
    return BadInput(f"{file}: {what}; restore the file from a copy, or repeat the run")


def check(value: Any, shape: Any, file: Path, at: str = "") -> None:
    """Compare a JSON value with a shape. Raises BadInput naming the first place that differs."""
    for option in shape if isinstance(shape, tuple) else (shape,):
        if isinstance(option, dict) and isinstance(value, dict):
            for key, inner in option.items():
                name = key.removesuffix("?")
                if name in value:
                    check(value[name], inner, file, f"{at}.{name}" if at else name)
                elif name == key:
                    raise damaged(file, f'{at or "the table"} has no "{name}"')
            return
        if isinstance(option, list) and isinstance(value, list):
            if len(option) > 1 and len(value) != len(option):
                raise damaged(file, f"{at} has {counted(len(value), 'value')}; expected {len(option)}")
            for position, item in enumerate(value):
                check(item, option[0], file, f"{at}[{position}]")
            return
        if _fits(value, option):
            return
    names = {dict: "a table", list: "a list", type(None): "null"}
    words = [str(names.get(type(option), option)) for option in (shape if isinstance(shape, tuple) else (shape,))]
    raise damaged(file, f"{at or 'the file'} is {short(value)}; expected {' or '.join(words)}")


def _fits(value: Any, leaf: Any) -> bool:
    if leaf is None or leaf == TEXT:
        return value is None if leaf is None else isinstance(value, str)
    if leaf == FLAG:
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**63:  # nor NaN
        return False
    whole = isinstance(value, int) and value >= 0
    return (
        leaf == NUMBER
        or (leaf == SHARE and 0 <= value <= 1)
        or (leaf == AMOUNT and value >= 0)
        or (leaf == WHOLE and whole)
    )
