"""The keys that rules set: dotted as in an override, checked against the specs, assembled to an experiment's table."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, get_args, get_origin

from smallvision.errors import BadInput, nearest
from smallvision.experiment import Experiment
from smallvision.experiment.base import Spec
from smallvision.experiment.task import TaskSpec, added_kinds, added_task
from smallvision.experiment.text import writable

SHEET = "sheet"  # sheet.NAME = text or number stands in the task sheet only, not in the experiment
GENERATED = ("name", "about")  # keys of the experiment that are generated for each student
DEEPEST = 20  # the largest number of parts of a key


def dotted(table: Mapping[str, Any], where: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """``{"recipe": {"epochs": 2}}`` -> ("recipe.epochs", 2); lists and empty tables are kept. Raises BadInput."""
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value and name.count(".") < DEEPEST:
            yield from dotted(value, where, f"{name}.")
        else:
            yield name, value


def leaves(key: str, value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """The single values inside a key's value, ("model.blocks.0.kernel", 5), so that rules may set parts of a list.

    Raises
    ------
    BadInput : a key of too many parts; `where` begins the message.
    """
    if key.count(".") >= DEEPEST:
        raise BadInput(f"{where}: {writable(key[:60])}...: the key has more than {DEEPEST} parts")
    tables = isinstance(value, list) and value and all(isinstance(inner, dict) for inner in value)
    items = enumerate(value) if tables else value.items() if isinstance(value, dict) else ()
    empty = True
    for part, inner in items:
        empty = False
        yield from leaves(f"{key}.{part}", inner, where)
    if empty:
        yield key, value


def stem(key: str) -> str:
    """The key up to its first index: "model.blocks" for "model.blocks.0.kernel"."""
    parts = key.split(".")
    return ".".join(parts[: next((n for n, part in enumerate(parts) if part.isdecimal()), len(parts))])


def overlap(one: str, other: str) -> bool:
    """Whether two keys are equal, or one is inside the other."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


class Claims:
    """Records who set which key."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._inside: dict[str, str] = {}  # a key that something was set inside of -> one such key

    def claim(self, key: str, who: str) -> tuple[str, str] | None:
        """Record that `who` sets the key.

        Returns
        -------
        None, or, where the key, one above it or one inside it is set already, that key and who set it. Then nothing is
        recorded.
        """
        parts = key.split(".")
        above = [".".join(parts[:n]) for n in range(1, len(parts))]
        other = next((name for name in (key, *above) if name in self._owners), self._inside.get(key))
        if other is not None:
            return other, self._owners[other]
        self._owners[key] = who
        self._inside.update(dict.fromkeys(above, key))
        return None


def refuse_unknown(key: str, where: str) -> None:
    """Refuse a key that no experiment has. Values are checked later, when a student's experiment is built.

    Raises
    ------
    BadInput : names the nearest known key; `where` begins the message.
    """
    parts = key.split(".")
    if parts[0] == SHEET:
        if len(parts) == 1 or not all(parts):
            raise BadInput(f"{where}: {writable(key)}: expected sheet.NAME, such as sheet.encoder_layers")
        return
    if key in GENERATED:
        raise BadInput(f'{where}: "{key}" of an experiment is generated for each student; leave it out')
    known: list[Any] = [Experiment]
    for place, part in enumerate(parts):
        specs = [spec for annotation in known for spec in _specs(annotation)]
        if part.isdecimal() and specs and any(_holds(annotation, tuple) for annotation in known):
            known = specs  # an item of a list of tables
            continue
        fields = {name for spec in specs for name in spec.model_fields}
        if part not in fields and TaskSpec in specs:  # perhaps a key of a task that an installed package adds
            specs += _added_specs()
            fields |= {name for spec in specs for name in spec.model_fields}
        if part not in fields and any(_holds(annotation, dict) for annotation in known):
            return  # model.options: any arguments of a person's own network
        if part not in fields:
            hint = (
                nearest(part, fields)
                if fields
                else (f"{'.'.join(parts[:place])} has no keys inside it; set it as a whole")
            )
            raise BadInput(f"{where}: unknown key {writable('.'.join(parts[: place + 1]))}; {hint}")
        known = [spec.model_fields[part].annotation for spec in specs if part in spec.model_fields]


def _specs(annotation: Any) -> Iterator[type[Spec]]:
    """All Specs in a type such as ``tuple[Block, ...]`` or ``MlpSpec | CnnSpec``."""
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        yield annotation
    for inner in get_args(annotation):
        yield from _specs(inner)


def _added_specs() -> Iterator[type[Spec]]:
    """The specs of the tasks that installed packages add, without those that fail to load, which `build` refuses."""
    for kind in added_kinds():
        with suppress(ValueError):
            task = added_task(kind)
            if task is not None:
                yield task.spec


def _holds(annotation: Any, kind: type) -> bool:
    """Whether `kind` (tuple, dict) is in a type such as ``tuple[Block, ...]`` or ``dict[str, Any] | None``."""
    return get_origin(annotation) is kind or any(_holds(inner, kind) for inner in get_args(annotation))


def table(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Single values by their full keys as nested tables and lists. Raises BadInput for a list with a gap."""
    whole: dict[str, Any] = {}
    for key, value in values.items():
        *parents, last = key.split(".")
        place = whole
        for part in parents:
            place = place.setdefault(part, {})
        place[last] = value
    return {key: _with_lists(value, where, key) for key, value in whole.items()}


def _with_lists(value: Any, where: str, at: str) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _with_lists(item, where, f"{at}.{key}") for key, item in value.items()}
    if not inner or not all(key.isdecimal() for key in inner):
        return inner
    missing = next((n for n in range(len(inner)) if str(n) not in inner), None)
    if missing is not None:
        raise BadInput(
            f"{where}: {at}.{max(inner, key=int)} is set, but {at}.{missing} is not; set that as well, because a list "
            "has no gaps"
        )
    return [inner[str(n)] for n in range(len(inner))]


def shown(value: Any) -> str:
    """A value as TOML, in one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)  # JSON and TOML have the same escapes
        case dict():
            return "{ " + ", ".join(f"{key} = {shown(inner)}" for key, inner in value.items()) + " }" if value else "{}"
        case list():
            return "[" + ", ".join(map(shown, value)) + "]"
    return str(value)
