"""What is asked of an autoencoder: an encoder of `depth` layers down to a flat representation, and a decoder that mirrors it.

A layer is a dense layer or a convolution with what belongs to it: normalisation, activation, and pooling or upsampling. No layer of the
encoder may make more values than it takes, and none of the decoder fewer, unless the network may be `overcomplete`.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, Strict, field_validator, model_validator

from smallvision.experiment.base import Bool, Spec, Text, Width
from smallvision.experiment.model.words import Activation, Initialization

Depth = Annotated[int, Strict(), Field(ge=1, le=100)]
Output = Literal["linear", "sigmoid", "relu", "tanh"]


class _Autoencoder(Spec):
    """What every autoencoder has. At depth 1 there is nothing between layers, where `activation` and `normalization` would stand."""

    kind: Text
    representation: Width = 32  # values that an image is described by
    depth: Depth = 3  # layers of the encoder, and of the decoder
    activation: Activation = "relu"  # after every layer but the encoder's last and the decoder's last
    representation_activation: Activation = "none"  # after the encoder's last
    output: Output = "sigmoid"  # after the decoder's last; it must be able to reach the task's targets
    normalization: Literal["none", "batch"] = "none"  # where `activation` stands, before it
    init: Initialization = "default"
    variational: Bool = False  # the representation is drawn from a normal distribution (Kingma & Welling 2013)
    overcomplete: Bool = False  # layers of the encoder may make more values than they take

    @model_validator(mode="after")
    def _free_mean(self) -> "_Autoencoder":
        if self.variational and self.representation_activation != "none":
            raise ValueError(
                "representation_activation would bend the mean of a distribution that is to be any normal one; "
                'with variational = true it is "none"'
            )
        return self


class MlpAutoencoderSpec(_Autoencoder):
    """Dense layers only. Hidden layers of `widths`; without them, of widths in geometric progression from pixels to representation."""

    kind: Literal["mlp-autoencoder"]
    widths: tuple[Width, ...] = ()  # of the encoder's layers before the representation: depth - 1 of them
    tied: Bool = False  # the decoder's weights are the encoder's, transposed; biases are its own

    @model_validator(mode="before")
    @classmethod
    def _depth_of_widths(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("widths"), list | tuple) and values["widths"]:
            return {"depth": len(values["widths"]) + 1, **values}
        return values

    @model_validator(mode="after")
    def _as_many_as_there_are(self) -> "MlpAutoencoderSpec":
        if self.widths and len(self.widths) != self.depth - 1:
            raise ValueError(
                f"widths has {len(self.widths)} numbers, which with the representation makes depth {len(self.widths) + 1}, "
                f"and depth is {self.depth}; leave one of the two out"
            )
        return self


def _odd(kernel: int) -> int:
    if kernel % 2 == 0:
        raise ValueError("expected an odd number, 3 or more: a kernel with a middle, which halves every size alike")
    return kernel


def _halvings_fit(channels: tuple[int, ...], convolutions: int, depth: int) -> None:
    if len(channels) > convolutions:
        shown = f"{convolutions} convolution{'s' if convolutions != 1 else ''}" if convolutions else "no convolution"
        raise ValueError(
            f"channels has {len(channels)} numbers, one for each halving, and depth {depth} has {shown} that can halve "
            f"the image; use fewer, or depth >= {depth + len(channels) - convolutions}"
        )


class ConvAutoencoderSpec(_Autoencoder):
    """Convolutions only: some halve height and width, the last spans what is left of the image, and its channels are the representation."""

    kind: Literal["conv-autoencoder"]
    channels: tuple[Width, ...] = ()  # after each halving; (): as many as the layer may have, at most 256
    kernel: Annotated[int, Strict(), Field(ge=3, le=99)] = 3
    down: Literal["stride", "pool"] = "stride"  # how a layer halves: by its stride, or by a 2x2 maximum after it
    up: Literal["transpose", "upsample"] = (
        "transpose"  # and its mirror: transposed, or a convolution on repeated pixels
    )

    _kernel = field_validator("kernel")(_odd)

    @model_validator(mode="after")
    def _layers_to_halve(self) -> "ConvAutoencoderSpec":
        _halvings_fit(self.channels, self.convolutions, self.depth)
        return self

    @property
    def convolutions(self) -> int:
        """How many of the layers are convolutions over a map: all but the one that makes the representation."""
        return self.depth - 1


class ComboAutoencoderSpec(_Autoencoder):
    """Convolutions, then dense layers down to the representation; mirrored, dense layers and then convolutions."""

    kind: Literal["combo-autoencoder"]
    dense: tuple[Width, ...] | None = (
        None  # hidden dense layers; None: from depth 3 on one, halfway in geometric progression
    )
    channels: tuple[Width, ...] = ()  # as of "conv-autoencoder", and so the next three
    kernel: Annotated[int, Strict(), Field(ge=3, le=99)] = 3
    down: Literal["stride", "pool"] = "stride"
    up: Literal["transpose", "upsample"] = "transpose"

    _kernel = field_validator("kernel")(_odd)

    @model_validator(mode="after")
    def _layers_to_halve(self) -> "ComboAutoencoderSpec":
        if self.dense and self.convolutions < 1:
            raise ValueError(
                f"dense has {len(self.dense)} numbers, and with the layer of the representation depth {self.depth} leaves no "
                f'convolution; use depth >= {len(self.dense) + 2}, or kind = "mlp-autoencoder"'
            )
        _halvings_fit(self.channels, self.convolutions, self.depth)
        return self

    @property
    def hidden(self) -> int:
        """How many dense layers stand before the one that makes the representation."""
        return int(self.depth >= 3) if self.dense is None else len(self.dense)

    @property
    def convolutions(self) -> int:
        """How many of the layers are convolutions; at depth 1 none is."""
        return self.depth - 1 - self.hidden


AutoencoderSpec = MlpAutoencoderSpec | ConvAutoencoderSpec | ComboAutoencoderSpec
