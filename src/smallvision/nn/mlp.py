"""The multilayer perceptron: flattened pixels through dense layers."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from smallvision.experiment.model.base import Activation, Initialization
from smallvision.experiment.model.classifiers import MlpSpec
from smallvision.nn.classifier import Classifier
from smallvision.nn.init import initialized
from smallvision.nn.layers import ACTIVATIONS, Standardize
from smallvision.nn.shapes import Shape


class Mlp(Classifier):
    """Dense layers of the widths asked for, each with normalisation, activation and dropout, then one output per class.

    Parameters
    ----------
    spec : widths, activation, normalisation, dropout, initialisation.
    shape : (C, H, W) of the images.
    classes : number of classes, K.
    mean, std : of the training pixels, per channel; (0, ..) and (1, ..) to leave the pixels as they are.
    """

    def __init__(self, spec: MlpSpec, shape: Shape, classes: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        pixels = shape[0] * shape[1] * shape[2]
        self.standardize = Standardize(mean, std)
        self.flatten = nn.Flatten()  # (B, C, H, W) -> (B, C * H * W)
        self.dense = dense(pixels, spec.widths, spec.activation, spec.dropout, spec.init, spec.normalization)
        self.output = initialized(nn.Linear((pixels, *spec.widths)[-1], classes), spec.init, spec.activation)

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

    An activation stands after every one, so that no two linear layers ever meet (they would be worth one).
    """
    stack = nn.Sequential()
    for next_width in widths:
        # What batch normalisation subtracts would take a bias away with it, and it brings its own.
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
