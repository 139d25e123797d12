"""Reconstruction through the engine against a plain torch loop.

Losses, bounds and scores are compared with torch and torchmetrics.
"""

import math
import re
import tomllib

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn import functional as F
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from smallvision import nn as networks
from smallvision.data import load as loading
from smallvision.data.batching.batch import Batch
from smallvision.data.batching.samplers import ORDERS
from smallvision.data.seeds import mix
from smallvision.errors import BadInput
from smallvision.experiment import build, load, to_toml
from smallvision.experiment.io import apply
from smallvision.experiment.task import ClassifySpec
from smallvision.tasks import TASKS
from smallvision.tasks.reconstruction.learn import ReconstructionLearner
from smallvision.training.engine import EpochRecord, Progress, train
from smallvision.training.state import begin

TABLE = {
    "name": "try",
    "data": {"source": "digits", "limit": 300, "validation": 200},
    "model": {"kind": "mlp-autoencoder", "representation": 8},
    "task": {"kind": "reconstruct"},
    "recipe": {"epochs": 2, "batch_size": 32, "optimizer": "adam", "learning_rate": 0.002},
}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def asked(*overrides):
    table = {key: dict(value) if isinstance(value, dict) else value for key, value in TABLE.items()}
    for override in overrides:
        apply(table, override)
    return build(table, "try")


def prepared(*overrides):
    experiment = asked(*overrides)
    splits = loading.load(experiment.data)
    model = networks.build(
        experiment.model, networks.InputSpec(splits.train.shape, 10, splits.mean, splits.std), seed=5
    )
    return experiment, splits, model, TASKS["reconstruct"].learner(experiment.task)


def trained(*overrides):
    experiment, splits, model, task = prepared(*overrides)
    state = begin(model, experiment.recipe)
    return state, list(train(state, task, splits, experiment, 0)), splits, task


def batch(count=16, size=8):
    pixels = torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(1))
    return Batch(pixels, torch.zeros(count, dtype=torch.long))


@pytest.mark.parametrize(
    "overrides", [[], ["task.target=normalized", "model.output=linear"], ["task.loss=bce"]], ids=str
)
def test_equal_to_a_plain_loop(overrides):
    state, events, splits, _ = trained(*overrides)
    _, _, model, _ = prepared(*overrides)
    optimizer = torch.optim.Adam(model.parameters(), 0.002)
    losses, errors = [], []
    mean, std = torch.tensor(splits.mean).view(1, 1, 1, 1), torch.tensor(splits.std).view(1, 1, 1, 1)
    for epoch in range(2):
        for row in ORDERS["shuffled"](splits.train.labels, 32, False, 0, epoch):
            clean = splits.train.pixels[row].float() / 255
            made = model(clean)
            if "task.loss=bce" in overrides:
                loss = F.binary_cross_entropy(made, clean)
            elif overrides:
                loss, made = F.mse_loss(made, (clean - mean) / std), made * std + mean
            else:
                loss = F.mse_loss(made, clean)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            errors.append(F.mse_loss(made.detach(), clean).item() * len(row))
    ours = [loss for event in events if isinstance(event, Progress) for loss in event.losses]
    assert ours == pytest.approx(losses, rel=2e-4)
    records = [event for event in events if isinstance(event, EpochRecord)]
    assert records[1].train["mse"] == pytest.approx(sum(errors[10:]) / 300, rel=1e-3)
    assert records[1].validation["mse"] < records[0].validation["mse"]
    for name, value in state.model.state_dict().items():
        torch.testing.assert_close(value, model.state_dict()[name], rtol=2e-3, atol=2e-5)


