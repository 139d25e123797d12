"""Stacks as torch builds them, to hold our arithmetic against; and random ones."""

from hypothesis import strategies as st
from torch import nn

from smallvision.conv.stack import (
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flat,
    Global,
    Pool,
    Transposed,
    Unflatten,
    Upsample,
)

ACTIVATIONS = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "leakyrelu": nn.LeakyReLU,
    "softmax": lambda: nn.Softmax(1),
}


class GlobalPool(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, maps):
        return maps.mean((2, 3)) if self.kind == "mean" else maps.amax((2, 3))


def module(layer, before):
    """The module of torch that a layer stands for, on an input of shape `before`."""
    channels = before[0]
    match layer:
        case Conv(o, k, s, p, d, g, bias):
            return nn.Conv2d(channels, o, k, s, p, d, g, bias)
        case Transposed(o, k, s, p, more, d, g, bias):
            return nn.ConvTranspose2d(channels, o, k, s, p, more, g, bias, d)
        case Pool(k, s, p, d, ceil, "max"):
            return nn.MaxPool2d(k, s, p, d, ceil_mode=ceil)
        case Pool(k, s, p, _, ceil, "mean"):
            return nn.AvgPool2d(k, s, p, ceil)
        case Global(kind):
            return GlobalPool(kind)
        case Upsample(factor):
            return nn.Upsample(scale_factor=tuple(map(float, factor)), mode="nearest")
        case Flat():
            return nn.Flatten()
        case Unflatten(shape):
            return nn.Unflatten(1, shape)
        case Dense(n, bias):
            return nn.Linear(channels, n, bias)
        case BatchNorm():
            return nn.BatchNorm2d(channels) if len(before) == 3 else nn.BatchNorm1d(channels)
        case Dropout(p):
            return nn.Dropout(p)
        case Activation(kind):
            return ACTIVATIONS[kind]()
    raise AssertionError(layer)


def build(steps):
    """The whole stack, for images (B, C, H, W)."""
    return nn.Sequential(*(module(step.layer, step.before) for step in steps)).eval()


def pairs(low, high):
    return st.one_of(st.integers(low, high), st.tuples(st.integers(low, high), st.integers(low, high)))


convs = st.builds(
    lambda same, stride, padding, bias, **rest: Conv(
        stride=1 if same else stride, padding="same" if same else padding, bias=bias, **rest
    ),
    same=st.booleans(),
    channels=st.sampled_from([2, 4, 6]),
    kernel=pairs(1, 5),
    stride=pairs(1, 3),
    padding=pairs(0, 3),
    dilation=pairs(1, 2),
    groups=st.sampled_from([1, 1, 2]),
    bias=st.booleans(),
)
pools = st.builds(
    lambda kind, dilation, **rest: Pool(kind=kind, dilation=dilation if kind == "max" else 1, **rest),
    kind=st.sampled_from(["max", "mean"]),
    kernel=pairs(1, 4),
    stride=st.one_of(st.none(), pairs(1, 3)),
    padding=pairs(0, 2),
    dilation=pairs(1, 2),
    ceil=st.booleans(),
)
transposeds = st.builds(
    Transposed,
    channels=st.sampled_from([2, 4, 6]),
    kernel=pairs(1, 5),
    stride=pairs(1, 3),
    padding=pairs(0, 3),
    output_padding=pairs(0, 2),
    dilation=pairs(1, 2),
    groups=st.sampled_from([1, 1, 2]),
    bias=st.booleans(),
)
points = st.one_of(st.sampled_from([BatchNorm(), Dropout(0.25)]), st.sampled_from(sorted(ACTIVATIONS)).map(Activation))
upsamples = st.builds(Upsample, pairs(1, 3))
maps = st.one_of(convs, convs, pools, pools, transposeds, upsamples, points)
images = st.tuples(st.sampled_from([1, 2, 4]), st.integers(1, 24), st.integers(1, 24))
