"""What a name stands for: an experiment or a study. Studies from TOML files and catalog names, and back to TOML."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic_core import PydanticCustomError

from smallvision.errors import BadInput
from smallvision.experiment.experiment import Experiment
from smallvision.experiment.io import apply, assign, build, entries, key_and_value, located, parsed, toml, typed
from smallvision.experiment.overrides import SECTIONS, flat
from smallvision.experiment.study import Study
from smallvision.experiment.text import short, writable

BY_FULL_KEY = ("set", "axes", "search")  # tables of a study whose keys are keys of an experiment


def studies() -> dict[str, Path]:
    """Every study of the catalog: name and file, in alphabetical order."""
    return {name: path for name, path in entries().items() if "base" in parsed(path)}


def load_any(name: str, overrides: Iterable[str] = ()) -> Experiment | Study:
    """The experiment or study of a catalog name or a TOML file, changed by overrides; a file with the key `base` is a study.

    Parameters
    ----------
    name : a catalog name, or a file when it contains "/" or ends in ".toml".
    overrides : "key.sub=value" each. A study's experiments are changed under `set`, as in "set.recipe.epochs=2".

    Raises
    ------
    BadInput : unknown name or key, a file that is missing or no TOML, a value of wrong type or range.
    """
    file = located(name)
    table = parsed(file)
    if "base" in table:
        return _study(table, name, file.parent, overrides)
    for override in overrides:
        apply(table, override)
    return build(table, name)


def load_study(name: str, overrides: Iterable[str] = ()) -> Study:
    """As `load_any`, where an experiment is refused. Raises BadInput."""
    found = load_any(name, overrides)
    if not isinstance(found, Study):
        raise BadInput(f"{writable(name)}: is an experiment (it has no base), and a study is wanted here")
    return found


def changed_study(study: Study, overrides: Iterable[str]) -> Study:
    """A study changed by overrides, as `load_any` changes one that it reads. Raises BadInput."""
    return _study(study.model_dump(mode="json", exclude_none=True), study.name, Path(), overrides)


def study_to_toml(study: Study) -> str:
    """The whole study as TOML, its base experiment in it with defaults filled in; it reads back to an equal study."""
    table = study.model_dump(mode="json", exclude_none=True)
    return toml({key: value for key, value in table.items() if value not in ({}, [])})


def _study(table: dict[str, Any], name: str, folder: Path, overrides: Iterable[str]) -> Study:
    where = writable(name)
    for override in overrides:
        _apply(table, override, where)
    base = table["base"]
    if isinstance(base, str):
        file = "/" in base or "\\" in base or base.endswith(".toml")
        where_base = f"{where}: base {writable(base)}"
        try:
            table["base"] = parsed(located(str(folder / Path(base).expanduser()) if file else base))
        except BadInput as error:
            raise BadInput(f"{where_base}: {error}") from None
        if "base" in table["base"]:
            raise BadInput(f"{where_base}: is a study itself; a study starts from an experiment")
    elif isinstance(base, dict):
        where_base = f"{where}: base"
    else:
        raise BadInput(
            f"{where}: base: got {short(base)}; expected an experiment's catalog name, its file, or a [base] table"
        )
    return typed(Study, {**table, "base": build(table["base"], where_base)}, where)


def _apply(table: dict[str, Any], override: str, where: str) -> None:
    """Set one "key=value" of a study; below `set`, `axes` and `search` a key is one of an experiment, whole."""
    key, value = key_and_value(override)
    first, _, rest = key.partition(".")
    if first in SECTIONS:
        raise BadInput(f"override {short(override)}: {where} is a study; its experiments are changed by set.{key}=...")
    if first in BY_FULL_KEY and rest and isinstance(table.get(first, {}), dict):
        try:
            table[first] = {**flat(table.get(first, {})), rest: value}
        except PydanticCustomError as error:
            raise BadInput(f"{where}: {first}: {error}") from None
    else:
        assign(table, key, value)
