"""Autoencoders against the plain networks one would write, the rule that no layer enlarges, and every size of image."""

import copy
import re
from itertools import pairwise

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from smallvision.errors import BadInput
from smallvision.experiment.model.union import ModelSpec
from smallvision.nn import InputSpec, build
from smallvision.nn.autoencoders.decoder import Spread, TiedLinear
from smallvision.nn.autoencoders.mlp import between
from smallvision.nn.autoencoders.variational import divergence, sample
from smallvision.nn.summary import table

SPEC = TypeAdapter(ModelSpec)
KINDS = ("mlp-autoencoder", "conv-autoencoder", "combo-autoencoder")


def make(shape, kind, mean=0.0, std=1.0, **values):
    return build(
        SPEC.validate_python({"kind": kind, **values}), InputSpec(shape, 10, (mean,) * shape[0], (std,) * shape[0]), 3
    )


def sizes(model, shape):
    """How many values each layer of encoder and decoder is given and makes, seen while it runs."""
    found = {"encoder": [], "decoder": []}
    handles = [
        layer.register_forward_hook(
            lambda _, taken, made, name=name: found[name].append((taken[0].numel(), made.numel()))
        )
        for name in found
        for layer in getattr(model, name)
    ]
    with torch.no_grad():
        assert model.eval()(torch.rand(1, *shape)).shape == (1, *shape)
    for handle in handles:
        handle.remove()
    return found["encoder"], found["decoder"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 3, 5, 10])
@pytest.mark.parametrize("representation", [10, 32, 100, 1000])
def test_every_depth_and_representation_builds_for_cifar10_and_keeps_the_rule(kind, depth, representation):
    encoder, decoder = sizes(make((3, 32, 32), kind, depth=depth, representation=representation), (3, 32, 32))
    assert len(encoder) == len(decoder) == depth
    assert encoder[0][0] == decoder[-1][1] == 3072
    assert encoder[-1][1] == decoder[0][0] == representation
    assert all(made <= taken for taken, made in encoder)
    assert all(made >= taken for taken, made in decoder)
    assert decoder == [(made, taken) for taken, made in reversed(encoder)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 3, 5, 10])
def test_what_mnist_allows_builds_and_the_rest_is_refused(kind, depth):
    for representation in (10, 32, 100, 784):
        encoder, _ = sizes(make((1, 28, 28), kind, depth=depth, representation=representation), (1, 28, 28))
        assert all(made <= taken for taken, made in encoder)
    with pytest.raises(
        BadInput,
        match=r"^model\.representation: layer \d+ of \d+ of the encoder makes [\d,]+ values .* from 784 .*; "
        r"use at most 784, or set model\.overcomplete = true$",
    ):
        make((1, 28, 28), kind, depth=depth, representation=1000)
    assert make((1, 28, 28), kind, depth=depth, representation=1000, overcomplete=True).encode(
        torch.rand(1, 1, 28, 28)
    ).shape == (1, 1000)


options = st.fixed_dictionaries(
    {},
    optional={
        "depth": st.integers(2, 6),
        "down": st.sampled_from(["stride", "pool"]),
        "up": st.sampled_from(["transpose", "upsample"]),
        "kernel": st.sampled_from([3, 5, 7]),
        "normalization": st.just("batch"),
        "output": st.sampled_from(["linear", "relu"]),
    },
)


@given(st.sampled_from(KINDS[1:]), st.tuples(st.integers(1, 3), st.integers(1, 41), st.integers(1, 41)), options)
@settings(deadline=None, derandomize=True, max_examples=60)
def test_the_decoder_comes_back_to_every_size(kind, shape, values):
    encoder, decoder = sizes(make(shape, kind, representation=1, **values), shape)
    assert all(made <= taken for taken, made in encoder)
    assert decoder == [(made, taken) for taken, made in reversed(encoder)]


@pytest.mark.parametrize(("channels", "after"), [([4] * 5, (1, 1)), ([4], (14, 14))])
def test_channels_say_how_often_the_image_is_halved(channels, after):
    model = make((1, 28, 28), "conv-autoencoder", channels=channels, depth=8, representation=4)
    assert model.encoder[-1].convolution.kernel_size == after
    made = [layer.convolution.stride[0] for layer in model.encoder]
    assert made.count(2) == len(channels)
    assert made[0] == 2
    sizes(model, (1, 28, 28))


def test_layers_that_do_not_halve_stand_evenly_after_those_that_do():
    for depth, expected in ((5, [2, 2, 2, 1]), (6, [2, 2, 1, 2, 1]), (10, [2, 1, 1] * 3)):
        encoder = make((3, 32, 32), "conv-autoencoder", depth=depth).encoder
        assert [layer.convolution.stride[0] for layer in encoder][:-1] == expected


