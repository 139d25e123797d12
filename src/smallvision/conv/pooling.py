"""Pooling and its gradients by hand: one number for each window of a map, its maximum or its mean.

A mean is linear, so its gradient is its transpose: every output's gradient, divided as the mean was, goes to all of its
window, and windows that overlap add up. A maximum is linear wherever it is attained once: the gradient goes to that
pixel alone. Where it is attained more than once there is no derivative, and a rule takes its place, each torch's own
for the same operation:

- max_pool2d: the first of them, row by row, gets all. A window that holds NaN is NaN, and the last NaN gets the
  gradient.
- global_max: all of them share it evenly, as torch's amax; so the gradient does not depend on the order of pixels. With
  NaN it is NaN.

Padding is never a maximum, not even of a window that is -inf all over, and counts as zeros in a mean if
`count_include_pad`. A dilated window that steps over all of a small image sees no pixel: its maximum is -inf, and its
gradient goes nowhere. Every gradient is linear in the gradient that comes in, and is made of operations torch can
differentiate, for second derivatives.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import pad

from smallvision.conv.sizes import AXES, Pair, pair, pool_size

__all__ = ["global_max", "global_mean", "max_pool2d", "mean_pool2d"]

Apply = Callable[..., Tensor]


def max_pool2d(
    x: Tensor, kernel: Pair, stride: Pair | None = None, padding: Pair = 0, dilation: Pair = 1, ceil_mode: bool = False
) -> Tensor:
    """The maximum of every window.

    Parameters
    ----------
    x : (B, C, H, W) of floating-point numbers, or (C, H, W).
    kernel, stride, padding, dilation : an integer, or a pair for height and width; stride None is the kernel, padding
        is at most half of the kernel.
    ceil_mode : sizes are rounded up, so that the last window may reach beyond the padding.

    Returns
    -------
    Tensor : (B, C, OH, OW), or (C, OH, OW).

    Raises
    ------
    ValueError : naming the argument, the numbers and what would fit.
    """
    if _checked(x).ndim == 3:
        return max_pool2d(x.unsqueeze(0), kernel, stride, padding, dilation, ceil_mode).squeeze(0)
    apply: Apply = _Max.apply
    return apply(x, _windows(x, kernel, stride, padding, dilation, ceil_mode))


def mean_pool2d(
    x: Tensor,
    kernel: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of every window; torch's avg_pool2d.

    Parameters
    ----------
    x, kernel, stride, padding, ceil_mode : as in `max_pool2d`.
    count_include_pad : whether padding counts as zeros, or not at all; what lies beyond it in ceil mode never counts.

    Returns
    -------
    Tensor : (B, C, OH, OW), or (C, OH, OW).

    Raises
    ------
    ValueError : naming the argument, the numbers and what would fit.
    """
    if _checked(x).ndim == 3:
        return mean_pool2d(x.unsqueeze(0), kernel, stride, padding, ceil_mode, count_include_pad).squeeze(0)
    apply: Apply = _Mean.apply
    return apply(x, _windows(x, kernel, stride, padding, 1, ceil_mode), count_include_pad)


def global_max(x: Tensor) -> Tensor:
    """The maximum of every map: (B, C, H, W) to (B, C)."""
    apply: Apply = _GlobalMax.apply
    return apply(x)


def global_mean(x: Tensor) -> Tensor:
    """The mean of every map: (B, C, H, W) to (B, C)."""
    apply: Apply = _GlobalMean.apply
    return apply(x)


@dataclass(frozen=True)
class _Windows:
    """Where the windows of a pooling lie, each pair (height, width)."""

    size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    output: tuple[int, int]

    @property
    def places(self) -> Iterator[tuple[int, tuple[Any, slice, slice]]]:
        """Every place in the kernel, numbered row by row, and the rows and columns of a padded map that all windows
        have there."""
        kh, kw = self.kernel
        for k in range(kh):
            for l in range(kw):  # noqa: E741
                starts = k * self.dilation[0], l * self.dilation[1]
                rows, columns = (
                    slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(starts, self.output, self.stride, strict=True)
                )
                yield k * kw + l, (..., rows, columns)

    @property
    def padded(self) -> tuple[int, int]:
        """Size of a map with padding before it, and as much after it as its windows reach."""
        down, across = (
            max(
                self.padding[i] + self.size[i],
                (self.output[i] - 1) * self.stride[i] + self.dilation[i] * (self.kernel[i] - 1) + 1,
            )
            for i in (0, 1)
        )
        return down, across

    def around(self, x: Tensor, value: float) -> Tensor:
        """x with padding of that value."""
        (ph, pw), (height, width), (tall, wide) = self.padding, self.size, self.padded
        return pad(x, (pw, wide - width - pw, ph, tall - height - ph), value=value)

    def inside(self, whole: Tensor) -> Tensor:
        """What of a padded map is the map."""
        (ph, pw), (height, width) = self.padding, self.size
        return whole[..., ph : ph + height, pw : pw + width]


