"""The base class of all specs, and the types of their values."""

import json
import math
from datetime import date, time
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from smallvision.errors import nearest
from smallvision.experiment.text import writable

LARGEST = 2**63 - 1  # the largest whole number in TOML


class Spec(BaseModel):
    """A frozen table of settings. Unknown keys are refused with the nearest known key."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys_only(cls, values: Any) -> Any:
        if isinstance(values, dict):
            refuse_unwritable(values)
            for key in values:
                if key not in cls.model_fields:
                    hint = nearest(str(key), cls.model_fields)
                    raise PydanticCustomError("unknown_key", "{hint}", {"key": str(key), "hint": hint})
        return values


def refuse_unwritable(values: dict[Any, Any]) -> None:
    """Refuse, at any depth, values that TOML or JSON cannot hold.

    These are text that is not Unicode, integers of more than 64 bits, numbers that are not finite, and dates and times.
    """
    pending: list[tuple[str, Any]] = [("", values)]
    while pending:
        at, value = pending.pop()
        if isinstance(value, str) and value != writable(value):
            raise PydanticCustomError("unwritable", "{at}: the text has bytes that are not UTF-8", {"at": at})
        if isinstance(value, int) and not -LARGEST - 1 <= value <= LARGEST:
            raise PydanticCustomError("unwritable", "{at}: this whole number has more than 64 bits", {"at": at})
        if isinstance(value, float) and not math.isfinite(value):
            raise PydanticCustomError(
                "unwritable", "{at}: got {value}; expected a finite number", {"at": at, "value": value}
            )
        if isinstance(value, date | time):
            raise PydanticCustomError(
                "unwritable", "{at}: no key takes a date or a time; write text in quotes", {"at": at}
            )
        if isinstance(value, dict):
            for key in value:
                if isinstance(key, str) and key != writable(key):
                    name = f"{at}.{writable(key)}".lstrip(".")
                    raise PydanticCustomError("unwritable", "{at}: this key has bytes that are not UTF-8", {"at": name})
            pending += [(f"{at}.{key}".lstrip("."), inner) for key, inner in value.items()]
        elif isinstance(value, list | tuple):
            pending += [(f"{at}.{index}", inner) for index, inner in enumerate(value)]


def canonical_text(canonical: dict[str, Any]) -> str:
    """A canonical form as JSON with sorted keys: equal texts are equal experiments, studies or probes."""
    return json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _share(value: Any) -> int | float:
    """An integer is a number of images, a float is a fraction of all images."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("share", "expected a count (an integer) or a fraction (0.0 to 1.0)")
    if value < 0 or (isinstance(value, float) and value >= 1.0):
        raise PydanticCustomError("share", "expected a count >= 0 (an integer) or a fraction from 0.0 to below 1.0")
    return value


def _index_or_name(value: Any) -> int | str:
    """An integer or text. Python takes a bool for an integer, and here it is refused."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise PydanticCustomError("index_or_name", "expected a class's number (an integer) or its name (text)")
    return value


Bool = Annotated[bool, Strict()]
Count = Annotated[int, Strict(), Field(ge=1)]
MOST_LAYERS = 500  # in one list
Side = Annotated[int, Strict(), Field(ge=1, le=65_536)]  # pixels
Epochs = Annotated[int, Strict(), Field(ge=1, le=10_000_000)]
Width = Annotated[int, Strict(), Field(ge=1, le=1_000_000)]  # channels, units of a dense layer
Widths = Annotated[tuple[Width, ...], Field(max_length=MOST_LAYERS)]
Whole = Annotated[int, Strict(), Field(ge=0)]
Float = Annotated[float, Strict()]
NonNegative = Annotated[float, Strict(), Field(ge=0)]
Positive = Annotated[float, Strict(), Field(gt=0)]
Fraction = Annotated[float, Strict(), Field(ge=0, le=1)]
BelowOne = Annotated[float, Strict(), Field(ge=0, lt=1)]
Share = Annotated[int | float, BeforeValidator(_share)]
Class = Annotated[int | str, BeforeValidator(_index_or_name)]
Text = Annotated[str, Strict()]