def plainly(ours, plain, pixels):
    """Equal outputs and gradients, with the weights of ours in the plain network."""
    for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
        theirs.data.copy_(mine.data)
    outputs = []
    for model, taken in ((ours, pixels), (plain, (pixels - 0.4) / 0.25)):
        out = model.train()(taken)
        out.square().sum().backward()
        outputs.append((out, model.eval()(taken)))
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)
    for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-3, atol=1e-4)


def test_conv_is_the_plain_network_one_would_write():
    ours = make(
        (3, 32, 30),
        "conv-autoencoder",
        0.4,
        0.25,
        depth=4,
        channels=[12, 20],
        normalization="batch",
        representation=9,
        representation_activation="tanh",
    )
    plainly(
        ours,
        nn.Sequential(
            nn.Conv2d(3, 12, 3, 2, 1, bias=False),
            nn.BatchNorm2d(12),
            nn.ReLU(),
            nn.Conv2d(12, 20, 3, 2, 1, bias=False),
            nn.BatchNorm2d(20),
            nn.ReLU(),
            nn.Conv2d(20, 20, 3, padding=1, bias=False),
            nn.BatchNorm2d(20),
            nn.ReLU(),
            nn.Conv2d(20, 9, (8, 8)),
            nn.Tanh(),
            nn.ConvTranspose2d(9, 20, (8, 8), bias=False),
            nn.BatchNorm2d(20),
            nn.ReLU(),
            nn.Conv2d(20, 20, 3, padding=1, bias=False),
            nn.BatchNorm2d(20),
            nn.ReLU(),
            nn.ConvTranspose2d(20, 12, 3, 2, 1, (1, 0), bias=False),
            nn.BatchNorm2d(12),
            nn.ReLU(),
            nn.ConvTranspose2d(12, 3, 3, 2, 1, 1),
            nn.Sigmoid(),
        ),
        torch.rand(5, 3, 32, 30),
    )


def test_combo_with_pools_and_upsampling_is_the_plain_network_one_would_write():
    ours = make(
        (1, 28, 20),
        "combo-autoencoder",
        0.4,
        0.25,
        depth=4,
        channels=[8, 16],
        kernel=5,
        dense=[50],
        down="pool",
        up="upsample",
        activation="gelu",
        output="linear",
        overcomplete=True,
    )
    plainly(
        ours,
        nn.Sequential(
            nn.Conv2d(1, 8, 5, padding=2),
            nn.GELU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 5, padding=2),
            nn.GELU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * 7 * 5, 50),
            nn.GELU(),
            nn.Linear(50, 32),
            nn.Linear(32, 50),
            nn.GELU(),
            nn.Linear(50, 16 * 7 * 5),
            nn.GELU(),
            nn.Unflatten(1, (16, 7, 5)),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(16, 8, 5, padding=2),
            nn.GELU(),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(8, 1, 5, padding=2),
        ),
        torch.rand(4, 1, 28, 20),
    )


def test_r2s_mlp_is_the_plain_network_one_would_write():
    widths = [784, 392, 196, 98, 32, 98, 196, 392, 784]
    ours = make(
        (1, 28, 28),
        "mlp-autoencoder",
        0.4,
        0.25,
        widths=widths[1:4],
        init="he",
        representation_activation="relu",
        output="relu",
    )
    layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
    plainly(ours, nn.Sequential(nn.Flatten(), *layers, nn.Unflatten(1, (1, 28, 28))), torch.rand(4, 1, 28, 28))
    assert sum(p.numel() for p in ours.parameters()) == sum(a * b + b for a, b in pairwise(widths))


def test_tied_weights_are_one_tensor_in_use_twice():
    model = make((1, 6, 5), "mlp-autoencoder", widths=[12], representation=4, tied=True, output="linear")
    (down, up), (w, v) = (
        ([layer.linear for layer in half] for half in (model.encoder, model.decoder)),
        ([layer.linear.weight.detach().clone().requires_grad_() for layer in model.encoder]),
    )
    assert [tuple(layer.bias.shape) for layer in up] == [(12,), (30,)]
    up[0].bias.data.normal_()
    pixels = torch.rand(7, 1, 6, 5)
    code = F.relu(pixels.flatten(1) @ w.t() + down[0].bias) @ v.t() + down[1].bias
    expected = (F.relu(code @ v + up[0].bias) @ w + up[1].bias).view(7, 1, 6, 5)
    torch.testing.assert_close(model(pixels), expected)
    model(pixels).square().sum().backward()
    expected.square().sum().backward()
    for mine, theirs in zip((layer.weight.grad for layer in down), (w.grad, v.grad), strict=True):
        torch.testing.assert_close(mine, theirs)
    assert sum(p.numel() for p in model.parameters()) == 30 * 12 + 12 * 4 + 12 + 4 + 12 + 30
    totals = table(model, (1, 6, 5))["totals"]
    assert (totals["parameters"], totals["multiply_adds"]) == (30 * 12 + 12 * 4 + 58, 2 * (30 * 12 + 12 * 4))
    safetensors.torch.save(model.state_dict())  # refuses tensors that share memory
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.encoder[1].linear.weight.zero_()
    assert torch.equal(other.decoder[0].linear(torch.rand(2, 4)), up[0].bias.detach().expand(2, 12))
    torch.testing.assert_close(model(pixels), expected)


