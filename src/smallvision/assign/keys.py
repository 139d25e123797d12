"""The keys that rules set: dotted as in an override, checked against the specs, put together to an experiment's table."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from smallvision.errors import BadInput, nearest
from smallvision.experiment import Experiment
from smallvision.experiment.base import Spec
from smallvision.experiment.text import writable

SHEET = "sheet"  # sheet.anything = text or number: stands in the task sheet, and is in no experiment
OURS = ("name", "about")  # of the experiment; they are made for each student
DEEPEST = 20  # parts of a key


def dotted(table: Mapping[str, Any], where: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """``{"recipe": {"epochs": 2}}`` -> ("recipe.epochs", 2); lists and empty tables stay as they are. Raises BadInput."""
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value and name.count(".") < DEEPEST:
            yield from dotted(value, where, f"{name}.")
        else:
            yield name, value


def leaves(key: str, value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """The single values of a key, lists of tables opened: ("model.blocks.0.kernel", 5), so that rules may share a list."""
    if key.count(".") >= DEEPEST:
        raise BadInput(f"{where}: {writable(key[:60])}...: a key of more than {DEEPEST} parts")
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
    """Whether two keys are the same, or one is inside the other."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


class Claims:
    """Who set which key."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._inside: dict[str, str] = {}  # a key that something was set inside of -> one such key

    def claim(self, key: str, who: str) -> tuple[str, str] | None:
        """Note that `who` sets the key; or tell the key that stands in the way (itself, above it, inside it) and whose it is."""
        parts = key.split(".")
        above = [".".join(parts[:n]) for n in range(1, len(parts))]
        other = next((one for one in (key, *above) if one in self._owners), self._inside.get(key))
        if other is not None:
            return other, self._owners[other]
        self._owners[key] = who
        self._inside.update(dict.fromkeys(above, key))
        return None


def refuse_unknown(key: str, where: str) -> None:
    """Refuse a key that no experiment has, the nearest one named; values are checked when a student's experiment is built."""
    parts = key.split(".")
    if parts[0] == SHEET:
        if len(parts) == 1 or not all(parts):
            raise BadInput(f"{where}: {writable(key)}: expected sheet.NAME, such as sheet.encoder_layers")
        return
    if key in OURS:
        raise BadInput(f'{where}: "{key}" of an experiment is made for each student; leave it out')
    known: list[Any] = [Experiment]
    for place, part in enumerate(parts):
        specs = [spec for annotation in known for spec in _specs(annotation)]
        if part.isdecimal() and specs and any(_holds(annotation, tuple) for annotation in known):
            known = specs  # an item of a list of tables
            continue
        fields = {name for spec in specs for name in spec.model_fields}
        if part not in fields and any(_holds(annotation, dict) for annotation in known):
            return  # model.options: whatever a person's own network takes
        if part not in fields:
            hint = (
                nearest(part, fields) if fields else f"{'.'.join(parts[:place])} has nothing inside; set it as a whole"
            )
            raise BadInput(f"{where}: unknown key {writable('.'.join(parts[: place + 1]))}; {hint}")
        known = [spec.model_fields[part].annotation for spec in specs if part in spec.model_fields]


def _specs(annotation: Any) -> Iterator[type[Spec]]:
    """Every Spec in a type such as ``tuple[Block, ...]`` or ``MlpSpec | CnnSpec``."""
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        yield annotation
    for inner in get_args(annotation):
        yield from _specs(inner)


def _holds(annotation: Any, kind: type) -> bool:
    """Whether a type is, or may be, a list or table of other things: ``tuple[Block, ...]``, ``dict[str, Any] | None``."""
    return get_origin(annotation) is kind or any(_holds(inner, kind) for inner in get_args(annotation))


def table(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Single values by key, none inside another, as nested tables and lists. Raises BadInput for a list with a gap."""
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
    inner = {key: _with_lists(one, where, f"{at}.{key}") for key, one in value.items()}
    if not inner or not all(key.isdecimal() for key in inner):
        return inner
    missing = next((n for n in range(len(inner)) if str(n) not in inner), None)
    if missing is not None:
        raise BadInput(f"{where}: {at}.{max(inner, key=int)} is set, and {at}.{missing} is not; a list has no gaps")
    return [inner[str(n)] for n in range(len(inner))]


def shown(value: Any) -> str:
    """A value as TOML has it, in one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)  # whose escapes are TOML's, too
        case dict():
            return "{ " + ", ".join(f"{key} = {shown(inner)}" for key, inner in value.items()) + " }" if value else "{}"
        case list():
            return "[" + ", ".join(map(shown, value)) + "]"
    return str(value)
