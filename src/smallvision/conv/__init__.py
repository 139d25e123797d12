"""Convolution from first principles: its sizes, the same operation implemented in eight ways, and autograd by hand.

    from smallvision import conv
    conv.Geometry.of((64, 3, 32, 32), (16, 3, 5, 5), padding=2).output
    conv.conv2d(x, weight, bias, padding=1)            # forward and all gradients by hand; conv.Conv2d is its module
    conv.IMPLEMENTATIONS["winograd"].forward(x, weight, conv.Geometry.of(x.shape, weight.shape, padding=1))

It imports nothing else of smallvision. Sizes need no torch, and what needs it is imported at its first use.
docs/convolution.md explains all of it.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smallvision.conv.function import Conv2dFunction, InputGradient, WeightGradient
    from smallvision.conv.functional import conv2d, conv_transpose2d
    from smallvision.conv.geometry import Geometry
    from smallvision.conv.implementation import Cost, Implementation
    from smallvision.conv.implementations import IMPLEMENTATIONS
    from smallvision.conv.module import Conv2d
    from smallvision.conv.patches import fold, fold_loops, unfold, unfold_loops
    from smallvision.conv.pooling import global_max, global_mean, max_pool2d, mean_pool2d
    from smallvision.conv.sizes import conv_size, pool_size, same_padding, transposed_size

# The module of each public name.
WORDS = {
    "Conv2d": "module",
    "Conv2dFunction": "function",
    "Cost": "implementation",
    "Geometry": "geometry",
    "InputGradient": "function",
    "IMPLEMENTATIONS": "implementations",
    "Implementation": "implementation",
    "WeightGradient": "function",
    "conv2d": "functional",
    "conv_size": "sizes",
    "conv_transpose2d": "functional",
    "fold": "patches",
    "fold_loops": "patches",
    "global_max": "pooling",
    "global_mean": "pooling",
    "max_pool2d": "pooling",
    "mean_pool2d": "pooling",
    "pool_size": "sizes",
    "same_padding": "sizes",
    "transposed_size": "sizes",
    "unfold": "patches",
    "unfold_loops": "patches",
}
FORMER = {"RUNGS": "IMPLEMENTATIONS", "Rung": "Implementation"}  # names of the version before
__all__ = [
    "IMPLEMENTATIONS",
    "Conv2d",
    "Conv2dFunction",
    "Cost",
    "Geometry",
    "Implementation",
    "InputGradient",
    "WeightGradient",
    "conv2d",
    "conv_size",
    "conv_transpose2d",
    "fold",
    "fold_loops",
    "global_max",
    "global_mean",
    "max_pool2d",
    "mean_pool2d",
    "pool_size",
    "same_padding",
    "transposed_size",
    "unfold",
    "unfold_loops",
]


def __getattr__(name: str) -> Any:
    if name in FORMER:
        warnings.warn(
            f"smallvision.conv.{name} is now smallvision.conv.{FORMER[name]}; the old name works in this version only",
            DeprecationWarning,
            stacklevel=2,
        )
        name = FORMER[name]
    if name in WORDS:
        return getattr(import_module(f"smallvision.conv.{WORDS[name]}"), name)
    raise AttributeError(f"module 'smallvision.conv' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *WORDS]
