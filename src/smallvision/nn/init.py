"""The weights a network starts from. Which layer gets which gain is decided where the layer is made."""

import math
from typing import TypeVar

from torch import nn
from torch.nn import init

from smallvision.experiment.model.base import Activation, Initialization

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)

# 1 / sqrt(E[f(z)^2]) for standard normal z: with weights of variance gain^2 / fan_in the pre-activations keep their
# variance from layer to layer. He et al. 2015 (2.2) derive it for rectifiers; the others are the same integral, taken
# numerically; for those that are not piecewise linear it holds for pre-activations of variance 1.
# (torch.nn.init.calculate_gain has 5/3 for tanh and 1 for sigmoid, by another reasoning.)
GAINS: dict[Activation, float] = {
    "relu": math.sqrt(2),
    "leaky-relu": math.sqrt(2 / (1 + 0.01**2)),
    "gelu": 1.5335304412,
    "silu": 1.6765324703,
    "elu": 1.2451983007,
    "tanh": 1.5925374197,
    "sigmoid": 1.8462285453,
    "none": 1.0,
}


def initialized(layer: Layer, kind: Initialization, activation: Activation) -> Layer:
    """The same layer with fresh weights, drawn from torch's global generator (`nn.build` seeds it).

    Parameters
    ----------
    layer : a dense or a convolutional layer.
    kind : "default": torch's own, uniform in +-1/sqrt(fan_in), biases too; "he": normal with standard deviation
        gain/sqrt(fan_in) (He et al. 2015, 2.2), biases zero; "xavier": uniform in +-sqrt(6/(fan_in + fan_out))
        (Glorot & Bengio 2010, formula 16), biases zero.
    activation : the one after the layer, or before it for the output; it decides the gain of "he".
    """
    if kind == "default" or layer.weight.is_meta:
        return layer  # it was made with it, or has no values and is only counted, see `nn.size`
    if kind == "he":
        fan_in, _ = init._calculate_fan_in_and_fan_out(layer.weight)
        init.normal_(layer.weight, std=GAINS[activation] / math.sqrt(fan_in))
    else:
        init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        init.zeros_(layer.bias)
    return layer
