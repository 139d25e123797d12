"""A stack written on one line, read: "3x32x32 conv(16, k=3, p=1) relu pool(2) flat dense(10)".

First the shape of the image, channels x height x width, then the layers in their order. A layer's first argument needs
no name (a convolution's channels, a pooling's kernel), nor does its second (a convolution's kernel, a pooling's
stride); all have a short name and torch's. A number for each axis is written as in k=5x3, height first.
"""

import difflib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields

from smallvision.conv.layers import (
    ACTIVATIONS,
    SHORT,
    Activation,
    BatchNorm,
    Dense,
    Dropout,
    Flat,
    Global,
    Layer,
    Shape,
    Unflatten,
)
from smallvision.conv.windows import Conv, Pool, Transposed, Upsample

__all__ = ["WORDS", "parse", "parse_shape", "parse_size"]

MOST_LAYERS = 10_000
MOST_DIGITS = 18  # so that every number is one that torch can hold


@dataclass(frozen=True)
class Word:
    """What a word of the notation stands for."""

    make: Callable[..., Layer]
    example: str
    unnamed: int = 1  # number of arguments that can be given without their names
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> dict[str, str]:
        """Every name of an argument, short and long, with the long one."""
        long = [one.name for one in fields(self.make) if one.name not in self.given]  # type: ignore[arg-type]
        return {name: name for name in long} | {SHORT[name]: name for name in long if name in SHORT}


WORDS = {
    "conv": Word(Conv, "conv(16, k=3)", 2),
    "transposed": Word(Transposed, "transposed(16, k=2, s=2)", 2),
    "pool": Word(Pool, "pool(2)", 2, {"kind": "max"}),
    "maxpool": Word(Pool, "maxpool(2)", 2, {"kind": "max"}),
    "meanpool": Word(Pool, "meanpool(2)", 2, {"kind": "mean"}),
    "global": Word(Global, "global(mean)"),
    "upsample": Word(Upsample, "upsample(2)"),
    "flat": Word(Flat, "flat", 0),
    "unflatten": Word(Unflatten, "unflatten(16x4x4)"),
    "dense": Word(Dense, "dense(10)"),
    "batchnorm": Word(BatchNorm, "batchnorm", 0),
    "dropout": Word(Dropout, "dropout(0.5)"),
    **{kind: Word(Activation, kind, 0, {"kind": kind}) for kind in ACTIVATIONS},
}
TORCHS = {
    "conv2d": "conv",
    "convtranspose2d": "transposed",
    "maxpool2d": "pool",
    "avgpool2d": "meanpool",
    "avgpool": "meanpool",
    "flatten": "flat",
    "linear": "dense",
    "batchnorm2d": "batchnorm",
    "batchnorm1d": "batchnorm",
}

_NAME = re.compile(r"\s*([^\s()]+)\s*")
_ARGUMENT = re.compile(r"\s*(?:([^\s=]+)\s*=)?\s*([^\s=]+)\s*")


def parse(text: str) -> tuple[Shape, list[Layer]]:
    """Read a stack.

    Parameters
    ----------
    text : a shape and any number of layers, such as "3x32x32 conv(16, k=3, p=same) relu pool(2) flat dense(10)".

    Returns
    -------
    tuple : the shape, (C, H, W) or (N,), and the layers. That they fit one another is for `trace` to say.

    Raises
    ------
    ValueError : one line with the place, the word, and what is known.
    """
    if not isinstance(text, str):
        raise ValueError(f'stack: {type(text).__name__}; expected text, such as "3x32x32 conv(16, k=3)"')
    text = text.replace("×", "x")
    head = _NAME.match(text)
    if not head:
        raise ValueError(
            f"stack: {'empty' if not text.strip() else _quoted(text)}; expected a shape and layers, such as "
            '"3x32x32 conv(16, k=3) relu pool(2)"'
        )
    shape = parse_shape(head[1])
    layers: list[Layer] = []
    place = head.end()
    while place < len(text):
        if len(layers) == MOST_LAYERS:
            raise ValueError(f"stack: more than {MOST_LAYERS:,} layers")
        layer, place = _layer(text, place)
        layers.append(layer)
    return shape, layers


def parse_shape(word: str) -> Shape:
    """Read the shape of an image, "3x32x32", or of values in a row, "784". Raises ValueError."""
    numbers = _numbers(word, "shape")
    if numbers is None:
        raise ValueError(f"shape: {_quoted(word)}; expected channels x height x width, such as 3x32x32")
    if min(numbers) < 1:
        raise ValueError(f"shape: {_quoted(word)}; expected integers >= 1")
    if len(numbers) == 2:
        raise ValueError(f"shape: {_quoted(word)} has two sizes; put the channels before them: 1x{word} or 3x{word}")
    if len(numbers) == 4:
        raise ValueError(
            f"shape: {_quoted(word)} has four sizes; leave out the batch: {'x'.join(map(str, numbers[1:]))}"
        )
    if len(numbers) not in (1, 3):
        raise ValueError(
            f"shape: {_quoted(word)} has {len(numbers)} sizes; expected channels x height x width, such as 3x32x32"
        )
    return numbers


