"""Initial weights against torch's own functions, the papers' formulas and numerical integrals."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from smallvision.experiment.model.classifiers import MlpSpec
from smallvision.nn import InputSpec, build
from smallvision.nn.init import GAINS, initialized
from smallvision.nn.layers import ACTIVATIONS

LAYERS = [lambda: nn.Linear(70, 50), lambda: nn.Conv2d(6, 12, 5), lambda: nn.Conv2d(6, 12, 5, bias=False)]


@pytest.mark.parametrize("make", LAYERS)
@pytest.mark.parametrize(
    ("kind", "theirs"),
    [
        ("he", lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu")),
        ("xavier", nn.init.xavier_uniform_),
    ],
)
def test_he_and_xavier_are_torchs_from_the_same_generator(make, kind, theirs):
    layer = make()
    torch.manual_seed(5)
    initialized(layer, kind, "relu")
    expected = torch.empty_like(layer.weight)
    torch.manual_seed(5)
    theirs(expected)
    torch.testing.assert_close(layer.weight.data, expected)
    assert layer.bias is None or not layer.bias.any()


def test_statistics_follow_the_formulas():
    torch.manual_seed(0)
    he = initialized(nn.Conv2d(32, 64, 5), "he", "leaky-relu").weight
    assert he.std().item() == pytest.approx(math.sqrt(2 / (1 + 0.01**2) / (32 * 25)), rel=0.02)
    xavier = initialized(nn.Linear(300, 200), "xavier", "tanh").weight
    limit = math.sqrt(6 / 500)
    assert xavier.abs().max().item() == pytest.approx(limit, rel=0.01)
    assert xavier.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.02)
    default = initialized(nn.Linear(300, 200), "default", "relu")
    assert default.weight.abs().max().item() == pytest.approx(1 / math.sqrt(300), rel=0.01)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gains_are_one_over_the_root_of_the_second_moment(name):
    z = np.linspace(-12, 12, 2_000_001)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    values = ACTIVATIONS[name]()(torch.from_numpy(z.copy())).numpy()
    moment = np.sum(values**2 * density) * (z[1] - z[0])
    assert GAINS[name] == pytest.approx(1 / math.sqrt(moment), rel=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_he_keeps_the_variance_through_a_deep_network(name):
    spec = MlpSpec(kind="mlp", widths=(512,) * 8, activation=name, init="he")
    model = build(spec, InputSpec((1, 16, 16), 4, (0.0,), (1.0,)), 0)
    x = torch.randn(256, 256, generator=torch.Generator().manual_seed(0)) / GAINS[name]  # to begin at variance 1
    spread = []
    with torch.no_grad():
        for block in model.dense:
            spread.append(block.linear(x).square().mean().item())
            x = block(x)
    assert 0.7 < spread[0] < 1.4
    assert 0.6 < spread[-1] < 1.6
