"""Defines an implementation of the convolution: three functions and their costs."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from smallvision.conv.geometry import Geometry

__all__ = ["Cost", "Implementation"]


@dataclass(frozen=True)
class Cost:
    """What an implementation spends on one call, by its own formula, to compare with what is measured."""

    multiply_adds: int
    bytes: int  # of temporary memory at its peak, without the tensors given and returned


@dataclass(frozen=True)
class Implementation:
    """One implementation. The three functions are linear in each of their tensors and adjoint to one another:

        <g, forward(x, w)> = <input_gradient(g, w), x> = <weight_gradient(g, x), w>

    so each is also the gradient of the two others. None of them uses autograd, and none changes its arguments.
    """

    name: str
    about: str  # one line: the idea
    # x (B, C, H, W), weight (O, C/groups, kh, kw) -> y (B, O, OH, OW)
    forward: Callable[[Tensor, Tensor, Geometry], Tensor]
    # grad (B, O, OH, OW), weight -> (B, C, H, W)
    input_gradient: Callable[[Tensor, Tensor, Geometry], Tensor]
    # grad, x -> (O, C/groups, kh, kw)
    weight_gradient: Callable[[Tensor, Tensor, Geometry], Tensor]
    # of the three, in their order; the second argument is the bytes of a number
    costs: Callable[[Geometry, int], tuple[Cost, Cost, Cost]]
    # why this method cannot do a convolution, and which can; None if it can
    refuses: Callable[[Geometry], str | None] = lambda geometry: None