def test_noise_is_on_the_input_alone_and_comes_from_the_generator():
    _, _, model, task = prepared("task.denoise={distribution = 'gaussian', amount = 0.2}")
    given, seen = batch(), []
    model.register_forward_pre_hook(lambda _, taken: seen.append(taken[0]))
    steps = [task.step(model, given, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    noise = torch.randn(given.pixels.shape, generator=torch.Generator().manual_seed(1)) * 0.2
    torch.testing.assert_close(seen[0], (given.pixels + noise).clamp(0, 1))
    torch.testing.assert_close(steps[0].loss, F.mse_loss(model(seen[0]), given.pixels))
    assert float(steps[0].totals["loss"]) == pytest.approx(16 * steps[0].loss.item(), rel=1e-5)


@pytest.mark.parametrize(("loss", "beta"), [("mse", 0.05), ("mse", 1.0), ("bce", 1.0), ("bce", 3.0)])
def test_the_loss_of_a_variational_autoencoder_is_the_bound(loss, beta):
    _, splits, model, task = prepared("model.variational=true", f"task.loss={loss}", f"task.beta={beta}")
    given = batch()
    step = task.step(model, given, torch.Generator().manual_seed(3))
    mean, log_variance = model.posterior(given.pixels)
    posterior = Independent(Normal(mean, (0.5 * log_variance).exp()), 1)
    kl = kl_divergence(posterior, Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1))
    drawn = mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=torch.Generator().manual_seed(3))
    made = model.decode(drawn)
    if loss == "mse":
        likelihood = Independent(Normal(made, math.sqrt(beta / 2)), 3).log_prob(given.pixels)
        bound = likelihood - kl
        expected = -(bound + 32 * math.log(math.pi * beta)) * beta / 64  # per pixel, up to the constant
    else:
        likelihood = -F.binary_cross_entropy(made, given.pixels, reduction="none").sum((1, 2, 3))
        bound = likelihood - kl
        expected = (beta * kl - likelihood) / 64
    torch.testing.assert_close(step.loss, expected.mean(), rtol=1e-4, atol=1e-5)
    assert float(step.totals["kl"]) == pytest.approx(kl.sum().item(), rel=1e-4)
    step.loss.backward()
    assert all(float(p.grad.abs().sum()) > 0 for p in model.parameters())
    scores = task.score(model, splits.validation)
    pixels = splits.validation.pixels.float() / 255
    mean, log_variance = model.posterior(pixels)
    drawn = mean + (0.5 * log_variance).exp() * torch.randn(
        mean.shape, generator=torch.Generator().manual_seed(mix(0, 0))
    )
    made = model.decode(drawn)
    bounds = (
        Independent(Normal(made, math.sqrt(beta / 2)), 3).log_prob(pixels)
        if loss == "mse"
        else -F.binary_cross_entropy(made, pixels, reduction="none").sum((1, 2, 3))
    )
    assert scores.values["elbo"] == pytest.approx(bounds.mean().item() - scores.values["kl"], rel=1e-4)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["task.target=normalized", "model.output=linear"],
        ["model.kind=conv-autoencoder", "model.variational=true"],
        ["task.denoise={amount = 0.5}"],
    ],
    ids=str,
)
def test_scores_against_torchmetrics(overrides):
    state, _, splits, task = trained("recipe.learning_rate=0.02", *overrides)
    model, pixels = state.model.train(), splits.test.pixels.float() / 255
    scores = task.score(model, splits.test)
    assert model.training
    assert scores.count == len(splits.test)
    assert task.score(model, splits.test).values == scores.values  # nothing is drawn anew
    model.eval()
    given, found = pixels, scores.evidence
    if "denoise" in str(overrides):
        noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(mix(0, 0))) * 0.5
        given = (pixels + noise).clamp(0, 1)
        assert scores.values["noisy_mse"] == pytest.approx(F.mse_loss(given, pixels).item(), rel=1e-5)
        assert scores.values["mse"] < scores.values["noisy_mse"]
    made = task.reconstruct(model, given)
    assert scores.values["mse"] == pytest.approx(F.mse_loss(made, pixels).item(), rel=1e-5)
    each = (made - pixels).square().flatten(1).mean(1)
    np.testing.assert_allclose(found["mse"], each, rtol=1e-4)
    np.testing.assert_allclose(
        found["psnr"], peak_signal_noise_ratio(made, pixels, 1.0, reduction="none", dim=(1, 2, 3)), rtol=1e-4
    )
    assert scores.values["psnr"] == pytest.approx(found["psnr"].astype(float).mean(), rel=1e-6)
    assert scores.values["ssim"] == pytest.approx(found["ssim"].astype(float).mean(), rel=1e-6)
    assert ("kl" in scores.values) == ("elbo" in scores.values) == ("variational" in str(overrides))
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found["representation"]), model.encode(pixels))
    kinds = {name: (array.dtype.name, array.shape[1:]) for name, array in found.items()}
    assert kinds == {
        "labels": ("int64", ()),
        "ids": ("int64", (2,)),
        "mse": ("float32", ()),
        "psnr": ("float32", ()),
        "ssim": ("float32", ()),
        "representation": ("float32", (8,)),
    }
    assert np.array_equal(found["labels"], splits.test.labels)


