"""A file of rules: named inputs, settings for everybody, and rules that set keys when a condition holds."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from smallvision.assign import expressions, keys
from smallvision.assign.expressions import Expression
from smallvision.errors import BadInput, nearest, short
from smallvision.experiment.io import read_table
from smallvision.experiment.text import writable

FILE = {"name": str, "about": str, "text": str, "inputs": dict, "optional": list, "set": dict, "rule": list}
INPUT = {"about": str, "low": int, "high": int, "digits": int}
RULE = {"name": str, "when": str, "say": str, "set": dict}
WORDS = {str: "text", dict: "a table", list: "a list", int: "a whole number"}
NAME, NAMES = r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", "1 to 31 letters, digits, dots, dashes or underscores"
COLUMNS = ("id", "name")  # columns of every roster, so no input may have these names
MOST_DIGITS = 18


@dataclass(frozen=True)
class Input:
    """A number that every student has: low <= number <= high, written with exactly `digits` digits unless that is 0."""

    name: str
    about: str = ""
    low: int = 0
    high: int = 10**MOST_DIGITS - 1
    digits: int = 0


@dataclass(frozen=True)
class Rule:
    """A rule sets keys for the students for whom its condition holds. `sets` keeps lists; `say` stands in the sheet."""

    name: str
    when: Expression
    say: str
    sets: Mapping[str, Any]


@dataclass(frozen=True)
class Rules:
    """A file of rules. `common` is set for everybody; some may have no key in `optional`; `where` names the file."""

    name: str
    about: str
    text: str
    inputs: Mapping[str, Input]
    common: Mapping[str, Any]
    rules: tuple[Rule, ...]
    optional: tuple[str, ...]
    where: str


def assignments() -> dict[str, Path]:
    """The built-in assignments, name -> file, in alphabetical order."""
    folder = Path(str(files("smallvision") / "assignments"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read_rules(name: str) -> Rules:
    """The rules of a TOML file, or of a built-in assignment.

    Parameters
    ----------
    name : a file when it contains "/" or ends in ".toml", else the name of a built-in assignment.

    Raises
    ------
    BadInput : there is no such file or name, it is not TOML, it has a key that rules or experiments do not have or a
        condition that `expressions.parse` refuses, two rules have the same name, or a rule sets a key twice.
    """
    if "/" in name or "\\" in name or name.endswith(".toml"):
        return _rules(read_table(name), writable(name))
    known = assignments()
    if name not in known:
        raise BadInput(
            f'there is no assignment named "{writable(name)}"; {nearest(name, known)} (a file needs a "/" or ".toml")'
        )
    return _rules(read_table(str(known[name])), name)


def _rules(table: dict[str, Any], where: str) -> Rules:
    _typed(table, FILE, where, needed=("name", "inputs", "rule"))
    if not re.fullmatch(NAME, table["name"]):
        raise BadInput(f"{where}: name: got {short(table['name'])}; expected {NAMES}")
    if not table["inputs"] or not table["rule"]:
        raise BadInput(f"{where}: the file needs at least one input in [inputs] and one [[rule]]")
    inputs = {name: _input(name, spec, f"{where}: inputs.{writable(name)}") for name, spec in table["inputs"].items()}
    common = _sets(table.get("set", {}), f"{where}: [set]")
    rules = tuple(_rule(rule, number, inputs, where) for number, rule in enumerate(table["rule"], 1))
    names = Counter(rule.name for rule in rules)
    for name, count in names.items():
        if count > 1:
            raise BadInput(
                f'{where}: {count} rules are named "{name}"; task sheets refer to rules by name, so every rule needs '
                "a name of its own"
            )
    optional = table.get("optional", [])
    set_by_rules = {keys.stem(key) for rule in rules for key in rule.sets}
    for key in optional:
        if not isinstance(key, str) or not any(stem == key or stem.startswith(f"{key}.") for stem in set_by_rules):
            raise BadInput(f"{where}: optional: no rule sets {short(key)}; {nearest(str(key), set_by_rules)}")
    about = " ".join(table.get("about", table["name"]).split())
    return Rules(table["name"], about, table.get("text", "").strip(), inputs, common, rules, tuple(optional), where)


def _input(name: str, table: Any, where: str) -> Input:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name) or name in (*COLUMNS, *expressions.RESERVED):
        raise BadInput(
            f"{where}: the name of an input must have small letters, digits and underscores only, and must not be a "
            f"reserved word: {', '.join((*COLUMNS, *expressions.FUNCTIONS, expressions.DIGITS))}, and, or, not, ..."
        )
    if not isinstance(table, dict):
        raise BadInput(
            f'{where}: got {short(table)}; expected a table such as {{ about = "day of birth", low = 1, high = 31 }}'
        )
    _typed(table, INPUT, where)
    spec = Input(name, **table)
    if not 0 <= spec.low <= spec.high < 10**MOST_DIGITS:
        bounds = f"low {short(spec.low)} and high {short(spec.high)}"
        raise BadInput(f"{where}: {bounds}; expected 0 <= low <= high < 10**{MOST_DIGITS}")
    if not 0 <= spec.digits <= MOST_DIGITS:
        raise BadInput(f"{where}: digits: got {short(spec.digits)}; expected 1 to {MOST_DIGITS}, or 0 for any number")
    return spec


def _rule(table: Any, number: int, inputs: Mapping[str, Input], file: str) -> Rule:
    where = f"{file}: rule {number}"
    if not isinstance(table, dict):
        raise BadInput(f"{where}: got {short(table)}; expected a table, [[rule]]")
    if isinstance(table.get("name"), str):
        where = f'{file}: rule "{writable(table["name"])}"'
    _typed(table, RULE, where, needed=("name", "when", "set"))
    if not re.fullmatch(NAME, table["name"]):
        raise BadInput(f"{where}: name: expected {NAMES}")
    sets = _sets(table["set"], where)
    if not sets:
        raise BadInput(f"{where}: this rule sets nothing; add keys to it")
    when = expressions.parse(table["when"], inputs.keys(), f"{where}, when")
    return Rule(table["name"], when, " ".join(table.get("say", "").split()), sets)


def _sets(table: dict[str, Any], where: str) -> dict[str, Any]:
    """Keys and values, with lists kept. Raises BadInput for an unknown key and for one that is set twice."""
    sets: dict[str, Any] = {}
    claims = keys.Claims()
    for key, value in keys.dotted(table, where):
        for leaf, _ in keys.leaves(key, value, where):
            keys.refuse_unknown(leaf, where)
            taken = claims.claim(leaf, where)
            if taken is not None:
                as_what = "" if taken[0] == leaf else f" (and as {taken[0]})"
                raise BadInput(f"{where}: {leaf} is set twice{as_what}")
        sets[key] = value
    return sets


def _typed(table: Mapping[str, Any], kinds: Mapping[str, type], where: str, needed: tuple[str, ...] = ()) -> None:
    """Refuse unknown keys, missing keys, and values of another type."""
    for key, value in table.items():
        if key not in kinds:
            raise BadInput(f"{where}: unknown key {writable(key)}; {nearest(key, kinds)}")
        if type(value) is not kinds[key]:
            raise BadInput(f"{where}: {key}: got {short(value)}; expected {WORDS[kinds[key]]}")
    for key in needed:
        if key not in table:
            raise BadInput(f"{where}: {key}: missing")
