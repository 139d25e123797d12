"""Which rows of a list are shown, and in which order: conditions such as "model.kind=cnn" or "test>=98", and a column.

A word is the name of a column, or a key of the experiment behind the row.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from smallvision.errors import BadInput, nearest, short
from smallvision.experiment.keys import default_at, is_key, nearest_key
from smallvision.experiment.text import flat, inline

_CONDITION = re.compile(r"\s*([^=<>!~\s]+)\s*(==|=|!=|>=|<=|>|<)\s*(.*?)\s*", re.DOTALL)
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    ">=": lambda one, other: one >= other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    "<": lambda one, other: one < other,
}


@dataclass(frozen=True)
class Listed:
    """A row of a list, and the tables of the experiment behind it."""

    row: Mapping[str, Any]
    experiment: Mapping[str, Any]


@dataclass(frozen=True)
class _Condition:
    key: str
    order: str
    wanted: str

    def holds(self, value: Any) -> bool:
        """Whether a value fulfils the condition; a value that is not known fulfils "!=" alone. Raises BadInput."""
        if self.order in _ORDERS:
            number = _number(self.wanted)
            if number is None:
                raise BadInput(
                    f"--where {self.key}{self.order}{self.wanted}: {self.order} needs a number, such as "
                    f'"{self.key}{self.order}10"'
                )
            return _is_number(value) and _ORDERS[self.order](value, number)
        return _equal(value, self.wanted) != (self.order == "!=")


def selected(
    listed: Iterable[Listed], columns: Sequence[str], where: Sequence[str] = (), sort: str | None = None
) -> list[dict[str, Any]]:
    """The rows that fulfil all conditions, in the order of a column.

    Parameters
    ----------
    listed : all rows, each with the tables of its experiment.
    columns : the names of the columns.
    where : conditions, each KEY=VALUE or with !=, >, >=, < or <=; a text may have * in it. KEY is a column or a key of
        an experiment.
    sort : a column or a key of an experiment; with "-" before it the largest comes first. Rows without a value are
        last.

    Returns
    -------
    list of dict : the rows.

    Raises
    ------
    BadInput : a condition of another form, or a key that neither a column nor an experiment has; the near one is named.
    """
    found = list(listed)
    for condition in [_condition(text) for text in where]:
        key = _known(condition.key, columns, found, "--where")
        found = [one for one in found if condition.holds(value_at(one, key))]
    if sort is not None:
        largest, name = sort.startswith("-"), sort.removeprefix("-")
        key = _known(name, columns, found, "--sort")
        there = [one for one in found if value_at(one, key) is not None]
        rest = [one for one in found if value_at(one, key) is None]
        found = sorted(there, key=lambda one: _sort_key(value_at(one, key)), reverse=largest) + rest
    return [dict(one.row) for one in found]


def value_at(one: Listed, key: str) -> Any:
    """The value in a column, or of a key of the experiment; the default of a key that its file does not have."""
    if key in one.row:
        return one.row[key]
    place: Any = one.experiment
    for part in key.split("."):
        if isinstance(place, list | tuple) and part.isdecimal() and int(part) < len(place):
            place = place[int(part)]
        elif isinstance(place, Mapping) and part in place:
            place = place[part]
        else:
            return default_at(one.experiment, key)
    return place


def _condition(text: str) -> _Condition:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise BadInput(
            f'--where: got {short(text)}; expected KEY=VALUE, or with !=, >, >=, < or <= in quotes, as in "test>=98"'
        )
    return _Condition(found[1], "=" if found[2] == "==" else found[2], found[3])


def _known(word: str, columns: Sequence[str], listed: Sequence[Listed], option: str) -> str:
    """The column or key that a word names. Raises BadInput with the near one."""
    as_column = word.lower().replace(" ", "_").replace("-", "_")
    if as_column in columns:
        return "test" if option == "--sort" and as_column == "test_score" else as_column  # by its number
    if is_key(word) or any(word in flat(dict(one.experiment)) for one in listed):
        return word
    hint = nearest(as_column, columns)
    hint = hint if hint.startswith("did you mean") else nearest_key(word) or f"columns: {', '.join(columns)}"
    raise BadInput(f'{option}: no column and no key of an experiment is named "{word}"; {hint}')


def _sort_key(value: Any) -> tuple[int, float, str]:
    """Numbers by size, then everything else as text."""
    return (0, float(value), "") if _is_number(value) else (1, 0.0, str(value).lower())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(text: str) -> float | None:
    try:
        return float(text.removesuffix("%").replace(",", ""))
    except ValueError:
        return None


def _equal(value: Any, wanted: str) -> bool:
    if value is None:
        return wanted in ("", "none")
    if _is_number(value):
        return bool(_number(wanted) == value)
    if isinstance(value, list | tuple | dict | bool):
        try:
            asked: str = inline(tomllib.loads(f"value = {wanted}")["value"])
            return asked == inline(value)
        except (ValueError, RecursionError):
            return False
    return bool(fnmatchcase(str(value), wanted.strip("\"'")))