def test_similarity_of_larger_images_is_torchmetrics():
    experiment = asked("model.kind=conv-autoencoder", "model.depth=2", "data={source = 'arrays'}")
    pixels = torch.randint(0, 256, (30, 3, 20, 17), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    splits = loading.from_arrays(experiment.data, {"x_train": pixels.numpy(), "y_train": np.arange(30) % 3})
    model = networks.build(experiment.model, networks.InputSpec((3, 20, 17), 3, splits.mean, splits.std), seed=0)
    scores = ReconstructionLearner(experiment.task).score(model, splits.train)
    with torch.no_grad():
        expected = structural_similarity_index_measure(
            model(pixels / 255), pixels / 255, data_range=1.0, reduction="none"
        )
    np.testing.assert_allclose(scores.evidence["ssim"], expected, rtol=0, atol=1e-5)


def test_half_precision_comes_close():
    exact, _, _, _ = trained("task.loss=bce", "model.kind=conv-autoencoder", "model.variational=true")
    state, events, _, _ = trained(
        "task.loss=bce", "model.kind=conv-autoencoder", "model.variational=true", "recipe.precision=bf16"
    )
    assert isinstance(events[-1], EpochRecord)
    difference = max(
        float((a - b).detach().abs().max())
        for a, b in zip(exact.model.parameters(), state.model.parameters(), strict=True)
    )
    assert 0 < difference < 0.1


def test_merit_is_less_error():
    task = ReconstructionLearner(asked().task)
    assert task.selection_key({"mse": 0.1, "loss": 9.0}) > task.selection_key({"mse": 0.2, "loss": 1.0})


NUMBERS = "data.normalize={mean = [0.5], std = [0.5]}"

WRONG = [
    (["task.target=normalized"], 'model.output: "sigmoid" gives values from 0 to 1, but the targets'),
    (
        ["task.target=normalized", "model.output=relu", NUMBERS],
        'model.output: "relu" gives values from 0 upwards, but the targets (pixels after data.normalize) go from -1 '
        'to 1, so the loss cannot fall to 0; use model.output = "linear", or task.target = "pixels"',
    ),
    (["task.target=normalized", "model.output=tanh"], 'model.output: "tanh" gives values from -1 to 1'),
    (
        ["task.target=normalized", "data.normalize=none"],
        'task.target: "normalized" has no effect with data.normalize = "none"',
    ),
    (["task.loss=bce", "model.output=linear"], 'model.output: "linear" gives values outside 0 to 1'),
    (["task.loss=bce", "task.target=normalized"], 'loss "bce" needs targets in [0, 1]'),
    (["task.beta=2.0"], "task.beta: 2 has no effect unless model.variational = true; leave it out"),
    (["task.beta=0.0", "model.variational=true"], "task.beta: got 0.0"),
    (["task.denoise={amount = 0.0}"], "task.denoise.amount: got 0.0"),
    (
        ["task.kind=classify"],
        'model.kind: "mlp-autoencoder" makes images, and the task is to classify; set task.kind = "reconstruct"',
    ),
    (
        ["model={kind = 'mlp'}"],
        'task.kind: "reconstruct" needs a network that makes images; set model.kind to "mlp-autoencoder"',
    ),
    (["task.kind=reconstuct"], 'did you mean "reconstruct"'),
]


@pytest.mark.parametrize(("overrides", "message"), WRONG, ids=lambda value: str(value)[:50])
def test_what_contradicts_itself_is_refused(overrides, message):
    with pytest.raises(BadInput, match=re.escape(message)) as error:
        asked(*overrides)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "overrides",
    [
        ["task.target=normalized", "model.output=linear"],
        ["task.target=normalized", "model.output=tanh", NUMBERS],
        ["model.output=relu"],
        ["model.output=tanh"],
        ["task.beta=0.5", "model.variational=true"],
    ],
    ids=str,
)
def test_what_reaches_its_targets_is_not_refused(overrides):
    experiment = asked(*overrides)
    assert build(tomllib.loads(to_toml(experiment)), "again") == experiment


def test_a_classifier_and_a_loss_of_ones_own_are_refused_by_the_task():
    digits = load("digits")
    model = networks.build(digits.model, networks.InputSpec((1, 8, 8), 10, (0.0,), (1.0,)), 0)
    with pytest.raises(BadInput, match=r"^task\.kind: \"reconstruct\" needs an autoencoder, and Cnn is not one"):
        ReconstructionLearner(asked().task).step(model, batch(), torch.Generator())
    with pytest.raises(BadInput, match="has its own losses"):
        TASKS["reconstruct"].learner(asked().task, F.mse_loss)
    assert digits.task == ClassifySpec(kind="classify")
