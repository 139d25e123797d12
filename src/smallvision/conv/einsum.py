"""A strided view of all windows and one torch.einsum: the definition written as an equation between axes.

    y[b, o, i, j]         = sum over c, k, l  of  x~[b, c, k, l, i, j] w[o, c, k, l]
    dx~[b, c, k, l, i, j] = sum over o        of  dy[b, o, i, j] w[o, c, k, l]
    dw[o, c, k, l]        = sum over b, i, j  of  dy[b, o, i, j] x~[b, c, k, l, i, j]

with x~[b, c, k, l, i, j] = x[b, c, i s + k d, j s + l d]. Windows overlap, and the adjoint of x~ adds them up to dx.

x~ is a view, one array read with six strides; this file makes no patch matrix. But einsum does: it moves the summed
axes side by side, reshapes both operands to matrices and calls a batched matrix product, and a window view cannot be
reshaped without a copy. So this is im2col, with the copy made for the whole batch at once, where one does not see it:
kh kw times the input's bytes.
"""

from math import prod

import torch
from torch import Tensor

from smallvision.conv.geometry import Geometry
from smallvision.conv.implementation import Cost, Implementation
from smallvision.conv.patches import add_windows, grouped, inside, padded, padded_shape, windows

__all__ = ["IMPLEMENTATION"]

# Axes: b image, g group, c channel and o kernel of the group, k l place in the kernel, i j place in the output.


def forward(x: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    y = torch.einsum(
        "bgcklij,gockl->bgoij", grouped(windows(padded(x, g), g), 1, g.groups), grouped(weight, 0, g.groups)
    )
    return y.reshape(g.y_shape)


def input_gradient(grad: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    values = torch.einsum("bgoij,gockl->bgcklij", grouped(grad, 1, g.groups), grouped(weight, 0, g.groups))
    whole = grad.new_zeros(padded_shape(g))
    add_windows(grouped(whole, 1, g.groups), values, g)
    return inside(whole, g)


def weight_gradient(grad: Tensor, x: Tensor, g: Geometry) -> Tensor:
    kernels = torch.einsum(
        "bgoij,bgcklij->gockl", grouped(grad, 1, g.groups), grouped(windows(padded(x, g), g), 1, g.groups)
    )
    return kernels.reshape(g.weight_shape)


def costs(g: Geometry, itemsize: int) -> tuple[Cost, Cost, Cost]:
    """The definition's multiply-adds, also those with padding. The batch's patch matrix, and what einsum reorders
    beside it."""
    patches = g.batch * g.channels * prod(g.kernel) * prod(g.output)
    whole, grads, x = prod(padded_shape(g)), prod(g.y_shape), prod(g.x_shape)
    around = whole if any(g.padding) else 0
    sizes = around + patches, patches + max(grads, whole) - x, around + patches + grads
    forward, back, weights = (Cost(g.multiply_adds, itemsize * size) for size in sizes)
    return forward, back, weights


IMPLEMENTATION = Implementation(
    "einsum", "a strided view of all windows and one einsum", forward, input_gradient, weight_gradient, costs
)
