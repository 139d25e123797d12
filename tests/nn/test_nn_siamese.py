"""A siamese network against two networks with copied weights, one for each branch; symmetric; its rates; weights that
are taken over."""

import copy

import pytest
import safetensors.torch
import torch
from pydantic import TypeAdapter
from torch import nn
from torch.nn import functional as F

from smallvision.errors import BadInput
from smallvision.experiment import load
from smallvision.experiment.model.union import ModelSpec
from smallvision.experiment.recipe import RecipeSpec
from smallvision.nn import InputSpec, build
from smallvision.nn.summary import table
from smallvision.runs.read import read_run
from smallvision.training import prepare, run
from smallvision.training.optimizers import set_rate
from smallvision.training.run import RunOptions
from smallvision.training.state import begin
from smallvision.training.user_objects import with_digests

SPEC = TypeAdapter(ModelSpec)
SHAPE, MEAN, STD = (3, 12, 10), (0.3, 0.5, 0.1), (0.2, 0.3, 0.25)
GIVER = {"kind": "mlp-autoencoder", "widths": [20], "representation": 6}
CNN = {"kind": "cnn", "blocks": [{"channels": 4, "pool": 2, "normalization": "batch", "dropout": 0.5}], "dense": [9]}
HEADS = {
    "euclidean": {},
    "cosine": {"distance": "cosine", "representation": 5},
    "normalized": {"normalized": True},
    "dense": {"head": "dense", "dense": [8, 4]},
    "dense on a projection": {"head": "dense", "dense": [], "representation": 5, "normalized": True},
}


def make(giver=GIVER, seed=3, **values):
    asked = {"kind": "siamese", "encoder": {"experiment": "any", "model": giver}, **values}
    return build(SPEC.validate_python(asked), InputSpec(SHAPE, 5, MEAN, STD), seed)


class Branch(nn.Module):
    """One branch as a person would write it: an encoder of its own."""

    def __init__(self, model, projected, normalized):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(360, 20), nn.ReLU(), nn.Linear(20, 6))
        self.last = nn.Linear(6, 5) if projected else nn.Identity()
        self.normalized = normalized
        own = [p for name, p in model.named_parameters() if not name.startswith("pair_head")]
        for mine, theirs in zip(self.parameters(), own, strict=True):  # no decoder comes along
            mine.data.copy_(theirs.data)

    def forward(self, pixels):
        out = self.last(
            self.layers((pixels - torch.tensor(MEAN).reshape(3, 1, 1)) / torch.tensor(STD).reshape(3, 1, 1))
        )
        return out / out.norm(dim=1, keepdim=True) if self.normalized else out


def head_by_hand(model, values):
    """The head's layers, None without one, and the score of pairs."""
    if values.get("head") == "dense":
        widths = (2 * model.representation, *values["dense"], 1)
        layers = [part for k in range(len(widths) - 1) for part in (nn.Linear(widths[k], widths[k + 1]), nn.ReLU())][
            :-1
        ]
        head = nn.Sequential(*layers)
        for mine, theirs in zip(head.parameters(), model.pair_head.parameters(), strict=True):
            mine.data.copy_(theirs.data)
        return head, lambda a, b: head(torch.cat([(a - b).abs(), a * b], 1))[:, 0]
    if values.get("distance") == "cosine":
        return None, lambda a, b: (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)) - 1
    return None, lambda a, b: -((a - b) ** 2).sum(1).sqrt()


