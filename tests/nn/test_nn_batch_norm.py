"""Batch normalisation in training: statistics, outputs and gradients as of float64, in either memory format."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from smallvision.experiment import Experiment
from smallvision.experiment.model.classifiers import CustomSpec
from smallvision.nn import batch_norm, masks
from smallvision.training import prepare

LAST = torch.channels_last
# More values a channel than FEW; sizes that no number of rows divides; fewer and more channels than fit side by side.
SHAPES = [(130, 8, 32, 32), (7, 5, 31, 33), (1100, 40, 1, 1), (3, 1, 29, 37), (2, 4100, 23, 31)]


def maps(shape, mean, seed=0):
    """Channels of different means and spreads, the first one as given."""
    generator = torch.Generator().manual_seed(seed)
    spread = torch.linspace(1, 3, shape[1])[:, None, None]
    return (spread * (torch.randn(shape, generator=generator) + mean)).contiguous(memory_format=LAST)


def layer(channels, make=nn.BatchNorm2d):
    made = make(channels, momentum=1.0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        made.weight.normal_(1, 0.3, generator=generator)
        made.bias.normal_(0, 1, generator=generator)
    return made


def off(found, true):
    return float(np.max(np.abs(np.asarray(found, np.float64) - true) / np.abs(true)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mean", [0.5, 100.0])
def test_running_statistics_are_those_of_float64(shape, mean):
    pixels, exact = maps(shape, mean), batch_norm.exact(layer(shape[1]))
    exact(pixels)
    true = pixels.numpy().astype(np.float64)
    assert off(exact.running_var, true.var((0, 2, 3), ddof=1)) < 1e-5
    assert off(exact.running_mean, true.mean((0, 2, 3))) < 1e-5 * max(1, 1 / mean)
    assert int(exact.num_batches_tracked) == 1


def test_what_the_layer_is_for():
    """torch's own layer is further off; where this test fails, the layer has become superfluous."""
    pixels = maps((512, 4, 32, 32), 100.0)
    true = pixels.numpy().astype(np.float64).var((0, 2, 3), ddof=1)
    found = {}
    for name, made in (("torch", layer(4)), ("exact", batch_norm.exact(layer(4)))):
        made(pixels)
        found[name] = off(made.running_var, true)
    assert found["exact"] < 1e-6 < 1e-5 < found["torch"]


@pytest.mark.parametrize("shape", [(130, 8, 16, 16), (7, 5, 31, 33)])
def test_outputs_and_gradients_are_those_of_float64(shape):
    pixels, made = maps(shape, 10.0), batch_norm.exact(layer(shape[1]))
    true = layer(shape[1]).double()
    weights = maps(shape, 0.0, seed=2)
    given, theirs = pixels.clone().requires_grad_(), pixels.double().requires_grad_()
    out, expected = made(given), true(theirs)
    assert out.is_contiguous(memory_format=LAST)
    assert torch.allclose(out.double(), expected, rtol=0, atol=1e-5)
    (out * weights).sum().backward()
    (expected * weights.double()).sum().backward()
    for ours, reference in (
        (given.grad, theirs.grad),
        (made.weight.grad, true.weight.grad),
        (made.bias.grad, true.bias.grad),
    ):
        assert (ours.double() - reference).abs().max() < 2e-5 * reference.abs().max()


def test_second_derivatives_are_those_of_float64():
    pixels = maps((20, 3, 8, 8), 1.0)
    found = []
    for made, given in ((batch_norm.exact(layer(3)), pixels.clone()), (layer(3).double(), pixels.double())):
        given.requires_grad_()
        (slope,) = torch.autograd.grad((made(given) ** 3).sum(), given, create_graph=True)
        slope.square().sum().backward()
        found.append(given.grad.double())
    assert (found[0] - found[1]).abs().max() < 1e-4 * found[1].abs().max()


@pytest.mark.parametrize("momentum", [0.1, None])
def test_running_statistics_move_as_torch_moves_them(momentum):
    ours, theirs = nn.BatchNorm2d(4, momentum=momentum), nn.BatchNorm2d(4, momentum=momentum).double()
    batch_norm.exact(ours)
    for seed in range(3):
        pixels = maps((9, 4, 16, 16), 2.0, seed)
        ours(pixels), theirs(pixels.double())
    assert torch.allclose(ours.running_var.double(), theirs.running_var, rtol=1e-6)
    assert torch.allclose(ours.running_mean.double(), theirs.running_mean, rtol=1e-6)
    assert int(ours.num_batches_tracked) == 3