class _Max(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, windows: _Windows) -> Tensor:
        whole = windows.around(x, -torch.inf)
        best = x.new_full((*x.shape[:2], *windows.output), -torch.inf)  # (B, C, OH, OW)
        which = _first_inside(windows, x.device).expand(best.shape).clone()  # the place of the best in its window
        for place, there in windows.places:
            better = (whole[there] > best) | whole[there].isnan()
            best = torch.where(better, whole[there], best)
            which = torch.where(better, place, which)
        ctx.windows = windows
        ctx.save_for_backward(which)
        return best

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (which,) = ctx.saved_tensors
        whole = grad.new_zeros(*grad.shape[:2], *ctx.windows.padded)
        for place, there in ctx.windows.places:
            whole[there] += torch.where(which == place, grad, 0)
        x: Tensor = ctx.windows.inside(whole)
        return x, None


class _Mean(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, windows: _Windows, count_include_pad: bool) -> Tensor:
        whole = windows.around(x, 0)
        total = x.new_zeros(*x.shape[:2], *windows.output)  # (B, C, OH, OW)
        for _, there in windows.places:
            total += whole[there]
        ctx.windows, ctx.counts = windows, _counts(windows, count_include_pad, x)
        return total.div_(ctx.counts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        each = grad / ctx.counts
        whole = grad.new_zeros(*grad.shape[:2], *ctx.windows.padded)
        for _, there in ctx.windows.places:
            whole[there] += each
        x: Tensor = ctx.windows.inside(whole)
        return x, None, None


class _GlobalMax(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.amax((2, 3))
        ctx.save_for_backward(x == y[:, :, None, None])
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (ties,) = ctx.saved_tensors
        shares: Tensor = ties.to(grad.dtype) / ties.sum((2, 3), keepdim=True)  # 0 / 0 if there is NaN
        return grad[:, :, None, None] * shares


class _GlobalMean(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.shape = x.shape
        return x.mean((2, 3))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        _, _, height, width = ctx.shape
        each: Tensor = (grad / (height * width))[:, :, None, None]
        return each.expand(-1, -1, height, width)


def _first_inside(windows: _Windows, device: torch.device) -> Tensor:
    """The place of each window's first pixel that is not padding, (OH, OW): the maximum until there is a larger one."""
    first = []
    for n, s, p, d in zip(windows.output, windows.stride, windows.padding, windows.dilation, strict=True):
        before = (p - s * torch.arange(n, device=device)).clamp(min=0)  # rows of padding in the window
        first.append((before + d - 1) // d)
    return first[0][:, None] * windows.kernel[1] + first[1]


def _counts(windows: _Windows, count_include_pad: bool, like: Tensor) -> Tensor:
    """By how much each window's sum is divided, (OH, OW)."""
    counts = []
    for size, k, s, p, n in zip(
        windows.size, windows.kernel, windows.stride, windows.padding, windows.output, strict=True
    ):
        start = s * torch.arange(n, device=like.device) - p
        end = (start + k).clamp(max=size + p)
        counts.append(end - start if count_include_pad else end.clamp(max=size) - start.clamp(min=0))
    return (counts[0][:, None] * counts[1]).to(like.dtype)


def _checked(x: Tensor) -> Tensor:
    if not isinstance(x, Tensor) or x.ndim not in (3, 4):
        found = f"shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x: {found}; expected a torch.Tensor (B, C, H, W), or (C, H, W) for one image")
    if not x.is_floating_point():
        raise ValueError(f"x: {x.dtype} of shape {tuple(x.shape)}; expected floating-point numbers, use x.float()")
    return x


def _windows(x: Tensor, kernel: Pair, stride: Pair | None, padding: Pair, dilation: Pair, ceil_mode: bool) -> _Windows:
    size, kernels = (x.shape[2], x.shape[3]), pair(kernel, "kernel", 1)
    strides = (None, None) if stride is None else pair(stride, "stride", 1)
    paddings, dilations = pair(padding, "padding", 0), pair(dilation, "dilation", 1)
    down, across = (
        pool_size(size[i], kernels[i], strides[i], paddings[i], dilations[i], ceil_mode, AXES[i]) for i in (0, 1)
    )
    return _Windows(
        size, kernels, kernels if stride is None else pair(stride, "stride", 1), paddings, dilations, (down, across)
    )
