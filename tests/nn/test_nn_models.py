"""Every network of NETWORKS is tested by being registered; the references' networks by their published counts."""

import copy
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn
from torch.nn import functional as F

from smallvision.errors import BadInput
from smallvision.experiment.model.union import MODEL_SPECS, ModelSpec
from smallvision.nn import NETWORKS, Autoencoder, InputSpec, Siamese, build
from smallvision.nn.base import parameter_groups
from smallvision.nn.layers import ACTIVATIONS, GlobalMax, GlobalMean, PadTo, Standardize

SPEC: TypeAdapter[Any] = TypeAdapter(ModelSpec)

# A kind without an example of its own is tested with its defaults; the more options the examples touch the better.
EXAMPLES = [
    {"kind": "mlp"},
    {"kind": "mlp", "widths": []},
    {"kind": "mlp", "widths": [12, 7], "activation": "gelu", "normalization": "batch", "dropout": 0.2, "init": "he"},
    {"kind": "mlp", "widths": [12], "activation": "none", "normalization": "layer", "init": "xavier"},
    {"kind": "cnn", "blocks": [{"channels": 4}]},
    {
        "kind": "cnn",
        "init": "he",
        "dense": [9, 8],
        "dense_dropout": 0.3,
        "blocks": [
            {"channels": 4, "kernel": 4, "padding": "same", "normalization": "batch", "pool": 2, "dropout": 0.1},
            {
                "channels": 6,
                "kernel": 2,
                "stride": 2,
                "padding": 2,
                "normalization": "group",
                "activation": "elu",
                "pool": 3,
                "pool_stride": 1,
                "pool_kind": "mean",
            },
        ],
    },
    {"kind": "cnn", "init": "xavier", "head": "global-mean", "blocks": [{"channels": 5, "activation": "none"}]},
    {"kind": "cnn", "head": "global-max", "dense": [6], "dense_activation": "none", "blocks": [{"channels": 5}]},
    {"kind": "lenet5"},
    {"kind": "lenet5", "activation": "relu", "pool_kind": "max", "init": "he"},
    {
        "kind": "encoder-classifier",
        "rate": 0.5,
        "dense": [7],
        "dense_dropout": 0.1,
        "init": "he",
        "encoder": {
            "experiment": "any",
            "model": {
                "kind": "conv-autoencoder",
                "depth": 2,
                "normalization": "batch",
                "variational": True,
                "representation": 9,
            },
        },
    },
    {"kind": "mlp-autoencoder"},
    {
        "kind": "mlp-autoencoder",
        "widths": [30, 20],
        "representation": 8,
        "tied": True,
        "normalization": "batch",
        "init": "he",
        "representation_activation": "relu",
        "output": "tanh",
    },
    {
        "kind": "mlp-autoencoder",
        "depth": 2,
        "representation": 600,
        "overcomplete": True,
        "tied": True,
        "variational": True,
    },
    {"kind": "conv-autoencoder", "depth": 1, "output": "linear"},
    {"kind": "conv-autoencoder", "depth": 5, "init": "xavier", "activation": "gelu", "variational": True},
    {
        "kind": "conv-autoencoder",
        "channels": [20, 30],
        "kernel": 5,
        "down": "pool",
        "up": "upsample",
        "overcomplete": True,
        "normalization": "batch",
        "output": "relu",
    },
    {"kind": "combo-autoencoder", "init": "he"},
    {"kind": "combo-autoencoder", "depth": 4, "dense": [], "channels": [8], "down": "pool", "activation": "none"},
    {
        "kind": "siamese",
        "encoder": {"experiment": "any", "model": {"kind": "cnn", "blocks": [{"channels": 4}], "dense": [9]}},
    },
    {
        "kind": "siamese",
        "rate": 0.5,
        "head": "dense",
        "dense": [7],
        "representation": 6,
        "normalized": True,
        "init": "he",
        "encoder": {
            "run": "any",
            "model": {"kind": "combo-autoencoder", "depth": 3, "normalization": "batch", "variational": True},
        },
    },
]
EXAMPLES += [{"kind": kind} for kind in NETWORKS if kind not in {example["kind"] for example in EXAMPLES}]
MEAN, STD = (0.3, 0.5, 0.1), (0.2, 0.3, 0.25)


