"""One convolution's numbers, checked: all that an implementation needs beside the tensors. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from smallvision.conv.sizes import AXES, Pair, conv_size, pair

__all__ = ["Geometry"]


@dataclass(frozen=True)
class Geometry:
    """Sizes of a convolution (B, C, H, W) x (O, C / groups, kh, kw) -> (B, O, OH, OW), each pair (height, width)."""

    batch: int  # B
    channels: int  # C
    filters: int  # O
    size: tuple[int, int]  # (H, W)
    kernel: tuple[int, int]  # (kh, kw)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)  # on both sides of each axis
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def output(self) -> tuple[int, int]:
        """(OH, OW)."""
        down, across = (
            conv_size(self.size[i], self.kernel[i], self.stride[i], self.padding[i], self.dilation[i]) for i in (0, 1)
        )
        return down, across

    @property
    def x_shape(self) -> tuple[int, int, int, int]:
        """Shape of the input: (B, C, H, W)."""
        return self.batch, self.channels, *self.size

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Shape of the kernels: (O, C / groups, kh, kw)."""
        return self.filters, self.channels // self.groups, *self.kernel

    @property
    def y_shape(self) -> tuple[int, int, int, int]:
        """Shape of the output: (B, O, OH, OW)."""
        return self.batch, self.filters, *self.output

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds by the definition: one for every kernel value at every output, B O OH OW (C / groups) kh kw."""
        return prod(self.y_shape) * prod(self.weight_shape[1:])

    @classmethod
    def of(
        cls,
        x_shape: Sequence[int],
        weight_shape: Sequence[int],
        bias_shape: Sequence[int] | None = None,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        groups: int = 1,
    ) -> "Geometry":
        """The numbers of a convolution, from the shapes of its tensors.

        Parameters
        ----------
        x_shape : (B, C, H, W); B may be 0.
        weight_shape : (O, C / groups, kh, kw).
        bias_shape : (O,), or None for none.
        stride, padding, dilation : an integer, or a pair for height and width; at least 1, 0 and 1.
        groups : number of groups that the channels are split into, each with its own O / groups kernels.

        Raises
        ------
        ValueError : naming the argument, the shapes and what would fit.
        """
        x, weight = tuple(x_shape), tuple(weight_shape)
        if len(x) != 4:
            hint = "; for one image without a batch use x.unsqueeze(0)" if len(x) == 3 else ""
            raise ValueError(f"x: shape {x} has {len(x)} dimensions; expected 4, (B, C, H, W){hint}")
        if len(weight) != 4:
            raise ValueError(
                f"weight: shape {weight} has {len(weight)} dimensions; expected 4, (O, C / groups, kh, kw)"
            )
        if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
            raise ValueError(f"groups: {groups!r}; expected an integer >= 1")
        channels, filters = x[1], weight[0]
        if channels < 1:
            raise ValueError(f"x: shape {x} has no channels; expected (B, C, H, W) with C >= 1")
        if min(weight) < 1:
            raise ValueError(f"weight: shape {weight}; expected (O, C / groups, kh, kw), each at least 1")
        for count, what in ((channels, f"channels of x, shape {x}"), (filters, f"kernels of weight, shape {weight}")):
            if count % groups:
                raise ValueError(
                    f"groups: {groups} does not divide the {count} {what}; use one of {_divisors(channels, filters)}"
                )
        if weight[1] * groups != channels:
            split = f" in {groups} groups" if groups > 1 else ""
            raise ValueError(
                f"weight: shape {weight} is for {weight[1] * groups} channels{split}, but x has {channels}, shape "
                f"{x}; use a weight of shape {(filters, channels // groups, *weight[2:])}, or an x of shape "
                f"{(x[0], weight[1] * groups, *x[2:])}"
            )
        if bias_shape is not None and tuple(bias_shape) != (filters,):
            found = tuple(bias_shape)
            raise ValueError(
                f"bias: shape {found}; expected {(filters,)}, one number for each kernel of weight, shape {weight}"
            )
        strides, paddings, dilations = (
            pair(stride, "stride", 1),
            pair(padding, "padding", 0),
            pair(dilation, "dilation", 1),
        )
        for i, axis in enumerate(AXES):
            conv_size(x[2 + i], weight[2 + i], strides[i], paddings[i], dilations[i], axis)
        return cls(x[0], channels, filters, (x[2], x[3]), (weight[2], weight[3]), strides, paddings, dilations, groups)


def _divisors(channels: int, filters: int) -> str:
    return ", ".join(str(n) for n in range(1, min(channels, filters) + 1) if channels % n == 0 and filters % n == 0)
