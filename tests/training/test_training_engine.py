"""The loop against a plain torch loop written out here, and what the recipe's keys do."""

import copy

import pytest
import torch
from torch import nn

from smallvision import nn as networks
from smallvision.data import load as loading
from smallvision.data.batching.samplers import ORDERS
from smallvision.errors import BadInput, RunFailed
from smallvision.experiment import load
from smallvision.runs.read import read_run
from smallvision.tasks.classification.learn import ClassificationLearner
from smallvision.training import run
from smallvision.training.engine import EpochRecord, Progress, steps, train
from smallvision.training.state import begin

SMALL = ["data.limit=500", "recipe.epochs=3", "recipe.batch_size=32"]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def prepared(*overrides):
    asked = load("digits", [*SMALL, *overrides])
    splits = loading.load(asked.data)
    model = networks.build(
        asked.model, networks.InputSpec(splits.train.shape, len(splits.train.classes), splits.mean, splits.std), seed=5
    )
    return asked, splits, model.to(memory_format=torch.channels_last)


def trained(*overrides, seed=0):
    asked, splits, model = prepared(*overrides)
    state = begin(model, asked.recipe)
    events = list(train(state, ClassificationLearner(asked.task), splits, asked, seed))
    return state, events, asked, splits


OPTIMISERS = {
    "sgd": (["recipe.optimizer=sgd", "recipe.learning_rate=0.05"], lambda p: torch.optim.SGD(p, 0.05, fused=True)),
    "nesterov": (
        ["recipe.optimizer=sgd", "recipe.learning_rate=0.05", "recipe.momentum=0.9", "recipe.nesterov=true"],
        lambda p: torch.optim.SGD(p, 0.05, 0.9, nesterov=True, fused=True),
    ),
    "adam": (["recipe.optimizer=adam", "recipe.learning_rate=0.002"], lambda p: torch.optim.Adam(p, 0.002, fused=True)),
    "adamw": (
        ["recipe.optimizer=adamw", "recipe.betas=[0.8, 0.99]"],
        lambda p: torch.optim.AdamW(p, 0.002, (0.8, 0.99), weight_decay=0, fused=True),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("which", OPTIMISERS)
@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_equal_to_a_plain_loop(which, clip):
    """Equal to the last bit, with torch's fused optimisers on both sides.

    Their plain forms round differently, which Adam can make visible.
    """
    overrides, make = OPTIMISERS[which]
    overrides = [*overrides, "recipe.schedule=constant", f"recipe.clip={clip}", "task.label_smoothing=0.1"]
    state, events, _, splits = trained(*overrides)
    _, _, model = prepared(*overrides)
    optimizer = make(model.parameters())
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    losses = []
    for epoch in range(3):
        for row in ORDERS["shuffled"](splits.train.labels, 32, False, 0, epoch):
            optimizer.zero_grad()
            loss = criterion(model(splits.train.pixels[row].float() / 255), splits.train.labels[row])
            loss.backward()
            if clip:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            losses.append(loss.item())
    ours = [loss for event in events if isinstance(event, Progress) for loss in event.losses]
    assert ours == losses
    for name, value in state.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_what_is_recorded_counts_every_image_once():
    state, events, _, _ = trained()
    records = [event for event in events if isinstance(event, EpochRecord)]
    assert [record.epoch for record in records] == [1, 2, 3]
    assert [record.examples for record in records] == [500, 1000, 1500]
    assert state.step == 3 * 16
    for record in records:
        assert (record.train["accuracy"] * 500) == pytest.approx(round(record.train["accuracy"] * 500), abs=1e-9)
        assert record.validation is not None
        assert record.test is None, "the test split is not watched unless the protocol says so"
    losses = [loss for event in events if isinstance(event, Progress) for loss in event.losses]
    sizes = [32] * 15 + [20]
    expected = sum(loss * size for loss, size in zip(losses[:16], sizes, strict=True)) / 500
    assert records[0].train["loss"] == pytest.approx(expected, rel=1e-6)


def test_the_test_split_decides_nothing():
    """With every test label wrong, the weights and the epoch chosen are the same."""
    asked, splits, model = prepared("protocol.test=watched", "recipe.select=best-validation")
    from dataclasses import replace

    wrong = replace(splits, test=replace(splits.test, labels=(splits.test.labels + 1) % 10))
    ends = []
    for which in (splits, wrong):
        state = begin(copy.deepcopy(model), asked.recipe)
        list(train(state, ClassificationLearner(asked.task), which, asked, 0))
        ends.append(state)
    assert ends[0].best.epoch == ends[1].best.epoch
    for name, value in ends[0].model.state_dict().items():
        assert torch.equal(value, ends[1].model.state_dict()[name])


def test_the_average_is_the_moving_average_of_the_weights():
    state, _, asked, splits = trained("recipe.average=0.9")
    _, _, model = prepared("recipe.average=0.9")
    plain = begin(model, load("digits", SMALL).recipe)
    mean = {name: value.clone() for name, value in model.named_parameters()}
    total = 0
    for event in train(plain, Stepwise(asked.task, lambda m: follow(m, mean)), splits, load("digits", SMALL), 0):
        total += isinstance(event, EpochRecord)
    follow(plain.model, mean)  # the last step's update
    assert total == 3
    for name, value in state.average.named_parameters():
        torch.testing.assert_close(value, mean[name], rtol=1e-4, atol=1e-6)
    assert any(not torch.equal(value, mean[name]) for name, value in plain.model.named_parameters())


class Stepwise(ClassificationLearner):
    """Calls `before` with the model ahead of every step but the first."""

    def __init__(self, spec, before):
        super().__init__(spec)
        self.before, self.steps = before, 0

    def step(self, model, batch, generator):
        if self.steps:
            self.before(model)
        self.steps += 1
        return super().step(model, batch, generator)


def follow(model, mean, count=[0]):  # noqa: B006 (counts the updates)
    count[0] += 1
    decay = min(0.9, (1 + count[0]) / (10 + count[0]))
    with torch.no_grad():
        for name, value in model.named_parameters():
            mean[name].mul_(decay).add_(value, alpha=1 - decay)


def test_best_validation_keeps_the_best_epochs_weights():
    overrides = [
        "recipe.select=best-validation",
        "recipe.learning_rate=0.05",
        "recipe.schedule=constant",
        "recipe.epochs=6",
    ]
    state, events, asked, splits = trained(*overrides)
    records = [event for event in events if isinstance(event, EpochRecord)]
    best = max(records, key=lambda record: (record.validation["accuracy"], -record.validation["loss"]))
    assert state.best.epoch == best.epoch
    state.model.load_state_dict(state.best.weights)
    assert ClassificationLearner(asked.task).score(state.model, splits.validation).values == pytest.approx(
        best.validation
    )


@pytest.mark.slow
@pytest.mark.parametrize("patience", [0, 5])
@pytest.mark.parametrize("select", ["last", "best-validation"])
def test_an_epoch_is_the_best_only_where_the_best_is_selected(select, patience, tmp_path):
    """Where nothing selects, no epoch is better than another, and metrics.jsonl does not say that one is."""
    overrides = [
        f"recipe.select={select}",
        f"recipe.patience={patience}",
        "recipe.learning_rate=0.05",
        "recipe.schedule=constant",
    ]
    asked = load("digits", [*SMALL, "recipe.epochs=8", *overrides])
    list(run.run(asked, run.RunOptions(tmp_path / "run", device="cpu", threads=1)))
    lines = read_run(tmp_path / "run").metrics
    if select == "last":
        assert all("best" not in line for line in lines)
        return
    merits = [(line["validation"]["accuracy"], -line["validation"]["loss"]) for line in lines]
    assert [line["best"] for line in lines] == [
        merit > max(merits[:number], default=(-1,)) for number, merit in enumerate(merits)
    ]
    assert {line["best"] for line in lines} == {True, False}


def test_without_validation_images_no_epoch_is_the_best(tmp_path):
    asked = load("digits", [*SMALL, "data.validation=0"])
    list(run.run(asked, run.RunOptions(tmp_path / "run", device="cpu", threads=1)))
    assert all("best" not in line for line in read_run(tmp_path / "run").metrics)


def test_patience_stops_after_so_many_epochs_without_a_better_one():
    state, events, _, _ = trained("recipe.patience=2", "recipe.epochs=60", "recipe.learning_rate=0.01")
    records = [event for event in events if isinstance(event, EpochRecord)]
    merits = [(record.validation["accuracy"], -record.validation["loss"]) for record in records]
    assert len(records) < 60
    assert max(range(len(merits)), key=merits.__getitem__) == len(merits) - 3
    assert state.since_best == 2


def test_seeds_and_batches_decide_and_nothing_else_does():
    runs = []
    for seed, noise in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(noise)
        torch.rand(noise)
        state, _, _, _ = trained("model.dense_dropout=0.3", "data.augment=[{kind='noise'}]", seed=seed)
        runs.append(torch.cat([value.flatten() for value in state.model.state_dict().values()]))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_bf16_keeps_fp32_weights_and_comes_close():
    exact, _, _, _ = trained()
    state, events, _, _ = trained("recipe.precision=bf16")
    assert all(value.dtype == torch.float32 for value in state.model.state_dict().values())
    assert isinstance(events[-1], EpochRecord)
    difference = max(
        float((a - b).detach().abs().max())
        for a, b in zip(exact.model.parameters(), state.model.parameters(), strict=True)
    )
    assert 0 < difference < 0.1


def test_a_loss_that_is_no_number_names_its_step():
    with pytest.raises(RunFailed, match=r"at step \d+ \(epoch 1\)"):
        trained("recipe.optimizer=sgd", "recipe.learning_rate=1e20", "recipe.schedule=constant")


@pytest.mark.parametrize(
    ("count", "size", "drop", "expected"), [(10, 3, False, 4), (10, 3, True, 3), (9, 3, True, 3), (3, 3, False, 1)]
)
def test_steps(count, size, drop, expected):
    recipe = load("digits", [f"recipe.batch_size={size}", f"recipe.drop_last={str(drop).lower()}"]).recipe
    assert steps(recipe, count) == expected
    with pytest.raises(BadInput, match=r"recipe\.batch_size"):
        steps(recipe, 2)


def test_scores_against_scikit_learn():
    from sklearn.metrics import accuracy_score, log_loss

    asked, splits, model = prepared()
    scores = ClassificationLearner(asked.task).score(model, splits.test)
    found = scores.evidence
    assert scores.values["accuracy"] == pytest.approx(accuracy_score(splits.test.labels.numpy(), found["predictions"]))
    expected = log_loss(splits.test.labels.numpy(), found["probabilities"].astype("float64"), labels=range(10))
    assert scores.values["loss"] == pytest.approx(expected, rel=1e-5)
