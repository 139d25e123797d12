"""Experiments or studies from catalog names and TOML files, and studies as TOML."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic_core import PydanticCustomError

from smallvision.errors import BadInput, short
from smallvision.experiment.experiment import Experiment
from smallvision.experiment.io import apply, assign, build, entries, key_and_value, located, parsed, toml, typed
from smallvision.experiment.overrides import SECTIONS, flat
from smallvision.experiment.study import Study
from smallvision.experiment.text import writable

BY_FULL_KEY = ("set", "axes", "search")  # tables of a study whose keys are full keys of an experiment


def studies() -> dict[str, Path]:
    """The studies of the catalog, name -> file, in alphabetical order."""
    return {name: path for name, path in entries().items() if "base" in parsed(path)}


def load_any(name: str, overrides: Iterable[str] = ()) -> Experiment | Study:
    """The experiment or study of a catalog name or a TOML file, changed by overrides. A study has the key `base`.

    Parameters
    ----------
    name : a catalog name, or a file when it contains "/" or ends in ".toml".
    overrides : "key.sub=value" each. A study's experiments are changed under `set`, as in "set.recipe.epochs=2".

    Raises
    ------
    BadInput : the name or a key is unknown, the file is missing or not TOML, a value has the wrong type or range.
    """
    file = located(name)
    table = parsed(file)
    if "base" in table:
        return _study(table, name, file.parent, overrides)
    for override in overrides:
        apply(table, override)
    return build(table, name)


def load_study(name: str, overrides: Iterable[str] = ()) -> Study:
    """The study of a catalog name or a TOML file; see `load_any`. Raises BadInput, for an experiment too."""
    study = load_any(name, overrides)
    if not isinstance(study, Study):
        raise BadInput(f"{writable(name)}: this is an experiment (it has no base), and a study is needed here")
    return study


def changed_study(study: Study, overrides: Iterable[str]) -> Study:
    """A copy of a study, changed by overrides as in `load_any`. Raises BadInput."""
    return _study(study.model_dump(mode="json", exclude_none=True), study.name, Path(), overrides)


def study_to_toml(study: Study) -> str:
    """The study as TOML, with its base experiment and all defaults; `load_any` reads it back to an equal study."""
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
            raise BadInput(f"{where_base}: this is a study itself; the base of a study must be an experiment")
    elif isinstance(base, dict):
        where_base = f"{where}: base"
    else:
        raise BadInput(
            f"{where}: base: got {short(base)}; expected an experiment's catalog name, its file, or a [base] table"
        )
    return typed(Study, {**table, "base": build(table["base"], where_base)}, where)


def _apply(table: dict[str, Any], override: str, where: str) -> None:
    """Change one "key=value" of a study; what follows "set.", "axes." or "search." is a full key of an experiment."""
    key, value = key_and_value(override)
    first, _, rest = key.partition(".")
    if first in SECTIONS:
        raise BadInput(f"override {short(override)}: {where} is a study; to change its experiments, use set.{key}=...")
    if first in BY_FULL_KEY and rest and isinstance(table.get(first, {}), dict):
        try:
            table[first] = {**flat(table.get(first, {})), rest: value}
        except PydanticCustomError as error:
            raise BadInput(f"{where}: {first}: {error}") from None
    else:
        assign(table, key, value)
