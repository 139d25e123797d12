"""What an implementation of the convolution is: three functions and what they cost."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from smallvision.conv.geometry import Geometry

__all__ = ["Cost", "Rung"]


@dataclass(frozen=True)
class Cost:
    """What an implementation spends on one call, by its own formula, to be held against what is measured."""

    multiply_adds: int
    bytes: int  # made on the way, beside the tensors given and returned; the most at any one time


@dataclass(frozen=True)
class Rung:
    """One implementation. The three functions are linear in each of their tensors and adjoint to one another:

        <g, forward(x, w)> = <input_gradient(g, w), x> = <weight_gradient(g, x), w>

    so each is also the gradient of the two others. None of them knows of autograd, and none changes its arguments.
    """

    name: str
    about: str  # one line: the idea
    forward: Callable[
        [Tensor, Tensor, Geometry], Tensor
    ]  # x (B, C, H, W), weight (O, C/groups, kh, kw) -> y (B, O, OH, OW)
    input_gradient: Callable[[Tensor, Tensor, Geometry], Tensor]  # grad (B, O, OH, OW), weight -> (B, C, H, W)
    weight_gradient: Callable[[Tensor, Tensor, Geometry], Tensor]  # grad, x -> (O, C/groups, kh, kw)
    costs: Callable[
        [Geometry, int], tuple[Cost, Cost, Cost]
    ]  # of the three, in their order, for numbers of so many bytes
    refuses: Callable[[Geometry], str | None] = lambda geometry: (
        None
    )  # why this method cannot do it, and what can; None if it can
