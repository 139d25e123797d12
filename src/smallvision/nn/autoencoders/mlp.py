"""The autoencoder of dense layers (Hinton & Salakhutdinov 2006)."""

from math import prod

from smallvision.conv.stack import Dense
from smallvision.experiment.model.autoencoders import MlpAutoencoderSpec
from smallvision.nn.autoencoders.base import Autoencoder, Planned
from smallvision.nn.autoencoders.decoder import Style
from smallvision.nn.input_spec import InputSpec


class MlpAutoencoder(Autoencoder):
    """Dense layers from the pixels down to the representation, and back through the same widths.

    Parameters
    ----------
    spec : widths or depth, representation and the rest.
    inputs : shape of the images, mean and standard deviation of the pixels; the number of classes is not used.

    Raises
    ------
    BadInput : a layer of the encoder would enlarge.
    """

    def __init__(self, spec: MlpAutoencoderSpec, inputs: InputSpec) -> None:
        last = spec.representation * (2 if spec.variational else 1)
        hidden = spec.widths or between(prod(inputs.shape), last, spec.depth - 1)
        keys = [f"model.widths.{i}" if spec.widths else "model.representation" for i in range(len(hidden))]
        plan = [Planned(Dense(width), key) for width, key in zip(hidden, keys, strict=True)]
        plan.append(Planned(Dense(spec.representation), "model.representation"))
        super().__init__(spec, inputs, plan, Style(spec.init, spec.normalization), spec.tied)


def between(first: int, last: int, count: int) -> tuple[int, ...]:
    """`count` whole numbers between two, in geometric progression: between(784, 32, 3) is (352, 158, 71)."""
    return tuple(round(first * (last / first) ** (i / (count + 1))) for i in range(1, count + 1))
