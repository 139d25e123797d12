"""The convolutional autoencoder: halvings, and a last convolution over all that is left of the image."""

from collections.abc import Sequence
from math import prod

from smallvision.conv.stack import Conv
from smallvision.errors import BadInput
from smallvision.experiment.model.autoencoders import ComboAutoencoderSpec, ConvAutoencoderSpec
from smallvision.nn.autoencoders.base import Autoencoder, Planned
from smallvision.nn.shapes import Shape

SMALLEST = 4  # side of a map below which nothing is halved unless channels say so
MOST_CHANNELS = 256


class ConvAutoencoder(Autoencoder):
    """Convolutions alone: the last one has the map's own size as its kernel, and what it makes are the representation's values.

    Parameters
    ----------
    spec : channels, depth, representation and the rest.
    shape : (C, H, W) of the images.
    classes : unused; so that every network is made alike.
    mean, std : of the training pixels, per channel; (0, ..) and (1, ..) to leave the pixels as they are.

    Raises
    ------
    BadInput : a layer of the encoder would enlarge, or the image cannot be halved as often as asked.
    """

    def __init__(
        self, spec: ConvAutoencoderSpec, shape: Shape, classes: int, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        plan, (_, height, width) = convolutions(spec, shape)
        super().__init__(
            spec, shape, [*plan, Planned(Conv(spec.representation, (height, width)), "model.representation")], mean, std
        )


def convolutions(spec: ConvAutoencoderSpec | ComboAutoencoderSpec, shape: Shape) -> tuple[list[Planned], Shape]:
    """The layers over maps, and the shape of the last map.

    Halvings come as early as they can, one to a layer; layers that are left keep the size, evenly after all halvings, the odd ones
    after the later, where a map is small and costs least. Without channels in the experiment a halving makes as many as make no more
    values than it takes, and an image is halved until a side would be less than SMALLEST.

    Raises
    ------
    BadInput : the image cannot be halved as often as channels say.
    """
    times, most = len(spec.channels), halvings(shape, 1)
    if times > most:
        raise BadInput(
            f"model.channels: {times} numbers, one for each halving, and an image of {shape[1]}x{shape[2]} can be halved "
            f"{most} time{'s' if most != 1 else ''}; use fewer"
        )
    times = times or min(spec.convolutions, halvings(shape, SMALLEST))
    left = spec.convolutions - times
    plan = [Planned(Conv(shape[0], spec.kernel, padding="same"), "model.depth")] * (left if times == 0 else 0)
    for i in range(times):
        height, width = (shape[1] + 1) // 2, (shape[2] + 1) // 2
        channels = spec.channels[i] if spec.channels else min(prod(shape) // (height * width), MOST_CHANNELS)
        shape = (channels, height, width)
        key = f"model.channels.{i}" if spec.channels else "model.depth"
        plan.append(Planned(Conv(channels, spec.kernel, 2, spec.kernel // 2), key))
        same = left * (i + 1) // times - left * i // times
        plan += [Planned(Conv(channels, spec.kernel, padding="same"), key)] * same
    return plan, shape


def halvings(shape: Shape, smallest: int) -> int:
    """How often an image can be halved, rounding up, until its larger side is 1 or its smaller one would be below `smallest`."""
    times, (_, height, width) = 0, shape
    while max(height, width) > 1 and min((height + 1) // 2, (width + 1) // 2) >= smallest:
        times, height, width = times + 1, (height + 1) // 2, (width + 1) // 2
    return times