def make(values: dict[str, Any], shape=(3, 14, 12), classes=5, seed=3):
    return build(SPEC.validate_python(values), InputSpec(shape, classes, MEAN[: shape[0]], STD[: shape[0]]), seed)


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_the_table_of_networks_has_the_specs_of_experiments():
    assert {kind: network.spec for kind, network in NETWORKS.items()} == MODEL_SPECS


@pytest.mark.parametrize("values", EXAMPLES, ids=str)
class TestEveryModel:
    def test_gives_logits_an_image_or_scores_from_what_it_encodes(self, values):
        model = make(values).eval()
        pixels = torch.rand(3, 3, 14, 12)
        features = model.encode(pixels)
        assert features.ndim == 2
        if isinstance(model, Autoencoder):
            assert features.shape == (3, values.get("representation", 32))
            assert model(pixels).shape == pixels.shape
            assert torch.equal(model.decode(features), model(pixels))
        elif isinstance(model, Siamese):
            assert torch.equal(model.score(features, features[[2, 0, 1]]), model(pixels))
        else:
            assert model(pixels).shape == (3, 5)
            assert torch.equal(model.output(features), model(pixels))

    def test_learns_with_every_parameter(self, values):
        model, pixels = make(values), torch.rand(4, 3, 14, 12)
        out = model(pixels)
        wanted = {
            pixels.shape: lambda: F.mse_loss(out, pixels),
            (4,): out.sum,
            (4, 5): lambda: F.cross_entropy(out, torch.arange(4)),
        }
        wanted[out.shape]().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())

    def test_its_encoder_part_encodes_alike_with_no_parameter_that_encode_does_not_use(self, values):
        model, pixels = make(values).eval(), torch.rand(3, 3, 14, 12)
        expected = model.encode(pixels)
        part = copy.deepcopy(model).encoder_part()
        torch.testing.assert_close(part.encode(pixels), expected)
        if list(part.parameters()):  # a perceptron without hidden layers has its pixels as features
            part.encode(pixels).square().sum().backward()
        assert all(p.grad is not None for p in part.parameters())
        assert set(part.state_dict()) <= set(model.state_dict())

    def test_its_last_activation_is_the_one_that_its_features_come_out_of(self, values):
        model = make(values).eval()
        ranges = {"relu": (0.0, torch.inf), "tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}
        low, high = ranges.get(model.last_activation, (-torch.inf, torch.inf))
        features = model.encode(torch.rand(50, 3, 14, 12))
        assert model.last_activation in ACTIVATIONS
        if not list(model.encoder_part().parameters()):
            return  # no layer encodes, so no activation has been there
        assert low <= features.min()
        assert features.max() <= high
        if model.last_activation == "none":
            assert features.min() < 0

    def test_whether_it_takes_any_size_is_known_before_it_is_built(self, values):
        spec = SPEC.validate_python(values)
        assert NETWORKS[spec.kind].any_size(spec) == make(values).any_size

    def test_channels_last_changes_the_layout_and_nothing_else(self, values):
        model, pixels = make(values).eval(), torch.rand(3, 3, 14, 12)
        other = copy.deepcopy(model).to(memory_format=torch.channels_last)
        torch.testing.assert_close(other(pixels.to(memory_format=torch.channels_last)), model(pixels))

    def test_groups_hold_every_parameter_once_and_spare_norms_and_biases(self, values):
        model = make(values)
        groups = model.parameter_groups(0.1)
        together = [p for group in groups for p in group["params"]]
        assert {id(p) for p in together} == {id(p) for p in model.parameters()}
        assert len(together) == len(list(model.parameters()))
        names = {id(p): name for name, p in model.named_parameters()}
        for group in groups:
            for p in group["params"]:
                spared = names[id(p)].endswith("bias") or ".norm." in names[id(p)]
                assert group["weight_decay"] == (0.0 if spared else 0.1)
        torch.optim.SGD(groups, lr=0.1)

    def test_its_state_holds_mean_and_std_and_rebuilds_it(self, values):
        model, pixels = make(values), torch.rand(2, 3, 14, 12)
        state = model.state_dict()
        held = {key.rpartition("standardize.")[2]: value for key, value in state.items() if "standardize." in key}
        assert torch.equal(held["mean"], torch.tensor(MEAN).reshape(3, 1, 1))
        assert torch.equal(held["std"], torch.tensor(STD).reshape(3, 1, 1))
        other = build(SPEC.validate_python(values), InputSpec((3, 14, 12), 5, (0.0,) * 3, (1.0,) * 3), 8)
        other.load_state_dict(state)
        assert torch.equal(other.eval()(pixels), model.eval()(pixels))

    def test_the_seed_alone_decides_the_weights(self, values):
        torch.manual_seed(1)
        one = make(values).state_dict()
        torch.manual_seed(2)
        before = torch.random.get_rng_state()
        two = make(values).state_dict()
        assert torch.equal(torch.random.get_rng_state(), before)
        assert all(torch.equal(one[k], two[k]) for k in one)
        other = make(values, seed=4).state_dict()
        assert any(not torch.equal(one[k], other[k]) for k in one)


def conv(channels, kernel=3, **more):
    return {"channels": channels, "kernel": kernel, **more}


R4_16 = {
    "kind": "cnn",
    "head": "global-max",
    "blocks": [conv(16, padding=1), conv(32, padding=1, pool=2), conv(81, padding=1, pool=2)],
}


@pytest.mark.parametrize(
    ("values", "shape", "parameters"),
    [
        ({"kind": "mlp", "widths": [128]}, (1, 28, 28), 101_770),
        ({"kind": "cnn", "blocks": [conv(10, 5, pool=2), conv(20, 5, pool=2)], "dense": [128]}, (1, 28, 28), 47_658),
        ({"kind": "cnn", "blocks": [conv(c, padding=1, pool=2) for c in (16, 32, 64)]}, (1, 28, 28), 29_066),
        (R4_16, (1, 28, 28), 29_029),
        (R4_16, (3, 28, 28), 29_317),
        ({"kind": "lenet5"}, (1, 28, 28), 61_706),
        ({"kind": "lenet5"}, (1, 32, 32), 61_706),
    ],
)
def test_the_references_networks_have_as_many_parameters_as_reported(values, shape, parameters):
    assert count(make(values, shape, classes=10)) == parameters


def test_r2_and_r5_have_the_shapes_of_their_references():
    blocks = [conv(c, 5, padding=1, pool=2 * (c == 64)) for c in (10, 20, 40, 64)]
    r2 = make({"kind": "cnn", "blocks": blocks, "dense": [256], "init": "he"}, (1, 28, 28))
    assert r2.blocks(torch.rand(2, 1, 28, 28)).shape == (2, 64, 10, 10)
    assert r2.encode(torch.rand(2, 1, 28, 28)).shape == (2, 256)
    blocks = [conv(32, padding="same", pool=2), conv(64, padding="same", pool=2), conv(126, padding="same")]
    r5 = make(
        {"kind": "cnn", "blocks": blocks, "head": "global-mean", "dense": [64], "dense_dropout": 0.1}, (3, 32, 32), 10
    )
    assert r5.blocks(torch.rand(2, 3, 32, 32)).shape == (2, 126, 8, 8)
    assert r5(torch.rand(7, 3, 32, 32)).shape == (7, 10)
    assert r5(torch.rand(2, 3, 40, 48)).shape == (2, 10)  # a global head takes any size


def test_cnn_is_the_plain_network_one_would_write():
    values = {
        "kind": "cnn",
        "dense": [30],
        "dense_dropout": 0.5,
        "blocks": [
            conv(8, 5, padding=2, normalization="batch", pool=3, pool_stride=2, dropout=0.25),
            conv(12, 4, padding="same", normalization="group", activation="silu"),
            conv(6, 3, stride=2, activation="leaky-relu", pool=2, pool_kind="mean"),
        ],
    }
    ours = make(values, (3, 20, 20))
    plain = nn.Sequential(
        nn.Conv2d(3, 8, 5, padding=2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Dropout(0.25),
        nn.Conv2d(8, 12, 4, padding="same"),
        nn.GroupNorm(6, 12),
        nn.SiLU(),
        nn.Conv2d(12, 6, 3, stride=2),
        nn.LeakyReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(24, 30),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(30, 5),
    )
    for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
        theirs.data.copy_(mine.data)
    pixels = torch.rand(6, 3, 20, 20)
    standardised = (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    outputs = []
    for model, given in ((ours, pixels), (plain, standardised)):
        torch.manual_seed(0)  # dropout takes its draws from here
        out = model.train()(given)
        out.square().sum().backward()
        outputs.append((out, model.eval()(given)))
    torch.testing.assert_close(outputs[0], outputs[1])
    for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_pooling_before_an_increasing_activation_changes_no_bit(name):
    block = make({"kind": "cnn", "blocks": [conv(4, activation=name, pool=2)]}).blocks[0]
    pixels = torch.randn(3, 3, 9, 9, requires_grad=True)
    one = block(pixels)
    two = F.max_pool2d(ACTIVATIONS[name]()(block.convolution(pixels)), 2)
    assert torch.equal(one, two)
    gradients = [torch.autograd.grad(out.square().sum(), pixels)[0] for out in (one, two)]
    assert torch.equal(*gradients)


def test_lenet5_sees_a_small_image_in_the_middle_of_black():
    model = make({"kind": "lenet5"}, (1, 28, 28)).eval()
    pixels = torch.rand(2, 1, 28, 28)
    sheet = torch.zeros(2, 1, 32, 32)
    sheet[:, :, 2:30, 2:30] = pixels
    assert torch.equal(model(pixels), model(sheet))
    assert PadTo(32)(torch.ones(1, 1, 31, 29)).sum((0, 1, 3)).tolist() == [29.0] * 31 + [0.0]
    with pytest.raises(BadInput, match=r'^model\.kind: "lenet5" takes images up to 32x32, but these are 33x20'):
        make({"kind": "lenet5"}, (1, 33, 20))


def test_standardize_subtracts_and_divides_and_leaves_alone():
    pixels = torch.rand(5, 3, 6, 7)
    expected = (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    layer = Standardize(MEAN, STD)
    torch.testing.assert_close(layer(pixels), expected)
    given = pixels.to(memory_format=torch.channels_last)
    torch.testing.assert_close(layer(given), expected)
    assert layer(given).is_contiguous(memory_format=torch.channels_last)
    nothing = Standardize((0.0,) * 3, (1.0,) * 3)
    assert nothing(pixels) is pixels
    nothing.load_state_dict(layer.state_dict())
    torch.testing.assert_close(nothing(pixels), expected)
    with pytest.raises(BadInput, match=r"^data\.normalize: every channel needs a standard deviation above 0"):
        Standardize((0.5, 0.5), (0.1, 0.0))


def test_global_pooling_is_what_the_adaptive_layers_do():
    maps = torch.randn(3, 4, 5, 6)
    torch.testing.assert_close(GlobalMean()(maps), nn.AdaptiveAvgPool2d(1)(maps).flatten(1))
    assert torch.equal(GlobalMax()(maps), nn.AdaptiveMaxPool2d(1)(maps).flatten(1))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_have_the_gradient_of_their_formula(name):
    theirs = {
        "relu": F.relu,
        "leaky-relu": F.leaky_relu,
        "gelu": F.gelu,
        "silu": F.silu,
        "elu": F.elu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "none": lambda x: x,
    }[name]
    z = torch.randn(50, requires_grad=True)
    one, two = ACTIVATIONS[name]()(z * 1.0), theirs(z)
    assert torch.equal(one, two)
    torch.testing.assert_close(torch.autograd.grad(one.sum(), z), torch.autograd.grad(two.sum(), z))


def test_parameter_groups_of_any_module():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 4)
            self.b = nn.Linear(4, 4, bias=False)
            self.b.weight = self.a.weight  # shared
            self.norm = nn.LayerNorm((2, 4))  # two-dimensional, and still a scale

    net = Net()
    decayed, free = parameter_groups(net, 0.3)
    assert [id(p) for p in decayed["params"]] == [id(net.a.weight)]
    assert {id(p) for p in free["params"]} == {id(net.a.bias), id(net.norm.weight), id(net.norm.bias)}
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.3, 0.0)


def test_mean_and_std_have_one_number_for_each_channel():
    with pytest.raises(
        BadInput, match=r"^data\.normalize: 2 numbers for images of 3 channels; write one for each channel"
    ):
        InputSpec((3, 8, 8), 5, (0.1, 0.2), (1.0, 1.0))
