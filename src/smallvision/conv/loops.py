"""The definition: seven nested loops, and one multiply-add in the middle.

    y[b, o, i, j] = sum over c, k, l of w[o, c, k, l] x[b, c, i s + k d, j s + l d]           x padded with zeros

Seven, since y has four indices and the sum runs over three (Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep
learning", chapter 2). Each gradient is the same seven loops over the same products: each of them takes x to y by way of w, and
so takes y's gradient back to x by way of w, and to w by way of x. Which of the three is on the left is all that changes.

The order of the loops changes nothing but the speed, and it is chosen for `compiled.py`, which compiles these very functions:
channels last, so that the innermost loop runs along neighbours in memory, and one value from outside multiplies all of them.
Python does not care; it takes some 0.3 microseconds for a multiply-add in any order.
"""

# ruff: noqa: E741 - l is the column in the kernel, as everywhere in smallvision.conv

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from smallvision.conv.geometry import Geometry
from smallvision.conv.patches import grouped, inside, padded_shape
from smallvision.conv.rung import Cost, Rung

__all__ = ["RUNG", "convolve", "convolve_input", "convolve_weight", "costs", "forward", "input_gradient", "weight_gradient"]

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


# What follows brings tensors into the loops' order, one piece of memory for each group, and runs the loops: `make` may compile
# them, `share` may call work(images) for some images at a time, and returns what the calls returned.


@torch.no_grad()
def forward(x: Tensor, weight: Tensor, g: Geometry, make: Make = as_written, share: Share = at_once) -> Tensor:
    loops, xs, ws = make(convolve), _with_padding(x, g), grouped(weight, 0, g.groups).permute(0, 3, 4, 2, 1).contiguous()
    ys = x.new_zeros(g.groups, g.batch, *g.output, g.filters // g.groups)

    def work(images: slice) -> None:
        for q in range(g.groups):
            loops(xs[q, images].numpy(), ws[q].numpy(), ys[q, images].numpy(), *g.stride, *g.dilation)

    share(work, g.batch)
    return _channels_first(ys)


@torch.no_grad()
def input_gradient(grad: Tensor, weight: Tensor, g: Geometry, make: Make = as_written, share: Share = at_once) -> Tensor:
    loops, ys, ws = make(convolve_input), _channels_last(grad, g), grouped(weight, 0, g.groups).permute(0, 3, 4, 1, 2).contiguous()
    xs = _room(grad, g)

    def work(images: slice) -> None:
        for q in range(g.groups):
            loops(ys[q, images].numpy(), ws[q].numpy(), xs[q, images].numpy(), *g.stride, *g.dilation)

    share(work, g.batch)
    return inside(_channels_first(xs), g)


@torch.no_grad()
def weight_gradient(grad: Tensor, x: Tensor, g: Geometry, make: Make = as_written, share: Share = at_once) -> Tensor:
    loops, ys, xs = make(convolve_weight), _channels_last(grad, g), _with_padding(x, g)

    def work(images: slice) -> Any:                     # each share of the images has kernels of its own
        ws = x.new_zeros(g.groups, *g.kernel, g.channels // g.groups, g.filters // g.groups)
        for q in range(g.groups):
            loops(ys[q, images].numpy(), xs[q, images].numpy(), ws[q].numpy(), *g.stride, *g.dilation)
        return ws

    first, *others = share(work, g.batch)
    kernels: Tensor = first
    for other in others:
        kernels += other
    return kernels.permute(0, 4, 3, 1, 2).flatten(0, 1)


def _channels_last(maps: Tensor, g: Geometry) -> Tensor:
    """(B, C, H, W) to (groups, B, H, W, C / groups)."""
    return grouped(maps, 1, g.groups).permute(1, 0, 3, 4, 2).contiguous()


def _channels_first(maps: Tensor) -> Tensor:
    """And back: a view if there is one group."""
    return maps.permute(1, 0, 4, 2, 3).flatten(1, 2)


def _room(like: Tensor, g: Geometry) -> Tensor:
    """Zeros for padded images: (groups, B, H + 2 ph, W + 2 pw, C / groups)."""
    batch, channels, height, width = padded_shape(g)
    return like.new_zeros(g.groups, batch, height, width, channels // g.groups)


def _with_padding(x: Tensor, g: Geometry) -> Tensor:
    room, (ph, pw), (height, width) = _room(x, g), g.padding, g.size
    room[:, :, ph : ph + height, pw : pw + width] = grouped(x, 1, g.groups).permute(1, 0, 3, 4, 2)
    return room


def costs(g: Geometry, itemsize: int, shares: int = 1) -> tuple[Cost, Cost, Cost]:
    """The definition's multiply-adds, also those with padding. All tensors once more in the loops' order, dw for each share."""
    whole, kernels, x, y = prod(padded_shape(g)), prod(g.weight_shape), prod(g.x_shape), prod(g.y_shape)
    again = g.groups > 1                                # channels first again is a copy then
    sizes = (
        whole + kernels + (y if again else 0),
        whole + kernels + y - (0 if again else x),
        whole + y + kernels * (shares - (0 if again else 1)),
    )
    forward, back, weights = (Cost(g.multiply_adds, itemsize * size) for size in sizes)
    return forward, back, weights


RUNG = Rung("loops", "the definition: seven nested loops in Python", forward, input_gradient, weight_gradient, costs)
