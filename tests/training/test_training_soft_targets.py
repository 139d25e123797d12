"""Soft targets: a mixup transform defined here, trained with through the engine, against torch and a plain loop."""

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from smallvision import nn as networks
from smallvision.data import load as loading
from smallvision.data import transforms
from smallvision.data.batching.batch import Batch
from smallvision.data.batching.samplers import ORDERS
from smallvision.data.seeds import mix
from smallvision.experiment import load
from smallvision.experiment.task import ClassifySpec
from smallvision.tasks.classification.learn import ClassificationLearner
from smallvision.training import engine
from smallvision.training.state import begin


@dataclass(frozen=True)
class Mixup:
    """Zhang et al. 2018, "mixup: Beyond empirical risk minimization", section 2; one weight a batch, from U(0, 1)."""

    spec: Any
    classes: int

    def __call__(self, batch: Batch, generator: torch.Generator) -> Batch:
        weight = torch.rand((), generator=generator)
        partner = torch.randperm(len(batch.labels), generator=generator)
        hard = functional.one_hot(batch.labels, self.classes).float()
        pixels = batch.pixels.lerp(batch.pixels[partner], weight)
        return replace(batch, pixels=pixels, targets=hard.lerp(hard[partner], weight))


OPTIONS = ["data.limit=500", "recipe.epochs=1", "recipe.batch_size=64", "recipe.optimizer=sgd"]
RATE = ["recipe.learning_rate=0.1", "recipe.schedule=constant", "task.label_smoothing=0.1"]


def prepared():
    experiment = load("digits", [*OPTIONS, *RATE])
    splits = loading.load(experiment.data)
    shape = networks.InputSpec(splits.train.shape, 10, splits.mean, splits.std)
    model = networks.build(experiment.model, shape, seed=5)
    return experiment, splits, model.to(memory_format=torch.channels_last)


def test_an_epoch_with_mixup_equals_a_plain_loop(monkeypatch):
    """One class and one table line make a transform; its draws come from the generator of each batch."""
    monkeypatch.setitem(transforms.TRANSFORMS, "mixup", Mixup)
    experiment, splits, model = prepared()
    data = experiment.data.model_copy(update={"augment": (SimpleNamespace(kind="mixup"),)})
    state = begin(model, experiment.recipe)
    task = ClassificationLearner(experiment.task)
    *_, record = engine.train(state, task, splits, experiment.model_copy(update={"data": data}), seed=3)

    _, _, plain = prepared()
    optimizer = torch.optim.SGD(plain.parameters(), 0.1, fused=True)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    total, correct, count = 0.0, 0, 0
    for number, row in enumerate(ORDERS["shuffled"](splits.train.labels, 64, False, 3, 0)):
        x, y = splits.train.pixels[row].float() / 255, splits.train.labels[row]
        draw = torch.Generator().manual_seed(mix(3, 0, number, 1))
        weight, partner = torch.rand((), generator=draw), torch.randperm(len(y), generator=draw)
        target = torch.zeros(len(y), 10)
        for image in range(len(y)):
            target[image, y[image]] += 1 - weight
            target[image, y[partner[image]]] += weight
        logits = plain((1 - weight) * x + weight * x[partner])
        loss = criterion(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
        correct += sum(int(a) == int(b) for a, b in zip(logits.argmax(1), target.argmax(1), strict=True))
        count += len(y)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=1e-4, atol=1e-5)
    assert record.train["loss"] == pytest.approx(total / count, rel=1e-5)
    assert record.train["accuracy"] == correct / count
    experiment, splits, without = prepared()
    list(engine.train(begin(without, experiment.recipe), task, splits, experiment, seed=3))
    assert any((value - without.state_dict()[name]).abs().max() > 1e-3 for name, value in plain.state_dict().items())


def batch(targets=None):
    draw = torch.Generator().manual_seed(0)
    return Batch(torch.rand(6, 1, 2, 2, generator=draw), torch.tensor([0, 1, 2, 2, 1, 0]), targets)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3))


def test_one_hot_targets_equal_labels_and_hard_targets_replace_them(model):
    task, generator = ClassificationLearner(ClassifySpec(kind="classify", label_smoothing=0.2)), torch.Generator()
    labels = batch().labels
    step = task.step(model, batch(), generator)
    soft = task.step(model, batch(functional.one_hot(labels, 3).float()), generator)
    assert soft.loss.item() == pytest.approx(step.loss.item(), rel=1e-6)
    assert soft.totals["correct"] == step.totals["correct"]
    other = labels.roll(1)
    hard = task.step(model, batch(other), generator)
    again = task.step(model, replace(batch(), labels=other), generator)
    assert torch.equal(hard.loss, again.loss)
    assert torch.equal(hard.totals["correct"], again.totals["correct"])
    assert not torch.equal(hard.loss, step.loss)


def test_the_loss_of_soft_targets_by_its_formula(model):
    targets = torch.tensor([[0.7, 0.3, 0.0]] * 3 + [[0.0, 0.25, 0.75]] * 3)
    step = ClassificationLearner(ClassifySpec(kind="classify", label_smoothing=0.2)).step(
        model, batch(targets), torch.Generator()
    )
    logarithms = model(batch().pixels).double().log_softmax(1)
    smooth = 0.8 * targets.double() + 0.2 / 3
    assert step.loss.item() == pytest.approx(-(smooth * logarithms).sum(1).mean().item(), rel=1e-6)
    assert int(step.totals["correct"]) == int((logarithms.argmax(1) == torch.tensor([0, 0, 0, 2, 2, 2])).sum())


def test_a_persons_own_loss_gets_the_soft_targets_as_they_are(model):
    targets, seen = torch.rand(6, 3), []

    def loss(logits, given):
        seen.append(given)
        return (logits - (given if given.ndim == 2 else functional.one_hot(given, 3))).square().mean()

    task = ClassificationLearner(ClassifySpec(kind="classify"), loss)
    assert torch.equal(
        task.step(model, batch(targets), torch.Generator()).loss, (model(batch().pixels) - targets).square().mean()
    )
    task.step(model, batch(), torch.Generator())
    assert seen[0] is targets
    assert torch.equal(seen[1], batch().labels)
