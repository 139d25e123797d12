"""Winograd's minimal filtering F(2x2, 3x3): 16 multiplications where the definition has 36.

Winograd 1980, "Arithmetic complexity of computations", ch. V; for networks Lavin & Gray 2016, "Fast algorithms for
convolutional neural networks", section 4.1. The output is cut into tiles of 2x2; each needs a tile d of 4x4 of the
input (neighbours overlap by two) and is

    Y = A' [(G w G') * (B' d B)] A          * elementwise, ' transposed

The transforms B' and A' are additions alone. The product is summed over channels, so for all tiles and kernels at once
it is 16 matrix products, one for each place in the 4x4 tile: (tiles, C) x (C, O). All is linear in d and linear in w,
so the gradients are the same steps transposed, in reverse: A, the matrix product, B or G. Images are taken channels
last, a few at a time, so that what is made on the way stays in the processor's cache.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from smallvision.conv.geometry import Geometry
from smallvision.conv.implementation import Cost, Implementation

__all__ = ["IMPLEMENTATION", "bounds"]

BT = ((1.0, 0.0, -1.0, 0.0), (0.0, 1.0, 1.0, 0.0), (0.0, -1.0, 1.0, 0.0), (0.0, 1.0, 0.0, -1.0))  # input, 4 <- 4
G = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))  # kernel, 4 <- 3
AT = ((1.0, 1.0, 1.0, 0.0), (0.0, 1.0, -1.0, -1.0))  # output, 2 <- 4
CHUNK = 2**21  # bytes of transformed input at a time: about what a core's caches hold


def refuses(g: Geometry) -> str | None:
    """Kernels of 3x3 one pixel apart, moved by one pixel: the numbers in G, B and A are made for these."""
    for name, found, wanted in (
        ("kernel", g.kernel, (3, 3)),
        ("stride", g.stride, (1, 1)),
        ("dilation", g.dilation, (1, 1)),
    ):
        if found != wanted:
            return (
                f"F(2x2, 3x3) needs {name} {wanted[0]}x{wanted[1]}, not {found[0]}x{found[1]}; im2col takes any {name}"
            )
    return None


def forward(x: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    if g.groups > 1:  # (B, C, ..) and (O, ..) are split, (B, O, ..) is put together
        return _by_group(forward, x.chunk(g.groups, 1), weight.chunk(g.groups, 0), 1, g)
    (down, across), (height, width) = _tiles(g), g.output
    kernels = _kernels(weight)  # (16, C, O)
    y = x.new_empty(g.batch, 2 * down, 2 * across, g.filters)
    for images in _chunks(g, x.element_size()):
        _to_output(torch.bmm(_from_input(x[images], g), kernels), y[images])  # (16, T, C) x (16, C, O), T tiles
    return y[:, :height, :width].permute(0, 3, 1, 2)  # (B, O, OH, OW), channels last


def input_gradient(grad: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    return forward(*_turned(grad, weight, g))


def weight_gradient(grad: Tensor, x: Tensor, g: Geometry) -> Tensor:
    if g.groups > 1:
        return _by_group(weight_gradient, grad.chunk(g.groups, 1), x.chunk(g.groups, 1), 0, g)
    kernels = x.new_zeros(16, g.channels, g.filters)
    for images in _chunks(g, x.element_size()):
        kernels = torch.baddbmm(kernels, _from_input(x[images], g).transpose(1, 2), _from_output(grad[images], g))
    matrix = kernels.new_tensor(G)  # (4, 3)
    return torch.einsum("ik,ijco,jl->ockl", matrix, kernels.view(4, 4, g.channels, g.filters), matrix)


def _by_group(
    function: Callable[[Tensor, Tensor, Geometry], Tensor],
    a: Sequence[Tensor],
    b: Sequence[Tensor],
    dim: int,
    g: Geometry,
) -> Tensor:
    one = replace(g, channels=g.channels // g.groups, filters=g.filters // g.groups, groups=1)
    return torch.cat([function(*pair, one) for pair in zip(a, b, strict=True)], dim)


def _turned(grad: Tensor, weight: Tensor, g: Geometry) -> tuple[Tensor, Tensor, Geometry]:
    """The input's gradient as a convolution of its own: stride 1 allows it, and what was made for the forward serves
    again.

    x[c, i, j] takes part in y[o, i + p - k, j + p - l] by w[o, c, k, l]. With k' = 2 - k that is a convolution of
    padding 2 - p from O channels to C, its kernels turned by 180 degrees. Padding p above 2 makes outputs that see no
    pixel: they are cut off.
    """
    (down, across), (height, width) = (max(p - 2, 0) for p in g.padding), g.output
    seen = grad[:, :, down : height - down, across : width - across]  # (B, O, .., ..)
    turned = (
        weight.flip(2, 3).reshape(g.groups, -1, *weight.shape[1:]).transpose(1, 2).flatten(0, 1)
    )  # (C, O / groups, 3, 3)
    return seen, turned, _swapped(g)


def _swapped(g: Geometry) -> Geometry:
    """Geometry of the convolution that `_turned` prepares."""
    (ph, pw), (height, width) = g.padding, g.output
    size = height - 2 * max(ph - 2, 0), width - 2 * max(pw - 2, 0)
    return replace(g, channels=g.filters, filters=g.channels, size=size, padding=(max(2 - ph, 0), max(2 - pw, 0)))


def _tiles(g: Geometry) -> tuple[int, int]:
    """Tiles of 2x2 that cover the output, downwards and across."""
    return -(-g.output[0] // 2), -(-g.output[1] // 2)


def _chunks(g: Geometry, itemsize: int) -> list[slice]:
    down, across = _tiles(g)
    step = max(1, CHUNK // (16 * down * across * max(g.channels, g.filters) * itemsize))
    return [slice(start, min(start + step, g.batch)) for start in range(0, g.batch, step)]


def _kernels(weight: Tensor) -> Tensor:
    """G w G' for every kernel and channel: (O, C, 3, 3) to (16, C, O)."""
    matrix = weight.new_tensor(G)  # (4, 3)
    return torch.einsum("ik,ockl,jl->ijco", matrix, weight, matrix).reshape(16, weight.shape[1], weight.shape[0])


