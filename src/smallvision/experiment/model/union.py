"""What is asked of the network. A new network is a spec here, a class in `nn/` and a line in its MODELS."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from smallvision.experiment.base import BelowOne, Count, Spec, Text, Whole, Width
from smallvision.experiment.model.autoencoders import ComboAutoencoderSpec, ConvAutoencoderSpec, MlpAutoencoderSpec
from smallvision.experiment.model.encoder import EncoderClassifierSpec, EncoderSpec, SiameseSpec
from smallvision.experiment.model.words import Activation, Convolution, Initialization, Normalization

__all__ = [
    "MODEL_SPECS",
    "Activation",
    "Block",
    "CnnSpec",
    "Convolution",
    "CustomSpec",
    "EncoderClassifierSpec",
    "EncoderSpec",
    "Initialization",
    "Lenet5Spec",
    "MlpSpec",
    "ModelSpec",
    "Normalization",
    "SiameseSpec",
]


class MlpSpec(Spec):
    """A multilayer perceptron on flattened pixels: dense layers of `widths`, then one output per class."""

    kind: Literal["mlp"]
    widths: tuple[Width, ...] = (128,)
    activation: Activation = "relu"
    normalization: Literal["none", "batch", "layer"] = "none"
    dropout: BelowOne = 0.0
    init: Initialization = "default"


class Block(Spec):
    """Convolution, normalisation, activation, pooling, dropout, in that order; what is 0 or "none" is left out."""

    channels: Width
    kernel: Count = 3
    stride: Count = 1
    padding: Whole | Literal["same"] = 0
    pool: Whole = 0  # size of the pooling window, and its stride unless that is given
    pool_stride: Whole = 0  # 0: as large as the window
    pool_kind: Literal["max", "mean"] = "max"
    normalization: Literal["none", "batch", "group"] = "none"
    activation: Activation = "relu"
    dropout: BelowOne = 0.0

    @field_validator("padding", mode="before")
    @classmethod
    def _whole_or_same(cls, padding: Any) -> Any:
        if padding != "same" and (isinstance(padding, bool) or not isinstance(padding, int) or padding < 0):
            raise ValueError('expected an integer >= 0 or "same"')
        return padding

    @model_validator(mode="after")
    def _possible(self) -> "Block":
        if self.padding == "same" and self.stride != 1:
            raise ValueError('padding "same" needs stride 1 (torch refuses it otherwise); give a number')
        if self.pool == 0 and (self.pool_stride or self.pool_kind != "max"):
            raise ValueError("pool_stride and pool_kind have no effect without pool")
        return self


class CnnSpec(Spec):
    """Convolutional blocks, a head that makes a vector of the last map, dense layers, one output per class."""

    kind: Literal["cnn"]
    blocks: Annotated[tuple[Block, ...], Field(min_length=1)]
    head: Literal["flat", "global-mean", "global-max"] = "flat"
    dense: tuple[Width, ...] = ()
    dense_activation: Activation = "relu"
    dense_dropout: BelowOne = 0.0
    init: Initialization = "default"
    convolution: Convolution = "torch"  # "by-hand": our own forward and gradients, docs/convolution.md


class Lenet5Spec(Spec):
    """LeNet-5 (LeCun et al. 1998, II.B): 6 and 16 maps, 5x5 kernels, 2x2 pooling, dense 120-84; images up to 32x32."""

    kind: Literal["lenet5"]
    activation: Activation = "tanh"
    pool_kind: Literal["max", "mean"] = "mean"
    init: Initialization = "default"
    convolution: Convolution = "torch"


class CustomSpec(Spec):
    """A person's own `nn.Module`: `kind = "file.py:Net"`, or "custom" when the module is passed in from Python."""

    kind: Text
    options: dict[str, Any] = Field(default_factory=dict)  # keyword arguments of the constructor
    digest: Text | None = None  # the sha256 of the source, filled in by smallvision

    @field_validator("kind")
    @classmethod
    def _file_and_class(cls, kind: str) -> str:
        file, colon, name = kind.rpartition(":")
        if kind != "custom" and not (colon and file.endswith(".py") and name.isidentifier()):
            raise ValueError('expected "FILE.py:CLASS"')
        return kind


MODEL_SPECS: dict[str, type[Spec]] = {
    "mlp": MlpSpec,
    "cnn": CnnSpec,
    "lenet5": Lenet5Spec,
    "mlp-autoencoder": MlpAutoencoderSpec,
    "conv-autoencoder": ConvAutoencoderSpec,
    "combo-autoencoder": ComboAutoencoderSpec,
    "encoder-classifier": EncoderClassifierSpec,
    "siamese": SiameseSpec,
}


def _which(value: Any) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    if isinstance(kind, str) and (kind == "custom" or ":" in kind):
        return "custom"
    return str(kind)


ModelSpec = Annotated[
    Annotated[MlpSpec, Tag("mlp")]
    | Annotated[CnnSpec, Tag("cnn")]
    | Annotated[Lenet5Spec, Tag("lenet5")]
    | Annotated[MlpAutoencoderSpec, Tag("mlp-autoencoder")]
    | Annotated[ConvAutoencoderSpec, Tag("conv-autoencoder")]
    | Annotated[ComboAutoencoderSpec, Tag("combo-autoencoder")]
    | Annotated[EncoderClassifierSpec, Tag("encoder-classifier")]
    | Annotated[SiameseSpec, Tag("siamese")]
    | Annotated[CustomSpec, Tag("custom")],
    Discriminator(_which),
]

EncoderSpec.model_rebuild(_types_namespace={"ModelSpec": ModelSpec})  # a network within a network's spec
EncoderClassifierSpec.model_rebuild(force=True)
SiameseSpec.model_rebuild(force=True)
