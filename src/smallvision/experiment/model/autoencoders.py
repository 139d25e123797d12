"""Specs of autoencoders: an encoder of `depth` layers down to a flat representation, and a decoder that mirrors it.

A layer is a dense layer or a convolution, together with its normalisation, activation, and pooling or upsampling.
Unless the network is `overcomplete`, no layer of the encoder may have more outputs than inputs, and no layer of the
decoder fewer.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, Strict, field_validator, model_validator

from smallvision.errors import counted
from smallvision.experiment.base import Bool, Text, Width, Widths
from smallvision.experiment.model.base import Activation, Initialization, NetworkSpec, Purpose

Depth = Annotated[int, Strict(), Field(ge=1, le=100)]
Output = Literal["linear", "sigmoid", "relu", "tanh"]


class _Autoencoder(NetworkSpec):
    """The keys of every autoencoder. `activation` and `normalization` stand between layers, so depth 1 has none."""

    purpose: ClassVar[Purpose] = "makes images"

    kind: Text
    representation: Width = 32  # number of values that the encoder makes of an image
    depth: Depth = 3  # layers of the encoder, and of the decoder
    activation: Activation = "relu"  # after every layer but the encoder's last and the decoder's last
    representation_activation: Activation = "none"  # after the encoder's last
    output: Output = "sigmoid"  # after the decoder's last; it must be able to reach the task's targets
    normalization: Literal["none", "batch"] = "none"  # before every `activation`
    init: Initialization = "default"
    variational: Bool = False  # the representation is drawn from a normal distribution (Kingma & Welling 2013)
    overcomplete: Bool = False  # layers of the encoder may make more values than they take

    @model_validator(mode="after")
    def _free_mean(self) -> "_Autoencoder":
        if self.variational and self.representation_activation != "none":
            raise ValueError(
                "with variational = true, representation_activation would restrict the mean of the normal "
                'distribution from which the representation is drawn; set representation_activation = "none"'
            )
        return self


class MlpAutoencoderSpec(_Autoencoder):
    """Dense layers only. Default widths fall in geometric progression from the pixels to the representation."""

    kind: Literal["mlp-autoencoder"]
    widths: Widths = ()  # the encoder's depth - 1 layers before the representation
    tied: Bool = False  # the decoder uses the encoder's weights, transposed, and biases of its own

    @model_validator(mode="before")
    @classmethod
    def _depth_of_widths(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("widths"), list | tuple) and values["widths"]:
            return {"depth": len(values["widths"]) + 1, **values}
        return values

    @model_validator(mode="after")
    def _widths_fit_depth(self) -> "MlpAutoencoderSpec":
        if self.widths and len(self.widths) != self.depth - 1:
            raise ValueError(
                f"widths has {counted(len(self.widths), 'number')}, so that with the layer of the representation "
                f"the depth is "
                f"{len(self.widths) + 1}, but depth = {self.depth}; leave one of the two out"
            )
        return self


def _odd(kernel: int) -> int:
    if kernel % 2 == 0:
        raise ValueError(
            "expected an odd number, 3 or more, so that the kernel has a middle pixel and halves even and odd sizes "
            "in the same way"
        )
    return kernel


def _halvings_fit(channels: tuple[int, ...], convolutions: int, depth: int) -> None:
    if len(channels) > convolutions:
        available = counted(convolutions, "convolution") if convolutions else "no convolution"
        raise ValueError(
            f"channels has {counted(len(channels), 'number')}, one for each halving of the image, but with depth "
            f"{depth} there "
            f"are only {available} to do it; use fewer numbers, or depth >= {depth + len(channels) - convolutions}"
        )


class ConvAutoencoderSpec(_Autoencoder):
    """Convolutions only. Some halve the map; the last covers all of it, and its channels are the representation."""

    kind: Literal["conv-autoencoder"]
    channels: Widths = ()  # after each halving; (): the largest number allowed, at most 256
    kernel: Annotated[int, Strict(), Field(ge=3, le=99)] = 3
    down: Literal["stride", "pool"] = "stride"  # a layer halves by stride 2, or by 2x2 max pooling after it
    up: Literal["transpose", "upsample"] = "transpose"  # transposed convolution, or repeated pixels and a convolution

    _kernel = field_validator("kernel")(_odd)

    @model_validator(mode="after")
    def _layers_to_halve(self) -> "ConvAutoencoderSpec":
        _halvings_fit(self.channels, self.convolutions, self.depth)
        return self

    @property
    def convolutions(self) -> int:
        """Number of convolutions before the layer that makes the representation."""
        return self.depth - 1


class ComboAutoencoderSpec(_Autoencoder):
    """An encoder of convolutions and then dense layers; the decoder has dense layers and then convolutions."""

    kind: Literal["combo-autoencoder"]
    dense: Widths | None = None  # hidden layers; None: from depth 3 on a single one, the geometric mean
    channels: Widths = ()  # this and the next three keys are those of "conv-autoencoder"
    kernel: Annotated[int, Strict(), Field(ge=3, le=99)] = 3
    down: Literal["stride", "pool"] = "stride"
    up: Literal["transpose", "upsample"] = "transpose"

    _kernel = field_validator("kernel")(_odd)

    @model_validator(mode="after")
    def _layers_to_halve(self) -> "ComboAutoencoderSpec":
        if self.dense and self.convolutions < 1:
            raise ValueError(
                f"dense has {counted(len(self.dense), 'number')}; with the layer of the representation, depth "
                f"{self.depth} "
                f'leaves no layer for a convolution; use depth >= {len(self.dense) + 2}, or kind = "mlp-autoencoder"'
            )
        _halvings_fit(self.channels, self.convolutions, self.depth)
        return self

    @property
    def hidden(self) -> int:
        """Number of dense layers before the one that makes the representation."""
        return int(self.depth >= 3) if self.dense is None else len(self.dense)

    @property
    def convolutions(self) -> int:
        """Number of convolutions in the encoder; 0 at depth 1."""
        return self.depth - 1 - self.hidden


AutoencoderSpec = MlpAutoencoderSpec | ConvAutoencoderSpec | ComboAutoencoderSpec
