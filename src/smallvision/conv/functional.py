"""`conv2d` and `conv_transpose2d` by hand: torch.nn.functional's arguments, our own forward and gradients (im2col)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from smallvision.conv.function import Conv2dFunction, InputGradient
from smallvision.conv.geometry import Geometry
from smallvision.conv.im2col import IMPLEMENTATION
from smallvision.conv.sizes import AXES, Pair, pair, same_padding, transposed_size

__all__ = ["conv2d", "conv_transpose2d"]


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | Literal["same", "valid"] = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """The convolution of deep learning, a cross-correlation:

        y[b, o, i, j] = bias[o] + sum over c, k, l of weight[o, c, k, l] x[b, c, i s + k d - p, j s + l d - p]

    with x zero outside of the image. Forward and every gradient are written by hand (docs/convolution.md), to any
    order.

    Parameters
    ----------
    x : (B, C, H, W) of floating-point numbers, or (C, H, W).
    weight : (O, C / groups, kh, kw).
    bias : (O,), or None.
    stride, dilation : s and d, integers >= 1, or a pair for height and width.
    padding : p >= 0, or a pair; "valid" is 0; "same" keeps H and W (stride 1), an odd pixel goes below and to the
        right.
    groups : number of groups that the channels are split into, each with its own O / groups kernels.

    Returns
    -------
    Tensor : (B, O, OH, OW), or (O, OH, OW). Under autocast in its lower precision, as torch's.

    Raises
    ------
    ValueError : naming the argument, the shapes and what would fit.
    """
    _alike(x, weight, bias)
    x, weight, bias = _lowered(x, weight, bias)
    if x.ndim == 3:
        return conv2d(x.unsqueeze(0), weight, bias, stride, padding, dilation, groups).squeeze(0)
    if isinstance(padding, str):
        x, padding = _named_padding(x, weight, padding, stride, dilation)
    g = Geometry.of(x.shape, weight.shape, None if bias is None else bias.shape, stride, padding, dilation, groups)
    with torch.autocast(x.device.type, enabled=False):  # what was to be lowered is
        y: Tensor = Conv2dFunction.apply(x, weight, bias, g, IMPLEMENTATION)  # type: ignore[no-untyped-call]
    return y


def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> Tensor:
    """Transposed convolution: the adjoint of the convolution with the same weight, stride, padding and dilation.

    If y = conv2d(z, weight, ...) then <x, y> = <conv_transpose2d(x, weight, ...), z> for all x and z: every number of
    x, times the kernels, is added where the convolution would have read. It undoes the convolution's sizes, not the
    convolution. Several sizes of z give the same size of y when the stride is above 1; `output_padding` says by how
    much the wanted one is larger.

    Parameters
    ----------
    x : (B, C, H, W) of floating-point numbers, or (C, H, W).
    weight : (C, O / groups, kh, kw): the convolution's, from O channels to C.
    bias : (O,), or None.
    stride, padding, dilation, groups : of that convolution.
    output_padding : rows and columns added below and to the right, fewer than stride or dilation.

    Returns
    -------
    Tensor : (B, O, OH, OW), OH = (H - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1; or (O, OH, OW).

    Raises
    ------
    ValueError : naming the argument, the shapes and what would fit.
    """
    _alike(x, weight, bias)
    x, weight, bias = _lowered(x, weight, bias)
    if x.ndim == 3:
        return conv_transpose2d(
            x.unsqueeze(0), weight, bias, stride, padding, output_padding, groups, dilation
        ).squeeze(0)
    g = _transposed_geometry(x, weight, bias, stride, padding, output_padding, groups, dilation)
    down, across = g.output[0] - x.shape[2], g.output[1] - x.shape[3]
    if down or across:  # output_padding >= stride: that convolution has places of which x says nothing
        x = pad(x, (0, across, 0, down))
    with torch.autocast(x.device.type, enabled=False):
        y: Tensor = InputGradient.apply(x, weight, g, IMPLEMENTATION)  # type: ignore[no-untyped-call]
    return y if bias is None else y + bias[:, None, None]


def _transposed_geometry(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Pair,
    padding: Pair,
    output_padding: Pair,
    groups: int,
    dilation: Pair,
) -> Geometry:
    """Geometry of the convolution in the other direction: from the transposed one's output to its input x."""
    if x.ndim != 4 or weight.ndim != 4:
        raise ValueError(
            f"x, weight: shapes {tuple(x.shape)} and {tuple(weight.shape)}; expected (B, C, H, W) and (C, O / groups, "
            "kh, kw)"
        )
    if x.shape[1] != weight.shape[0]:
        raise ValueError(
            f"weight: shape {tuple(weight.shape)} takes {weight.shape[0]} channels, but x has {x.shape[1]}, shape "
            f"{tuple(x.shape)}; use a weight of shape {(x.shape[1], *weight.shape[1:])}, or an x of shape "
            f"{(x.shape[0], weight.shape[0], *x.shape[2:])}"
        )
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
        raise ValueError(f"groups: {groups!r}; expected an integer >= 1")
    strides, paddings, dilations = pair(stride, "stride", 1), pair(padding, "padding", 0), pair(dilation, "dilation", 1)
    more = pair(output_padding, "output_padding", 0)
    size = [
        transposed_size(
            x.shape[2 + i], weight.shape[2 + i], strides[i], paddings[i], more[i], dilations[i], axis=AXES[i]
        )
        for i in (0, 1)
    ]
    channels = weight.shape[1] * groups
    if bias is not None and tuple(bias.shape) != (channels,):
        raise ValueError(
            f"bias: shape {tuple(bias.shape)}; expected {(channels,)}, one number for each output channel: weight of "
            f"shape {tuple(weight.shape)} makes {weight.shape[1]} in each of {groups} group(s)"
        )
    return Geometry.of((x.shape[0], channels, *size), weight.shape, None, strides, paddings, dilations, groups)


def _alike(x: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    """Refuse what are not tensors of one floating type on one device."""
    tensors = {"x": x, "weight": weight} | ({} if bias is None else {"bias": bias})
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise ValueError(f"{name}: {type(tensor).__name__}; expected a torch.Tensor")
        if not tensor.is_floating_point():
            raise ValueError(
                f"{name}: {tensor.dtype} of shape {tuple(tensor.shape)}; expected floating-point numbers, use "
                f"{name}.float()"
            )
        if tensor.device != x.device:
            raise ValueError(f"{name}: it is on {tensor.device}, but x is on {x.device}; use {name}.to(x.device)")
        if tensor.dtype != x.dtype and not torch.is_autocast_enabled(x.device.type):
            raise ValueError(f"{name}: it is {tensor.dtype}, but x is {x.dtype}; use {name}.to(x.dtype)")


def _lowered(x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """Under autocast, in the precision it asks for; float64 is left alone, as torch does."""
    if not torch.is_autocast_enabled(x.device.type) or x.dtype == torch.float64:
        return x, weight, bias
    to = torch.get_autocast_dtype(x.device.type)
    return x.to(to), weight.to(to), None if bias is None else bias.to(to)


def _named_padding(
    x: Tensor, weight: Tensor, padding: str, stride: Pair, dilation: Pair
) -> tuple[Tensor, tuple[int, int]]:
    """x and the padding that is left to do: "same" may need a row or column more on one side, which is put there at
    once."""
    if padding == "valid":
        return x, (0, 0)
    if padding != "same":
        raise ValueError(f'padding: {padding!r}; expected integers >= 0, "same" or "valid"')
    if pair(stride, "stride", 1) != (1, 1):
        raise ValueError(
            f'padding: "same" needs stride 1, but stride is {stride}; use a number, such as dilation (kernel - 1) // 2'
        )
    if weight.ndim != 4 or min(weight.shape) < 1:
        raise ValueError(f"weight: shape {tuple(weight.shape)}; expected (O, C / groups, kh, kw), each at least 1")
    (top, bottom), (left, right) = (
        same_padding(k, d) for k, d in zip(weight.shape[2:], pair(dilation, "dilation", 1), strict=True)
    )
    if bottom > top or right > left:
        x = pad(x, (0, right - left, 0, bottom - top))
    return x, (top, left)
