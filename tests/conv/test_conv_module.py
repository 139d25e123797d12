"""Conv2d by hand in the place of torch.nn.Conv2d."""

import copy
import inspect
import pickle

import pytest
import torch
from torch import nn

from smallvision import conv

LAYERS = [
    {"in_channels": 3, "out_channels": 4, "kernel_size": 3},
    {
        "in_channels": 4,
        "out_channels": 6,
        "kernel_size": (3, 2),
        "stride": (2, 1),
        "padding": (1, 0),
        "groups": 2,
        "bias": False,
    },
    {"in_channels": 2, "out_channels": 2, "kernel_size": (4, 3), "padding": "same", "dilation": (1, 2)},
    {"in_channels": 2, "out_channels": 2, "kernel_size": 3, "padding": (1, 2), "padding_mode": "reflect"},
    {"in_channels": 2, "out_channels": 2, "kernel_size": 3, "padding": 2, "padding_mode": "circular", "stride": 2},
    {"in_channels": 2, "out_channels": 2, "kernel_size": 4, "padding": "same", "padding_mode": "replicate"},
]


@pytest.mark.parametrize("how", LAYERS, ids=str)
def test_a_drop_in_for_torchs(how):
    torch.manual_seed(1)
    theirs = nn.Conv2d(**how, dtype=torch.float64)
    torch.manual_seed(1)
    ours = conv.Conv2d(**how, dtype=torch.float64)
    assert repr(ours) == repr(theirs)
    assert isinstance(ours, nn.Conv2d)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    x = torch.randn(2, how["in_channels"], 9, 8, dtype=torch.float64)
    grads = []
    for layer in (ours, theirs):
        layer(x).pow(2).sum().backward()
        grads.append([p.grad for p in layer.parameters()])
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-11, atol=1e-11)


def test_the_arguments_are_torchs():
    ours, theirs = (list(inspect.signature(layer).parameters.values()) for layer in (conv.Conv2d, nn.Conv2d))
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


def test_state_dicts_are_interchangeable_and_copies_work():
    theirs, ours = nn.Conv2d(3, 4, 3), conv.Conv2d(3, 4, 3)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-6)
    nn.Conv2d(3, 4, 3).load_state_dict(ours.state_dict())
    for twin in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert torch.equal(twin(x), ours(x))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"in_channels": 0}, "in_channels: 0"),
        ({"out_channels": 2.0}, "out_channels: 2.0"),
        ({"kernel_size": 0}, "kernel_size: 0"),
        ({"stride": 0}, "stride: 0"),
        ({"padding": -1}, "padding: -1"),
        ({"dilation": (1, 0)}, r"dilation: \(1, 0\)"),
        ({"groups": 2}, "groups: 2 does not divide in_channels, 3; use in_channels=4"),
        ({"padding": "full"}, "padding: 'full'"),
        ({"padding": "same", "stride": 2}, 'padding: "same" needs stride 1'),
        ({"padding_mode": "mirror"}, "padding_mode: 'mirror'; expected one of zeros"),
    ],
    ids=str,
)
def test_wrong_arguments(how, said):
    with pytest.raises(ValueError, match=said):
        conv.Conv2d(**({"in_channels": 3, "out_channels": 4, "kernel_size": 3} | how))


@pytest.mark.parametrize(("mode", "most"), [("reflect", 3), ("circular", 4)])
def test_padding_that_does_not_go_around(mode, most):
    conv.Conv2d(1, 1, 3, padding=most, padding_mode=mode)(torch.zeros(1, 1, 4, 4))
    with pytest.raises(ValueError, match=f'padding: {most + 1} with padding_mode "{mode}".*use at most {most}'):
        conv.Conv2d(1, 1, 3, padding=most + 1, padding_mode=mode)(torch.zeros(1, 1, 4, 4))
