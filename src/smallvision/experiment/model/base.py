"""The class that every network's spec derives from, and the types that several of them share."""

from typing import ClassVar, Literal

from smallvision.experiment.base import Spec

Activation = Literal["relu", "leaky-relu", "gelu", "silu", "elu", "tanh", "sigmoid", "none"]
Initialization = Literal["default", "he", "xavier"]
Convolution = Literal["torch", "by-hand"]
Purpose = Literal["scores classes", "makes images", "judges pairs of images"]  # the words stand in messages


class NetworkSpec(Spec):
    """The [model] table of an experiment. Every subclass has a field `kind`, its word in MODEL_SPECS.

    `purpose` is what the network does. A task asks for networks of one purpose (`TaskSpec.network`), so that neither
    side names the other.
    """

    purpose: ClassVar[Purpose] = "scores classes"
