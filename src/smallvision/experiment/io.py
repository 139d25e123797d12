"""Experiments from TOML files and catalog names, with overrides; and back to TOML."""

import re
import tomllib
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import ValidationError

from smallvision.errors import BadInput, nearest, short, shown
from smallvision.experiment.base import Spec
from smallvision.experiment.data import DataSpec
from smallvision.experiment.experiment import Experiment
from smallvision.experiment.keys import kind_of, nearest_key
from smallvision.experiment.model.encoder import EncoderSpec
from smallvision.experiment.plain import expected, missing_value, shown_value
from smallvision.experiment.task import SPECS as TASK_SPECS
from smallvision.experiment.text import expanded, writable
from smallvision.storage.reading import read_limited

Kind = TypeVar("Kind", bound=Spec)
MOST_PARTS = 1000  # dots between two marks of TOML
MOST_NESTED = 40  # tables and lists in one another; an experiment needs about ten
LARGEST_FILE = 1_000_000  # bytes; far more than any experiment needs


def catalog() -> dict[str, Path]:
    """The experiments of the catalog, name -> file, in alphabetical order; for its studies see `lookup.studies`."""
    return {name: path for name, path in entries().items() if "base" not in parsed(path)}


def entries() -> dict[str, Path]:
    """The experiments and studies of the catalog, name -> file, in alphabetical order."""
    folder = Path(str(files("smallvision") / "catalog"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load(name: str, overrides: Iterable[str] = ()) -> Experiment:
    """The experiment of a catalog name or a TOML file, changed by overrides.

    Parameters
    ----------
    name : a catalog name, or a file when it contains "/" or ends in ".toml".
    overrides : "key.sub=value" each; a value is TOML (``2``, ``0.1``, ``true``, ``[1, 3]``), else it is text.

    Raises
    ------
    BadInput : the name or a key is unknown, the file is missing or not TOML, a value has the wrong type or range.
    """
    return _load(name, map(key_and_value, overrides))


def load_encoder_experiment(encoder: EncoderSpec) -> Experiment:
    """The experiment whose encoder is taken over, changed by `encoder.set`. Raises BadInput; see `load`."""
    return _load(str(encoder.experiment), sorted(encoder.set.items()))


def _load(name: str, settings: Iterable[tuple[str, Any]]) -> Experiment:
    table = read_table(name)
    if "base" in table:
        raise BadInput(f"{writable(name)}: this is a study (it has a base), and an experiment is needed here")
    for key, value in settings:
        assign(table, key, value)
    return build(table, name)


def read_table(name: str) -> dict[str, Any]:
    """The raw table of a catalog name or of a file. Raises BadInput."""
    return parsed(located(name))


def located(name: str) -> Path:
    """The file of a catalog name, or the file that `name` is. Raises BadInput."""
    if "/" in name or "\\" in name or name.endswith(".toml"):
        return expanded(name)
    known = entries()
    if name not in known:
        hint = f'{nearest(name, known)} (a file needs a "/" or ".toml")'
        raise BadInput(f'no experiment named "{writable(name)}" in the catalog; {hint}')
    return known[name]


def parsed(path: Path) -> dict[str, Any]:
    """The raw table in a TOML file. Raises BadInput."""
    try:
        return parse_toml(read_limited(path, LARGEST_FILE, "the TOML file of an experiment").decode())
    except BadInput:
        raise
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path}: the file is not UTF-8 text, so it is not TOML") from None
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path}: the file is not valid TOML: {error}") from None
    except RecursionError:
        raise BadInput(f"{path}: the file is nested too deeply to be read; use fewer levels") from None
    except ValueError:  # Python refuses numbers of more than 4 300 digits, and file names with a zero byte
        raise BadInput(
            f"{path}: the file has a number of thousands of digits, or this cannot be the name of a file; expected "
            "the TOML file of an experiment"
        ) from None


def parse_toml(text: str) -> dict[str, Any]:
    """A raw table. Raises tomllib.TOMLDecodeError and ValueError as tomllib does, RecursionError for deep nesting.

    tomllib takes a time that grows with the square of the number of parts of a key, so these are counted first.
    """
    if any(part.count(".") > MOST_PARTS for part in re.split(r"[=,{\[\n]", text)):
        raise RecursionError
    table = tomllib.loads(text)
    if depth(table) > MOST_NESTED:
        raise RecursionError
    return table


def depth(value: Any, most: int = MOST_NESTED) -> int:
    """How deeply tables and lists are nested; no deeper than `most` + 1 is looked."""
    level, reached = [value], 0
    while level and reached <= most:
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        reached += 1
    return reached


def apply(table: dict[str, Any], override: str) -> None:
    """Change a raw table by one "key.sub=value"; a number in the key is an index of a list. Raises BadInput."""
    assign(table, *key_and_value(override))


def key_and_value(override: str) -> tuple[str, Any]:
    """The two sides of "key.sub=value". Raises BadInput."""
    key, equals, text = override.partition("=")
    if not equals or not key.strip() or override != writable(override):
        meant = nearest_key(override) if override == writable(override) else ""
        hint = meant if meant.startswith("the key") else "for example recipe.epochs=2"
        raise BadInput(f"override {short(override)}: expected KEY=VALUE in UTF-8; {hint}")
    if key.count(".") > MOST_NESTED:
        raise BadInput(
            f"override {short(override)}: the key has {key.count('.'):,} dots, more than any key of an experiment"
        )
    return key.strip(), _value(text)


