"""A classifier on another network's encoder against the plain torch network one would write; frozen, at its own rate,
taken out."""

import copy

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD, Adam, AdamW, lr_scheduler

from smallvision.errors import BadInput
from smallvision.experiment.model.union import ModelSpec
from smallvision.experiment.recipe import RecipeSpec
from smallvision.nn import NETWORKS, InputSpec, adopt, build
from smallvision.nn.init import GAINS
from smallvision.nn.summary import table
from smallvision.training.optimizers import set_rate
from smallvision.training.schedules import rate
from smallvision.training.state import begin

SPEC = TypeAdapter(ModelSpec)
SHAPE, CLASSES, MEAN, STD = (3, 12, 10), 5, (0.3, 0.5, 0.1), (0.2, 0.3, 0.25)


def spec(giver, **values):
    return SPEC.validate_python(
        {"kind": "encoder-classifier", "encoder": {"experiment": "any", "model": giver}, **values}
    )


def make(giver, seed=3, **values):
    return build(spec(giver, **values), InputSpec(SHAPE, CLASSES, MEAN, STD), seed)


class Standardised(nn.Module):
    def forward(self, pixels):
        return (pixels - torch.tensor(MEAN).reshape(3, 1, 1)) / torch.tensor(STD).reshape(3, 1, 1)


