"""Unfold: the patch matrix, with every window of an image as one row; and fold, its adjoint, which adds windows back.

    unfold:  patches[b, i OW + j, (c kh + k) kw + l] = x[b, c, i s + k d - p, j s + l d - p]
    fold:    x[b, c, row, column] = the sum of all patches[b, ., .] that were read from there

with x zero outside of the image.

With it a convolution is one matrix product (im2col.py): Chellapilla, Puri & Simard 2006, "High performance
convolutional neural networks for document processing", section 3.1. The price is memory: with stride 1 every pixel
stands in kh kw windows, so the patch matrix is kh kw times as large as its image, 9 times for 3x3 and 25 times for 5x5.

fold is not unfold's inverse: fold(unfold(x)) is x times the number of windows each pixel is in. It is unfold's
transpose, <unfold(x), q> = <x, fold(q)> for all x and q, because each copy x -> patches turns into an addition patches
-> x. That is the dot-product test (Claerbout 2014, "Geophysical image estimation by example", section 2.3).

torch.nn.functional.unfold has a patch in each column, (B, K, P): the transpose of ours.
"""

from torch import Tensor
from torch.nn.functional import pad

from smallvision.conv.geometry import Geometry
from smallvision.conv.sizes import Pair, pair

__all__ = [
    "add_windows",
    "fold",
    "fold_loops",
    "grouped",
    "inside",
    "padded",
    "padded_shape",
    "reach",
    "unfold",
    "unfold_loops",
    "windows",
]


def unfold_loops(x: Tensor, kernel: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Tensor:
    """`unfold` as it is defined, number by number."""
    g = _checked(x, kernel, stride, padding, dilation)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw), (_, across) = g.kernel, g.stride, g.padding, g.dilation, g.output
    patches = x.new_zeros(_patches_shape(g))  # (B, P, K)
    for b in range(g.batch):
        for i in range(g.output[0]):
            for j in range(g.output[1]):
                for c in range(g.channels):
                    for k in range(kh):
                        for l in range(kw):  # noqa: E741
                            row, column = i * sh + k * dh - ph, j * sw + l * dw - pw
                            if 0 <= row < g.size[0] and 0 <= column < g.size[1]:
                                patches[b, i * across + j, (c * kh + k) * kw + l] = x[b, c, row, column]
    return patches


def unfold(x: Tensor, kernel: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Tensor:
    """The patch matrix: one row for every place of the output, row by row, one column for every value of a kernel.

    Parameters
    ----------
    x : (B, C, H, W).
    kernel, stride, padding, dilation : an integer, or a pair for height and width.

    Returns
    -------
    Tensor : (B, P, K) with P = OH OW and K = C kh kw in the order (c, k, l). In memory P is the inner one, since
        neighbours in a row of the image are neighbours in P: the strided view of all windows is copied in long runs.

    Raises
    ------
    ValueError : naming the argument, the shapes and what would fit.
    """
    g = _checked(x, kernel, stride, padding, dilation)
    _, places, values = _patches_shape(g)
    return windows(padded(x, g), g).reshape(g.batch, values, places).transpose(1, 2)


def fold_loops(
    patches: Tensor, size: Pair, kernel: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1
) -> Tensor:
    """`fold` as it is defined, number by number: `unfold_loops` with the two sides of its assignment exchanged, and
    `+=`."""
    g = _checked_patches(patches, size, kernel, stride, padding, dilation)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw), (_, across) = g.kernel, g.stride, g.padding, g.dilation, g.output
    x = patches.new_zeros(g.x_shape)  # (B, C, H, W)
    for b in range(g.batch):
        for i in range(g.output[0]):
            for j in range(g.output[1]):
                for c in range(g.channels):
                    for k in range(kh):
                        for l in range(kw):  # noqa: E741
                            row, column = i * sh + k * dh - ph, j * sw + l * dw - pw
                            if 0 <= row < g.size[0] and 0 <= column < g.size[1]:
                                x[b, c, row, column] += patches[b, i * across + j, (c * kh + k) * kw + l]
    return x


