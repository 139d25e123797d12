"""The definition: seven nested loops, and one multiply-add in the middle.

    y[b, o, i, j] = sum over c, k, l of w[o, c, k, l] x[b, c, i s + k d, j s + l d]           x padded with zeros

Seven, since y has four indices and the sum runs over three (Dumoulin & Visin 2016, "A guide to convolution arithmetic
for deep learning", chapter 2). Each gradient is the same seven loops over the same products: each of them takes x to y
by way of w, and so takes y's gradient back to x by way of w, and to w by way of x. Which of the three is on the left is
all that changes.

The order of the loops changes nothing but the speed, and it is chosen for `compiled.py`, which compiles these very
functions: channels last, so that the innermost loop runs along neighbours in memory, and one value from outside
multiplies all of them. Python does not care; it takes some 0.3 microseconds for a multiply-add in any order.
"""

# ruff: noqa: E741 - l is the column in the kernel, as everywhere in smallvision.conv

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from smallvision.conv.geometry import Geometry
from smallvision.conv.implementation import Cost, Implementation
from smallvision.conv.patches import grouped, inside, padded_shape

__all__ = [
    "IMPLEMENTATION",
    "convolve",
    "convolve_input",
    "convolve_weight",
    "costs",
    "forward",
    "input_gradient",
    "weight_gradient",
]

Array = NDArray[Any]
Loops = Callable[[Array, Array, Array, int, int, int, int], None]
Make = Callable[[Loops], Loops]
Share = Callable[[Callable[[slice], Any], int], list[Any]]


def convolve(x: Array, w: Array, y: Array, sh: int, sw: int, dh: int, dw: int) -> None:
    """Add the convolution to y (B, OH, OW, O): x (B, H, W, C) padded already, w (kh, kw, C, O), stride and dilation."""
    images, down, across, filters = y.shape
    tall, wide, channels, _ = w.shape
    for b in range(images):
        for i in range(down):
            for k in range(tall):
                for l in range(wide):
                    for c in range(channels):
                        for j in range(across):
                            value = x[b, i * sh + k * dh, j * sw + l * dw, c]
                            for o in range(filters):
                                y[b, i, j, o] += value * w[k, l, c, o]


def convolve_input(y: Array, w: Array, x: Array, sh: int, sw: int, dh: int, dw: int) -> None:
    """Add the input's gradient to x (B, H, W, C), padded: y (B, OH, OW, O) the output's, w (kh, kw, O, C)."""
    images, down, across, filters = y.shape
    tall, wide, _, channels = w.shape
    for b in range(images):
        for i in range(down):
            for k in range(tall):
                for l in range(wide):
                    for o in range(filters):
                        for j in range(across):
                            value = y[b, i, j, o]
                            for c in range(channels):
                                x[b, i * sh + k * dh, j * sw + l * dw, c] += value * w[k, l, o, c]


def convolve_weight(y: Array, x: Array, w: Array, sh: int, sw: int, dh: int, dw: int) -> None:
    """Add the kernels' gradient to w (kh, kw, C, O): y (B, OH, OW, O) the output's, x (B, H, W, C) padded already."""
    images, down, across, filters = y.shape
    tall, wide, channels, _ = w.shape
    for b in range(images):
        for i in range(down):
            for k in range(tall):
                for l in range(wide):
                    for j in range(across):
                        for c in range(channels):
                            value = x[b, i * sh + k * dh, j * sw + l * dw, c]
                            for o in range(filters):
                                w[k, l, c, o] += value * y[b, i, j, o]


def as_written(loops: Loops) -> Loops:
    return loops


def at_once(work: Callable[[slice], Any], batch: int) -> list[Any]:
    return [work(slice(0, batch))]


# What follows brings tensors into the loops' order, one piece of memory for each group, and runs the loops: `make` may
# compile them, `share` may call work(images) for some images at a time, and returns what the calls returned. Copies are
# numpy's, and done by who needs them: torch would copy with threads of its own, which then wait for more work where the
# loops want to run.


