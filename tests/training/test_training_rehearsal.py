"""Scoring: tried before the first file, without float64 on a device that has none, and whatever the batch size."""

import io

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import smallvision as sv
from smallvision.data import doubles, load
from smallvision.data.batching import batch as batches
from smallvision.errors import BadInput
from smallvision.experiment import load as load_experiment
from smallvision.tasks import task_of
from smallvision.tasks.base import Learner
from smallvision.tasks.verification import pairs
from smallvision.training import prepare
from smallvision.training.rehearsal import rehearse
from smallvision.training.user_objects import with_digests

CPU = torch.device("cpu")
FEW = ("data.limit=150", "recipe.epochs=1")
DENOISE = ('task.denoise={distribution="gaussian",amount=0.1}',)
CASES = {
    "classify": ("digits", ()),
    "reconstruct": ("digits-autoencoder", ()),
    "denoise": ("digits-autoencoder", DENOISE),
    "variational": ("digits-autoencoder", ("model.variational=true",)),
    "verify": ("digits-siamese", ()),
}


def experiment(name, changes=()):
    return with_digests(load_experiment(name, changes), None, None, None)


class NoFloat64(TorchDispatchMode):
    """Refuses float64 on tensors of the device, as an Apple GPU does: those marked by `mark`, and all that is made of
    them, but for copies to the CPU."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = [one for one in tree_leaves((args, kwargs or {})) if isinstance(one, torch.Tensor)]
        out = func(*args, **(kwargs or {}))
        if any(getattr(one, "on_device", False) for one in given):
            made = [one for one in tree_leaves(out) if isinstance(one, torch.Tensor)]
            if any(one.dtype == torch.float64 for one in (*given, *made)):
                raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support it")
            for one in made:
                one.on_device = True
        return out


def mark(*tensors):
    for one in tensors:
        one.on_device = True


def to_cpu(tensor):
    if getattr(tensor, "on_device", False):
        return torch.from_numpy(np.array(tensor.detach().numpy()))
    return tensor


@pytest.fixture
def device_without_doubles(monkeypatch):
    """Images and networks are on a device without float64."""
    read, placed, to = load.load, prepare.placed, torch.Tensor.to

    def loaded(*args, **kwargs):
        splits = read(*args, **kwargs)
        for images in splits.named().values():
            mark(*images.groups, images.labels, images.ids)
        return splits

    def put(model, where):
        model = placed(model, where)
        mark(*model.parameters(), *model.buffers())
        return model

    monkeypatch.setattr(doubles, "WITHOUT", ("mps", "cpu"))
    monkeypatch.setattr(load, "load", loaded)
    monkeypatch.setattr(prepare, "placed", put)
    monkeypatch.setattr(torch.Tensor, "cpu", to_cpu)
    monkeypatch.setattr(
        torch.Tensor,
        "to",
        lambda self, *args, **kwargs: (
            to(to_cpu(self), *args, **kwargs) if args[:1] == ("cpu",) else to(self, *args, **kwargs)
        ),
    )


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_nothing_that_scores_uses_float64_on_the_device(case, tmp_path, device_without_doubles):
    name, changes = CASES[case]
    with NoFloat64():
        run = sv.run(name, *FEW, *changes, out=tmp_path / "run", device="cpu", console=Console(file=io.StringIO()))
        assert run.result["test"]["count"]
        pixels = torch.rand(3, 1, 8, 8)
        assert len(run.encode(pixels)) == 3
        run.probe(train=60, test=20, maps=(), kinds=("knn",), console=Console(file=io.StringIO()))


def test_the_stand_in_refuses(device_without_doubles):
    values = torch.ones(3)
    mark(values)
    with NoFloat64():
        assert values.cpu().double().sum() == 3
        for refused in (lambda: values.double(), lambda: (values + 1).sum(dtype=torch.float64)):
            with pytest.raises(TypeError, match="float64"):
                refused()


class FailsInEval(nn.Module):
    """Learns, and fails in evaluation mode, but not the first few times."""

    def __init__(self, most):
        super().__init__()
        self.calls, self.last = 0, nn.Linear(64, 10)
        self.most = most

    def forward(self, pixels):
        self.calls += not self.training
        if self.calls > self.most:
            raise NotImplementedError("no such kernel\nand more")
        return self.last(pixels.flatten(1))


class Together(nn.Module):
    """Its answer to an image depends on the others."""

    def __init__(self, alone=True):
        super().__init__()
        self.norm, self.last, self.alone = nn.BatchNorm1d(64, track_running_stats=False), nn.Linear(64, 10), alone

    def forward(self, pixels):
        rows = pixels.flatten(1)
        return self.last(self.norm(rows) if self.alone is False else rows - rows.mean(0))


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_network_that_fails_in_evaluation_mode_is_refused_before_a_file_is_written(tmp_path, most):
    with pytest.raises(BadInput) as caught:
        sv.run(
            "digits",
            *FEW,
            out=tmp_path / "run",
            model=lambda: FailsInEval(most),
            device="cpu",
            console=Console(file=io.StringIO()),
        )
    assert "in evaluation mode" in str(caught.value)
    assert "NotImplementedError: no such kernel" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", [Together, lambda: Together(alone=False)])
def test_answers_that_depend_on_the_batch_are_said(model):
    asked = experiment("digits", FEW)
    custom = prepare.UserObjects(model=model)
    notes = prepare.prepare(asked, 0, CPU, passed=custom).notes
    assert any("depends on the other images of its batch" in note for note in notes)
    assert not any("depends on" in note for note in prepare.prepare(asked, 0, CPU).notes)


@pytest.mark.parametrize("name", ["digits", "digits-autoencoder", "digits-siamese"])
def test_a_score_that_cannot_be_made_is_refused_for_every_task(name, monkeypatch):
    asked = experiment(name, FEW)
    ready = prepare.prepare(asked, 0, CPU)

    def refused(*args):
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype")

    for method in ("score", "calibrate", "answer"):
        with monkeypatch.context() as changed:
            changed.setattr(type(ready.learner), method, refused)
            with pytest.raises(BadInput, match="TypeError: Cannot convert"):
                rehearse(ready.model, ready.learner, ready.splits, asked, CPU)


def test_too_few_images_for_a_figure_are_no_fault_of_the_network(monkeypatch):
    asked = experiment("digits", FEW)
    ready = prepare.prepare(asked, 0, CPU)
    score = type(ready.learner).score

    def needs_many(self, model, images, fitted=None):
        if len(images) < 20:
            raise ValueError("too few")
        return score(self, model, images, fitted)

    monkeypatch.setattr(type(ready.learner), "score", needs_many)
    assert rehearse(ready.model, ready.learner, ready.splits, asked, CPU) == ()


def scored(learner: Learner, ready, at_once, monkeypatch):
    monkeypatch.setattr(batches, "SCORED", at_once)
    monkeypatch.setattr(pairs, "PAIRS_AT_ONCE", at_once)
    splits = ready.splits
    fitted = learner.calibrate(ready.model, splits.train, splits.validation)
    return {name: learner.score(ready.model, images, fitted) for name, images in splits.named().items()}


@pytest.mark.parametrize("case", CASES)
def test_no_score_depends_on_the_batch_size(case, monkeypatch):
    """With batch normalisation, noise, draws, pairs, and a last batch that is not full."""
    name, changes = CASES[case]
    own = ('model.normalization="batch"',) if "autoencoder" in name else ()
    ready = prepare.prepare(experiment(name, (*FEW, *changes, *own)), 0, CPU)
    warm(ready.model)
    learner = task_of(experiment(name, changes)).learner(experiment(name, changes).task)
    compare(learner, ready, monkeypatch)


@pytest.mark.parametrize("normalization", ["batch", "group"])
def test_no_score_of_images_of_several_sizes_depends_on_the_batch_size(normalization, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    arrays = {
        f"{part}_{split}": rng.integers(0, 256, (30, 12, 12)).astype(np.uint8)
        if part == "x"
        else rng.integers(0, 3, 30)
        for split in ("train", "test")
        for part in ("x", "y")
    }
    block = f'{{channels=4, kernel=3, normalization="{normalization}", pool=2}}'
    asked = experiment(
        "digits", ("recipe.batch_size=8", f"model.blocks=[{block}]", 'model.head="global-mean"', 'model.kind="cnn"')
    )
    splits = load.from_arrays(asked.data, arrays)
    ready = prepare.prepare(asked, 0, CPU, passed=prepare.UserObjects(splits=splits))
    sizes = [torch.randint(256, (9, 1, 8 + n, 11 - n), dtype=torch.uint8) for n in range(3)]
    several = type(splits.train)(
        tuple(sizes), torch.arange(27) % 3, torch.arange(54).view(27, 2), ("a", "b", "c"), "several"
    )
    ready.splits.__dict__["test"] = several
    warm(ready.model)
    compare(ready.learner, ready, monkeypatch)


def test_a_loss_that_is_no_mean_of_means_does_not_depend_on_the_batch_size(monkeypatch):
    weights = torch.linspace(0.1, 5, 10)
    asked = experiment("digits", FEW)
    loss = nn.CrossEntropyLoss(weight=weights)
    ready = prepare.prepare(asked.model_copy(), 0, CPU)
    learner = type(ready.learner)(asked.task, loss)
    compare(learner, ready, monkeypatch)
    found = learner.score(ready.model, ready.splits.test)
    logits = torch.from_numpy(found.evidence["probabilities"]).log()
    assert found.values["loss"] == pytest.approx(float(loss(logits, ready.splits.test.labels)), abs=1e-5)


def warm(model):
    """Running statistics that are not those of the start."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 2)


def compare(learner, ready, monkeypatch):
    whole = scored(learner, ready, 10**6, monkeypatch)
    for at_once in (1, 7, 64):
        found = scored(learner, ready, at_once, monkeypatch)
        for name, expected in whole.items():
            assert found[name].values == pytest.approx(expected.values, abs=1e-5, rel=1e-5)
            for key in ("accuracy", "pair_accuracy"):
                assert found[name].values.get(key) == expected.values.get(key)
            for key, array in expected.evidence.items():
                np.testing.assert_allclose(found[name].evidence[key], array, rtol=1e-5, atol=1e-5, err_msg=key)
