"""Widths that make networks equal in size, against torch's own count and against trying every width."""

import pytest
import torch
from torch import nn

from smallvision.errors import BadInput
from smallvision.experiment import load
from smallvision.study.plan import match
from smallvision.study.plan.cases import changed

THREE = [
    {"channels": 16, "padding": 1},
    {"channels": 32, "padding": 1, "pool": 2},
    {"channels": 64, "padding": 1, "pool": 2},
]
VARY = "model.blocks.2.channels"


def reference(inputs, width, outputs=10):
    """R4.15 in plain torch: 16-32-N, global pooling, dense."""
    return nn.Sequential(
        nn.Conv2d(inputs, 16, 3), nn.Conv2d(16, 32, 3), nn.Conv2d(32, width, 3), nn.Linear(width, outputs)
    )


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def r4_15():
    return changed(load("mnist-cnn3"), {"model": {"kind": "cnn", "blocks": THREE, "head": "global-max"}}, "t")


def test_r4_15_81_channels_give_29_029_parameters_and_29_317_with_three_input_channels(r4_15):
    assert match.size(load("mnist-cnn3"), "parameters") == 29_066
    solved = match.solve(r4_15, [VARY], {"parameters": 29_066})
    assert (solved.key, solved.width, solved.size) == (VARY, 81, 29_029)
    assert count(reference(1, 81)) == 29_029
    colour = changed(r4_15, {"data.source": "cifar10", VARY: 81}, "t")
    assert match.size(colour, "parameters") == count(reference(3, 81)) == 29_317


@pytest.mark.slow
@pytest.mark.parametrize("of", ["parameters", "multiply_adds"])
@pytest.mark.parametrize("seed", range(6))
def test_the_nearest_of_all_widths_is_found(of, seed):
    network = {
        "kind": "cnn",
        "blocks": [{"channels": 4, "padding": 1, "pool": 2}, {"channels": 8, "padding": 1}],
        "dense": [16],
    }
    experiment = changed(load("digits"), {"model": network}, "t")
    sizes = {
        width: match.size(changed(experiment, {"model.blocks.1.channels": width}, "t"), of) for width in range(1, 40)
    }
    target = int(torch.randint(sizes[1], sizes[39], (1,), generator=torch.Generator().manual_seed(seed)))
    best = min(sizes, key=lambda width: (abs(sizes[width] - target), width))
    solved = match.solve(experiment, ["model.blocks.1.channels"], {of: target, "nothing": None}, within=1.0)
    assert (solved.width, solved.size) == (best, sizes[best])


def test_widths_that_cannot_be_built_are_passed_over():
    network = {"kind": "cnn", "blocks": [{"channels": 4, "padding": 1, "normalization": "group"}]}
    experiment = changed(load("digits"), {"model": network}, "t")
    wanted = match.size(changed(experiment, {"model.blocks.0.channels": 22}, "t"), "parameters")
    # A width of 23, which is prime, cannot be built.
    solved = match.solve(experiment, ["model.blocks.0.channels"], {"parameters": wanted + 300}, within=0.1)
    assert solved.width == 22


def test_the_first_key_that_a_case_has_is_taken():
    keys = ["model.widths.0", "model.dense.0"]
    assert match.solve(load("digits"), keys, {"parameters": 40_000}, within=0.1).key == "model.dense.0"
    mlp = changed(load("digits"), {"model": {"kind": "mlp", "widths": [3]}}, "t")
    solved = match.solve(mlp, keys, {"parameters": 9_610})
    assert (solved.key, solved.width) == ("model.widths.0", 128)
    assert count(nn.Sequential(nn.Linear(64, 128), nn.Linear(128, 10))) == 9_610


@pytest.mark.parametrize(
    ("vary", "wanted", "said"),
    [
        ([VARY], {"parameters": 29_500}, r"82 \(29,328\) and 83 \(29,627\); set match.parameters = 29627"),
        ([VARY], {"parameters": 7}, r"the nearest are 1 \(5,109\)"),
        (["model.blocks.5.channels"], {"parameters": 29_066}, "no integer at model.blocks.5.channels"),
        (["model.head"], {"parameters": 29_066}, "no integer at model.head"),
        (["model.blocks.0.kernel"], {"parameters": 10**9}, "the nearest"),
    ],
)
def test_no_solution_says_the_nearest(r4_15, vary, wanted, said):
    with pytest.raises(BadInput, match=said):
        match.solve(r4_15, vary, wanted, within=0.003)