def parse_size(word: str, name: str = "size") -> tuple[int, int]:
    """Read (height, width): "100x60", or "28" for both. Raises ValueError, which calls it `name`."""
    numbers = _numbers(word, name)
    if numbers is None or len(numbers) > 4:
        raise ValueError(f"{name}: {_quoted(word)}; expected height x width, such as 100x60, or one number for both")
    if len(numbers) > 2:
        raise ValueError(
            f"{name}: {_quoted(word)} has {len(numbers)} sizes; leave out batch and channels: "
            f"{'x'.join(map(str, numbers[-2:]))}"
        )
    if min(numbers) < 1:
        raise ValueError(f"{name}: {_quoted(word)}; expected integers >= 1")
    return numbers[0], numbers[-1]


def _layer(text: str, place: int) -> tuple[Layer, int]:
    """The layer that begins at `place`, and where it ends."""
    head = _NAME.match(text, place)
    if not head:
        raise _error(
            text, place, text[place], 'there is no layer before this bracket; expected one such as "conv(16, k=3)"'
        )
    start, place, name = head.start(1), head.end(), head[1]
    arguments = ""
    if text[place : place + 1] == "(":
        end = re.compile(r"[()]").search(text, place + 1)
        if not end or end[0] == "(":
            raise _error(
                text,
                start,
                name,
                "its bracket is not closed" if not end else f"there is a second bracket at character {end.start() + 1}",
            )
        arguments = text[place + 1 : end.start()]
        place = end.end()
        while text[place : place + 1].isspace():
            place += 1
    lower = name.lower()
    word = WORDS.get(TORCHS.get(lower, lower)) if len(name) < 30 else None
    if word is None:
        raise _error(text, start, name, f"there is no such layer; {_nearest(lower, [*WORDS])}")
    written = f"{name}({arguments.strip()})" if arguments.strip() else name
    try:
        return word.make(**_arguments(word, lower, arguments)), place
    except ValueError as error:
        raise _error(text, start, written, str(error)) from None


def _arguments(word: Word, name: str, text: str) -> dict[str, object]:
    values: dict[str, object] = dict(word.given)
    keys = word.keys
    names = list(dict.fromkeys(keys.values()))
    for i, part in enumerate(text.split(",") if text.strip() else ()):
        match = _ARGUMENT.fullmatch(part)
        if not match:
            raise ValueError(
                f"argument {i + 1}: {_quoted(part.strip())}; expected a value or name=value, as in {word.example}"
            )
        key, value = match[1], match[2]
        if key is None and i >= word.unnamed:
            takes = f"{word.unnamed} without a name; write it as one of {_listed(keys)}" if keys else "no arguments"
            raise ValueError(f"argument {i + 1}: {_quoted(value)}; {name} takes {takes}")
        long = names[i] if key is None else keys.get(key.lower())
        if long is None:
            cure = (
                _nearest(key.lower(), [*keys], _listed(keys))
                if keys
                else ("leave it out, because this layer takes no arguments")
            )
            raise ValueError(f"argument {i + 1}: {name} has no {_quoted(key)}; {cure}")
        if long in values:
            raise ValueError(f"argument {i + 1}: {SHORT.get(long, long)} is given twice")
        values[long] = _value(value)
    needed = [one.name for one in fields(word.make) if one.default is one.default_factory and one.name not in values]  # type: ignore[arg-type]
    if needed:
        raise ValueError(f"{needed[0]} is missing; write it, as in {word.example}")
    return values


def _value(word: str) -> object:
    """An integer, a tuple of integers, a number, yes or no; any other word as it is."""
    numbers = _numbers(word, "value")
    if numbers is not None:
        return numbers[0] if len(numbers) == 1 else numbers
    if re.fullmatch(r"-?[0-9]{0,20}\.[0-9]{1,20}|-?[0-9]{1,20}\.", word):
        return float(word)
    if re.fullmatch(r"-[0-9]{1,18}", word):
        return int(word)
    known = {"yes": True, "true": True, "no": False, "false": False}
    return known.get(word.lower(), word.lower() if len(word) < 30 else word[:30] + "...")


def _numbers(word: str, name: str) -> tuple[int, ...] | None:
    """The integers of "5" or "5x3"; None if it is something else."""
    parts = word.lower().replace("×", "x").split("x")
    if not all(re.fullmatch("[0-9]+", part) for part in parts):
        return None
    if any(len(part) > MOST_DIGITS for part in parts):
        raise ValueError(f"{name}: {_quoted(word)} has a number of more than {MOST_DIGITS} digits")
    return tuple(map(int, parts))


def _nearest(word: str, known: list[str], listed: str = "") -> str:
    close = difflib.get_close_matches(word[:30], known, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else f"known: {listed or ', '.join(known)}"


def _listed(keys: Mapping[str, str]) -> str:
    short = {long: name for name, long in keys.items() if name != long}
    return ", ".join(f"{short[name]} ({name})" if name in short else name for name in dict.fromkeys(keys.values()))


def _quoted(word: str) -> str:
    """In quotes, cut if it is long, with anything that would break the line, or looks like what it is not, escaped."""
    return json.dumps(word if len(word) <= 40 else word[:40] + "...")


def _error(text: str, place: int, word: str, message: str) -> ValueError:
    return ValueError(f"stack: character {place + 1}, {_quoted(word)}: {message}")