def test_dense_layers_with_many_rows():
    rows = torch.randn(5000, 7, generator=torch.Generator().manual_seed(0)) + 50
    made = batch_norm.exact(layer(7, nn.BatchNorm1d))
    out = made(rows)
    true = rows.numpy().astype(np.float64)
    assert off(made.running_var, true.var(0, ddof=1)) < 1e-6
    assert torch.allclose(out.double(), layer(7, nn.BatchNorm1d).double()(rows.double()), atol=1e-5)


@pytest.mark.parametrize(
    "given",
    [
        maps((130, 4, 16, 16), 1.0).contiguous(),
        maps((2, 4, 5, 5), 1.0),
        maps((130, 4, 16, 16), 1.0).double(),
        maps((130, 4, 16, 16), 1.0).bfloat16(),
        maps((130, 4, 16, 32), 1.0)[..., ::2],
    ],
    ids=["contiguous", "few values", "float64", "bfloat16", "with gaps"],
)
def test_everything_else_is_torchs_own_to_the_bit(given):
    own, torchs = (nn.BatchNorm2d(4, dtype=given.dtype) for _ in range(2))
    batch_norm.exact(own)
    assert torch.equal(own(given), torchs(given))
    assert torch.equal(own.running_var, torchs.running_var)
    assert torch.equal(own.eval()(given), torchs.eval()(given))


def test_layers_without_statistics_or_weights_are_torchs_own():
    pixels = maps((130, 4, 16, 16), 1.0)
    for options in ({"affine": False}, {"track_running_stats": False}):
        own, torchs = nn.BatchNorm2d(4, **options), nn.BatchNorm2d(4, **options)
        assert torch.equal(batch_norm.exact(own)(pixels), torchs(pixels))


def test_a_network_keeps_its_names_weights_and_subclasses():
    class Other(nn.BatchNorm2d):
        pass

    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), Other(4), nn.Flatten(), nn.BatchNorm1d(4))
    before = copy.deepcopy(net.state_dict())
    after = batch_norm.exact(net)
    assert after is net
    assert [type(part) for part in net] == [
        nn.Conv2d,
        batch_norm.BatchNorm2d,
        Other,
        nn.Flatten,
        batch_norm.BatchNorm1d,
    ]
    assert isinstance(net[1], nn.BatchNorm2d)
    assert repr(net[1]) == repr(nn.BatchNorm2d(4))
    nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), Other(4), nn.Flatten(), nn.BatchNorm1d(4)).load_state_dict(
        net.state_dict()
    )
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_frozen_weights_get_no_gradient():
    made, pixels = batch_norm.exact(layer(4)), maps((130, 4, 16, 16), 1.0).requires_grad_()
    made.weight.requires_grad_(False)
    made(pixels).square().sum().backward()
    assert made.weight.grad is None
    assert made.bias.grad is not None
    assert pixels.grad is not None


def test_too_few_values_and_other_channels_are_refused_as_by_torch():
    made = batch_norm.exact(nn.BatchNorm2d(4))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        made(torch.rand(1, 4, 1, 1))
    with pytest.raises(RuntimeError):
        made(maps((130, 5, 16, 16), 1.0))


@pytest.mark.parametrize("mean", [0.5, 100.0])
def test_padded_images_have_statistics_of_float64(mean):
    pixels, made = maps((90, 8, 32, 32), mean), layer(8)
    mask = torch.zeros(90, 1, 32, 32, dtype=torch.bool)
    mask[:, :, :20], mask[::3] = True, True
    own = masks.own(mask)
    masks.through([made], own.clear(pixels), own)
    true = pixels.permute(0, 2, 3, 1)[mask[:, 0]].numpy().astype(np.float64)  # (pixels of images, C)
    assert off(made.running_var, true.var(0, ddof=1)) < 1e-5
    assert off(made.running_mean, true.mean(0)) < 1e-5


def test_networks_are_trained_with_these_layers():
    """Ours, and a person's own; the module that was passed in stays as it is."""
    block = {"channels": 4, "kernel": 3, "normalization": "batch"}
    ours = Experiment.model_validate(
        {
            "name": "ours",
            "data": {"source": "digits"},
            "model": {"kind": "cnn", "blocks": [block]},
            "task": {"kind": "classify"},
        }
    )
    passed = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 10))
    theirs = ours.model_copy(update={"model": CustomSpec(kind="custom")})
    for asked, objects in ((ours, None), (theirs, prepare.UserObjects(model=passed))):
        model = prepare.prepare(asked, 0, torch.device("cpu"), passed=objects).model
        assert [type(part) for part in model.modules() if isinstance(part, nn.BatchNorm2d)] == [batch_norm.BatchNorm2d]
    assert type(passed[1]) is nn.BatchNorm2d
