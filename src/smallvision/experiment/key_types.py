"""The type of a key's value in plain words, made from its annotation; the values that are allowed, and an example."""

import types
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from smallvision.experiment.base import _index_or_name, _share


@dataclass(frozen=True)
class Value:
    """What a key may be set to.

    Attributes
    ----------
    type : in words, "a whole number".
    allowed : which of these, "1 or more" or '"sgd", "adam", "adamw"'; "" where all are.
    example : one of them as TOML.
    choices : the words, where there are only so many.
    """

    type: str
    allowed: str
    example: str
    choices: tuple[str, ...] = ()


SPECIAL = {  # types that a function of ours checks
    _share: Value("a whole number (a count) or a number (a share)", "0 or more; a share is below 1.0", "0.1"),
    _index_or_name: Value("a class's name (text) or its number", "", '"cat"'),
}
MANY = {
    "a whole number": "whole numbers",
    "a number": "numbers",
    "text": "texts",
    "a table": "tables",
    "a class's name (text) or its number": "names or numbers of classes",
}


def value_of(field: FieldInfo, default: str) -> Value:
    """The value of a field of a spec, in words; its example is the default, as TOML, if that says something."""
    value = _value(field.annotation, list(field.metadata))
    telling = default not in ("", "not set", "0", "0.0", "[]", "false", '""') and not default.startswith('"')
    return replace(value, example=default) if telling else value


def nested(annotation: Any) -> list[type[BaseModel]]:
    """The specs of tables that an annotation allows, in lists and unions too, each once."""
    return list(dict.fromkeys(_specs(annotation)))


def _specs(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is not Literal:
        for part in get_args(annotation):
            yield from _specs(part)


def _value(annotation: Any, metadata: list[Any]) -> Value:
    while hasattr(annotation, "__metadata__"):  # Annotated
        metadata = [*metadata, *annotation.__metadata__]
        annotation = annotation.__origin__
    metadata = [*_flattened(metadata)]
    for part in metadata:
        if (special := SPECIAL.get(getattr(part, "func", None))) is not None:  # type: ignore[arg-type]
            return special
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _union([one for one in arguments if one is not type(None)], metadata)
    if origin is Literal:
        words = tuple(map(str, arguments))
        return Value("one of these words", ", ".join(f'"{word}"' for word in words), f'"{words[0]}"', words)
    if origin is tuple:
        return _list(arguments, metadata)
    if annotation is bool:
        return Value("true or false", "", "true", ("true", "false"))
    if annotation in (int, float):
        whole = annotation is int
        return Value("a whole number" if whole else "a number", _bounds(metadata), _number(metadata, whole))
    if annotation is str:
        return Value("text", "", '"text"')
    return Value("a table", "", "{ }")


def _flattened(metadata: list[Any]) -> Iterator[Any]:
    """Constraints one by one, those of pydantic's Field included."""
    for part in metadata:
        yield from _flattened(list(part.metadata)) if isinstance(part, FieldInfo) else (part,)


def _union(options: list[Any], metadata: list[Any]) -> Value:
    if all(nested(option) for option in options):
        return Value("a table", "", "{ kind = ... }" if len(options) > 1 else "{ }")
    found = [_value(option, metadata) for option in options]
    if len(found) == 1:
        return found[0]
    types_, choices = (
        list(dict.fromkeys(one.type for one in found)),
        tuple(word for one in found for word in one.choices),
    )
    allowed = "; ".join(one.allowed for one in found if one.allowed)
    return Value(" or ".join(types_).replace("these words or", "these words, or"), allowed, found[0].example, choices)


def _list(arguments: tuple[Any, ...], metadata: list[Any]) -> Value:
    several = len(arguments) == 2 and arguments[1] is Ellipsis
    inner = _value(arguments[0], [])
    many = MANY.get(inner.type, inner.type)
    if several:
        allowed = f"each {inner.allowed}" if inner.allowed else ""
        return Value(f"a list of {many}", allowed, f"[{inner.example}]")
    allowed = f"each {inner.allowed}" if inner.allowed else ""
    return Value(f"a list of {len(arguments)} {many}", allowed, f"[{', '.join([inner.example] * len(arguments))}]")


def _limits(metadata: list[Any]) -> dict[str, Any]:
    names = ("ge", "gt", "le", "lt", "multiple_of")
    return {name: getattr(part, name) for part in metadata for name in names if getattr(part, name, None) is not None}


def _bounds(metadata: list[Any]) -> str:
    """The limits of a number in words: "from 0 to below 1", "above 0"."""
    found = _limits(metadata)
    low = f"{found['ge']:,}" if "ge" in found else f"above {found['gt']:,}" if "gt" in found else ""
    high = f"{found['le']:,}" if "le" in found else f"below {found['lt']:,}" if "lt" in found else ""
    steps = f", a multiple of {found['multiple_of']}" if "multiple_of" in found else ""
    if low and high:
        return (
            f"{'' if 'gt' in found else 'from '}{low} {'and' if 'gt' in found else 'to'} {_at_most(high, found)}{steps}"
        )
    if low:
        return f"{low}{' or more' if 'ge' in found else ''}{steps}"
    return f"at most {high}{steps}" if "le" in found else f"{high}{steps}"


def _at_most(high: str, found: dict[str, Any]) -> str:
    return f"at most {high}" if "gt" in found and "le" in found else high


def _number(metadata: list[Any], whole: bool) -> str:
    found = _limits(metadata)
    if whole:
        return str(max(64 if "le" not in found or found["le"] >= 64 else 3, found.get("ge", 0)))
    high = found.get("le", found.get("lt"))
    return "0.1" if high is None or high >= 0.1 else str(high)
