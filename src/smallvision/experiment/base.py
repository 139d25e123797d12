"""The ground that every spec stands on: frozen, typed, and helpful about a key it does not know."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from smallvision.errors import nearest


class Spec(BaseModel):
    """A frozen record of what was asked for. Unknown keys are refused, the nearest known one named."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys_only(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for key in values:
                if key not in cls.model_fields:
                    hint = nearest(str(key), cls.model_fields)
                    raise PydanticCustomError("unknown_key", "{hint}", {"key": str(key), "hint": hint})
        return values


def _share(value: Any) -> int | float:
    """An integer counts images, a float is a fraction of them."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("share", "expected a count (an integer) or a fraction (0.0 to 1.0)")
    if value < 0 or (isinstance(value, float) and value >= 1.0):
        raise PydanticCustomError("share", "expected a count >= 0 (an integer) or a fraction from 0.0 to below 1.0")
    return value


Bool = Annotated[bool, Strict()]
Count = Annotated[int, Strict(), Field(ge=1)]
Whole = Annotated[int, Strict(), Field(ge=0)]
Float = Annotated[float, Strict()]
NonNegative = Annotated[float, Strict(), Field(ge=0)]
Positive = Annotated[float, Strict(), Field(gt=0)]
Fraction = Annotated[float, Strict(), Field(ge=0, le=1)]
BelowOne = Annotated[float, Strict(), Field(ge=0, lt=1)]
Share = Annotated[int | float, BeforeValidator(_share)]
Text = Annotated[str, Strict()]
