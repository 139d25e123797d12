"""Reads TOML as smallvision writes it, in a tenth of tomllib's time: for lists of thousands of runs.

Any other text, valid or not, is left to tomllib. What is read here is equal to what tomllib reads.
"""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from functools import lru_cache
from typing import Any

_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?"
_SCALAR = rf'(?:"[^"\\\x00-\x1f\x7f]*"|true|false|{_NUMBER})'
_LIST = rf"\[(?:{_SCALAR}(?:, {_SCALAR})*)?\]"
_ASSIGNED = re.compile(rf"([A-Za-z0-9_-]+) = ({_SCALAR}|{_LIST})")
_ITEM = re.compile(rf"    ({_SCALAR}|{_LIST}),")
_PAIR = rf"[A-Za-z0-9_-]+ = (?:{_SCALAR}|{_LIST})"
_TABLE_ITEM = re.compile(rf"    \{{ ({_PAIR}(?:, {_PAIR})*) \}},")
_EACH_PAIR = re.compile(rf"(?:^|, )([A-Za-z0-9_-]+) = ({_SCALAR}|{_LIST})")
_HEADER = re.compile(r"(\[\[?)([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){0,3})(\]\]?)")
_OPENED = re.compile(r"([A-Za-z0-9_-]+) = \[")
_BRACKETS = {("[", "]"): False, ("[[", "]]"): True}
_MOST_DIGITS = 400  # of a line; Python reads no integer of thousands of digits


def quick_toml(text: str) -> dict[str, Any] | None:
    """The table of a TOML text that was written by `experiment.io.toml`; None where it may be anything else.

    Parameters
    ----------
    text : the whole content of a file.

    Returns
    -------
    dict or None : equal to what `tomllib.loads` gives.
    """
    if "\r" in text:
        return None
    return _Reader().read(text.split("\n"))


@lru_cache(maxsize=4096)  # files of many runs have most lines in common
def _read_line(line: str) -> tuple[str, str, Any] | None:
    """What a line is ("key", "table", "tables", "open" or "item"), the name in it, and the value."""
    if len(line) > _MOST_DIGITS and not line.startswith(('about = "', 'name = "')):
        return None
    if found := _ASSIGNED.fullmatch(line):
        return "key", found[1], json.loads(found[2])
    if (found := _HEADER.fullmatch(line)) and (found[1], found[3]) in _BRACKETS:
        return "tables" if _BRACKETS[found[1], found[3]] else "table", found[2], None
    if found := _ITEM.fullmatch(line):
        return "item", "", json.loads(found[1])
    if found := _TABLE_ITEM.fullmatch(line):
        pairs = [(pair[1], json.loads(pair[2])) for pair in _EACH_PAIR.finditer(found[1])]
        return ("item", "", dict(pairs)) if len(dict(pairs)) == len(pairs) else None
    return ("open", found[1], None) if (found := _OPENED.fullmatch(line)) else None


class _Reader:
    """The table so far, and the place in it where the next key goes."""

    def __init__(self) -> None:
        self.table: dict[str, Any] = {}
        self.place = self.table
        self.opened: list[Any] | None = None  # a list that is written over several lines
        self.headers: set[str] = set()
        self.of_tables: set[str] = set()

    def read(self, lines: list[str]) -> dict[str, Any] | None:
        for line in lines:
            if line == "]" and self.opened is not None:
                self.opened = None
                continue
            if not line and self.opened is None:
                continue
            read = _read_line(line)
            if read is None or (read[0] == "item") != (self.opened is not None):
                return None
            if not _STEPS[read[0]](self, read[1], read[2]):
                return None
        return None if self.opened is not None else self.table

    def key(self, name: str, value: Any) -> bool:
        if name in self.place:
            return False
        self.place[name] = list(value) if isinstance(value, list) else value  # lines are kept for other files
        return True

    def open(self, name: str, value: None) -> bool:
        if name in self.place:
            return False
        self.opened = self.place[name] = []
        return True

    def item(self, name: str, value: Any) -> bool:
        assert self.opened is not None
        self.opened.append(deepcopy(value) if isinstance(value, list | dict) else value)
        return True

    def header(self, name: str, value: None) -> bool:
        if name in self.headers or name in self.of_tables:
            return False
        self.headers.add(name)
        place = self._into(name.split("."))
        if place is None:
            return False
        self.place = place
        return True

    def array_header(self, name: str, value: None) -> bool:
        *parents, last = name.split(".")
        above = self._into(parents)
        if above is None or (last in above and name not in self.of_tables):
            return False
        self.of_tables.add(name)
        self.place = {}
        above.setdefault(last, []).append(self.place)
        return True

    def _into(self, parts: list[str]) -> dict[str, Any] | None:
        """The table of this name, made where it is not there; None where something else is."""
        place = self.table
        for part in parts:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                return None
            place = inner
        return place


_STEPS: dict[str, Callable[[_Reader, str, Any], bool]] = {
    "key": _Reader.key,
    "open": _Reader.open,
    "item": _Reader.item,
    "table": _Reader.header,
    "tables": _Reader.array_header,
}
