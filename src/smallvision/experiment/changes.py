"""What an experiment changes of the catalog's entry of its name, and the keys that differ from their defaults."""

from functools import cache
from typing import Any

from smallvision.errors import BadInput
from smallvision.experiment.experiment import Experiment
from smallvision.experiment.io import catalog, load, toml
from smallvision.experiment.lookup import load_study, studies
from smallvision.experiment.study import Study
from smallvision.experiment.text import inline

OUTSIDE = ("name", "about", "minutes")  # they describe an experiment and change nothing of it


def from_catalog(experiment: Experiment) -> tuple[str, ...] | None:
    """The keys that differ from the catalog's experiment of the same name.

    Returns
    -------
    tuple of str : "recipe.epochs = 3 instead of 12" each, in the order of the keys; empty where nothing differs. None
        where the catalog has no experiment of that name.
    """
    return _changed(experiment, _entry(experiment.name))


def study_from_catalog(study: Study) -> tuple[str, ...] | None:
    """The same of a study and the catalog's study of its name."""
    return _changed(study, _study_entry(study.name))


def _changed(asked: Experiment | Study, entry: Experiment | Study | None) -> tuple[str, ...] | None:
    if entry is None:
        return None
    own, its = (_flat(one.model_dump(mode="json", exclude=set(OUTSIDE))) for one in (asked, entry))
    keys = [key for key in dict.fromkeys((*own, *its)) if own.get(key) != its.get(key) and not _resolved(key, its)]
    kinds = [key.removesuffix("kind") for key in keys if key.endswith(".kind")]  # tables of another kind differ anyway
    keys = [key for key in keys if key.endswith(".kind") or not key.startswith(tuple(kinds))]
    return tuple(_said(key, own.get(key), its.get(key)) for key in keys)


def catalog_about(experiment: Experiment) -> str:
    """The description of the catalog's experiment of the same name; "" where there is none."""
    entry = _entry(experiment.name)
    return entry.about if entry else ""


def stated(experiment: Experiment) -> str:
    """The keys that differ from their defaults, as TOML."""
    return toml(_filled(experiment.canonical(), experiment.model_dump(mode="json")))


def stated_study(study: Study) -> str:
    """The keys of a study, and of the experiment it starts from, that differ from their defaults, as TOML."""
    return toml(_filled(study.model_dump(mode="json", exclude_defaults=True), study.model_dump(mode="json")))


@cache
def _entry(name: str) -> Experiment | None:
    try:
        return load(name) if name in catalog() else None
    except BadInput:  # an entry that cannot be loaded here says nothing of the run
        return None


@cache
def _study_entry(name: str) -> Study | None:
    try:
        return load_study(name) if name in studies() else None
    except BadInput:
        return None


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """The values by their full keys; tables in a list by their place, other lists whole."""
    if isinstance(value, dict):
        items: list[tuple[str, Any]] = list(value.items())
    elif isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        items = [(str(place), one) for place, one in enumerate(value)]
    else:
        return {prefix: value}
    return {k: v for key, one in items for k, v in _flat(one, f"{prefix}.{key}" if prefix else key).items()}


def _resolved(key: str, its: dict[str, Any]) -> bool:
    """Whether smallvision has filled in the key when the run began: a digest, or the network of an encoder."""
    return key.endswith("digest") or (".encoder." in key and its.get(key) is None)


def _said(key: str, own: Any, its: Any) -> str:
    if own is None:
        return f"no {key} instead of {inline(its)}"
    return f"{key} = {inline(own)}" + (f" instead of {inline(its)}" if its is not None else "")


def _filled(values: Any, every: Any) -> Any:
    """The values without None, and an empty table, which TOML would lose, with its defaults."""
    if isinstance(values, dict):
        inner = values or every
        return {key: _filled(value, every[key]) for key, value in inner.items() if value is not None}
    if isinstance(values, list):
        return [_filled(one, its) for one, its in zip(values, every, strict=True)]
    return values
