"""Settings that change an experiment, full key -> value, in a study's cases and in an encoder's `set`."""

from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

SECTIONS = ("data", "model", "task", "recipe", "protocol")


def flat(values: Any) -> Any:
    """The settings of a case by full key: {"recipe": {"epochs": 3}} -> {"recipe.epochs": 3}.

    A setting replaces the value of its key. A section changes only the keys in it, unless `kind` is one of them: then
    it replaces the whole section, as in ``model = { kind = "mlp" }``.
    """
    if not isinstance(values, dict):
        raise PydanticCustomError(
            "settings", "expected a table of settings, as in {example}", {"example": '"recipe.epochs" = 3'}
        )
    out: dict[str, Any] = {}
    for key, value in values.items():
        whole = key not in SECTIONS or not isinstance(value, dict) or "kind" in value
        for full, inner in (
            [(str(key), value)] if whole else [(f"{key}.{part}", inner) for part, inner in value.items()]
        ):
            if full in out:
                raise PydanticCustomError("settings", "{key} is given twice; keep one", {"key": full})
            out[full] = inner
    return out


Settings = Annotated[dict[str, Any], BeforeValidator(flat)]
