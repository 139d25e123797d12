"""The layers of a stack, which describe themselves in plain numbers; here those without windows.

A layer is written in Python as in the notation of `smallvision.conv.stack`: Dropout(0.1) is "dropout(0.1)", and so its
str(). Multiply-adds are those of weights (convolution, transposed convolution, dense) for one image, biases apart.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import prod
from typing import Any

from smallvision.conv.receptive import View

__all__ = [
    "ACTIVATIONS",
    "SHORT",
    "Activation",
    "BatchNorm",
    "Dense",
    "Dropout",
    "Flat",
    "Formulas",
    "Global",
    "Layer",
    "Shape",
    "Unflatten",
    "check_count",
    "check_flag",
    "check_kind",
    "map_of",
    "shape_text",
]

Shape = tuple[int, ...]  # (C, H, W) of a map, (N,) of values in a row
Formulas = tuple[tuple[str, str], ...]  # what of the output, and its formula with the numbers filled in

ACTIVATIONS = ("relu", "gelu", "silu", "elu", "tanh", "sigmoid", "leakyrelu", "softmax")
SHORT = {
    "kernel": "k",
    "stride": "s",
    "padding": "p",
    "dilation": "d",
    "groups": "g",
    "output_padding": "op",
    "inputs": "in",
}


def shape_text(shape: Sequence[int]) -> str:
    """(3, 32, 32) as "3x32x32"; (10,) as "10"."""
    return "x".join(map(str, shape))


def map_of(shape: Shape) -> tuple[int, int, int]:
    """(C, H, W). Raises ValueError if `shape` is not a map."""
    if len(shape) != 3:
        raise ValueError(
            f"input: {shape_text(shape)} is a list of values, but this layer needs a feature map; put "
            "unflatten(CxHxW) before it"
        )
    return shape[0], shape[1], shape[2]


def check_count(name: str, value: object) -> None:
    """Raises ValueError if `value` is not an integer >= 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}: {value!r}; expected an integer >= 1")


