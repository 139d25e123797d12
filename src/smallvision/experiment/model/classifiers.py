"""Specs of classifiers that start from new weights: dense, convolutional, and people's own modules."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from smallvision.experiment.base import MOST_LAYERS, BelowOne, Count, Spec, Text, Whole, Width, Widths
from smallvision.experiment.model.base import Activation, Convolution, Initialization, NetworkSpec


class MlpSpec(NetworkSpec):
    """A multilayer perceptron on flattened pixels: dense layers of `widths`, then one output per class."""

    kind: Literal["mlp"]
    widths: Widths = (128,)
    activation: Activation = "relu"
    normalization: Literal["none", "batch", "layer"] = "none"
    dropout: BelowOne = 0.0
    init: Initialization = "default"


class Block(Spec):
    """Convolution, normalisation, activation, pooling, dropout, in that order; 0 or "none" leaves a layer out."""

    channels: Width
    kernel: Count = 3
    stride: Count = 1
    padding: Whole | Literal["same"] = 0
    pool: Whole = 0  # size of the pooling window, and its stride unless pool_stride is given
    pool_stride: Whole = 0  # 0: the size of the window
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
            raise ValueError('padding "same" needs stride 1; write the padding as a number')
        if self.pool == 0 and (self.pool_stride or self.pool_kind != "max"):
            raise ValueError("pool_stride and pool_kind have no effect without pool")
        return self


class CnnSpec(NetworkSpec):
    """Convolutional blocks, a head that turns the last map into a vector, dense layers, one output per class."""

    kind: Literal["cnn"]
    blocks: Annotated[tuple[Block, ...], Field(min_length=1, max_length=MOST_LAYERS)]
    head: Literal["flat", "global-mean", "global-max"] = "flat"
    dense: Widths = ()
    dense_activation: Activation = "relu"
    dense_dropout: BelowOne = 0.0
    init: Initialization = "default"
    convolution: Convolution = "torch"  # "by-hand": smallvision's own forward and gradients, docs/convolution.md


class Lenet5Spec(NetworkSpec):
    """LeNet-5 (LeCun et al. 1998, II.B): 6 and 16 maps, 5x5 kernels, 2x2 pooling, dense 120-84; images up to 32x32."""

    kind: Literal["lenet5"]
    activation: Activation = "tanh"
    pool_kind: Literal["max", "mean"] = "mean"
    init: Initialization = "default"
    convolution: Convolution = "torch"


class CustomSpec(NetworkSpec):
    """A person's own `nn.Module`: `kind = "file.py:Net"`, or "custom" when the module is passed in from Python."""

    kind: Text
    options: dict[str, Any] = Field(default_factory=dict)  # keyword arguments of the constructor
    # The fingerprint of the file and of the files beside it that it imports, or of the network passed in; filled in by
    # smallvision.
    digest: Text | None = None

    @field_validator("kind")
    @classmethod
    def _file_and_class(cls, kind: str) -> str:
        file, colon, name = kind.rpartition(":")
        if kind != "custom" and not (colon and file.endswith(".py") and name.isidentifier()):
            raise ValueError('expected "FILE.py:CLASS"')
        return kind
