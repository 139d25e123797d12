"""Torch's own convolution (oneDNN on a CPU, cuDNN on a GPU), the reference for all others."""

from torch import Tensor
from torch.nn.functional import conv2d
from torch.nn.grad import conv2d_input, conv2d_weight

from smallvision.conv.geometry import Geometry
from smallvision.conv.implementation import Cost, Implementation


def forward(x: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    return conv2d(x, weight, None, g.stride, g.padding, g.dilation, g.groups)


def input_gradient(grad: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    dx: Tensor = conv2d_input(g.x_shape, weight, grad, g.stride, g.padding, g.dilation, g.groups)  # type: ignore[no-untyped-call]
    return dx


def weight_gradient(grad: Tensor, x: Tensor, g: Geometry) -> Tensor:
    dw: Tensor = conv2d_weight(x, g.weight_shape, grad, g.stride, g.padding, g.dilation, g.groups)  # type: ignore[no-untyped-call]
    return dw


def costs(g: Geometry, itemsize: int) -> tuple[Cost, Cost, Cost]:
    """The definition's multiply-adds; torch does not state its method, nor the memory that it takes."""
    cost = Cost(g.multiply_adds, 0)
    return cost, cost, cost


IMPLEMENTATION = Implementation(
    "torch", "torch's own: direct convolution by oneDNN or cuDNN", forward, input_gradient, weight_gradient, costs
)
