"""What a value of an experiment should have been, in plain words, from the errors of pydantic."""

from typing import Any

from pydantic_core import ErrorDetails

from smallvision.errors import nearest, short
from smallvision.experiment.keys import keys_of
from smallvision.experiment.text import inline

WHAT = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list"),
    **dict.fromkeys(("model_type", "dict_type", "model_attributes_type"), "a table"),
    "string_type": "text",
}
EXAMPLES = {"a list": "[64]", "a table": '{ kind = "..." }'}
LIMITS = {
    "greater_than": ("gt", "a number above {}"),
    "greater_than_equal": ("ge", "{} or more"),
    "less_than": ("lt", "a number below {}"),
    "less_than_equal": ("le", "{} at most"),
    "multiple_of": ("multiple_of", "a multiple of {}"),
}


def expected(error: ErrorDetails, key: str) -> str | None:
    """A clause such as 'expected a list of whole numbers, for example [64]'; None for a message of our own.

    Parameters
    ----------
    error : one of pydantic's.
    key : where it is, without pydantic's tags, as "model.dense".
    """
    kind, context = error["type"], error.get("ctx", {})
    if kind == "finite_number":
        return "expected a finite number"
    if kind in WHAT:
        return f"expected {_of_the_key(key, WHAT[kind])}"
    if kind in LIMITS:
        name, words = LIMITS[kind]
        limit = context[name]
        return f"expected {words.format(f'{limit:,}' if isinstance(limit, int) else f'{limit:g}')}"
    if kind == "literal_error":
        return _one_of(error["input"], str(context["expected"]))
    if kind in ("too_long", "too_short"):
        most = "at most " if kind == "too_long" else "at least "
        count = context.get("max_length", context.get("min_length"))
        return f"expected {most}{count:,} values, and these are {context['actual_length']:,}"
    if kind == "string_pattern_mismatch":
        found = [one for one in keys_of(key) if one.default not in ("", "not set")]
        return f"expected a word such as {found[-1].default}" if found else "expected another word"
    return None


def missing_value(key: str) -> str | None:
    """What a list of a fixed length needs, where a value of it is missing: 'expected a list of 2 numbers'."""
    parent, _, last = key.rpartition(".")
    found = keys_of(parent) if last.isdecimal() else []
    return f"{parent}: expected {found[0].value.type}, for example {found[0].value.example}" if found else None


def shown_value(value: Any) -> str:
    """A value for a message as TOML has it, cut to at most 60 characters."""
    try:
        text = inline(value)
    except (TypeError, ValueError):
        return short(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _of_the_key(key: str, what: str) -> str:
    """What a value should be, with an example and the limits of its key where they are known."""
    for one in keys_of(key):
        if one.key.count(".") == key.count(".") and what.split()[-1] in one.value.type:
            limits = f", {one.value.allowed}" if one.value.allowed and what != "a list" else ""
            example = f", for example {one.value.example}" if what in EXAMPLES else ""
            return f"{one.value.type}{limits}{example}"
    return f"{what}, for example {EXAMPLES[what]}" if what in EXAMPLES else what


def _one_of(given: Any, quoted: str) -> str:
    """The words that are allowed, from pydantic's list of them, and the near one."""
    words = [word.strip().strip("'") for part in quoted.split(" or ") for word in part.split(",")]
    said = [f'"{word}"' for word in words]
    listed = said[0] if len(said) == 1 else f"{', '.join(said[:-1])} or {said[-1]}"
    hint = nearest(given.lower(), words) if isinstance(given, str) else ""
    return f"expected {listed}" + (f"; {hint}" if hint.startswith("did you mean") else "")
