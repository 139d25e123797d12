"""The convolution as autograd sees it: one bilinear map and its two adjoints, each the gradient of the others.

y = A(x, w) is linear in x and in w. With <a, b> the sum of products of all entries, there are X and W such that
    <g, A(x, w)> = <X(g, w), x> = <W(g, x), w>                  for all x, w, g
so X and W are the gradients of A, and they are bilinear themselves, with gradients among the same three:
    A(x, w):   dx = X(g, w)      dw = W(g, x)
    X(g, w):   dg = A(u, w)      dw = W(g, u)                   u the gradient that comes in, of x's shape
    W(g, x):   dg = A(x, u)      dx = X(g, u)                   u of w's shape
That closes under differentiation: second and all higher derivatives need no further formula. docs/convolution.md
derives them.
"""

from typing import Any

from torch import Tensor
from torch.autograd import Function

from smallvision.conv.geometry import Geometry
from smallvision.conv.implementation import Implementation

__all__ = ["Conv2dFunction", "InputGradient", "WeightGradient"]


class Conv2dFunction(Function):
    """`Conv2dFunction.apply(x, weight, bias, geometry, implementation)`: y = A(x, w) + b; people call `conv2d`."""

    @staticmethod
    def forward(
        x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, implementation: Implementation
    ) -> Tensor:
        y = implementation.forward(x, weight, geometry)  # (B, O, OH, OW)
        return y if bias is None else y + bias[:, None, None]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, _, ctx.geometry, ctx.implementation = inputs
        ctx.save_for_backward(x, weight)  # all at once: a second call would forget the first

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        how, needs = (ctx.geometry, ctx.implementation), ctx.needs_input_grad
        return (
            InputGradient.apply(grad, weight, *how) if needs[0] else None,  # type: ignore[no-untyped-call]
            WeightGradient.apply(grad, x, *how) if needs[1] else None,  # type: ignore[no-untyped-call]
            grad.sum((0, 2, 3)) if needs[2] else None,  # b is added at every place of every image
            None,
            None,
        )


class InputGradient(Function):
    """`InputGradient.apply(grad, weight, geometry, implementation)`: X(g, w), (B, O, OH, OW) to (B, C, H, W);
    transposed convolution."""

    @staticmethod
    def forward(grad: Tensor, weight: Tensor, geometry: Geometry, implementation: Implementation) -> Tensor:
        return implementation.input_gradient(grad, weight, geometry)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        grad, weight, ctx.geometry, ctx.implementation = inputs
        ctx.save_for_backward(grad, weight)

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor | None, ...]:
        grad, weight = ctx.saved_tensors
        how = (ctx.geometry, ctx.implementation)
        return (
            Conv2dFunction.apply(u, weight, None, *how) if ctx.needs_input_grad[0] else None,  # type: ignore[no-untyped-call]
            WeightGradient.apply(grad, u, *how) if ctx.needs_input_grad[1] else None,  # type: ignore[no-untyped-call]
            None,
            None,
        )


class WeightGradient(Function):
    """`WeightGradient.apply(grad, x, geometry, implementation)`: W(g, x), (B, O, OH, OW) and (B, C, H, W) to (O, C /
    groups, kh, kw)."""

    @staticmethod
    def forward(grad: Tensor, x: Tensor, geometry: Geometry, implementation: Implementation) -> Tensor:
        return implementation.weight_gradient(grad, x, geometry)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        grad, x, ctx.geometry, ctx.implementation = inputs
        ctx.save_for_backward(grad, x)

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor | None, ...]:
        grad, x = ctx.saved_tensors
        how = (ctx.geometry, ctx.implementation)
        return (
            Conv2dFunction.apply(x, u, None, *how) if ctx.needs_input_grad[0] else None,  # type: ignore[no-untyped-call]
            InputGradient.apply(grad, u, *how) if ctx.needs_input_grad[1] else None,  # type: ignore[no-untyped-call]
            None,
            None,
        )