def forward(x: Tensor, weight: Tensor, g: Geometry, make: Make = as_written, share: Share = at_once) -> Tensor:
    loops, maps, ws = make(convolve), _channels_last(x, g), _copy(weight, _split(weight, g).transpose(0, 3, 4, 2, 1))
    y = x.new_empty(g.groups, g.batch, *g.output, g.filters // g.groups)
    xs, ys = _room(x, g).numpy(), y.numpy()

    def work(images: slice) -> None:
        _pad(xs[:, images], maps[:, images], g)
        ys[:, images] = 0
        for q in range(g.groups):
            loops(xs[q, images], ws[q], ys[q, images], *g.stride, *g.dilation)

    share(work, g.batch)
    return _channels_first(y)


def input_gradient(
    grad: Tensor, weight: Tensor, g: Geometry, make: Make = as_written, share: Share = at_once
) -> Tensor:
    loops, maps, ws = (
        make(convolve_input),
        _channels_last(grad, g),
        _copy(weight, _split(weight, g).transpose(0, 3, 4, 1, 2)),
    )
    x = _room(grad, g)
    xs = x.numpy()

    def work(images: slice) -> None:
        ys = _copy(grad, maps[:, images])
        xs[:, images] = 0
        for q in range(g.groups):
            loops(ys[q], ws[q], xs[q, images], *g.stride, *g.dilation)

    share(work, g.batch)
    return inside(_channels_first(x), g)


def weight_gradient(grad: Tensor, x: Tensor, g: Geometry, make: Make = as_written, share: Share = at_once) -> Tensor:
    loops, grads, maps, xs = make(convolve_weight), _channels_last(grad, g), _channels_last(x, g), _room(x, g).numpy()

    def work(images: slice) -> Array:  # each share of the images has kernels of its own
        ys, ws = (
            _copy(grad, grads[:, images]),
            x.new_empty(g.groups, *g.kernel, g.channels // g.groups, g.filters // g.groups).numpy(),
        )
        _pad(xs[:, images], maps[:, images], g)
        ws[...] = 0
        for q in range(g.groups):
            loops(ys[q], xs[q, images], ws[q], *g.stride, *g.dilation)
        return ws

    ws, *others = share(work, g.batch)
    for other in others:
        ws += other
    return torch.from_numpy(ws).permute(0, 4, 3, 1, 2).flatten(0, 1)


def _split(weight: Tensor, g: Geometry) -> Array:
    """(O, C / groups, kh, kw) to (groups, O / groups, C / groups, kh, kw), a view."""
    return grouped(weight.detach(), 0, g.groups).numpy()


def _channels_last(maps: Tensor, g: Geometry) -> Array:
    """(B, C, H, W) to (groups, B, H, W, C / groups), a view."""
    return grouped(maps.detach(), 1, g.groups).permute(1, 0, 3, 4, 2).numpy()


def _channels_first(maps: Tensor) -> Tensor:
    """And back, a view if there is one group."""
    return maps.permute(1, 0, 4, 2, 3).flatten(1, 2)


def _copy(like: Tensor, array: Array) -> Array:
    """In one piece, in memory that torch gives: it begins with a cache line. Vectors that straddle two of them take
    twice as long."""
    copy: Array = like.new_empty(array.shape).numpy()
    copy[...] = array
    return copy


def _room(like: Tensor, g: Geometry) -> Tensor:
    """For padded images: (groups, B, H + 2 ph, W + 2 pw, C / groups)."""
    batch, channels, height, width = padded_shape(g)
    return like.new_empty(g.groups, batch, height, width, channels // g.groups)


def _pad(xs: Array, maps: Array, g: Geometry) -> None:
    (ph, pw), (height, width) = g.padding, g.size
    xs[...] = 0
    xs[:, :, ph : ph + height, pw : pw + width] = maps


def costs(g: Geometry, itemsize: int, shares: int = 1) -> tuple[Cost, Cost, Cost]:
    """The definition's multiply-adds, also those with padding. All tensors once more in the loops' order, dw for each
    share."""
    whole, kernels, x, y = prod(padded_shape(g)), prod(g.weight_shape), prod(g.x_shape), prod(g.y_shape)
    again = g.groups > 1  # channels first again is a copy then
    sizes = (
        whole + kernels + (y if again else 0),
        whole + kernels + (max(y, x) if again else y) - x,
        whole + y + kernels * (shares - (0 if again else 1)),
    )
    forward, back, weights = (Cost(g.multiply_adds, itemsize * size) for size in sizes)
    return forward, back, weights


IMPLEMENTATION = Implementation(
    "loops", "the definition: seven nested loops in Python", forward, input_gradient, weight_gradient, costs
)
