"""Shows keys of an experiment: each in two lines, the key with what it may be, and what it means. Uses rich only."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.text import Text

from smallvision.experiment.keys import Key

INDENT = "    "


def show(keys: Sequence[Key], console: Console, whole: bool = False) -> None:
    """Print keys, those of one kind of table under its name.

    Parameters
    ----------
    keys : in their order.
    whole : with an override that can be typed, for a single key.
    """
    before = ("", "")
    for (of, table), group in groupby(keys, key=lambda key: (key.of, _table(key))):
        if of:
            _say(console, f'with {table}.kind = "{of}":', "italic")
        elif before[0]:
            _say(console, f"in every {table}:", "italic")
        before = of, table
        for key in group:
            _say(console, key.key, "bold")
            _say(console, f"{INDENT}{key.meaning}")
            _say(console, f"{INDENT}{values(key)}", "dim")
    if whole:
        _say(console, f"for example: smallvision run NAME {override(keys[0])}")


def values(key: Key) -> str:
    """The type of a key, its allowed values and its default, in a line."""
    allowed = f": {key.value.allowed}" if key.value.allowed else ""
    default = "must be given" if not key.default else key.default
    said = f"default {default}" if key.default not in ("", "not set") else default
    return f"{key.value.type}{allowed}; {said}"


def override(key: Key) -> str:
    """A key with an example of its value, as it is typed."""
    name, value = key.key.replace(".N.", ".0."), key.value.example
    return f"{name}={value.strip(chr(34))}" if not set(value) & set(" [{") else f"'{name}={value}'"


def _table(key: Key) -> str:
    """The table whose kind decides whether there is the key."""
    for parent in ("recipe.schedule", "data.augment.N"):
        if key.key.startswith(f"{parent}."):
            return parent
    return key.key.partition(".")[0]


def _say(console: Console, line: str, style: str = "") -> None:
    """A line, wrapped with its indent on a terminal."""
    if console.soft_wrap or len(line) <= console.width:
        console.print(Text(line, style), highlight=False)
        return
    text = Text(line.strip(), style)
    indent = len(line) - len(line.lstrip())
    for part in text.wrap(console, console.width - indent):
        console.print(Text(" " * indent) + part, highlight=False)
