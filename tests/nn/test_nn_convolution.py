"""Networks whose convolutions are by hand (model.convolution = "by-hand"): torch's in all but the arithmetic."""

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn
from torch.nn import functional as F

from smallvision import conv
from smallvision.experiment.model.union import ModelSpec
from smallvision.nn import InputSpec, build, summary

SPEC: TypeAdapter[Any] = TypeAdapter(ModelSpec)
R3 = {
    "kind": "cnn",
    "blocks": [{"channels": 10, "kernel": 5, "pool": 2}, {"channels": 20, "kernel": 5, "pool": 2}],
    "dense": [128],
}
NETWORKS = [
    R3,
    {"kind": "lenet5"},
    {
        "kind": "cnn",
        "init": "he",
        "head": "global-mean",
        "blocks": [
            {"channels": 4, "kernel": 4, "padding": "same", "normalization": "batch"},
            {"channels": 6, "kernel": 3, "stride": 2, "padding": 2, "pool": 2, "activation": "elu"},
        ],
    },
]


def both(values, seed=0):
    specs = [SPEC.validate_python(values | {"convolution": kind}) for kind in ("torch", "by-hand")]
    models = [build(spec, InputSpec((1, 28, 28), 10, (0.1,), (0.3,)), seed) for spec in specs]
    assert not any(isinstance(layer, conv.Conv2d) for layer in models[0].modules())
    assert all(isinstance(layer, conv.Conv2d) for layer in models[1].modules() if isinstance(layer, nn.Conv2d))
    return models


@pytest.mark.parametrize("values", NETWORKS, ids=lambda values: values["kind"])
def test_the_layer_table_is_the_same(values):
    torchs, ours = (summary.table(model, (1, 28, 28)) for model in both(values))
    assert ours == torchs
    assert sum(row["receptive_field"] is not None for row in ours["rows"]) >= 4


def trained(model, steps, dtype):
    """Weights after so many steps of gradient descent on noise with labels that can be learned."""
    model.to(dtype)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(steps):
        labels = torch.randint(10, (64,), generator=generator)
        pixels = 0.3 * torch.rand(64, 1, 28, 28, generator=generator) + labels[:, None, None, None] / 20
        optimizer.zero_grad()
        F.cross_entropy(model(pixels.to(dtype)), labels).backward()
        optimizer.step()
    return model.state_dict()


def apart(one, other):
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


@pytest.mark.slow
def test_r3s_network_trains_to_the_same_weights():
    """In doubles to 1e-12 after 60 steps. Training magnifies the roundings of floats, torch's own too and more on some
    processors than on others, so in floats it is the training in doubles that both are held against, and torch is the
    measure of what is near."""
    start = both(R3)[0].state_dict()
    torchs, ours = (trained(model, 60, torch.float64) for model in both(R3))
    assert apart(torchs, start) > 0.01  # it has learned something that could have been different
    assert apart(ours, torchs) < 1e-12
    exact = trained(both(R3)[0], 20, torch.float64)
    assert apart(exact, start) > 0.01
    torchs, ours = (trained(model, 20, torch.float32) for model in both(R3))
    assert apart(ours, exact) <= max(1e-5, apart(torchs, exact))


def test_in_bf16_it_is_as_far_from_the_gradient_as_torchs():
    apart = {"torch": 0.0, "ours": 0.0}
    for seed in range(12):  # one alone says little: a maximum that changes places changes much
        pixels, labels = torch.rand(16, 1, 28, 28, generator=torch.Generator().manual_seed(seed)), torch.arange(16) % 10

        def gradient(model, lowered, pixels=pixels, labels=labels):
            with torch.autocast("cpu", torch.bfloat16, enabled=lowered):
                loss = F.cross_entropy(model(pixels), labels)
            return torch.cat([grad.flatten() for grad in torch.autograd.grad(loss, list(model.parameters()))])

        torchs, ours = both(R3, seed)
        right = gradient(torchs, False)
        torch.testing.assert_close(gradient(ours, False), right, rtol=0, atol=1e-5)
        apart["torch"] += float((gradient(torchs, True) - right).norm())
        apart["ours"] += float((gradient(ours, True) - right).norm())
    assert 0 < apart["ours"] < 1.3 * apart["torch"]