def check_flag(name: str, value: object) -> None:
    """Raises ValueError if `value` is neither true nor false."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}: {value!r}; expected yes or no")


def check_kind(value: object, known: Sequence[str]) -> None:
    """Raises ValueError if `value` is none of the kinds."""
    if value not in known:
        raise ValueError(f"kind: {value!r}; expected {', '.join(known[:-1])} or {known[-1]}")


class Layer(ABC):
    """A layer as numbers. Shapes are those of one image: (C, H, W), or (N,) for values in a row."""

    @property
    def name(self) -> str:
        """In the notation."""
        return type(self).__name__.lower()

    @abstractmethod
    def output(self, shape: Shape) -> Shape:
        """The shape it makes of `shape`. Raises ValueError if it cannot be applied, and says what would fit."""

    def formulas(self, shape: Shape) -> Formulas:
        """How the output's sizes come about, where they are not the input's."""
        return ()

    def weights(self, shape: Shape) -> dict[str, Shape]:
        """The shapes of its parameters, as torch has them."""
        return {}

    def multiply_adds(self, shape: Shape) -> int:
        """Multiply-adds of its weights for one image."""
        return 0

    def sees(self, view: View, shape: Shape) -> View | None:
        """What its output sees of the image, if its input of `shape` sees `view`; None where that is not known."""
        return view

    def __str__(self) -> str:
        """The layer in the notation, without settings at their defaults."""
        words = []
        for i, (key, default) in enumerate(self._defaults().items()):
            word = _word(getattr(self, key))
            if i == 0:
                words.append(word)
            elif word != _word(default):
                words.append(f"{SHORT.get(key, key)}={word}")
        return self.name + (f"({', '.join(words)})" if words else "")

    def _defaults(self) -> dict[str, Any]:
        return {field.name: field.default for field in fields(self)}  # type: ignore[arg-type]

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)  # while a frozen layer is made


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return str(value[0]) if len(value) == 2 and value[0] == value[1] else shape_text(value)
    return str(value)


@dataclass(frozen=True)
class Global(Layer):
    """The maximum or the mean over all places of each channel: (C, H, W) -> (C,)."""

    kind: str

    def __post_init__(self) -> None:
        check_kind(self.kind, ("max", "mean"))

    def output(self, shape: Shape) -> Shape:
        return map_of(shape)[:1]

    def formulas(self, shape: Shape) -> Formulas:
        return (
            ("values", f"{shape[0]}, the {self.kind} of each channel's {shape[1]}·{shape[2]} = {shape[1] * shape[2]}"),
        )

    def sees(self, view: View, shape: Shape) -> View | None:
        return view.whole()


@dataclass(frozen=True)
class Flat(Layer):
    """All values in a row: (C, H, W) -> (C H W,)."""

    def output(self, shape: Shape) -> Shape:
        return (prod(shape),)

    def formulas(self, shape: Shape) -> Formulas:
        return (("values", f"{'·'.join(map(str, shape))} = {prod(shape)}"),) if len(shape) == 3 else ()


@dataclass(frozen=True)
class Unflatten(Layer):
    """Values in a row laid out as a map: (C H W,) -> (C, H, W)."""

    shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        shape = tuple(self.shape) if isinstance(self.shape, list | tuple) else ()
        if len(shape) != 3:
            raise ValueError(f"shape: {self.shape!r}; expected three integers, such as 16x4x4")
        for n in shape:
            check_count("shape", n)
        self._set(shape=shape)

    def output(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise ValueError(f"input: {shape_text(shape)} is a feature map already; put flat before it")
        if prod(self.shape) != shape[0]:
            raise ValueError(
                f"shape: {shape_text(self.shape)} has {prod(self.shape)} values, but the input has {shape[0]}; put "
                f"dense({prod(self.shape)}) before it"
            )
        return self.shape

    def formulas(self, shape: Shape) -> Formulas:
        return (("values", f"{shape[0]} = {'·'.join(map(str, self.shape))}"),)

    def sees(self, view: View, shape: Shape) -> View | None:
        return view.laid_out(self.shape[1:])


@dataclass(frozen=True)
class Dense(Layer):
    """A fully connected layer with `values` outputs. If `inputs` is given, the input must have as many values."""

    values: int
    bias: bool = True
    inputs: int | None = None

    def __post_init__(self) -> None:
        check_count("values", self.values)
        check_flag("bias", self.bias)
        if self.inputs is not None:
            check_count("in", self.inputs)

    def output(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise ValueError(
                f"input: {shape_text(shape)} is a feature map, but this layer needs a list of values; put flat or "
                "global(mean) before it"
            )
        if self.inputs is not None and self.inputs != shape[0]:
            raise ValueError(
                f"in: weights {(self.values, self.inputs)} are for {self.inputs} values, but the input has "
                f"{shape[0]}; use in={shape[0]}, or leave it out"
            )
        return (self.values,)

    def weights(self, shape: Shape) -> dict[str, Shape]:
        return {"weight": (self.values, shape[0]), **({"bias": (self.values,)} if self.bias else {})}

    def multiply_adds(self, shape: Shape) -> int:
        return self.values * shape[0]

    def sees(self, view: View, shape: Shape) -> View | None:
        return view.whole()


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Each channel, or value, scaled and shifted by two parameters. What it takes from other images is not counted."""

    def output(self, shape: Shape) -> Shape:
        return shape

    def weights(self, shape: Shape) -> dict[str, Shape]:
        return {"weight": shape[:1], "bias": shape[:1]}


@dataclass(frozen=True)
class Activation(Layer):
    """A function of every value; softmax: of the channels at each place, or of all values in a row."""

    kind: str

    def __post_init__(self) -> None:
        check_kind(self.kind, ACTIVATIONS)

    @property
    def name(self) -> str:
        """In the notation."""
        return self.kind

    def output(self, shape: Shape) -> Shape:
        return shape

    def sees(self, view: View, shape: Shape) -> View | None:
        return view.whole() if self.kind == "softmax" and len(shape) == 1 else view

    def __str__(self) -> str:
        return self.kind


@dataclass(frozen=True)
class Dropout(Layer):
    """Each value left out with probability `p` while training."""

    p: float = 0.5

    def __post_init__(self) -> None:
        if isinstance(self.p, bool) or not isinstance(self.p, int | float) or not 0 <= self.p <= 1:
            raise ValueError(f"p: {self.p!r}; expected a probability, from 0 to 1")

    def output(self, shape: Shape) -> Shape:
        return shape
