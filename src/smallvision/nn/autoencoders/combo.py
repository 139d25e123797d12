"""The autoencoder of convolutions around dense layers."""

from collections.abc import Sequence
from math import prod

from smallvision.conv.stack import Dense
from smallvision.experiment.model.autoencoders import ComboAutoencoderSpec
from smallvision.nn.autoencoders.base import Autoencoder, Planned
from smallvision.nn.autoencoders.conv import convolutions
from smallvision.nn.autoencoders.mlp import between
from smallvision.nn.shapes import Shape


class ComboAutoencoder(Autoencoder):
    """Convolutions that halve the image, dense layers from the last map to the representation, and the same back.

    Parameters
    ----------
    spec : channels, dense widths, depth, representation and the rest.
    shape : (C, H, W) of the images.
    classes : unused; so that every network is made alike.
    mean, std : of the training pixels, per channel; (0, ..) and (1, ..) to leave the pixels as they are.

    Raises
    ------
    BadInput : a layer of the encoder would enlarge, or the image cannot be halved as often as asked.
    """

    def __init__(
        self, spec: ComboAutoencoderSpec, shape: Shape, classes: int, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        plan, last = convolutions(spec, shape)
        made = spec.representation * (2 if spec.variational else 1)
        hidden = between(prod(last), made, spec.hidden) if spec.dense is None else spec.dense
        keys = ["model.representation" if spec.dense is None else f"model.dense.{i}" for i in range(len(hidden))]
        plan += [Planned(Dense(width), key) for width, key in zip(hidden, keys, strict=True)]
        super().__init__(spec, shape, [*plan, Planned(Dense(spec.representation), "model.representation")], mean, std)
