"""The convolutional autoencoder: halvings, and a last convolution over all that is left of the image."""

from math import prod

from smallvision.conv.stack import Conv
from smallvision.errors import BadInput
from smallvision.experiment.model.autoencoders import ComboAutoencoderSpec, ConvAutoencoderSpec
from smallvision.nn.autoencoders.base import Autoencoder, Planned
from smallvision.nn.autoencoders.decoder import Style
from smallvision.nn.input_spec import InputSpec
from smallvision.nn.shapes import Shape

SMALLEST = 4  # side of a map below which nothing is halved unless channels say so
MOST_CHANNELS = 256


class ConvAutoencoder(Autoencoder):
    """Convolutions alone: the last one has the map's own size as its kernel, and what it makes are the representation's
    values.

    Parameters
    ----------
    spec : channels, depth, representation and the rest.
    inputs : shape of the images, mean and standard deviation of the pixels; the number of classes is not used.

    Raises
    ------
    BadInput : a layer of the encoder would enlarge, or the image cannot be halved as often as asked.
    """

    def __init__(self, spec: ConvAutoencoderSpec, inputs: InputSpec) -> None:
        plan, (_, height, width) = convolutions(spec, inputs.shape)
        plan.append(Planned(Conv(spec.representation, (height, width)), "model.representation"))
        super().__init__(spec, inputs, plan, style(spec))


def style(spec: ConvAutoencoderSpec | ComboAutoencoderSpec) -> Style:
    """How the layers over maps are made."""
    return Style(spec.init, spec.normalization, pool=spec.down == "pool", upsample=spec.up == "upsample")


def convolutions(spec: ConvAutoencoderSpec | ComboAutoencoderSpec, shape: Shape) -> tuple[list[Planned], Shape]:
    """The layers over maps, and the shape of the last map.

    Halvings come as early as possible, one to a layer. The layers that are left keep the size; they are spread evenly
    over all halvings, and where they do not divide evenly, the later halvings have one more, where a map is small and
    costs least. Where the experiment names no channels, a halving makes as many as possible without more values than it
    takes, at most MOST_CHANNELS, and an image is halved until a side would be less than SMALLEST.

    Raises
    ------
    BadInput : the image cannot be halved as often as channels say.
    """
    times, most = len(spec.channels), halvings(shape, 1)
    if times > most:
        raise BadInput(
            f"model.channels: {times} numbers, one for each halving of the image, but an image of "
            f"{shape[1]}x{shape[2]} can be halved only {most} time{'s' if most != 1 else ''}; use fewer numbers"
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
    """How often an image can be halved, rounding up, until its larger side is 1 or its smaller one would be below
    `smallest`."""
    times, (_, height, width) = 0, shape
    while max(height, width) > 1 and min((height + 1) // 2, (width + 1) // 2) >= smallest:
        times, height, width = times + 1, (height + 1) // 2, (width + 1) // 2
    return times