@pytest.mark.parametrize("layer", [Spread(3, 2, (4, 2)), TiedLinear(nn.Linear(5, 3), True)], ids=["spread", "tied"])
def test_gradients_of_what_is_written_by_hand(layer):
    layer = layer.double()
    if isinstance(layer, TiedLinear):
        layer._of[0].double()
    given = torch.randn((2, 3, 1, 1) if isinstance(layer, Spread) else (2, 3), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (given,))


def test_a_transposed_convolution_begins_with_the_variance_it_is_given():
    torch.manual_seed(0)
    model = make(
        (3, 32, 32), "conv-autoencoder", depth=4, activation="none", init="he", representation=200, output="linear"
    )
    values = torch.randn(300, 200)
    variances = []
    with torch.no_grad():
        for layer in model.decoder:
            values = layer(values)
            variances.append(values[..., 1:-1, 1:-1].var().item())
    assert variances == pytest.approx([1] * 4, rel=0.25)


def test_the_table_of_layers_by_hand():
    rows = table(make((3, 32, 32), "conv-autoencoder"), (3, 32, 32))["rows"]
    keys = ("name", "type", "output", "parameters", "multiply_adds", "receptive_field")
    assert [tuple(row[key] for key in keys) for row in rows] == [
        ("standardize", "Standardize", [3, 32, 32], 0, 0, 1),
        ("encoder.0.convolution", "Conv2d", [12, 16, 16], 3 * 12 * 9 + 12, 16 * 16 * 12 * 27, 3),
        ("encoder.0.activation", "ReLU", [12, 16, 16], 0, 0, 3),
        ("encoder.1.convolution", "Conv2d", [48, 8, 8], 12 * 48 * 9 + 48, 8 * 8 * 48 * 108, 7),
        ("encoder.1.activation", "ReLU", [48, 8, 8], 0, 0, 7),
        ("encoder.2.convolution", "Conv2d", [32, 1, 1], 3072 * 32 + 32, 3072 * 32, 35),
        ("encoder.2.flatten", "Flatten", [32], 0, 0, None),
        ("decoder.0.unflatten", "Unflatten", [32, 1, 1], 0, 0, None),
        ("decoder.0.convolution", "Spread", [48, 8, 8], 3072 * 32 + 48, 3072 * 32, None),
        ("decoder.0.activation", "ReLU", [48, 8, 8], 0, 0, None),
        ("decoder.1.convolution", "ConvTranspose2d", [12, 16, 16], 48 * 12 * 9 + 12, 8 * 8 * 48 * 108, None),
        ("decoder.1.activation", "ReLU", [12, 16, 16], 0, 0, None),
        ("decoder.2.convolution", "ConvTranspose2d", [3, 32, 32], 12 * 3 * 9 + 3, 16 * 16 * 12 * 27, None),
        ("decoder.2.activation", "Sigmoid", [3, 32, 32], 0, 0, None),
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values", [{}, {"variational": True, "depth": 5}])
def test_the_tables_totals_are_torchs(kind, values):
    model = make((2, 21, 16), kind, **values)
    totals = table(model, (2, 21, 16))["totals"]
    assert totals["parameters"] == sum(p.numel() for p in model.parameters())
    with FlopCounterMode(display=False) as counter:
        model.eval()(torch.rand(1, 2, 21, 16))
    assert 2 * totals["multiply_adds"] == counter.get_total_flops()


def test_widths_in_geometric_progression():
    assert between(784, 32, 3) == (352, 158, 71)
    assert between(3072, 1000, 0) == ()
    assert between(10_000, 1, 3) == (1000, 100, 10)


WRONG = [
    (
        {"kind": "conv-autoencoder", "channels": [32, 12]},
        "model.channels.0: layer 1 of 3 of the encoder makes 8,192 values (32x16x16) from 3,072 (3x32x32), but no "
        "layer of an encoder may make more values than it takes; use at most 12, or set model.overcomplete = true",
    ),
    (
        {"kind": "conv-autoencoder", "channels": [3, 13]},
        "model.channels.1: layer 2 of 3 of the encoder makes 832 values (13x8x8) from 768 (3x16x16), but no layer "
        "of an",
    ),
    (
        {"kind": "conv-autoencoder", "channels": [1] * 6, "depth": 9},
        "model.channels: 6 numbers, one for each halving of the image, but an image of 32x32 can be halved only 5 "
        "times; use fewer numbers",
    ),
    (
        {"kind": "conv-autoencoder", "variational": True, "representation": 1600},
        "makes 3,200 values (1600x1x1, a mean and a variance for each) from 3,072 (48x8x8), but no layer of an "
        "encoder may make more values than it takes; use at most 1,536,",
    ),
    (
        {"kind": "mlp-autoencoder", "widths": [100, 101]},
        "model.widths.1: layer 2 of 3 of the encoder makes 101 values (101) from 100 (100), but no layer of an encoder",
    ),
    (
        {"kind": "mlp-autoencoder", "variational": True, "representation": 1600},
        "model.representation: layer 1 of 3 of the encoder makes 3,114 values (3114) from 3,072 (3x32x32), but no "
        "layer of an encoder may make more values than it takes; use at most 1,536, or",
    ),
    (
        {"kind": "combo-autoencoder", "dense": [4000]},
        "model.dense.0: layer 2 of 3 of the encoder makes 4,000 values (4000) from 3,072 (12x16x16), but no layer "
        "of an encoder",
    ),
]


@pytest.mark.parametrize(("values", "message"), WRONG, ids=lambda value: str(value)[:60])
def test_a_layer_that_enlarges_is_named(values, message):
    with pytest.raises(BadInput, match=re.escape(message)) as error:
        make((3, 32, 32), **values)
    assert "\n" not in str(error.value)
    if "overcomplete" in str(error.value):
        make((3, 32, 32), **values, overcomplete=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "conv-autoencoder", "kernel": 4}, "expected an odd number"),
        (
            {"kind": "conv-autoencoder", "channels": [1, 2, 3]},
            "channels has 3 numbers, one for each halving of the image, but with depth 3 there are only 2 convolutions",
        ),
        (
            {"kind": "combo-autoencoder", "channels": [1, 2]},
            "depth 3 there are only 1 convolution to do it; use fewer numbers, or depth >= 4",
        ),
        (
            {"kind": "combo-autoencoder", "dense": [40, 30]},
            'depth 3 leaves no layer for a convolution; use depth >= 4, or kind = "mlp-autoencoder"',
        ),
        (
            {"kind": "mlp-autoencoder", "widths": [5], "depth": 3},
            "widths has 1 number, so that with the layer of the representation the depth is 2,",
        ),
        (
            {"kind": "mlp-autoencoder", "variational": True, "representation_activation": "relu"},
            "would restrict the mean",
        ),
        ({"kind": "conv-autoencoder", "tied": True}, "tied"),
        ({"kind": "conv-autoencoder", "depth": 101}, "less than or equal to 100"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(values, message):
    with pytest.raises(ValidationError, match=re.escape(message)):
        SPEC.validate_python(values)


def test_the_depth_of_widths():
    assert SPEC.validate_python({"kind": "mlp-autoencoder", "widths": [9, 8, 7]}).depth == 4
    assert SPEC.validate_python({"kind": "mlp-autoencoder", "widths": [9, 8, 7], "depth": 4}).depth == 4


def test_the_divergence_is_torchs_and_so_is_the_draw():
    mean, log_variance = torch.randn(6, 5, dtype=torch.float64), torch.randn(6, 5, dtype=torch.float64)
    normal = Independent(Normal(mean, (0.5 * log_variance).exp()), 1)
    standard = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    torch.testing.assert_close(divergence(mean, log_variance), kl_divergence(normal, standard))
    generator = torch.Generator().manual_seed(4)
    drawn = sample(mean.float()[:1].expand(200_000, 5), log_variance.float()[:1].expand(200_000, 5), generator).double()
    torch.testing.assert_close(drawn.mean(0), mean[0], rtol=0, atol=0.03)
    torch.testing.assert_close(drawn.var(0), log_variance[0].exp(), rtol=0.03, atol=0)
    again = sample(mean.float(), log_variance.float(), generator.manual_seed(4))
    assert torch.equal(again, sample(mean.float(), log_variance.float(), torch.Generator().manual_seed(4)))


def test_the_mean_of_a_variational_autoencoder_is_its_representation():
    model = make((1, 12, 12), "conv-autoencoder", variational=True, representation=6).eval()
    pixels = torch.rand(3, 1, 12, 12)
    mean, log_variance = model.posterior(pixels)
    assert mean.shape == log_variance.shape == (3, 6)
    assert torch.equal(model.encode(pixels), mean)
    assert torch.equal(model(pixels), model.decode(mean))


def test_standardised_pixels_come_back():
    model = make((3, 9, 9), "mlp-autoencoder", 0.3, 0.2)
    pixels = torch.rand(2, 3, 9, 9)
    torch.testing.assert_close(model.to_pixels(model.standardize(pixels)), pixels)
