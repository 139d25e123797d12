"""im2col: the patch matrix times the kernel matrix, so that a convolution is as quick as the machine's matrix product.

Chellapilla, Puri & Simard 2006, "High performance convolutional neural networks for document processing", section 3.1.
With the patches of an image in the columns of U (K, P), K = C kh kw and P = OH OW, and the kernels in the rows of M (O,
K),

    forward            Y  = M U             U = unfold(x), transposed
    input gradient     dx = fold(M' G)      G (O, P), the gradient of Y; fold is unfold's adjoint
    weight gradient    dM = G U'            summed over the images

U is kh kw times as large as its image. It is made for a few images at a time, in one piece of memory that is used
again: one matrix for a whole batch would leave the processor's cache, and the system would have to provide its pages in
every call. Which images go together follows from the sizes alone, so equal calls give equal bits.
"""

from collections.abc import Iterator
from math import prod

import torch
from torch import Tensor

from smallvision.conv.geometry import Geometry
from smallvision.conv.implementation import Cost, Implementation
from smallvision.conv.patches import add_windows, inside, padded_shape, windows

__all__ = ["IMPLEMENTATION", "chunks"]

CHUNK = 2**22  # bytes of patches at a time: what the caches of a few cores hold


@torch.no_grad()
def forward(x: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    kernels, y = _kernels(weight, g), x.new_empty(g.y_shape)
    for images, patches in _patches(x, g):
        torch.bmm(_each(kernels, images), patches, out=_matrices(y[images], g))  # Y = M U
    return y


@torch.no_grad()
def input_gradient(grad: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    kernels, x = _kernels(weight, g).mT, grad.new_empty(g.x_shape)
    parts, pointwise = chunks(g.batch, _values(g) * x.element_size()), _pointwise(g)
    most = 0 if pointwise or not parts else parts[0].stop
    values = x.new_empty(most, g.channels, *g.kernel, *g.output)
    padded = x.new_empty(most, *padded_shape(g)[1:])
    for images in parts:
        n = images.stop - images.start
        patches = x[images] if pointwise else values[:n]  # windows of one pixel are the image
        grads = _matrices(grad[images], g)
        torch.bmm(_each(kernels, images), grads, out=_matrices(patches, g))  # M' G
        if not pointwise:
            add_windows(padded[:n].zero_(), patches, g)
            x[images] = inside(padded[:n], g)
    return x


@torch.no_grad()
def weight_gradient(grad: Tensor, x: Tensor, g: Geometry) -> Tensor:
    kernels = x.new_zeros(g.groups, g.filters // g.groups, prod(g.weight_shape[1:]))
    for images, patches in _patches(x, g, together=True):
        grads = grad[images].transpose(0, 1).reshape(g.groups, g.filters // g.groups, -1)  # (groups, O / groups, n P)
        kernels.baddbmm_(grads, patches.mT)  # dM = G U', the sum over images within
    return kernels.view(g.weight_shape)


def _patches(x: Tensor, g: Geometry, together: bool = False) -> Iterator[tuple[slice, Tensor]]:
    """Some images at a time and their patches: (n groups, K / groups, P), or together as (groups, K / groups, n P)."""
    parts = chunks(g.batch, _values(g) * x.element_size())
    most = parts[0].stop if parts else 0
    copied = together or not _pointwise(g)
    buffer = x.new_empty(most * _values(g) if copied else 0)
    padded = x.new_zeros(most if any(g.padding) else 0, *padded_shape(g)[1:])
    for images in parts:
        n, some = images.stop - images.start, x[images]
        if any(g.padding):
            some = padded[:n]
            inside(some, g).copy_(x[images])
        view = windows(some, g).movedim(0, 3 if together else 0)  # (n, C, kh, kw, OH, OW), or n before OH
        if copied:
            view = buffer[: view.numel()].view(view.shape).copy_(view)
        yield images, view.reshape(-1, prod(g.weight_shape[1:]), prod(g.output) * (n if together else 1))


def chunks(batch: int, each: int) -> list[slice]:
    """Slices of the batch, of images of `each` bytes: at most `CHUNK` bytes and at least one image in a slice; the
    first slice is the longest."""
    step = max(1, CHUNK // max(each, 1))
    return [slice(start, min(start + step, batch)) for start in range(0, batch, step)]


def _kernels(weight: Tensor, g: Geometry) -> Tensor:
    return weight.reshape(g.groups, g.filters // g.groups, -1)  # (groups, O / groups, K / groups)


def _each(kernels: Tensor, images: slice) -> Tensor:
    """The same kernels for every image: (n groups, ., .). A view of one, and copies only where groups stand in
    between."""
    return kernels.expand(images.stop - images.start, *kernels.shape).flatten(0, 1)


def _matrices(maps: Tensor, g: Geometry) -> Tensor:
    """(n, C, ..) to (n groups, C / groups or K / groups, P)."""
    return maps.reshape(len(maps) * g.groups, -1, prod(g.output))


def _pointwise(g: Geometry) -> bool:
    """Whether the patch matrix is the image: 1x1 kernels at every pixel. Then nothing needs to be copied."""
    return g.kernel == (1, 1) and g.stride == (1, 1) and g.padding == (0, 0)


def _values(g: Geometry) -> int:
    """Numbers in one image's patch matrix, K P."""
    return g.channels * prod(g.kernel) * prod(g.output)


def costs(g: Geometry, itemsize: int) -> tuple[Cost, Cost, Cost]:
    """The definition's multiply-adds, also those with padding.

    Memory is one chunk's patches and padded images and, if there are groups, the kernels once for each of its images.
    """
    parts = chunks(g.batch, _values(g) * itemsize)
    n = parts[0].stop if parts else 0
    patches, padded = n * _values(g), n * prod(padded_shape(g)[1:])
    kernels = (n if g.groups > 1 else 0) * prod(g.weight_shape)
    sizes = (
        kernels + (0 if _pointwise(g) else patches + (padded if any(g.padding) else 0)),
        kernels + (0 if _pointwise(g) else patches + padded),
        patches + (padded if any(g.padding) else 0) + n * prod(g.y_shape[1:]),
    )
    forward, back, weights = (Cost(g.multiply_adds, itemsize * size) for size in sizes)
    return forward, back, weights


IMPLEMENTATION = Implementation(
    "im2col", "unfold by hand, then one matrix product", forward, input_gradient, weight_gradient, costs
)
