"""The autoencoder of dense layers (Hinton & Salakhutdinov 2006)."""

from collections.abc import Sequence
from math import prod

from smallvision.conv.stack import Dense
from smallvision.experiment.model.autoencoders import MlpAutoencoderSpec
from smallvision.nn.autoencoders.base import Autoencoder, Planned
from smallvision.nn.shapes import Shape


class MlpAutoencoder(Autoencoder):
    """Dense layers from the pixels down to the representation, and back through the same widths.

    Parameters
    ----------
    spec : widths or depth, representation and the rest.
    shape : (C, H, W) of the images.
    classes : unused; so that every network is made alike.
    mean, std : of the training pixels, per channel; (0, ..) and (1, ..) to leave the pixels as they are.

    Raises
    ------
    BadInput : a layer of the encoder would enlarge.
    """

    def __init__(
        self, spec: MlpAutoencoderSpec, shape: Shape, classes: int, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        last = spec.representation * (2 if spec.variational else 1)
        hidden = spec.widths or between(prod(shape), last, spec.depth - 1)
        keys = [f"model.widths.{i}" if spec.widths else "model.representation" for i in range(len(hidden))]
        plan = [Planned(Dense(width), key) for width, key in zip(hidden, keys, strict=True)]
        super().__init__(spec, shape, [*plan, Planned(Dense(spec.representation), "model.representation")], mean, std)


def between(first: int, last: int, count: int) -> tuple[int, ...]:
    """So many whole numbers between two, in geometric progression: between(784, 32, 3) is (352, 158, 71)."""
    return tuple(round(first * (last / first) ** (i / (count + 1))) for i in range(1, count + 1))
