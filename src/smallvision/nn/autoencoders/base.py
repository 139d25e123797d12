"""Base class of all autoencoders: from pixels to a flat representation, and back to an image."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Self

from torch import Tensor, nn

from smallvision.conv.stack import Dense, Flat, Layer, shape_text
from smallvision.errors import BadInput, counted
from smallvision.experiment.model.autoencoders import AutoencoderSpec
from smallvision.nn.autoencoders import decoder
from smallvision.nn.base import Model
from smallvision.nn.input_spec import InputSpec
from smallvision.nn.layers import Standardize


@dataclass(frozen=True)
class Planned:
    """A layer of an encoder before it is built, and the key of the experiment that decides its size."""

    layer: Layer
    key: str


class Autoencoder(Model):
    """An encoder and the decoder that mirrors it, for pixels in [0, 1] that it standardises itself.

    The output of the last activation is the reconstruction, in the space of the task's targets: pixels in [0, 1],
    unless the task's target is "normalized"; then `to_pixels` brings it back.

    Parameters
    ----------
    spec : representation, depth, activations, normalisation, initialisation.
    inputs : shape of the images, mean and standard deviation of the pixels; the number of classes is not used.
    plan : the encoder's layers, the last one of `spec.representation` values; flattening is not a layer of its own.
    style : how every layer is made.
    tied : whether the decoder's dense layers have the encoder's weights, transposed.

    Attributes
    ----------
    representation : values that an image is described by, D.
    map_values : how many values the layers over maps make of an image.
    variational : whether these are drawn from a normal distribution, see `posterior`.

    Raises
    ------
    BadInput : an encoder's layer makes more values than it takes, and `spec.overcomplete` is false; the layer is named.
    """

    def __init__(
        self,
        spec: AutoencoderSpec,
        inputs: InputSpec,
        plan: Sequence[Planned],
        style: decoder.Style,
        tied: bool = False,
    ) -> None:
        super().__init__()
        try:
            down, up = decoder.steps(inputs.shape, flattened([planned.layer for planned in plan]))
        except ValueError as error:
            raise BadInput(f"model: {error}") from None
        enlarging = decoder.enlarging(down, spec.variational)
        if enlarging is not None and not spec.overcomplete:
            raise BadInput(_refusal(spec, down, enlarging, plan))
        self.map_values = sum(prod(step.after) for group in (*down, *up) for step in group if len(step.after) == 3)
        self.representation, self.variational = spec.representation, spec.variational
        self.last_activation = spec.representation_activation
        self.standardize = Standardize(inputs.mean, inputs.std)
        self.encoder = decoder.encoder(spec, style, down)  # (B, C, H, W) -> (B, D), or (B, 2 D)
        self.decoder = decoder.decoder(spec, style, up, self.encoder if tied else None)  # (B, D) -> (B, C, H, W)

    def forward(self, pixels: Tensor) -> Tensor:
        """The reconstruction (B, C, H, W) of pixels (B, C, H, W) in [0, 1]; of a variational one, that of the mean."""
        return self.decode(self.encode(pixels))

    def encode(self, pixels: Tensor) -> Tensor:
        """The representation (B, D) of pixels (B, C, H, W) in [0, 1]; of a variational one, its mean."""
        code: Tensor = self.encoder(self.standardize(pixels))
        return code[:, : self.representation]

    def posterior(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of a variational autoencoder's representation, (B, D) each."""
        assert self.variational
        mean, log_variance = self.encoder(self.standardize(pixels)).chunk(2, 1)
        return mean, log_variance

    def decode(self, representation: Tensor) -> Tensor:
        """The image (B, C, H, W) that a representation (B, D) describes, in the space of the task's targets."""
        images: Tensor = self.decoder(representation)
        return images

    def to_pixels(self, standardised: Tensor) -> Tensor:
        """Standardised pixels (B, C, H, W) back in [0, 1], not clamped."""
        return standardised * self.standardize.std + self.standardize.mean

    def encoder_part(self) -> Self:
        if self.variational:
            _keep_outputs(self.encoder[-1], self.representation)
            self.variational = False
        del self.decoder
        return self


def _keep_outputs(layer: nn.Module, kept: int) -> None:
    """Remove the variance outputs of a variational encoder's last layer, in place: of (B, 2 D) the D means stay."""
    for part in layer.children():
        if isinstance(part, nn.Linear | nn.Conv2d):
            part.weight = nn.Parameter(part.weight.detach()[:kept].clone())
            if part.bias is not None:
                part.bias = nn.Parameter(part.bias.detach()[:kept].clone())
            setattr(part, "out_features" if isinstance(part, nn.Linear) else "out_channels", kept)


def flattened(layers: Sequence[Layer]) -> list[Layer]:
    """The layers with a flattening where rows of values begin: before the first dense layer, else at the end."""
    first = next((place for place, layer in enumerate(layers) if isinstance(layer, Dense)), len(layers))
    return [*layers[:first], Flat(), *layers[first:]]


def _refusal(spec: AutoencoderSpec, down: decoder.Steps, number: int, plan: Sequence[Planned]) -> str:
    """One line: the key, the layer, what it makes of what, and what would fit."""
    group, last = down[number], number == len(down) - 1
    before, after = group[0].before, next(step.after for step in group if step.layer == plan[number].layer)
    takes, makes = prod(before), prod(after) * (2 if last and spec.variational else 1)
    both = ", a mean and a variance for each" if last and spec.variational else ""
    named = plan[number].key
    most = takes // (makes // after[0])
    if named == "model.representation" and spec.variational:
        most = takes // 2  # of a hidden layer between, too, since its width follows
    return (
        f"{named}: layer {number + 1} of {len(down)} of the encoder makes {counted(makes, 'value')} "
        f"({shape_text(after)}{both}) from {takes:,} ({shape_text(before)}), but no layer of an encoder may make "
        f"more values than it takes; use at most {most:,}, or set model.overcomplete = true"
    )
