"""`Conv2d` by hand: torch.nn.Conv2d in all but the arithmetic."""

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from smallvision.conv.functional import conv2d
from smallvision.conv.sizes import AXES, Pair, pair

__all__ = ["Conv2d"]

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class Conv2d(torch.nn.Conv2d):
    """A drop-in for `torch.nn.Conv2d`: same arguments, initial weights, state dict and printed form, with our `conv2d`
    inside.

    It inherits everything but the arithmetic: `isinstance(layer, torch.nn.Conv2d)` holds, and what knows torch's layer
    knows it.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype : as
        torch's.

    Raises
    ------
    ValueError : naming the argument, what was given and what would do.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | Literal["same", "valid"] = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        for name, count in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise ValueError(f"{name}: {count!r}; expected an integer >= 1")
        for name, count in (("in_channels", in_channels), ("out_channels", out_channels)):
            if count % groups:
                more = -(-count // groups) * groups
                raise ValueError(
                    f"groups: {groups} does not divide {name}, {count}; use {name}={more}, or other groups"
                )
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode: {padding_mode!r}; expected one of {', '.join(PADDING_MODES)}")
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f'padding: {padding!r}; expected integers >= 0, "same" or "valid"')
        if padding == "same" and pair(stride, "stride", 1) != (1, 1):
            raise ValueError(f'padding: "same" needs stride 1, but stride is {stride}; use a number')
        super().__init__(
            in_channels,
            out_channels,
            pair(kernel_size, "kernel_size", 1),
            pair(stride, "stride", 1),
            padding if isinstance(padding, str) else pair(padding, "padding", 0),
            pair(dilation, "dilation", 1),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """What torch's own `forward` calls, with our convolution."""
        how: dict[str, Any] = {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
        }
        if self.padding_mode != "zeros":
            left, right, top, bottom = self._reversed_padding_repeated_twice
            for axis, size, most in zip(AXES, input.shape[-2:], (max(top, bottom), max(left, right)), strict=True):
                limit = {"reflect": size - 1, "circular": size}.get(self.padding_mode, most)
                if most > limit:
                    raise ValueError(
                        f'padding: {most} with padding_mode "{self.padding_mode}" is too large for a {axis} of '
                        f'{size}; use at most {limit}, or "replicate"'
                    )
            input, how["padding"] = pad(input, [left, right, top, bottom], mode=self.padding_mode), 0
        return conv2d(input, weight, bias, **how)
