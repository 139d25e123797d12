"""Fourier transforms: a sum over all positions in space is one product at each frequency.

With X, W, Y the discrete Fourier transforms of padded image, spread kernel and output, all of one size (N, M) and . a
product at each frequency, * the complex conjugate, the correlation theorem (Brigham 1988, "The fast Fourier transform
and its applications", section 4.6; for networks Mathieu, Henaff & LeCun 2014, "Fast training of convolutional networks
through FFTs") says

    Y  = sum over c  of  X . W*          dX = sum over o  of  Y . W          dW = sum over b  of  Y* . X

A transform has no edges: what leaves the image on one side enters it on the other. N >= H + 2 ph is enough, since the
outputs that would see across the edge are those no convolution has. A stride is taken after the fact, every s-th of all
outputs, and costs nothing less than stride 1; the gradient is spread to the same places. A dilation spreads the kernel,
with zeros between.

Complexity: O(N M log(N M)) for each map and kernel, and one complex multiply-add for each image, channel and kernel at
each of N M / 2 frequencies, whatever the kernel's size: good for large kernels, bad for 3x3.

Rounding: a transform adds up all pixels, so errors are relative to the largest result anywhere, not to each result's
own size. In float32 that is some 3e-7 of the largest, as good as direct sums; but where an image is a thousand times
darker than elsewhere it leaves three digits less, 1e-4, and direct sums do not.
"""

from math import log2, prod

import torch
from torch import Tensor

from smallvision.conv.geometry import Geometry
from smallvision.conv.implementation import Cost, Implementation
from smallvision.conv.patches import grouped, inside, padded, padded_shape, reach

__all__ = ["IMPLEMENTATION", "fast_length"]

# Axes: b image, g group, c channel and o kernel of the group, u v frequency.


def forward(x: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    y = torch.einsum("bgcuv,gocuv->bgouv", _images(padded(x, g), g), _kernels(weight, g).conj_physical_())
    return _places(_back(y, g), g).flatten(1, 2)


def input_gradient(grad: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    x = torch.einsum("bgouv,gocuv->bgcuv", _images(_spread(grad, g), g), _kernels(weight, g))
    return inside(_back(x, g).flatten(1, 2), g)


def weight_gradient(grad: Tensor, x: Tensor, g: Geometry) -> Tensor:
    kernels = torch.einsum(
        "bgouv,bgcuv->gocuv", _images(_spread(grad, g), g).conj_physical_(), _images(padded(x, g), g)
    )
    (kh, kw), (dh, dw) = g.kernel, g.dilation
    return _back(kernels, g)[..., : kh * dh : dh, : kw * dw : dw].flatten(0, 1)


def _images(maps: Tensor, g: Geometry) -> Tensor:
    """Transformed: (B, C, .., ..) to (B, groups, C / groups, N, M // 2 + 1); of real numbers half of the frequencies
    tell all."""
    return _transformed(grouped(maps, 1, g.groups), g)


def _kernels(weight: Tensor, g: Geometry) -> Tensor:
    """Spread by the dilation and transformed: (groups, O / groups, C / groups, N, M // 2 + 1)."""
    tall, wide = (d * (k - 1) + 1 for k, d in zip(g.kernel, g.dilation, strict=True))
    spread = weight.new_zeros(*weight.shape[:2], tall, wide)
    spread[..., :: g.dilation[0], :: g.dilation[1]] = weight
    return _transformed(grouped(spread, 0, g.groups), g)


def _transformed(maps: Tensor, g: Geometry) -> Tensor:
    """(.., N, M // 2 + 1), complex. Libraries refuse to transform nothing, a batch of no images."""
    height, width = _size(g)
    if not maps.numel():
        return maps.new_zeros(*maps.shape[:-2], height, width // 2 + 1, dtype=maps.dtype.to_complex())
    result: Tensor = torch.fft.rfft2(maps, s=(height, width))
    return result


def _back(transformed: Tensor, g: Geometry) -> Tensor:
    """(.., N, M), real."""
    if not transformed.numel():
        return transformed.real.new_zeros(*transformed.shape[:-2], *_size(g))
    result: Tensor = torch.fft.irfft2(transformed, s=_size(g))
    return result


def _places(maps: Tensor, g: Geometry) -> Tensor:
    """Selects every s-th place, those that have an output: a view (.., OH, OW)."""
    return maps[..., reach(g, 0, 0), reach(g, 1, 0)]


def _spread(grad: Tensor, g: Geometry) -> Tensor:
    """The adjoint of `_places`: zeros between the outputs."""
    if g.stride == (1, 1):
        return grad
    spread = grad.new_zeros(*grad.shape[:2], *padded_shape(g)[2:])
    _places(spread, g).copy_(grad)
    return spread


def _size(g: Geometry) -> tuple[int, int]:
    """(N, M)."""
    _, _, height, width = padded_shape(g)
    return fast_length(height), fast_length(width)


def fast_length(least: int) -> int:
    """The smallest length from `least` on with no prime factor above 5: others take a transform several times as
    long."""
    length = least
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 1


def costs(g: Geometry, itemsize: int) -> tuple[Cost, Cost, Cost]:
    """Four multiply-adds for each complex one, at each frequency; a transform of n real numbers as 5/4 n log2 n, the
    radix-2 count.

    Memory is an estimate, the most of four moments: the first tensor filled up with zeros beside its transform; the
    second one so, the first one's transform beside it; the product at each frequency, for which groups need both in
    another order; the way back.
    """
    height, width = _size(g)
    n, half = height * width, 2 * height * (width // 2 + 1)  # numbers in a map and in its transform
    x, w, y = g.batch * g.channels, g.filters * g.channels // g.groups, g.batch * g.filters
    products = 2 * half * g.batch * g.channels * g.filters // g.groups
    transforms = int(1.25 * n * log2(n)) * (x + w + y)
    found = []
    for (a, b, out), result in (((x, w, y), g.y_shape), ((y, w, x), g.x_shape), ((y, x, w), g.weight_shape)):
        order = 2 if g.groups > 1 else 1
        most = max(a * (n + half), a * half + b * (n + half), half * (order * (a + b) + out), out * (2 * half + n))
        found.append(Cost(products + transforms, itemsize * (most - prod(result))))
    return found[0], found[1], found[2]


IMPLEMENTATION = Implementation("fft", "one product at each frequency", forward, input_gradient, weight_gradient, costs)