@pytest.mark.parametrize("name", HEADS)
def test_both_branches_add_their_gradients_to_one_set_of_weights(name):
    """Two encoders with copied weights, one for each image of a pair: the shared one has the sum of their gradients."""
    values = HEADS[name]
    model = make(**values)
    branches = [Branch(model, "representation" in values, values.get("normalized", False)) for _ in range(2)]
    head, score = head_by_hand(model, values)
    one, other = torch.rand(7, *SHAPE), torch.rand(7, *SHAPE)
    wanted = torch.tensor([1.0, 0, 1, 0, 0, 1, 1])
    ours = model.score(model.encode(one), model.encode(other))
    theirs = score(branches[0](one), branches[1](other))
    torch.testing.assert_close(ours, theirs)
    for scores in (ours, theirs):
        F.binary_cross_entropy_with_logits(scores, wanted).backward()
    shared = [p for part, p in model.named_parameters() if not part.startswith("pair_head")]
    for mine, first, second in zip(shared, branches[0].parameters(), branches[1].parameters(), strict=True):
        assert first.grad.abs().sum() > 0
        assert second.grad.abs().sum() > 0
        torch.testing.assert_close(mine.grad, first.grad + second.grad, rtol=1e-4, atol=1e-6)
    if head is not None:
        for mine, its in zip(model.pair_head.parameters(), head.parameters(), strict=True):
            torch.testing.assert_close(mine.grad, its.grad)
    assert table(model, SHAPE)["totals"]["parameters"] == sum(
        p.numel() for part in (branches[0], *([head] if head else [])) for p in part.parameters()
    ), "there is one encoder, not two"
    assert not [key for key in model.state_dict() if "decoder" in key]


@pytest.mark.parametrize("name", HEADS)
def test_it_is_symmetric_to_the_last_bit(name):
    model = make(CNN, **HEADS[name]).eval().requires_grad_(False)
    one, other = (model.encode(torch.rand(64, *SHAPE)) for _ in range(2))
    one[0] = other[0] = 0  # no direction at all
    one[1] = other[1]
    assert torch.equal(model.score(one, other), model.score(other, one))
    assert torch.equal(model.apart(one, other), model.apart(other, one))
    if "head" not in HEADS[name]:
        assert model.apart(one, other)[1] == pytest.approx(0, abs=1e-6)
    pixels = torch.rand(4, *SHAPE)
    torch.testing.assert_close(model(pixels), model.score(model.encode(pixels), model.encode(pixels[[3, 0, 1, 2]])))


def test_normalized_representations_have_length_1():
    torch.testing.assert_close(make(normalized=True).encode(torch.rand(5, *SHAPE)).norm(dim=1), torch.ones(5))
    assert make().encode(torch.rand(5, *SHAPE)).norm(dim=1).std() > 0.01


@pytest.mark.parametrize(
    ("values", "times"),
    [
        ({}, 0.01),
        ({"weights": "fresh"}, 1.0),
        ({"rate": 0.3}, 0.3),
        ({"weights": "fresh", "rate": 0.3}, 0.3),
        ({"rate": 0.0}, 0.0),
    ],
)
def test_the_encoder_learns_at_its_rate_and_what_is_new_at_the_recipes(values, times):
    """A step of plain gradient descent, by hand: two orders less for an encoder taken over unless something else is
    said (R1.7)."""
    model = make(representation=4, head="dense", **values)
    before = copy.deepcopy(model.state_dict())
    state = begin(model, RecipeSpec(learning_rate=0.5))
    set_rate(state.optimizer, 0.5)
    model(torch.rand(6, *SHAPE)).square().sum().backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    state.optimizer.step()
    for name, parameter in model.named_parameters():
        share = times if name.startswith("encoder.") else 1.0
        if share == 0:
            assert gradients[name] is None
            assert torch.equal(parameter, before[name])
        else:
            torch.testing.assert_close(parameter.detach(), before[name] - 0.5 * share * gradients[name])