def fold(patches: Tensor, size: Pair, kernel: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Tensor:
    """Unfold's adjoint: each window's numbers are added to where they were read; what was read from the padding is
    dropped.

    Parameters
    ----------
    patches : (B, P, K), P = OH OW and K = C kh kw in the order (c, k, l).
    size : (H, W) of the image, or an integer for both.
    kernel, stride, padding, dilation : of the unfold.

    Returns
    -------
    Tensor : (B, C, H, W).

    Raises
    ------
    ValueError : naming the argument, the shapes and what would fit.
    """
    g = _checked_patches(patches, size, kernel, stride, padding, dilation)
    whole = patches.new_zeros(padded_shape(g))
    add_windows(whole, patches.transpose(1, 2).reshape(g.batch, g.channels, *g.kernel, *g.output), g)
    return inside(whole, g)


def windows(whole: Tensor, g: Geometry) -> Tensor:
    """A view of all windows of padded images, nothing copied: (B, C, H + 2 ph, W + 2 pw) to (B, C, kh, kw, OH, OW).

    Moving by one in k or in i are both moves along the image's rows, by dilation and by stride: the view has two axes,
    each with its own step, where the image has one.
    """
    (kh, kw), (sh, sw), (dh, dw) = g.kernel, g.stride, g.dilation
    tall = whole.unfold(2, dh * (kh - 1) + 1, sh)[..., ::dh]  # (B, C, OH, W + 2 pw, kh)
    return tall.unfold(3, dw * (kw - 1) + 1, sw)[..., ::dw].permute(0, 1, 4, 5, 2, 3)  # from (B, C, OH, OW, kh, kw)


def add_windows(whole: Tensor, values: Tensor, g: Geometry) -> None:
    """The adjoint of `windows`, in place: values (B, C, kh, kw, OH, OW) are added to whole (B, C, H + 2 ph, W + 2 pw).

    Windows overlap, but for one place (k, l) in the kernel no two windows read the same pixel. So it is kh kw strided
    additions, each of which writes to every pixel at most once: no scattering, and the same bits every time.
    """
    for k in range(g.kernel[0]):
        for l in range(g.kernel[1]):  # noqa: E741
            rows, columns = reach(g, 0, k), reach(g, 1, l)
            whole[..., rows, columns] += values[..., k, l, :, :]


def reach(g: Geometry, axis: int, place: int) -> slice:
    """The padded rows (axis 0) or columns (1) that the value at `place` of a kernel meets, one for every output."""
    start = place * g.dilation[axis]
    return slice(start, start + (g.output[axis] - 1) * g.stride[axis] + 1, g.stride[axis])


def grouped(tensor: Tensor, axis: int, groups: int) -> Tensor:
    """A view with one axis split, groups outermost: (.., C, ..) to (.., groups, C / groups, ..)."""
    shape = tensor.shape
    return tensor.view(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])


def padded(x: Tensor, g: Geometry) -> Tensor:
    """Zeros around the images, (B, C, H, W) to (B, C, H + 2 ph, W + 2 pw); x itself where there is no padding."""
    ph, pw = g.padding
    return pad(x, (pw, pw, ph, ph)) if any(g.padding) else x


def inside(whole: Tensor, g: Geometry) -> Tensor:
    """The images within their padding: a view (B, C, H, W) of (B, C, H + 2 ph, W + 2 pw)."""
    (ph, pw), (height, width) = g.padding, g.size
    return whole[:, :, ph : ph + height, pw : pw + width]


def padded_shape(g: Geometry) -> tuple[int, int, int, int]:
    """(B, C, H + 2 ph, W + 2 pw)."""
    return g.batch, g.channels, g.size[0] + 2 * g.padding[0], g.size[1] + 2 * g.padding[1]


def _patches_shape(g: Geometry) -> tuple[int, int, int]:
    return g.batch, g.output[0] * g.output[1], g.channels * g.kernel[0] * g.kernel[1]  # (B, P, K)


def _checked(x: Tensor, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Geometry:
    """Geometry of the convolution with one kernel that would read the same windows."""
    if not isinstance(x, Tensor):
        raise ValueError(f"x: {type(x).__name__}; expected a torch.Tensor (B, C, H, W)")
    channels = x.shape[1] if x.ndim == 4 else 1
    return Geometry.of(x.shape, (1, max(channels, 1), *pair(kernel, "kernel", 1)), None, stride, padding, dilation)


def _checked_patches(
    patches: Tensor, size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Geometry:
    if not isinstance(patches, Tensor) or patches.ndim != 3:
        found = f"shape {tuple(patches.shape)}" if isinstance(patches, Tensor) else type(patches).__name__
        raise ValueError(f"patches: {found}; expected a torch.Tensor (B, P, K), one patch in each row")
    (height, width), (kh, kw) = pair(size, "size", 1), pair(kernel, "kernel", 1)
    batch, places, values = patches.shape
    channels = max(values // (kh * kw), 1)
    g = Geometry.of((batch, channels, height, width), (1, channels, kh, kw), None, stride, padding, dilation)
    expected = g.output[0] * g.output[1]
    if places != expected or values != channels * kh * kw:
        transposed = values == expected and places % (kh * kw) == 0
        turned = "; torch's unfold returns the transpose of this, so use patches.transpose(1, 2)" if transposed else ""
        raise ValueError(
            f"patches: shape {tuple(patches.shape)}; a {kh}x{kw} kernel has {g.output[0]} x {g.output[1]} positions "
            f"on {height}x{width}; expected (B, {expected}, C x {kh * kw}){turned}"
        )
    return g
