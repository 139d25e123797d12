"""The words that the specs of several networks share."""

from typing import Literal

Activation = Literal["relu", "leaky-relu", "gelu", "silu", "elu", "tanh", "sigmoid", "none"]
Normalization = Literal["none", "batch", "group", "layer"]
Initialization = Literal["default", "he", "xavier"]
Convolution = Literal["torch", "by-hand"]
