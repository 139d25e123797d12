"""From the layers of an encoder, as plain numbers, to the torch modules of encoder and decoder.

The arithmetic is that of `smallvision.conv`: `trace` has the shape after every layer, and `mirror` the layers that come
back through the same shapes, whatever the image's size. Here they become modules, one for each layer, with
normalisation and activation between them.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from smallvision.conv.mirror import mirror
from smallvision.conv.stack import Conv, Dense, Flat, Layer, Step, Transposed, Unflatten, trace
from smallvision.experiment.model.autoencoders import AutoencoderSpec, Output
from smallvision.experiment.model.base import Activation, Initialization
from smallvision.nn.init import GAINS, initialized
from smallvision.nn.layers import ACTIVATIONS, INCREASING
from smallvision.nn.shapes import Shape

OUTPUTS: dict[Output, Activation] = {"linear": "none", "sigmoid": "sigmoid", "relu": "relu", "tanh": "tanh"}

Steps = list[list[Step]]  # of each layer: its weights' step, with the (un)flattening that belongs to it


class Spread(nn.ConvTranspose2d):
    """A transposed convolution of a map of one position, which is one product of matrices: (B, D, 1, 1) to (B, C,
    kernel).

    It has torch's weights and gives torch's numbers. As a general transposed convolution, it would take up to ten times
    as long.
    """

    def forward(self, maps: Tensor, output_size: list[int] | None = None) -> Tensor:
        rows = self.weight.permute(0, 2, 3, 1).flatten(1)  # (D, h * w * C)
        values = torch.mm(maps.flatten(1), rows).view(len(maps), *self.kernel_size, self.out_channels)
        spread = values.permute(0, 3, 1, 2)  # (B, C, h, w)
        return spread if self.bias is None else spread + self.bias[:, None, None]


class TiedLinear(nn.Module):
    """A dense layer with another one's weights, transposed, and a bias of its own: (B, D) to (B, inputs of the other).

    Of a layer that makes more than D values, the first D count.
    """

    def __init__(self, encoder: nn.Linear, bias: bool) -> None:
        super().__init__()
        self._of = (encoder,)  # in a tuple, so that its weights are registered, saved and trained once
        self.bias = nn.Parameter(torch.zeros(encoder.in_features)) if bias else None

    def forward(self, values: Tensor) -> Tensor:
        return nn.functional.linear(values, self._of[0].weight[: values.shape[1]].t(), self.bias)

    def extra_repr(self) -> str:
        return f"weights of the encoder's {self._of[0]}, transposed"


def steps(shape: Shape, layers: Sequence[Layer]) -> tuple[Steps, Steps]:
    """The layers of an encoder that ends in values in a row, and of the decoder that mirrors it.

    Raises
    ------
    ValueError : a layer cannot be applied to what it gets.
    """
    code, back = mirror(shape, layers)
    return _grouped(trace(shape, layers)), _grouped(trace(code, back))


def _grouped(traced: Sequence[Step]) -> Steps:
    """Flattening and unflattening go with the layer that follows, at the end with the one before."""
    groups: Steps = [[]]
    for step in traced:
        if groups[-1] and isinstance(groups[-1][-1].layer, Conv | Dense | Transposed):
            groups.append([])
        groups[-1].append(step)
    if len(groups) > 1 and all(isinstance(step.layer, Flat | Unflatten) for step in groups[-1]):
        trailing = groups.pop()
        groups[-1] += trailing
    return groups


@dataclass(frozen=True)
class Style:
    """How every layer of an autoencoder is made.

    Parameters
    ----------
    init : of the weights, see `nn.init.initialized`.
    normalization : after every layer but the encoder's last and the decoder's last.
    pool : whether a layer halves its map by a 2x2 maximum after its convolution; otherwise by the convolution's stride.
    upsample : whether the mirror of a halving repeats every pixel before a convolution; otherwise it is a transposed
        convolution.
    """

    init: Initialization
    normalization: Literal["none", "batch"]
    pool: bool = False
    upsample: bool = False


def encoder(spec: AutoencoderSpec, style: Style, groups: Steps) -> nn.Sequential:
    """(B, C, H, W) to (B, D), or to (B, 2 D) where the network is variational: means, and logarithms of variances."""
    inner = [_layer(style, group, spec.activation, spec.activation, True) for group in groups[:-1]]
    after = spec.representation_activation
    return nn.Sequential(*inner, _layer(style, groups[-1], after, after, False, times=2 if spec.variational else 1))


def decoder(spec: AutoencoderSpec, style: Style, groups: Steps, tied_to: nn.Sequential | None) -> nn.Sequential:
    """(B, D) to (B, C, H, W), with the last activation; `tied_to` is the encoder whose weights its dense layers have,
    if any."""
    tied: list[nn.Module | None] = [None] * len(groups)
    if tied_to is not None:
        tied = [layer.get_submodule("linear") for layer in reversed(list(tied_to))]
    inner = [
        _layer(style, group, spec.activation, spec.activation, True, tied=linear)
        for group, linear in zip(groups[:-1], tied, strict=False)
    ]
    # The gain of the output follows what stands before it, as in the classifiers.
    before = spec.activation if inner else spec.representation_activation
    return nn.Sequential(*inner, _layer(style, groups[-1], OUTPUTS[spec.output], before, False, tied=tied[-1]))


def _layer(
    style: Style,
    group: list[Step],
    activation: Activation,
    gain: Activation,
    inner: bool,
    times: int = 1,
    tied: nn.Module | None = None,
) -> nn.Sequential:
    """One layer: weights, normalisation where it is an inner one, activation, and what flattens, pools or upsamples
    with it.

    `times` as many values as planned; weights of the dense layer `tied`, if one is given.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    norm = style.normalization == "batch" and inner  # it would subtract a bias, and has one of its own
    pool = False
    for step in group:
        match step.layer:
            case Flat():
                layers["flatten"] = nn.Flatten()
            case Unflatten(shape):
                layers["unflatten"] = nn.Unflatten(1, shape)
            case Dense() if isinstance(tied, nn.Linear):
                layers["linear"] = TiedLinear(tied, bias=not norm)
            case Dense():
                linear = nn.Linear(step.before[0], times * step.after[0], bias=not norm)
                layers["linear"] = initialized(linear, style.init, gain)
            case _:
                pool = style.pool and _halves(step)
                if style.upsample and _doubles(step):
                    layers["upsample"] = nn.Upsample(size=step.after[1:], mode="nearest")
                layers["convolution"] = _convolution(style, step, times * step.after[0], not norm, gain)
    if norm:
        layers["norm"] = (nn.BatchNorm2d if "convolution" in layers else nn.BatchNorm1d)(group[-1].after[0])
    varied: dict[str, nn.Module] = {}
    if activation != "none":
        varied["activation"] = ACTIVATIONS[activation]()
    if pool:
        varied["pool"] = nn.MaxPool2d(2, ceil_mode=True)
    layers.update(
        reversed(varied.items()) if activation in INCREASING else varied.items()
    )  # as in nn/cnn.py: it takes less time
    return nn.Sequential(layers)


