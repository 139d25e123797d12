"""The layer table against torch's flop counter, hand formulas, and brute force by gradients."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from smallvision.experiment.model.classifiers import Block, CnnSpec, MlpSpec
from smallvision.nn import InputSpec, build
from smallvision.nn.summary import table


def cnn(shape=(1, 28, 28), **values):
    return build(CnnSpec(kind="cnn", **values), InputSpec(shape, 10, (0.1,) * shape[0], (0.3,) * shape[0]), 0)


R3 = {"blocks": (Block(channels=10, kernel=5, pool=2), Block(channels=20, kernel=5, pool=2)), "dense": (128,)}


def test_r3_by_hand():
    found = table(cnn(**R3), (1, 28, 28))
    keys = ("name", "type", "output", "parameters", "multiply_adds", "receptive_field")
    assert [tuple(row[key] for key in keys) for row in found["rows"]] == [
        ("standardize", "Standardize", [1, 28, 28], 0, 0, 1),
        ("blocks.0.convolution", "Conv2d", [10, 24, 24], 260, 24 * 24 * 10 * 25, 5),
        ("blocks.0.pool", "MaxPool2d", [10, 12, 12], 0, 0, 6),
        ("blocks.0.activation", "ReLU", [10, 12, 12], 0, 0, 6),
        ("blocks.1.convolution", "Conv2d", [20, 8, 8], 5020, 8 * 8 * 20 * 250, 14),
        ("blocks.1.pool", "MaxPool2d", [20, 4, 4], 0, 0, 16),
        ("blocks.1.activation", "ReLU", [20, 4, 4], 0, 0, 16),
        ("head", "Flatten", [320], 0, 0, None),
        ("dense.0.linear", "Linear", [128], 41_088, 40_960, None),
        ("dense.0.activation", "ReLU", [128], 0, 0, None),
        ("output", "Linear", [10], 1_290, 1_280, None),
    ]
    assert list(found) == ["input", "rows", "totals"]
    assert found["input"] == [1, 28, 28]
    assert found["totals"]["parameters"] == 47_658
    assert found["totals"]["multiply_adds"] == 506_240
    assert found["totals"]["parameter_bytes"] == 4 * 47_658
    assert found["rows"][1]["output_bytes"] == 4 * 5760
    assert found["totals"]["output_bytes"] == sum(row["output_bytes"] for row in found["rows"])
    assert json.loads(json.dumps(found)) == found


def test_the_perceptron_by_hand():
    model = build(MlpSpec(kind="mlp"), InputSpec((1, 28, 28), 10, (0.0,), (1.0,)), 0)
    totals = table(model, (1, 28, 28))["totals"]
    assert (totals["parameters"], totals["multiply_adds"]) == (101_770, 101_632)


class Residual(nn.Module):
    """Nested, functional, with a shared module, a tied weight, its own weight and one that nothing uses."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
        self.act = nn.ReLU()
        self.weight = nn.Parameter(torch.rand(8, 4, 3, 3))
        self.gate = nn.Conv2d(8, 8, 1)
        self.tied = nn.Conv2d(8, 8, 1, bias=False)
        self.tied.weight = self.gate.weight
        self.unused = nn.Linear(3, 2)
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        x = self.act(self.inner(x))
        x = self.act(x + F.conv2d(x, self.weight, padding=1, groups=2))
        x = x * torch.sigmoid(self.gate(F.adaptive_avg_pool2d(x, 1)))
        x = self.tied(x)
        return self.out(x.mean((2, 3)))


class Attentive(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(2, 8, 2, 2)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.memory = nn.LSTM(8, 6, batch_first=True)
        self.out = nn.Linear(6, 4)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)  # (B, T, 8)
        tokens, _ = self.attention(tokens, tokens, tokens)
        tokens, _ = self.memory(tokens)
        return self.out(tokens[:, -1])


