"""A sum of shifted matrix products: every position (k, l) in the kernel sees the whole image, moved by (k, l).

    y[., i, j] = sum over k, l  of  W[k, l] x[., i s + k d, j s + l d]

W[k, l] (O, C) holds all kernels' values at (k, l).

Channels last, the pixels of an image are the rows of a matrix (H W, C), and to move it is to start at another row:
nothing has to be copied. But kh kw products of only C terms each are short ones. As in MEC (Cho & Brand 2017, "MEC:
memory-efficient convolution for deep neural network", section 3) the copies go half way: the kw moves across are laid
side by side, in lines of shape (H OW, kw C), kw times the image where im2col has kh kw times; the kh moves down remain
offsets of k d OW rows,

    Y = sum over k  of  L[k d OW : k d OW + P] W[k]

which are products of kw C terms, W[k] being (kw C, O).

With a stride the outputs meet every s-th row of the image only. Rows are sorted by their remainder by s first, and then
what a k meets lies in one piece again. Results are channels last in memory (torch.channels_last), which torch's layers
take as they are.
"""

from collections.abc import Iterator
from math import prod

import torch
from torch import Tensor

from smallvision.conv.geometry import Geometry
from smallvision.conv.im2col import chunks
from smallvision.conv.implementation import Cost, Implementation
from smallvision.conv.patches import grouped, reach

__all__ = ["IMPLEMENTATION"]


@torch.no_grad()
def forward(x: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    kernels, y = _kernels(weight, g), x.new_empty(g.batch, *g.output, g.filters)
    for images, padded, lines, maps in _parts(g, x):
        _inside(padded, g).copy_(x[images].permute(0, 2, 3, 1))
        for l in range(g.kernel[1]):  # noqa: E741
            lines[..., l, :] = _moved(padded, l, g)
        for k in range(g.kernel[0]):
            _matrix(maps).baddbmm_(_rows(lines, k, g), kernels[k], beta=1 if k else 0)  # Y = sum of L[k] W[k]
        grouped(y[images], 3, g.groups).copy_(maps.permute(2, 1, 3, 0, 4))
    return y.permute(0, 3, 1, 2)


@torch.no_grad()
def input_gradient(grad: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    kernels, x = _kernels(weight, g).mT, grad.new_empty(g.batch, *g.size, g.channels)
    for images, padded, lines, maps in _parts(g, grad):
        maps.copy_(grouped(grad[images], 1, g.groups).permute(1, 3, 0, 4, 2))
        lines.zero_()
        for k in range(g.kernel[0]):
            _rows(lines, k, g).baddbmm_(_matrix(maps), kernels[k])  # L[k] += Y W[k]'
        padded.zero_()
        for l in range(g.kernel[1]):  # noqa: E741
            _moved(padded, l, g).add_(lines[..., l, :])
        x[images] = _inside(padded, g)
    return x.permute(0, 3, 1, 2)


@torch.no_grad()
def weight_gradient(grad: Tensor, x: Tensor, g: Geometry) -> Tensor:
    kernels = x.new_zeros(g.kernel[0], g.groups, g.kernel[1] * g.channels // g.groups, g.filters // g.groups)
    for images, padded, lines, maps in _parts(g, x):
        _inside(padded, g).copy_(x[images].permute(0, 2, 3, 1))
        for l in range(g.kernel[1]):  # noqa: E741
            lines[..., l, :] = _moved(padded, l, g)
        maps.copy_(grouped(grad[images], 1, g.groups).permute(1, 3, 0, 4, 2))
        for k in range(g.kernel[0]):
            kernels[k].baddbmm_(_rows(lines, k, g).mT, _matrix(maps))  # W[k] += L[k]' Y
    return grouped(kernels, 2, g.kernel[1]).permute(1, 4, 3, 0, 2).flatten(0, 1)


def _parts(g: Geometry, like: Tensor) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """Some images at a time, with buffers for n of them, in the same memory every time:

    padded (n, H + 2 ph, W + 2 pw, C), zero at first, its height rounded up to a multiple of the stride;
    lines (groups, sh, rows, n, OW, kw, C / groups), rows times sh that height;
    maps (groups, OH, n, OW, O / groups).
    """
    parts = chunks(g.batch, prod(_shapes(g, 1)[1]) * like.element_size())
    buffers = [like.new_zeros(prod(shape)) for shape in _shapes(g, parts[0].stop if parts else 0)]
    for images in parts:
        shapes = _shapes(g, images.stop - images.start)
        padded, lines, maps = (buffer[: prod(shape)].view(shape) for buffer, shape in zip(buffers, shapes, strict=True))
        yield images, padded, lines, maps


def _shapes(g: Geometry, n: int) -> tuple[tuple[int, ...], ...]:
    (height, width), (ph, pw), (sh, _), (down, across) = g.size, g.padding, g.stride, g.output
    rows, each, filters = -(-(height + 2 * ph) // sh), g.channels // g.groups, g.filters // g.groups
    return (
        (n, rows * sh, width + 2 * pw, g.channels),
        (g.groups, sh, rows, n, across, g.kernel[1], each),
        (g.groups, down, n, across, filters),
    )


def _inside(padded: Tensor, g: Geometry) -> Tensor:
    (ph, pw), (height, width) = g.padding, g.size
    return padded[:, ph : ph + height, pw : pw + width]  # (n, H, W, C)


def _moved(padded: Tensor, l: int, g: Geometry) -> Tensor:  # noqa: E741
    """The columns that value l of a kernel's row meets, a view in the lines' order: (groups, sh, rows, n, OW, C /
    groups)."""
    columns = grouped(padded[:, :, reach(g, 1, l)], 3, g.groups)  # (n, rows sh, OW, groups, C / groups)
    return grouped(columns, 1, columns.shape[1] // g.stride[0]).permute(4, 2, 1, 0, 3, 5)


def _rows(lines: Tensor, k: int, g: Geometry) -> Tensor:
    """The lines that row k of a kernel meets, one piece: (groups, OH n OW, kw C / groups)."""
    _, stride, rows, n, across, _, _ = lines.shape
    turn, remainder = divmod(k * g.dilation[0], stride)
    start = (remainder * rows + turn) * n * across
    return lines.view(g.groups, -1, lines.shape[5] * lines.shape[6])[:, start : start + g.output[0] * n * across]


def _matrix(maps: Tensor) -> Tensor:
    return maps.view(len(maps), -1, maps.shape[-1])  # (groups, OH n OW, O / groups)


def _kernels(weight: Tensor, g: Geometry) -> Tensor:
    """(O, C / groups, kh, kw) to (kh, groups, kw C / groups, O / groups)."""
    return grouped(weight, 0, g.groups).permute(3, 0, 4, 2, 1).flatten(2, 3)


def costs(g: Geometry, itemsize: int) -> tuple[Cost, Cost, Cost]:
    """The definition's multiply-adds, also those with padding. One chunk's padded images, lines and maps, and the
    kernels reordered."""
    parts = chunks(g.batch, prod(_shapes(g, 1)[1]) * itemsize)
    numbers = sum(map(prod, _shapes(g, parts[0].stop if parts else 0))) + prod(g.weight_shape)
    cost = Cost(g.multiply_adds, itemsize * numbers)
    return cost, cost, cost


IMPLEMENTATION = Implementation(
    "shifted", "a sum of matrix products with the shifted image", forward, input_gradient, weight_gradient, costs
)
