"""The layers of a stack that have windows: convolution, transposed convolution, pooling, upsampling.

Sizes are those of `smallvision.conv.sizes`; every number can be an integer or a pair (height, width). A convolution's
multiply-adds count padding as if it were pixels, a transposed convolution's those that its padding takes away again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, prod
from typing import Any

from smallvision.conv.layers import Formulas, Layer, Shape, check_count, check_flag, check_kind, map_of, shape_text
from smallvision.conv.receptive import View
from smallvision.conv.sizes import AXES, Pair, conv_size, pair, pool_size, same_padding, span, transposed_size

__all__ = ["Conv", "Pool", "Transposed", "Upsample"]


def _two(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _by_axis(*values: Pair) -> list[tuple[int, ...]]:
    """The numbers of the height, and those of the width."""
    return list(zip(*map(_two, values), strict=True))


def _size(shape: Sequence[int]) -> tuple[int, int]:
    return shape[-2], shape[-1]


def _window(size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int) -> str:
    before, after = padding
    padded = f"{size} + 2·{before}" if before == after else f"{size} + {before} + {after}"
    return f"({padded} − {dilation}·({kernel} − 1) − 1) / {stride}"


def _channels(count: int) -> str:
    return f"{count} channel{'s' if count != 1 else ''}"


def _check_channels(layer: "Conv | Transposed", shape: Shape, weight: tuple[int, ...]) -> None:
    channels = shape[0]
    if layer.inputs is not None and layer.inputs != channels:
        raise ValueError(
            f"in: weights {weight} are for {_channels(layer.inputs)}, but the input {shape_text(shape)} has "
            f"{channels}; use in={channels}, or an input of {shape_text((layer.inputs, *shape[1:]))}"
        )
    if channels % layer.groups:
        common = gcd(channels, layer.channels)
        raise ValueError(
            f"groups: {layer.groups} does not divide the {_channels(channels)} of the input {shape_text(shape)}; "
            f"use one of {_divisors(common)}"
        )


def _check_weights(layer: "Conv | Transposed") -> None:
    check_count("channels", layer.channels)
    check_count("groups", layer.groups)
    if layer.inputs is not None:
        check_count("in", layer.inputs)
    check_flag("bias", layer.bias)
    if layer.channels % layer.groups:
        raise ValueError(
            f"groups: {layer.groups} does not divide the {layer.channels} output channels; use one of "
            f"{_divisors(layer.channels)}"
        )
    if layer.inputs is not None and layer.inputs % layer.groups:
        raise ValueError(
            f"groups: {layer.groups} does not divide the {_channels(layer.inputs)} of in; use one of "
            f"{_divisors(gcd(layer.channels, layer.inputs))}"
        )


def _divisors(n: int) -> str:
    found = [d for d in range(1, min(n, 1000) + 1) if n % d == 0]
    return ", ".join(map(str, found if found[-1] == n else [*found, "...", n]))


@dataclass(frozen=True)
class Conv(Layer):
    """A convolution with `channels` output channels; padding "same" keeps the size. If `inputs` is given, the input
    must have as many channels."""

    channels: int
    kernel: Pair
    stride: Pair = 1
    padding: Pair | str = 0
    dilation: Pair = 1
    groups: int = 1
    bias: bool = True
    inputs: int | None = None

    def __post_init__(self) -> None:
        _check_weights(self)
        self._set(
            kernel=pair(self.kernel, "kernel", 1),
            stride=pair(self.stride, "stride", 1),
            dilation=pair(self.dilation, "dilation", 1),
        )
        if not isinstance(self.padding, str):
            self._set(padding=pair(self.padding, "padding", 0))
        elif self.padding != "same":
            raise ValueError(f"padding: {self.padding!r}; expected an integer >= 0, two (height, width), or same")
        elif self.stride != (1, 1):
            half = "x".join(str(k // 2) for k in dict.fromkeys(_two(self.kernel)))
            raise ValueError(
                f"padding: same works with stride 1 only; use s=1, or padding in numbers, such as p={half}"
            )

    @property
    def paddings(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """(before, after) of the height and of the width."""
        if isinstance(self.padding, str):
            height, width = (same_padding(*numbers) for numbers in _by_axis(self.kernel, self.dilation))
            return height, width
        down, across = _two(self.padding)
        return (down, down), (across, across)

    def output(self, shape: Shape) -> Shape:
        map_of(shape)
        _check_channels(self, shape, (self.channels, (self.inputs or 0) // self.groups, *_two(self.kernel)))
        if isinstance(self.padding, str):
            return self.channels, *_size(shape)
        numbers = _by_axis(_size(shape), self.kernel, self.stride, self.padding, self.dilation)
        return self.channels, *(
            conv_size(size, k, s, p, d, axis) for axis, (size, k, s, p, d) in zip(AXES, numbers, strict=True)
        )

    def formulas(self, shape: Shape) -> Formulas:
        numbers = _by_axis(_size(shape), self.kernel, self.stride, self.dilation, _size(self.output(shape)))
        return tuple(
            (axis, f"⌊{_window(size, kernel, stride, both, dilation)}⌋ + 1 = {out}")
            for axis, both, (size, kernel, stride, dilation, out) in zip(AXES, self.paddings, numbers, strict=True)
        )

    def weights(self, shape: Shape) -> dict[str, Shape]:
        weight = (self.channels, shape[0] // self.groups, *_two(self.kernel))
        return {"weight": weight, **({"bias": (self.channels,)} if self.bias else {})}

    def multiply_adds(self, shape: Shape) -> int:
        return prod(self.output(shape)) * prod(self.weights(shape)["weight"][1:])

    def sees(self, view: View, shape: Shape) -> View | None:
        before = self.paddings[0][0], self.paddings[1][0]
        return view.window(_two(self.kernel), _two(self.stride), before, _two(self.dilation), _size(self.output(shape)))


@dataclass(frozen=True)
class Transposed(Layer):
    """A transposed convolution, the adjoint of the convolution with the same numbers; `channels` are its output's."""

    channels: int
    kernel: Pair
    stride: Pair = 1
    padding: Pair = 0
    output_padding: Pair = 0
    dilation: Pair = 1
    groups: int = 1
    bias: bool = True
    inputs: int | None = None

    def __post_init__(self) -> None:
        _check_weights(self)
        self._set(
            kernel=pair(self.kernel, "kernel", 1),
            stride=pair(self.stride, "stride", 1),
            padding=pair(self.padding, "padding", 0),
            output_padding=pair(self.output_padding, "output_padding", 0),
            dilation=pair(self.dilation, "dilation", 1),
        )

    def output(self, shape: Shape) -> Shape:
        map_of(shape)
        _check_channels(self, shape, (self.inputs or 0, self.channels // self.groups, *_two(self.kernel)))
        numbers = _by_axis(_size(shape), self.kernel, self.stride, self.padding, self.output_padding, self.dilation)
        sizes = (
            transposed_size(size, k, s, p, more, d, axis)
            for axis, (size, k, s, p, more, d) in zip(AXES, numbers, strict=True)
        )
        return self.channels, *sizes

    def formulas(self, shape: Shape) -> Formulas:
        after = _size(self.output(shape))
        numbers = _by_axis(
            _size(shape), self.kernel, self.stride, self.padding, self.output_padding, self.dilation, after
        )
        return tuple(
            (axis, f"({size} − 1)·{stride} − 2·{padding} + {dilation}·({kernel} − 1) + {more} + 1 = {out}")
            for axis, (size, kernel, stride, padding, more, dilation, out) in zip(AXES, numbers, strict=True)
        )

    def weights(self, shape: Shape) -> dict[str, Shape]:
        weight = (shape[0], self.channels // self.groups, *_two(self.kernel))
        return {"weight": weight, **({"bias": (self.channels,)} if self.bias else {})}

    def multiply_adds(self, shape: Shape) -> int:
        return prod(shape) * prod(self.weights(shape)["weight"][1:])

    def sees(self, view: View, shape: Shape) -> View | None:
        after = _size(self.output(shape))
        return view.spread(_two(self.kernel), _two(self.stride), _two(self.padding), _two(self.dilation), after)


@dataclass(frozen=True)
class Pool(Layer):
    """The maximum or the mean of windows of each channel; stride None is the kernel. The mean has no dilation."""

    kernel: Pair
    stride: Pair | None = None
    padding: Pair = 0
    dilation: Pair = 1
    ceil: bool = False
    kind: str = "max"

    def __post_init__(self) -> None:
        check_kind(self.kind, ("max", "mean"))
        check_flag("ceil", self.ceil)
        self._set(
            kernel=pair(self.kernel, "kernel", 1),
            stride=pair(self.kernel if self.stride is None else self.stride, "stride", 1),
            padding=pair(self.padding, "padding", 0),
            dilation=pair(self.dilation, "dilation", 1),
        )
        if self.kind == "mean" and self.dilation != (1, 1):
            raise ValueError("dilation: mean pooling has no dilation; leave it out, or use max pooling, pool(...)")

    @property
    def name(self) -> str:
        """In the notation."""
        return "pool" if self.kind == "max" else "meanpool"

    @property
    def strides(self) -> tuple[int, int]:
        """Strides of the height and of the width."""
        return _two(self.kernel if self.stride is None else self.stride)

    def output(self, shape: Shape) -> Shape:
        numbers = _by_axis(_size(map_of(shape)), self.kernel, self.strides, self.padding, self.dilation)
        return shape[0], *(
            pool_size(size, k, s, p, d, self.ceil, axis) for axis, (size, k, s, p, d) in zip(AXES, numbers, strict=True)
        )

    def formulas(self, shape: Shape) -> Formulas:
        numbers = _by_axis(
            _size(shape), self.kernel, self.strides, self.padding, self.dilation, _size(self.output(shape))
        )
        return tuple((axis, self._formula(*n)) for axis, n in zip(AXES, numbers, strict=True))

    def _formula(self, size: int, kernel: int, stride: int, padding: int, dilation: int, out: int) -> str:
        text = _window(size, kernel, stride, (padding, padding), dilation)
        if not self.ceil:
            return f"⌊{text}⌋ + 1 = {out}"
        places = -(-(size + 2 * padding - span(kernel, dilation)) // stride) + 1
        return f"⌈{text}⌉ + 1 = {places}" + (
            "" if places == out else f", less the one that begins after the image = {out}"
        )

    def sees(self, view: View, shape: Shape) -> View | None:
        return view.window(
            _two(self.kernel), self.strides, _two(self.padding), _two(self.dilation), _size(self.output(shape))
        )

    def _defaults(self) -> dict[str, Any]:
        return {**super()._defaults(), "stride": self.kernel, "kind": self.kind}


@dataclass(frozen=True)
class Upsample(Layer):
    """Every pixel repeated `factor` times along each axis (nearest neighbour)."""

    factor: Pair

    def __post_init__(self) -> None:
        self._set(factor=pair(self.factor, "factor", 1))

    def output(self, shape: Shape) -> Shape:
        channels, height, width = map_of(shape)
        down, across = _two(self.factor)
        return channels, height * down, width * across

    def formulas(self, shape: Shape) -> Formulas:
        numbers = _by_axis(_size(shape), self.factor, _size(self.output(shape)))
        return tuple(
            (axis, f"{size}·{factor} = {out}") for axis, (size, factor, out) in zip(AXES, numbers, strict=True)
        )

    def sees(self, view: View, shape: Shape) -> View | None:
        factor = _two(self.factor)
        return view.spread(factor, factor, (0, 0), (1, 1), _size(self.output(shape)))