def _from_input(x: Tensor, g: Geometry) -> Tensor:
    """B' d B for every tile: (n, C, H, W) to (16, n * tiles, C)."""
    (down, across), (ph, pw), (n, channels, height, width) = _tiles(g), g.padding, x.shape
    padded = x.new_zeros(n, 2 * down + 2, 2 * across + 2, channels)
    padded[:, ph : ph + height, pw : pw + width].copy_(x.permute(0, 2, 3, 1))
    rows = x.new_empty(4, n, down, 2 * across + 2, channels)
    tiles = x.new_empty(4, 4, n, down, across, channels)
    for d, v in ((padded.unfold(1, 4, 2), rows), (rows.unfold(3, 4, 2), tiles.movedim(1, 0))):  # downwards, then across
        d = d.movedim(-1, 0)  # (4, ..): the four pixels of every tile, overlapping by two
        torch.sub(d[:2], d[2:], out=v[::3])  # v0 = d0 - d2, v3 = d1 - d3
        torch.add(d[1], d[2], out=v[1])
        torch.sub(d[2], d[1], out=v[2])
    return tiles.view(16, -1, channels)


def _to_output(products: Tensor, y: Tensor) -> None:
    """A' m A for every tile: (16, n * tiles, O) into y (n, 2 down, 2 across, O)."""
    n, down, across, filters = len(y), y.shape[1] // 2, y.shape[2] // 2, y.shape[3]
    products = products.view(4, 4, n, down, across, filters)
    rows = products.new_empty(2, 4, n, down, across, filters)
    places = y.view(n, down, 2, across, 2, filters).permute(2, 4, 0, 1, 3, 5)  # (2, 2, n, down, across, O)
    for m, out in ((products, rows), (rows.movedim(1, 0), places.movedim(1, 0))):  # downwards, then across
        torch.add(m[0], m[1], out=out[0]).add_(m[2])
        torch.sub(m[1], m[2], out=out[1]).sub_(m[3])


def _from_output(grad: Tensor, g: Geometry) -> Tensor:
    """The transpose of `_to_output`, A y A' for every tile: (n, O, OH, OW) to (16, n * tiles, O)."""
    (down, across), (n, filters, height, width) = _tiles(g), grad.shape
    whole = grad.new_zeros(n, 2 * down, 2 * across, filters)
    whole[:, :height, :width].copy_(grad.permute(0, 2, 3, 1))
    rows = grad.new_empty(4, n, down, 2 * across, filters)
    tiles = grad.new_empty(4, 4, n, down, across, filters)
    for y, m in ((whole.unfold(1, 2, 2), rows), (rows.unfold(3, 2, 2), tiles.movedim(1, 0))):  # downwards, then across
        y = y.movedim(-1, 0)  # (2, ..)
        m[0].copy_(y[0])
        torch.add(y[0], y[1], out=m[1])
        torch.sub(y[0], y[1], out=m[2])
        torch.neg(y[1], out=m[3])
    return tiles.view(16, -1, filters)