def _halves(step: Step) -> bool:
    return isinstance(step.layer, Conv) and step.layer.stride != (1, 1)


def _doubles(step: Step) -> bool:
    return isinstance(step.layer, Transposed) and step.layer.stride != (1, 1)


def _convolution(style: Style, step: Step, channels: int, bias: bool, gain: Activation) -> nn.Module:
    """The weights over maps: as planned, or a convolution that keeps the size, where pooling or upsampling changes
    it."""
    layer, taken = step.layer, step.before[0]
    assert isinstance(layer, Conv | Transposed)
    kernel, stride, padding = _both(layer.kernel), _both(layer.stride), layer.padding
    if padding == "same" or (style.pool and _halves(step)) or (style.upsample and _doubles(step)):
        stride, padding = (1, 1), (kernel[0] // 2, kernel[1] // 2)  # these kernels are odd
    elif isinstance(layer, Transposed):
        spreads = step.before[1:] == (1, 1) and kernel == step.after[1:] and padding == (0, 0)
        kind = Spread if spreads else nn.ConvTranspose2d
        transposed = kind(taken, channels, kernel, stride, _both(padding), _both(layer.output_padding), bias=bias)
        return _fresh(transposed, style.init, step, gain)
    return initialized(nn.Conv2d(taken, channels, kernel, stride, _both(padding), bias=bias), style.init, gain)


def _fresh(layer: nn.ConvTranspose2d, init: Initialization, step: Step, gain: Activation) -> nn.ConvTranspose2d:
    """Fresh weights, as `init.initialized` has them of a convolution.

    A value of the output is made of as many values of the input as the kernel has positions, divided by how many
    positions of the output there are for one of the input. Torch counts the values that a position of the input
    contributes to instead, which is far from that for a map of one position.
    """
    places = math.prod(layer.kernel_size)
    fan_in = max(1.0, layer.in_channels * places * math.prod(step.before[1:]) / math.prod(step.after[1:]))
    if init == "default":
        bound = 1 / math.sqrt(fan_in)
        for values in (layer.weight, *(() if layer.bias is None else (layer.bias,))):
            nn.init.uniform_(values, -bound, bound)
        return layer
    if init == "he":
        nn.init.normal_(layer.weight, std=GAINS[gain] / math.sqrt(fan_in))
    else:
        bound = math.sqrt(6 / (fan_in + layer.out_channels * places))
        nn.init.uniform_(layer.weight, -bound, bound)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _both(value: object) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def enlarging(groups: Steps, variational: bool) -> int | None:
    """The first layer of an encoder that makes more values than it takes, counted from 0; None where none does.

    A decoder that mirrors it shrinks at the same layer, as its shapes are the encoder's.
    """
    counts = [math.prod(groups[0][0].before), *(math.prod(group[-1].after) for group in groups)]
    counts[-1] *= 2 if variational else 1
    return next((number for number, (before, after) in enumerate(pairwise(counts)) if after > before), None)