# The giver, and by hand the encoder that it has: (layers, features).
GIVERS = {
    "dense": (
        {
            "kind": "mlp-autoencoder",
            "widths": [20, 12],
            "representation": 6,
            "activation": "gelu",
            "normalization": "batch",
            "representation_activation": "relu",
        },
        lambda: [
            nn.Flatten(),
            nn.Linear(360, 20, bias=False),
            nn.BatchNorm1d(20),
            nn.GELU(),
            nn.Linear(20, 12, bias=False),
            nn.BatchNorm1d(12),
            nn.GELU(),
            nn.Linear(12, 6),
            nn.ReLU(),
        ],
        6,
    ),
    "tied": (
        {"kind": "mlp-autoencoder", "widths": [20], "representation": 6, "tied": True},
        lambda: [nn.Flatten(), nn.Linear(360, 20), nn.ReLU(), nn.Linear(20, 6)],
        6,
    ),
    "convolutional": (
        {"kind": "conv-autoencoder", "channels": [6, 8], "representation": 7, "overcomplete": True},
        lambda: [
            nn.Conv2d(3, 6, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(6, 8, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(8, 7, (3, 3)),
            nn.Flatten(),
        ],
        7,
    ),
    "a classifier's": (
        {"kind": "cnn", "blocks": [{"channels": 4, "pool": 2, "normalization": "batch"}], "dense": [9]},
        lambda: [
            nn.Conv2d(3, 4, 3, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(80, 9),
            nn.ReLU(),
        ],
        9,
    ),
    "a classifier's on an encoder": (
        {
            "kind": "encoder-classifier",
            "encoder": {"run": "any", "model": {"kind": "mlp", "widths": [11]}},
            "dense": [8],
        },
        lambda: [nn.Flatten(), nn.Linear(360, 11), nn.ReLU(), nn.Linear(11, 8), nn.ReLU()],
        8,
    ),
}


@pytest.mark.parametrize("name", GIVERS)
def test_values_and_gradients_are_those_of_the_plain_network(name):
    giver, layers, features = GIVERS[name]
    model = make(giver, dense=[13], rate=0.5)
    plain = nn.Sequential(Standardised(), *layers(), nn.Linear(features, 13), nn.ReLU(), nn.Linear(13, CLASSES))
    # The classifier has no decoder and no output layer of the other network.
    for theirs, ours in zip(plain.parameters(), model.parameters(), strict=True):
        assert theirs.shape == ours.shape
        theirs.data.copy_(ours.data)
    pixels, labels = torch.rand(6, *SHAPE), torch.arange(6) % CLASSES
    for network in (model, plain):
        F.cross_entropy(network(pixels), labels).backward()
    for theirs, ours in zip(plain.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)
    torch.testing.assert_close(model.eval()(pixels), plain.eval()(pixels))  # with the statistics of one batch
    torch.testing.assert_close(model.encode(pixels), plain[:-1](pixels))
    found = table(model, SHAPE)
    assert found["totals"]["parameters"] == sum(p.numel() for p in plain.parameters())
    assert not any("decoder" in row["name"] or row["name"].startswith("encoder.output") for row in found["rows"])
    assert [row["type"] for row in found["rows"] if row["parameters"]] == [
        type(layer).__name__ for layer in plain if any(p.numel() for p in layer.parameters())
    ]


@pytest.mark.parametrize("name", GIVERS)
def test_every_weight_is_in_one_group_and_the_givers_at_the_encoders_rate(name):
    model = make(GIVERS[name][0], dense=[13], rate=0.5)
    groups = model.parameter_groups(0.1)
    found = [parameter for group in groups for parameter in group["params"]]
    assert len(found) == len(set(found)) == len(list(model.parameters()))
    encoder = {parameter for group in groups if group.get("rate") == 0.5 for parameter in group["params"]}
    assert encoder == set(model.encoder.parameters())


def test_of_a_variational_encoder_the_means_alone_are_kept():
    giver = {"kind": "combo-autoencoder", "depth": 3, "representation": 6, "variational": True}
    whole = build(SPEC.validate_python(giver), InputSpec(SHAPE, CLASSES, MEAN, STD), 3).eval()
    model = make(giver).eval()
    pixels = torch.rand(4, *SHAPE)
    torch.testing.assert_close(model.encoder.encode(pixels), whole.posterior(pixels)[0])
    last = model.encoder.encoder[-1].linear
    assert (last.weight.shape[0], last.bias.shape[0], last.out_features) == (6, 6, 6)
    model.train()(pixels).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in last.parameters())


def test_fresh_weights_are_the_givers_own_and_those_of_what_is_new_come_after_them():
    giver = {"kind": "mlp-autoencoder", "widths": [20], "representation": 6, "representation_activation": "tanh"}
    model = make(giver, seed=8, init="he")
    with torch.random.fork_rng():
        torch.manual_seed(8)
        alone = NETWORKS["mlp-autoencoder"].build(SPEC.validate_python(giver), InputSpec(SHAPE, CLASSES, MEAN, STD))
        nn.Linear(6, CLASSES)  # drawn and thrown away for He's
        expected = torch.empty(CLASSES, 6).normal_(0, GAINS["tanh"] / 6**0.5)
    assert all(torch.equal(value, alone.state_dict()[name]) for name, value in model.encoder.state_dict().items())
    assert torch.equal(model.output.weight, expected)
    assert not model.output.bias.any()


def test_frozen_it_has_no_gradient_keeps_its_statistics_and_drops_nothing():
    giver = {
        "kind": "cnn",
        "blocks": [{"channels": 4, "normalization": "batch", "dropout": 0.5}],
        "dense": [9],
        "dense_dropout": 0.5,
    }
    model = make(giver, rate=0.0, dense=[7], dense_dropout=0.5)
    before = copy.deepcopy(model.encoder.state_dict())
    pixels = torch.rand(6, *SHAPE)
    for network in (model, copy.deepcopy(model)):
        network.eval().train()
        assert torch.equal(network.encoder.encode(pixels), network.encoder.encode(pixels))
        assert not torch.equal(network.encode(pixels), network.encode(pixels)), "what is new drops"
        network(pixels).sum().backward()
        assert all(torch.equal(value, before[name]) for name, value in network.encoder.state_dict().items())
        assert all(p.grad is None for p in network.encoder.parameters())
        assert all(p.grad is not None for part in (network.dense, network.output) for p in part.parameters())
    held = {id(p) for group in model.parameter_groups(0.1) for p in group["params"]}
    assert held == {id(p) for part in (model.dense, model.output) for p in part.parameters()}


OPTIMISERS = {
    "sgd": ({"momentum": 0.9, "nesterov": True}, lambda groups: SGD(groups, momentum=0.9, nesterov=True)),
    "adam": ({}, lambda groups: Adam(groups)),
    "adamw": ({}, lambda groups: AdamW(groups)),
}
SCHEDULES = {
    "constant": ({"kind": "constant"}, lambda o: lr_scheduler.ConstantLR(o, factor=1.0), 1),
    "exponential": ({"kind": "exponential", "gamma": 0.5}, lambda o: lr_scheduler.ExponentialLR(o, 0.5), 3),
    "step": ({"kind": "step", "epochs": 1, "gamma": 0.3}, lambda o: lr_scheduler.StepLR(o, 1, 0.3), 3),
    "cosine": ({"kind": "cosine"}, lambda o: lr_scheduler.CosineAnnealingLR(o, 6), 1),
    "one-cycle": (
        {"kind": "one-cycle", "warmup": 0.4},
        lambda o: lr_scheduler.OneCycleLR(
            o, [group["lr"] for group in o.param_groups], total_steps=6, pct_start=0.4, cycle_momentum=False
        ),
        1,
    ),
}


@pytest.mark.parametrize("optimizer", OPTIMISERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_rate_of_its_own_is_torchs_of_a_group_step_by_step(optimizer, schedule):
    """Encoder and head in a group each, and torch's own scheduler on both: after every step the same weights."""
    (more, make_optimiser), (asked, make_schedule, every) = OPTIMISERS[optimizer], SCHEDULES[schedule]
    ours = make({"kind": "mlp", "widths": [11]}, rate=0.01, dense=[7]).double()
    theirs = copy.deepcopy(ours)
    recipe = RecipeSpec.model_validate(
        {"epochs": 2, "learning_rate": 0.03, "optimizer": optimizer, "schedule": asked, "weight_decay": 0.1, **more}
    )
    state = begin(ours, recipe)
    head = [*theirs.dense.parameters(), *theirs.output.parameters()]
    groups = [
        {"params": [p for p in part if (p.ndim > 1) == decayed], "lr": 0.03 * times, "weight_decay": 0.1 * decayed}
        for part, times in ((list(theirs.encoder.parameters()), 0.01), (head, 1.0))
        for decayed in (True, False)
    ]
    reference = make_optimiser(groups)
    scheduler = make_schedule(reference)
    start = copy.deepcopy(ours.state_dict())
    for step in range(6):
        pixels = torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(step)).double()
        set_rate(state.optimizer, rate(recipe, step, 3))
        for network, optimiser in ((ours, state.optimizer), (theirs, reference)):
            F.cross_entropy(network(pixels), torch.arange(4)).backward()
            optimiser.step()
            optimiser.zero_grad()
        if step < 5 and (step + 1) % every == 0:
            scheduler.step()
        for name, value in ours.state_dict().items():
            torch.testing.assert_close(
                value, theirs.state_dict()[name], rtol=1e-9, atol=1e-12, msg=f"{name} after step {step}"
            )
    assert all(not torch.equal(value, start[name]) for name, value in ours.named_parameters())


class Own(nn.Module):
    """A person's own network, whose dense layer is not the last thing it does."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())
        self.top = nn.ModuleDict({"out": nn.Linear(4 * 10 * 8, CLASSES)})

    def forward(self, pixels):
        return self.top["out"](self.body(pixels)).tanh()


def test_a_persons_own_network_gives_what_its_last_dense_layer_sees():
    own = adopt(Own(), InputSpec(SHAPE, CLASSES, MEAN, STD))
    pixels = torch.rand(3, *SHAPE)
    expected = own.net.body((pixels - own.standardize.mean) / own.standardize.std)
    taken = own.encoder_part()
    torch.testing.assert_close(taken.encode(pixels), expected)
    assert sum(p.numel() for p in taken.parameters()) == 4 * 27 + 4
    maps = nn.Sequential(nn.Conv2d(3, CLASSES, (12, 10)), nn.Flatten())
    with pytest.raises(
        BadInput, match=r"^model\.encoder: Sequential has no dense layer, so it is not known which of its layers are"
    ):
        adopt(maps, InputSpec(SHAPE, CLASSES, MEAN, STD)).encoder_part()


def test_without_the_other_network_nothing_is_built():
    unknown = SPEC.validate_python({"kind": "encoder-classifier", "encoder": {"experiment": "any"}})
    with pytest.raises(BadInput, match=r"^model\.encoder: its network is not known yet"):
        build(unknown, InputSpec(SHAPE, CLASSES, MEAN, STD), 0)