@pytest.mark.parametrize(
    "module",
    [
        cnn(**R3),
        cnn(
            blocks=(Block(channels=8, kernel=4, padding="same", normalization="group", dropout=0.1),), head="global-max"
        ),
        Residual(),
        nn.Sequential(
            nn.Conv2d(2, 6, 3, groups=2), nn.ConvTranspose2d(6, 3, 2, stride=2), nn.Flatten(), nn.Linear(432, 3)
        ),
        nn.Sequential(nn.Flatten(), nn.Linear(128, 3)).double(),
    ],
)
def test_totals_are_torchs(module):
    shape = (1, 28, 28) if hasattr(module, "standardize") else (2, 8, 8)
    found = table(module, shape)
    assert found["totals"]["parameters"] == sum(p.numel() for p in module.parameters())
    assert found["totals"]["parameter_bytes"] == sum(p.numel() * p.element_size() for p in module.parameters())
    pixels = torch.rand(1, *shape, dtype=next(module.parameters()).dtype)
    with FlopCounterMode(display=False) as counter:
        module.eval()(pixels)
    assert 2 * found["totals"]["multiply_adds"] == counter.get_total_flops()


def test_branches_shared_and_functional_parts():
    rows = table(Residual(), (2, 8, 8))["rows"]
    keys = ("name", "type", "output", "parameters", "multiply_adds", "receptive_field")
    assert [tuple(row[key] for key in keys) for row in rows] == [
        ("model", "Residual", [4], 288, 8 * 8 * 8 * 4 * 9, None),  # its own weight and what it does with it
        ("inner.0", "Conv2d", [8, 8, 8], 144, 8 * 8 * 8 * 2 * 9, 3),
        ("inner.1", "BatchNorm2d", [8, 8, 8], 16, 0, 3),
        ("act", "ReLU", [8, 8, 8], 0, 0, 3),
        ("act", "ReLU", [8, 8, 8], 0, 0, 5),
        ("gate", "Conv2d", [8, 1, 1], 72, 64, 8),  # all of the image
        ("tied", "Conv2d", [8, 8, 8], 0, 8 * 8 * 64, 8),
        ("out", "Linear", [4], 36, 32, None),
        ("unused", "Linear", [], 8, 0, None),
    ]


def test_attention_and_recurrence_are_counted_inside_their_fused_kernels():
    module, t = Attentive(), 16
    found = {row["name"]: row for row in table(module, (2, 8, 8))["rows"]}
    assert found["attention"]["multiply_adds"] == t * 8 * 24 + 2 * t * t * 8 + t * 8 * 8
    assert found["memory"]["multiply_adds"] == t * 4 * 6 * (8 + 6)
    assert sum(row["parameters"] for row in found.values()) == sum(p.numel() for p in module.parameters())


def test_nothing_of_the_model_is_changed():
    module = Residual().train()
    module.inner[1].eval()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    random, onednn = torch.random.get_rng_state(), torch.backends.mkldnn.enabled
    fast = torch.backends.mha.get_fastpath_enabled()
    table(module, (2, 8, 8))
    assert module.training
    assert not module.inner[1].training
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), random)
    assert (torch.backends.mkldnn.enabled, torch.backends.mha.get_fastpath_enabled()) == (onednn, fast)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())


# ---- receptive fields: which pixels have a gradient from one position of the map ----

SIDE = 61


