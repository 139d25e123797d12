"""The convolutional network of blocks, a head and dense layers: every classifier of the references is one of these."""

from collections import OrderedDict
from collections.abc import Iterator

from torch import Tensor, nn

from smallvision.experiment.model.base import Convolution, Initialization
from smallvision.experiment.model.classifiers import Block, CnnSpec
from smallvision.nn import masks
from smallvision.nn.base import Classifier
from smallvision.nn.init import initialized
from smallvision.nn.input_spec import InputSpec
from smallvision.nn.layers import ACTIVATIONS, CONVOLUTIONS, HEADS, INCREASING, POOLS, Standardize
from smallvision.nn.mlp import dense
from smallvision.nn.shapes import Shape, block_shapes, groups, map_values


class Cnn(Classifier):
    """Blocks of convolution, normalisation, activation, pooling, dropout; a head; dense layers; one output per class.

    Parameters
    ----------
    spec : blocks, head, dense layers, initialisation.
    inputs : shape and number of classes of the images, mean and standard deviation of the pixels;
        with a global head any image that is large enough can be given later.

    Attributes
    ----------
    any_size : whether the head is global; then a batch may have a mask, bool (B, 1, H, W), see
        `data.batching.batch.Batch`: every image's output is what it would be without padding, up to rounding.
    map_values : how many values the convolutions make of an image.

    Raises
    ------
    BadInput : when a block does not fit into the map that it gets.
    """

    def __init__(self, spec: CnnSpec, inputs: InputSpec) -> None:
        super().__init__()
        after = block_shapes(spec.blocks, inputs.shape)
        given = [inputs.shape[0], *(channels for channels, _, _ in after)]
        channels, height, width = after[-1]
        features = channels * height * width if spec.head == "flat" else channels
        self.any_size = any_size(spec)
        self.map_values = map_values(spec.blocks, inputs.shape)
        self.last_activation = spec.dense_activation if spec.dense else spec.blocks[-1].activation
        self.standardize = Standardize(inputs.mean, inputs.std)
        self.blocks = nn.Sequential(
            *(_block(block, c, spec.init, spec.convolution) for block, c in zip(spec.blocks, given[:-1], strict=True))
        )
        self.head = HEADS[spec.head]()  # (B, C, H, W) -> (B, C * H * W), or (B, C)
        self.dense = dense(features, spec.dense, spec.dense_activation, spec.dense_dropout, spec.init)
        output = nn.Linear((features, *spec.dense)[-1], inputs.classes)
        self.output = initialized(output, spec.init, self.last_activation)

    def encode(self, pixels: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            vector = self.head(self.blocks(self.standardize(pixels)))  # (B, C), or (B, C * H * W)
        else:
            part = masks.own(mask)
            maps, part = masks.through(
                self.spatial_layers(), part.clear(self.standardize(pixels)), part
            )  # (B, C, H, W)
            vector = masks.pooled(self.head, maps, part)
        features: Tensor = self.dense(vector)  # (B, D)
        return features

    def forward(self, pixels: Tensor, mask: Tensor | None = None) -> Tensor:
        logits: Tensor = self.output(self.encode(pixels, mask))  # (B, K)
        return logits

    def spatial_layers(self) -> Iterator[nn.Module]:
        """The layers between standardisation and head, which stand one after the other."""
        return (layer for block in self.blocks for layer in block.children())


def any_size(spec: CnnSpec) -> bool:
    """Whether the network takes images of several sizes: its head is global."""
    return spec.head != "flat"


def check_shape(spec: CnnSpec, shape: Shape) -> None:
    """Raise BadInput unless every block fits into the map that it gets from an image (C, H, W)."""
    block_shapes(spec.blocks, shape)


def _block(block: Block, channels: int, init: Initialization, kind: Convolution) -> nn.Sequential:
    """One block, (B, channels, H, W) -> (B, block.channels, H', W')."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    padding = (block.kernel - 1) // 2 if block.padding == "same" else block.padding
    if block.padding == "same" and block.kernel % 2 == 0:
        layers["pad"] = nn.ZeroPad2d((0, 1, 0, 1))  # an even kernel has no middle: one more below and to the right
    convolution = CONVOLUTIONS[kind](
        channels,
        block.channels,
        block.kernel,
        stride=block.stride,
        padding=padding,
        bias=block.normalization != "batch",  # batch normalisation would subtract it, and has one of its own
    )
    layers["convolution"] = initialized(convolution, init, block.activation)
    if block.normalization == "batch":
        layers["norm"] = nn.BatchNorm2d(block.channels)
    elif block.normalization == "group":
        layers["norm"] = nn.GroupNorm(groups(block.channels) or 1, block.channels)
    varied: dict[str, nn.Module] = {}
    if block.activation != "none":
        varied["activation"] = ACTIVATIONS[block.activation]()
    if block.pool:
        varied["pool"] = POOLS[block.pool_kind](block.pool, block.pool_stride or block.pool)
    # The largest of increasing values is the value of the largest: after pooling, the activation has fewer values to
    # do.
    first = block.pool_kind == "max" and block.activation in INCREASING
    layers.update(reversed(varied.items()) if first else varied.items())
    if block.dropout:
        layers["dropout"] = nn.Dropout(block.dropout)
    return nn.Sequential(layers)
