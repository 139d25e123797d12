"""The autoencoder of convolutions around dense layers."""

from math import prod

from smallvision.conv.stack import Dense
from smallvision.experiment.model.autoencoders import ComboAutoencoderSpec
from smallvision.nn.autoencoders.base import Autoencoder, Planned
from smallvision.nn.autoencoders.conv import convolutions, style
from smallvision.nn.autoencoders.mlp import between
from smallvision.nn.input_spec import InputSpec


class ComboAutoencoder(Autoencoder):
    """Convolutions that halve the image, dense layers from the last map to the representation, and the same back.

    Parameters
    ----------
    spec : channels, dense widths, depth, representation and the rest.
    inputs : shape of the images, mean and standard deviation of the pixels; the number of classes is not used.

    Raises
    ------
    BadInput : a layer of the encoder would enlarge, or the image cannot be halved as often as asked.
    """

    def __init__(self, spec: ComboAutoencoderSpec, inputs: InputSpec) -> None:
        plan, last = convolutions(spec, inputs.shape)
        values = spec.representation * (2 if spec.variational else 1)
        hidden = between(prod(last), values, spec.hidden) if spec.dense is None else spec.dense
        keys = ["model.representation" if spec.dense is None else f"model.dense.{i}" for i in range(len(hidden))]
        plan += [Planned(Dense(width), key) for width, key in zip(hidden, keys, strict=True)]
        plan.append(Planned(Dense(spec.representation), "model.representation"))
        super().__init__(spec, inputs, plan, style(spec))