def costs(g: Geometry, itemsize: int) -> tuple[Cost, Cost, Cost]:
    """16 multiply-adds a tile for every channel and kernel, for 4 outputs: 2.25 times fewer than the definition's 36.

    What the transforms add is not counted, nor the few products that make the 16 numbers of every kernel.
    """
    return _forward_cost(g, itemsize), _forward_cost(_swapped(g), itemsize), _weight_cost(g, itemsize)


def _sizes(g: Geometry, itemsize: int) -> tuple[int, int, int, int, int]:
    """Of one group and one chunk: numbers in its tiles' places, in the rows between, in its padded input, in the
    kernels; tiles."""
    (down, across), chunks = (
        _tiles(g),
        _chunks(replace(g, channels=g.channels // g.groups, filters=g.filters // g.groups), itemsize),
    )
    n = chunks[0].stop if chunks else 0
    wide = 2 * across + 2
    return (
        n * down * across,
        4 * n * down * wide,
        n * (2 * down + 2) * wide,
        16 * g.channels * g.filters // g.groups**2,
        down * across,
    )


def _forward_cost(g: Geometry, itemsize: int) -> Cost:
    channels, filters = g.channels // g.groups, g.filters // g.groups
    tiles, rows, padded, kernels, each = _sizes(g, itemsize)
    numbers = kernels + 16 * tiles * channels + max((rows + padded) * channels, (16 + 8) * tiles * filters)
    return Cost(16 * g.batch * each * channels * g.filters, itemsize * numbers)


def _weight_cost(g: Geometry, itemsize: int) -> Cost:
    channels, filters = g.channels // g.groups, g.filters // g.groups
    tiles, rows, padded, kernels, each = _sizes(g, itemsize)
    numbers = kernels + 16 * tiles * channels + max((rows + padded) * channels, (16 + 8 + 4) * tiles * filters)
    return Cost(16 * g.batch * each * channels * g.filters, itemsize * numbers)


def bounds(x: Tensor, weight: Tensor, grad: Tensor, g: Geometry) -> tuple[Tensor, Tensor, Tensor]:
    """How far rounding alone can take each of the three results from the exact one, element by element.

    Every product of exact numbers is carried along a path of at most n roundings, so the error stays below gamma_n = n
    u / (1 - n u) times what the same steps make of absolute values, u the unit roundoff (Higham 2002, "Accuracy and
    stability of numerical algorithms", 3.1). On a path to an output there are 2 roundings in B, 4 in G, 4 in A, one for
    the product and one less than the terms of its sum; to a kernel's gradient 2 in B, 2 in A', 4 in G'.

    Returns
    -------
    three tensors >= 0 : of the shapes of y, x and weight, in their precision.
    """
    unit = torch.finfo(x.dtype).eps / 2
    terms = (g.channels // g.groups, g.filters // g.groups, g.batch * _tiles(g)[0] * _tiles(g)[1])
    factors = [n * unit / (1 - n * unit) for n in (10 + terms[0], 10 + terms[1], 8 + terms[2])]
    kernels = weight.detach().abs().requires_grad_()
    y = _absolute(x.abs(), kernels, g)
    (dw,) = torch.autograd.grad(y, kernels, grad.abs())
    dx = _absolute(*_turned(grad.abs(), weight.abs(), g))
    return factors[0] * y.detach(), factors[1] * dx, factors[2] * dw


def _absolute(x: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    """`forward` with the absolute values of B, G and A, all at once."""
    (down, across), (ph, pw), (height, width) = _tiles(g), g.padding, g.output
    b, k, a = (x.new_tensor(matrix).abs() for matrix in (BT, G, AT))
    whole = pad(x, (pw, 2 * across + 2 - g.size[1] - pw, ph, 2 * down + 2 - g.size[0] - ph))
    whole = whole.reshape(g.batch, g.groups, g.channels // g.groups, 2 * down + 2, 2 * across + 2)
    d = whole.unfold(3, 4, 2).unfold(4, 4, 2)  # (B, groups, C / groups, down, across, 4, 4)
    u = torch.einsum("ik,gockl,jl->gocij", k, weight.reshape(g.groups, -1, *weight.shape[1:]), k)
    m = torch.einsum("ik,bgcstkl,jl,gocij->bgostij", b, d, b, u)
    y = torch.einsum("pi,bgostij,qj->bgosptq", a, m, a)
    return y.reshape(g.batch, g.filters, 2 * down, 2 * across)[:, :, :height, :width]


IMPLEMENTATION = Implementation(
    "winograd",
    "F(2x2, 3x3): 2.25 times fewer multiplications",
    forward,
    input_gradient,
    weight_gradient,
    costs,
    refuses,
)
