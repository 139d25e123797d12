"""The spec of a classifier on the encoder of another network."""

from typing import Literal

from smallvision.experiment.base import BelowOne, NonNegative, Widths
from smallvision.experiment.model.base import Activation, Initialization
from smallvision.experiment.model.encoder import OnEncoderSpec


class EncoderClassifierSpec(OnEncoderSpec):
    """The encoding part of another network, dense layers, one output per class."""

    kind: Literal["encoder-classifier"]
    rate: NonNegative = 1.0  # the encoder's learning rate as a multiple of the recipe's; 0 freezes it
    dense: Widths = ()
    dense_activation: Activation = "relu"
    dense_dropout: BelowOne = 0.0
    init: Initialization = "default"  # of the dense layers and the output
