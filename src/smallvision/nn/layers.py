"""The small layers that our networks share: standardisation, activations, global pooling, zero padding."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import smallvision.conv as conv
from smallvision.errors import BadInput


class Standardize(nn.Module):
    """Subtract the mean and divide by the standard deviation of every channel: the first layer of every model.

    As a layer it travels with the weights, so that prediction and export take plain pixels in [0, 1].

    Parameters
    ----------
    mean, std : one number per channel, measured over the training pixels in [0, 1]. Kept in buffers of shape (C, 1, 1).

    Raises
    ------
    BadInput : when a standard deviation is not above zero, or mean and std are not equally long.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != len(std) or not all(math.isfinite(s) and s > 0 for s in std):
            raise BadInput(
                f"data.normalize: every channel needs a standard deviation above 0, but mean is {tuple(mean)} and "
                f'std is {tuple(std)}; use "none", or write the numbers yourself'
            )
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).reshape(-1, 1, 1))  # (C, 1, 1)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).reshape(-1, 1, 1))  # (C, 1, 1)
        self.identity = False
        self._look(self, None)
        # Whether there is anything to do is asked here, once, so that no step has to read a tensor to know it.
        self.register_load_state_dict_post_hook(self._look)  # type: ignore[no-untyped-call]

    @staticmethod
    def _look(module: nn.Module, _: Any) -> None:
        assert isinstance(module, Standardize)
        if module.mean.is_meta:
            return
        module.identity = not bool(module.mean.any()) and bool((module.std == 1).all())

    def forward(self, pixels: Tensor) -> Tensor:
        """(pixels - mean) / std; (B, C, H, W) to (B, C, H, W)."""
        if self.identity:
            return pixels
        # Batch normalisation with given statistics is the same formula in one pass over the pixels; the plain
        # subtraction and division take 1.5 to 2 times as long, and more for three channels in channels-last.
        return F.batch_norm(pixels, self.mean.flatten(), self.std.square().flatten(), training=False, eps=0.0)

    def extra_repr(self) -> str:
        return f"mean={self.mean.flatten().tolist()}, std={self.std.flatten().tolist()}"


class GlobalMean(nn.Module):
    """The mean of every map: (B, C, H, W) to (B, C), whatever H and W."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean((2, 3))


class GlobalMax(nn.Module):
    """The maximum of every map: (B, C, H, W) to (B, C), whatever H and W."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.amax((2, 3))


class PadTo(nn.Module):
    """Black pixels around an image up to `size` x `size`, evenly; an odd one goes below and to the right."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, C, H, W) with H, W <= size to (B, C, size, size)."""
        down, across = self.size - pixels.shape[2], self.size - pixels.shape[3]
        if not (down or across):
            return pixels
        return F.pad(pixels, (across // 2, across - across // 2, down // 2, down - down // 2))

    def extra_repr(self) -> str:
        return str(self.size)


# In place where the gradient needs only the output: what comes before is a convolution, a dense layer or a
# normalisation, none of which looks at its own output again, and a pass over memory is saved.
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "leaky-relu": lambda: nn.LeakyReLU(0.01, inplace=True),
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": lambda: nn.ELU(inplace=True),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "none": nn.Identity,
}

INCREASING = ("relu", "leaky-relu", "elu", "tanh", "sigmoid")  # gelu and silu are not: they dip below zero

CONVOLUTIONS: dict[str, type[nn.Conv2d]] = {"torch": nn.Conv2d, "by-hand": conv.Conv2d}

POOLS: dict[str, Callable[[int, int], nn.Module]] = {"max": nn.MaxPool2d, "mean": nn.AvgPool2d}

HEADS: dict[str, Callable[[], nn.Module]] = {"flat": nn.Flatten, "global-mean": GlobalMean, "global-max": GlobalMax}
