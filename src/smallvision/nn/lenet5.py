"""LeNet-5, the classical network for handwritten digits (LeCun, Bottou, Bengio & Haffner 1998, II.B)."""

from collections import OrderedDict

from torch import Tensor, nn

from smallvision.errors import BadInput
from smallvision.experiment.model.classifiers import Lenet5Spec
from smallvision.nn.base import Classifier
from smallvision.nn.init import initialized
from smallvision.nn.input_spec import InputSpec
from smallvision.nn.layers import ACTIVATIONS, CONVOLUTIONS, POOLS, PadTo, Standardize
from smallvision.nn.mlp import dense

SIZE = 32  # the side of the images that it was made for


class Lenet5(Classifier):
    """Maps of 6 and 16 by 5x5 kernels, 2x2 pooling after each, dense 120 and 84, one output per class.

    Images up to 32x32 are padded evenly with black pixels, before standardisation, as a digit on a larger sheet would
    be. As in every present-day reading of the paper, each map of the second convolution sees all six (there a table
    chooses), pooling has no weights, and the output is linear (there distances to drawn digits): 61 706 parameters for
    one channel and ten classes.

    Parameters
    ----------
    spec : activation, kind of pooling, initialisation.
    inputs : shape and number of classes of the images, mean and standard deviation of the pixels.

    Raises
    ------
    BadInput : for images larger than 32x32.
    """

    def __init__(self, spec: Lenet5Spec, inputs: InputSpec) -> None:
        super().__init__()
        self.last_activation = spec.activation
        channels, height, width = inputs.shape
        if max(height, width) > SIZE:
            raise BadInput(
                f'model.kind: "lenet5" takes images up to {SIZE}x{SIZE}, but these are {height}x{width}; make them '
                'smaller, or use "cnn"'
            )
        self.pad = PadTo(SIZE)
        self.standardize = Standardize(inputs.mean, inputs.std)
        convolution = CONVOLUTIONS[spec.convolution]
        self.maps = nn.Sequential(
            OrderedDict(
                c1=initialized(convolution(channels, 6, 5), spec.init, spec.activation),  # (B, 6, 28, 28)
                a1=ACTIVATIONS[spec.activation](),
                s2=POOLS[spec.pool_kind](2, 2),  # (B, 6, 14, 14)
                c3=initialized(convolution(6, 16, 5), spec.init, spec.activation),  # (B, 16, 10, 10)
                a3=ACTIVATIONS[spec.activation](),
                s4=POOLS[spec.pool_kind](2, 2),  # (B, 16, 5, 5)
            )
        )
        self.flatten = nn.Flatten()  # (B, 400)
        self.dense = dense(16 * 5 * 5, (120, 84), spec.activation, 0.0, spec.init)  # C5 and F6: (B, 84)
        self.output = initialized(nn.Linear(84, inputs.classes), spec.init, spec.activation)

    def encode(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.dense(self.flatten(self.maps(self.standardize(self.pad(pixels)))))  # (B, 84)
        return features

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.output(self.encode(pixels))  # (B, K)
        return logits