def seen(module: nn.Module, side: int = SIDE) -> int:
    """The side of what the position in the middle sees."""
    module = module.double().eval()
    for parameter in module.parameters():
        nn.init.constant_(parameter, 0.1)  # nothing cancels
    pixels = torch.ones(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    maps = module(pixels)
    maps[0, :, maps.shape[2] // 2, maps.shape[3] // 2].sum().backward()
    rows = pixels.grad[0].abs().sum((0, 2)).nonzero().flatten().tolist()
    return rows[-1] - rows[0] + 1


def last_field(module: nn.Module, side: int = SIDE) -> int | None:
    return table(nn.Sequential(module, nn.Identity()), (1, side, side))["rows"][-1]["receptive_field"]


conv = st.builds(
    lambda k, s, p, d: nn.Conv2d(1, 1, k, s, p, d),
    st.integers(1, 4),
    st.integers(1, 2),
    st.integers(0, 2),
    st.integers(1, 2),
)
pool = st.builds(
    lambda size, stride, pad: nn.AvgPool2d(size, stride, pad * (size // 2)),
    st.integers(1, 3),
    st.integers(1, 2),
    st.integers(0, 1),
)
other = st.builds(lambda make: make(), st.sampled_from([nn.ReLU, nn.Sigmoid, lambda: nn.BatchNorm2d(1)]))


@given(st.lists(st.one_of(conv, pool, other), min_size=1, max_size=5))
@settings(deadline=None, max_examples=40)
def test_fields_of_random_stacks_by_brute_force(layers):
    field = last_field(nn.Sequential(*layers), side=128)
    strongest = [nn.MaxPool2d(m.kernel_size, m.stride, m.padding) if isinstance(m, nn.AvgPool2d) else m for m in layers]
    assert last_field(nn.Sequential(*strongest), side=128) == field  # the same windows
    for layer in layers:  # so that no padding cuts off what is seen
        if hasattr(layer, "padding"):
            layer.padding = 0 if isinstance(layer, nn.AvgPool2d) else (0, 0)
    assert seen(nn.Sequential(*layers), side=field + 8) == field


class Branches(nn.Module):
    def __init__(self, join, *branches):
        super().__init__()
        self.join, self.branches = join, nn.ModuleList(branches)

    def forward(self, x):
        return self.join([branch(x) for branch in self.branches])


def c(kernel, stride=1, padding=0, dilation=1, channels=1, out=1):
    return nn.Conv2d(channels, out, kernel, stride, padding, dilation)


@pytest.mark.parametrize(
    "module",
    [
        Branches(sum, c(3, padding=1), nn.Sequential(c(3, padding=1), c(5, padding=2))),
        Branches(sum, nn.Sequential(c(3, 2, 1), c(3, 1, 1)), c(1, 2)),  # ResNet's shortcut
        Branches(sum, nn.Sequential(nn.ZeroPad2d((3, 0, 3, 0)), c(4)), nn.Sequential(nn.ZeroPad2d((0, 3, 0, 3)), c(4))),
        nn.Sequential(Branches(lambda xs: torch.cat(xs, 1), c(1), c(5, padding=2)), c(3, channels=2)),
        nn.Sequential(c(3), Branches(lambda xs: xs[0][:, :, 2:-1:2, 2:-1:2] * 2, nn.Identity()), c(3)),
        nn.Sequential(c(3, out=4), Branches(lambda xs: sum(xs[0].split(2, dim=1)), nn.Identity()), c(2, channels=2)),
        nn.Sequential(c(3, out=4), Branches(lambda xs: xs[0].mean(1, keepdim=True), nn.Identity()), c(2)),
        nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), nn.AdaptiveAvgPool2d(SIDE), c(2)),
    ],
)
def test_fields_of_branches_by_brute_force(module):
    assert last_field(module) == seen(module)


@pytest.mark.parametrize(
    "module",
    [
        nn.Sequential(c(3), nn.Upsample(scale_factor=2), c(3)),  # not every position sees alike
        nn.Sequential(c(3), nn.ConvTranspose2d(1, 1, 3, 2), c(3)),
        nn.Sequential(c(2), nn.AdaptiveAvgPool2d(7)),  # windows of several sizes
        Branches(sum, c(3, 2, 1), nn.MaxPool2d(31)),  # broadcast of a part of the image
        Branches(lambda xs: xs[0].transpose(1, 2).transpose(1, 2), c(3)),
        nn.Sequential(c((3, 1))),  # not square
    ],
)
def test_where_no_field_can_be_told_none_is(module):
    assert last_field(module) is None


def test_what_is_written_over_is_not_claimed():
    def half(maps):
        out = torch.zeros_like(maps[0])
        out[:, :, ::2] = maps[1][:, :, ::2]
        return out + maps[0]

    assert last_field(Branches(half, c(1), c(3, padding=1))) is None


def test_pooling_over_the_map_sees_the_pixels_that_there_are():
    stack = nn.Sequential(c(3, padding=1), c(3, padding=1), nn.AdaptiveAvgPool2d(1))
    assert last_field(stack) == SIDE
    cut = nn.Sequential(nn.MaxPool2d(2), Branches(lambda xs: xs[0].amax((2, 3), keepdim=True), nn.Identity()))
    assert last_field(cut) == SIDE - 1  # the last row and column are in no window
