"""Padded images through a network as if nothing had been padded: what each layer does to an image's own part.

An image lies in the upper left corner of its padded place, and so does every map made of it. Outside of that corner is
0 before every layer, as it is around an unpadded image, and is made 0 again after every layer that could change it. So
a convolution sees its own padding beyond the image's border; a pooling window that counts lies inside altogether, since
pools have no padding here; and a normalisation takes its statistics, in training the running ones too, over the images'
own pixels alone. The output is that of the unpadded image up to rounding, and so is every gradient.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from smallvision.nn.layers import GlobalMax, GlobalMean


@dataclass(frozen=True, eq=False)
class Own:
    """How much of each map of a batch is its image's own: the upper `rows` and left `columns`, int64 (B,) each."""

    rows: Tensor
    columns: Tensor

    def windows(self, size: Any, stride: Any, padding: Any) -> "Own":
        """After windows of `size`, one number or (down, across) each: floor((own + 2 padding - size) / stride) + 1."""
        (tall, wide), (down, across), (above, left) = (_pair(value) for value in (size, stride, padding))
        return Own((self.rows + 2 * above - tall) // down + 1, (self.columns + 2 * left - wide) // across + 1)

    def inside(self, maps: Tensor) -> Tensor:
        """Bool (B, 1, H, W) for maps (B, C, H, W): True where they are the image's own."""
        down = torch.arange(maps.shape[2], device=maps.device) < self.rows[:, None]
        across = torch.arange(maps.shape[3], device=maps.device) < self.columns[:, None]
        return down[:, None, :, None] & across[:, None, None, :]

    def clear(self, maps: Tensor) -> Tensor:
        """The maps, finite, with 0 outside."""
        return maps * self.inside(maps).to(maps.dtype)  # many times as fast as masked_fill with a broadcast mask

    @property
    def pixels(self) -> Tensor:
        """How many positions are each image's own: int64 (B,)."""
        return self.rows * self.columns


def own(mask: Tensor) -> Own:
    """From the mask of a batch, bool (B, 1, H, W)."""
    return Own(mask[:, 0, :, 0].sum(1), mask[:, 0, 0, :].sum(1))


def through(layers: Iterable[nn.Module], maps: Tensor, part: Own) -> tuple[Tensor, Own]:
    """Applies layers to padded maps (B, C, H, W), whose padding is 0; returns the maps and their valid region.

    Raises
    ------
    KeyError : a layer that is not in THROUGH.
    """
    for layer in layers:
        kind = next((kind for kind in type(layer).__mro__ if kind in THROUGH), type(layer))
        maps, part = THROUGH[kind](layer, maps, part)
    return maps, part


def pooled(head: nn.Module, maps: Tensor, part: Own) -> Tensor:
    """Global mean or max over each image's own pixels: (B, C, H, W) to (B, C).

    Raises
    ------
    TypeError : any other head.
    """
    if isinstance(head, GlobalMean):
        return (maps.sum((2, 3), dtype=torch.float32) / part.pixels[:, None]).to(maps.dtype)
    if isinstance(head, GlobalMax):
        outside = torch.zeros_like(maps[:, :1]).masked_fill(~part.inside(maps), -torch.inf)  # (B, 1, H, W)
        return (maps + outside).amax((2, 3))
    raise TypeError(f"{type(head).__name__}: this head takes feature maps of one size only")


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _convolved(layer: nn.Conv2d, maps: Tensor, part: Own) -> tuple[Tensor, Own]:
    assert not isinstance(layer.padding, str)
    assert _pair(layer.dilation) == (1, 1)
    part = part.windows(layer.kernel_size, layer.stride, layer.padding)
    return part.clear(layer(maps)), part


def _windowed(layer: nn.MaxPool2d | nn.AvgPool2d, maps: Tensor, part: Own) -> tuple[Tensor, Own]:
    assert not layer.ceil_mode
    part = part.windows(layer.kernel_size, layer.stride, layer.padding)
    return part.clear(layer(maps)), part


def _padded(layer: nn.ZeroPad2d, maps: Tensor, part: Own) -> tuple[Tensor, Own]:
    """Zeros below and to the right: they lie there already, and belong to the image from now on."""
    left, right, above, below = layer.padding
    assert (left, above) == (0, 0)
    return layer(maps), Own(part.rows + below, part.columns + right)


def _every_value(layer: nn.Module, maps: Tensor, part: Own) -> tuple[Tensor, Own]:
    """A layer that maps 0 to 0; padding stays 0."""
    return layer(maps), part


def _from_zero(layer: nn.Module, maps: Tensor, part: Own) -> tuple[Tensor, Own]:
    """A layer that does not map 0 to 0; padding is cleared."""
    return part.clear(layer(maps)), part


def _batch_normalised(layer: nn.BatchNorm2d, maps: Tensor, part: Own) -> tuple[Tensor, Own]:
    """Mean and variance of each channel over the own pixels of the whole batch (Ioffe & Szegedy 2015, algorithm 1)."""
    if not layer.training:
        return part.clear(layer(maps)), part
    assert layer.running_mean is not None
    assert layer.running_var is not None
    assert layer.num_batches_tracked is not None
    assert layer.momentum is not None
    inside = part.inside(maps).float()
    count = part.pixels.sum()
    wide = maps.float()
    mean = wide.sum((0, 2, 3)) / count  # (C,)
    centred = (wide - mean[:, None, None]) * inside
    squares = centred.square().sum((0, 2, 3))
    with torch.no_grad():  # the running variance is the sample's, as in torch
        layer.running_mean.lerp_(mean, layer.momentum)
        layer.running_var.lerp_(squares / (count - 1).clamp(min=1), layer.momentum)
        layer.num_batches_tracked.add_(1)
    scale = layer.weight * (squares / count + layer.eps).rsqrt()
    return _shifted(centred * scale[:, None, None], layer.bias[:, None, None], inside, maps), part


def _group_normalised(layer: nn.GroupNorm, maps: Tensor, part: Own) -> tuple[Tensor, Own]:
    """Mean and variance of each image's groups of channels over its own pixels (Wu & He 2018, 3.1)."""
    inside = part.inside(maps).float()
    batch, channels, height, width = maps.shape
    grouped = maps.float().reshape(batch, layer.num_groups, -1, height, width)  # (B, G, C / G, H, W)
    count = (part.pixels * (channels // layer.num_groups)).view(-1, 1, 1, 1, 1)
    mean = grouped.sum((2, 3, 4), keepdim=True) / count
    centred = (grouped - mean) * inside[:, None]
    variance = centred.square().sum((2, 3, 4), keepdim=True) / count
    normal = (centred * (variance + layer.eps).rsqrt()).view(maps.shape)
    return _shifted(normal * layer.weight[:, None, None], layer.bias[:, None, None], inside, maps), part


def _shifted(maps: Tensor, bias: Tensor, inside: Tensor, like: Tensor) -> Tensor:
    return ((maps + bias) * inside).to(like.dtype)


THROUGH: dict[type[nn.Module], Callable[[Any, Tensor, Own], tuple[Tensor, Own]]] = {
    nn.Conv2d: _convolved,
    nn.MaxPool2d: _windowed,
    nn.AvgPool2d: _windowed,
    nn.ZeroPad2d: _padded,
    nn.BatchNorm2d: _batch_normalised,
    nn.GroupNorm: _group_normalised,
    **dict.fromkeys((nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU, nn.Tanh, nn.Identity, nn.Dropout), _every_value),
    nn.Sigmoid: _from_zero,
}
