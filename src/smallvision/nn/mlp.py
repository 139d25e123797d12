"""The multilayer perceptron: flattened pixels through dense layers."""

from collections import OrderedDict
from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from smallvision.experiment.model.base import Activation, Initialization
from smallvision.experiment.model.classifiers import MlpSpec
from smallvision.nn.base import Classifier
from smallvision.nn.init import initialized
from smallvision.nn.input_spec import InputSpec
from smallvision.nn.layers import ACTIVATIONS, Standardize


class Mlp(Classifier):
    """Dense layers of the spec's widths, each with normalisation, activation and dropout, then one output per class.

    Parameters
    ----------
    spec : widths, activation, normalisation, dropout, initialisation.
    inputs : shape and number of classes of the images, mean and standard deviation of the pixels.
    """

    def __init__(self, spec: MlpSpec, inputs: InputSpec) -> None:
        super().__init__()
        self.last_activation = spec.activation
        pixels = prod(inputs.shape)
        self.standardize = Standardize(inputs.mean, inputs.std)
        self.flatten = nn.Flatten()  # (B, C, H, W) -> (B, C * H * W)
        self.dense = dense(pixels, spec.widths, spec.activation, spec.dropout, spec.init, spec.normalization)
        self.output = initialized(nn.Linear((pixels, *spec.widths)[-1], inputs.classes), spec.init, spec.activation)

    def encode(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.dense(self.flatten(self.standardize(pixels)))  # (B, D)
        return features

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.output(self.encode(pixels))  # (B, K)
        return logits


def dense(
    width: int,
    widths: Sequence[int],
    activation: Activation,
    dropout: float,
    init: Initialization,
    normalization: str = "none",
) -> nn.Sequential:
    """Dense layers one after the other, (B, width) -> (B, widths[-1]): linear, normalisation, activation, dropout.

    An activation stands after every one, so that no two linear layers follow one another (together they would be one
    linear layer).
    """
    stack = nn.Sequential()
    for next_width in widths:
        # Batch normalisation would subtract a bias, and has one of its own.
        linear = nn.Linear(width, next_width, bias=normalization != "batch")
        layers: OrderedDict[str, nn.Module] = OrderedDict(linear=initialized(linear, init, activation))
        if normalization != "none":
            layers["norm"] = nn.BatchNorm1d(next_width) if normalization == "batch" else nn.LayerNorm(next_width)
        if activation != "none":
            layers["activation"] = ACTIVATIONS[activation]()
        if dropout:
            layers["dropout"] = nn.Dropout(dropout)
        stack.append(nn.Sequential(layers))
        width = next_width
    return stack