def assign(table: dict[str, Any], key: str, value: Any) -> None:
    """Change the value at "key.sub" of a raw table; a number in the key is an index of a list. Raises BadInput."""
    *parents, last = key.split(".")
    place: Any = table
    for done, part in enumerate(parents):
        place = _into(place, part, ".".join(parents[: done + 1]), missing={})
    if isinstance(place, list):
        place[_index(place, last, key)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise BadInput(f"{shown(key)}: {shown('.'.join(parents))} is {short(place)}, not a table")


def _into(place: Any, part: str, where: str, missing: Any) -> Any:
    if isinstance(place, list):
        return place[_index(place, part, where)]
    if not isinstance(place, dict):
        raise BadInput(f"{shown(where)}: its parent is {short(place)}, not a table")
    inner = place.setdefault(part, missing)
    if isinstance(inner, str):  # schedule = "cosine" is short for { kind = "cosine" }
        inner = place[part] = {"kind": inner}
    return inner


def _index(place: list[Any], part: str, where: str) -> int:
    if part not in map(str, range(len(place))):
        raise BadInput(f"{shown(where)}: {short(part)} is not an index of this list; expected 0 to {len(place) - 1}")
    return int(part)


def _value(text: str) -> Any:
    try:
        return parse_toml(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # not TOML, or a number of more digits than Python reads
        return text.strip()


def build(table: dict[str, Any], where: str) -> Experiment:
    """A typed experiment from a raw table. Raises BadInput that names the key of the first error."""
    return typed(Experiment, table, where)


def build_data(table: dict[str, Any], where: str) -> DataSpec:
    """A typed [data] table without an experiment. Raises BadInput as `build` does."""
    return typed(DataSpec, table, where)


def typed(kind: type[Kind], table: dict[str, Any], where: str) -> Kind:
    """A typed spec from a raw table. Raises BadInput that names the key of the first error."""
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        study = "base" in kind.model_fields
        said = _first(error, kind_of(table, "model"), "set." if study else "")
        raise BadInput(f"{writable(where)}: {' '.join(said.split())}") from None


def _first(error: ValidationError, network: str = "", before: str = "") -> str:
    """The first error as one line: the key, the value that was found, and what would work.

    Parameters
    ----------
    network : the kind of the network, whose keys are proposed for a wrong one.
    before : what stands before the key of an experiment, such as "set." in a study.
    """
    first = error.errors(include_url=False)[0]
    kind, context = first["type"], first.get("ctx", {})
    key = ".".join(str(part) for part in _without_tags(first["loc"]))
    if kind == "unknown_key":
        wrong = f"{key + '.' if key else ''}{context['key']}"
        return f"unknown key {wrong}; {_meant(wrong, str(context['hint']), network, before)}"
    if kind == "union_tag_invalid":
        tags = [tag.strip().strip("'") for tag in str(context["expected_tags"]).split(",")]
        return f'{key}.kind: unknown kind "{context["tag"]}"; {nearest(str(context["tag"]), tags)}'
    if kind == "union_tag_not_found":
        return f"{key}.kind: this key is missing; every {key.split('.')[-1] or 'table'} needs a kind"
    if kind == "unwritable":
        return f"{key + '.' if key else ''}{first['msg']}"
    if kind == "missing":
        return missing_value(key) or f"{key}: missing"
    text = expected(first, key) or str(first["msg"]).removeprefix("Value error, ")
    value = first["input"]
    if kind == "value_error" and not isinstance(value, str | int | float):
        return f"{key}: {text}" if key else text
    return f"{key}: got {shown_value(value)}; {text[0].lower()}{text[1:]}"


def _meant(wrong: str, hint: str, network: str, before: str) -> str:
    """Which key somebody meant: one of the whole experiment where the word is known, else the near one of the table."""
    found = nearest_key(wrong, network)
    known = found.startswith("the key")
    place = re.search(r"\.(\d+)\.", wrong)
    found = found.replace(".N.", place[0]) if place else found
    return found.replace("the key is ", f"the key is {before}") if known else hint


def _without_tags(location: tuple[int | str, ...]) -> list[int | str]:
    """An error's location without the tags that pydantic adds for unions: (model, cnn, blocks) -> [model, blocks].

    A task that an installed package adds is not a member of the union, so its locations have no tag.
    """
    unions = {"model", "schedule"}
    out: list[int | str] = []
    for position, part in enumerate(location):
        previous = location[position - 1] if position else None
        after_list_item = position >= 2 and isinstance(previous, int) and location[position - 2] == "augment"
        after_task = previous == "task" and part in TASK_SPECS
        if ((previous in unions or after_task) and position <= 2) or after_list_item:
            continue
        out.append(part)
    return out


def to_toml(experiment: Experiment) -> str:
    """The whole experiment as TOML, defaults filled in; `build` reads it back to an equal experiment."""
    return toml(experiment.model_dump(mode="json", exclude_none=True))


def _filled(table: dict[str, Any]) -> dict[str, Any]:
    inner = {key: _filled(value) if isinstance(value, dict) else value for key, value in table.items()}
    return {key: value for key, value in inner.items() if value != {}}


def toml(table: dict[str, Any]) -> str:
    """A raw table as TOML, with lists of numbers in one line; empty tables are left out."""
    text = tomli_w.dumps(_filled(table))
    return re.sub(r"\[\n((?:    [^\[\]{}\n]+,\n)+)\]", lambda match: f"[{' '.join(match[1].split())[:-1]}]", text)