@pytest.mark.parametrize(
    "giver",
    [
        {"kind": "siamese", "encoder": {"experiment": "any", "model": GIVER}, "representation": 7, "head": "dense"},
        {"kind": "siamese", "encoder": {"experiment": "any", "model": CNN}, "rate": 0.3},
        {"kind": "encoder-classifier", "encoder": {"experiment": "any", "model": GIVER}, "dense": [5]},
    ],
    ids=str,
)
def test_it_takes_over_what_was_made_on_another_encoder_itself(giver):
    model = make(giver, head="dense", rate=0.5)
    state = begin(model, RecipeSpec(learning_rate=0.5, weight_decay=0.01))
    set_rate(state.optimizer, 0.5)
    assert {parameter for group in state.optimizer.param_groups for parameter in group["params"]} == set(
        model.parameters()
    )
    before = copy.deepcopy(model.state_dict())
    model(torch.rand(6, *SHAPE)).square().sum().backward()
    state.optimizer.step()
    changed = {name.split(".")[0] for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert changed == {"encoder", "pair_head"}
    assert not [name for name in before if "encoder.pair_head" in name or "encoder.output" in name], (
        "its head does not come along"
    )


def test_frozen_it_keeps_its_statistics_and_drops_nothing():
    model = make(CNN, rate=0.0, representation=4).eval().train()
    before = copy.deepcopy(model.encoder.state_dict())
    pixels = torch.rand(6, *SHAPE)
    assert torch.equal(model.encode(pixels), model.encode(pixels))
    model(pixels).sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in model.encoder.state_dict().items())
    assert all(p.grad is None for p in model.encoder.parameters())
    assert model.projection.weight.grad.abs().sum() > 0
    held = {id(p) for group in model.parameter_groups(0.1) for p in group["params"]}
    assert held == {id(p) for p in model.projection.parameters()}


def test_fresh_weights_are_the_encoders_own_and_those_of_what_is_new_come_after_them():
    model, alone = make(seed=8, representation=5), build(SPEC.validate_python(GIVER), InputSpec(SHAPE, 5, MEAN, STD), 8)
    assert all(torch.equal(value, alone.state_dict()[name]) for name, value in model.encoder.state_dict().items())
    assert not torch.equal(model.projection.weight, make(seed=9, representation=5).projection.weight)


@pytest.fixture(scope="module")
def giver(tmp_path_factory):
    """A finished run of an autoencoder."""
    path = tmp_path_factory.mktemp("runs") / "giver"
    list(
        run.run(
            load("digits-autoencoder", ["data.limit=100", "recipe.epochs=1"]), RunOptions(path, device="cpu", threads=1)
        )
    )
    return path


def test_weights_taken_over_are_the_runs(giver, tmp_path):
    file = tmp_path / "siamese.toml"
    file.write_text(f"""
name = "siamese"
data = {{ source = "digits", validation = 0.2 }}
model = {{ kind = "siamese", representation = 5, encoder = {{ run = "{giver}" }} }}
task = {{ kind = "verify" }}
recipe = {{ order = "classes", classes_per_batch = 4, images_per_class = 2 }}
""")
    asked = with_digests(load(str(file)), None, None, None)
    ready = prepare.prepare(asked, 0, torch.device("cpu"), encoder=read_run(giver))
    taken = safetensors.torch.load((giver / "model.safetensors").read_bytes())
    kept = ready.model.encoder.state_dict()
    assert set(kept) == {name for name in taken if not name.startswith("decoder")}
    assert all(torch.equal(value, taken[name]) for name, value in kept.items())
    assert ready.model.rate == 0.01
    fresh = prepare.prepare(asked, 0, torch.device("cpu"))
    assert torch.equal(fresh.model.projection.weight, ready.model.projection.weight), (
        "what is new does not depend on what is taken over"
    )
    assert any(not torch.equal(value, kept[name]) for name, value in fresh.model.encoder.state_dict().items())


def test_an_encoder_for_images_of_another_shape_and_one_that_nobody_looked_up_are_refused(giver):
    asked = SPEC.validate_python({"kind": "siamese", "encoder": {"run": "giver", "model": GIVER}})
    with pytest.raises(
        BadInput,
        match=r"^model\.encoder: .*giver was trained on images of 1x8x8, but these are of 3x12x10; use an encoder for "
        "images of this shape",
    ):
        prepare.encoder_weights(asked.encoder, read_run(giver), SHAPE)
    with pytest.raises(BadInput, match=r"^model\.encoder: its network is not known yet"):
        build(SPEC.validate_python({"kind": "siamese", "encoder": {"run": "giver"}}), InputSpec(SHAPE, 5, MEAN, STD), 0)
