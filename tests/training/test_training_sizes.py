"""Training on images of several sizes equals a plain torch loop over unpadded images.

A resumed run has the same bits.
"""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from smallvision import nn as networks
from smallvision.api.finished import Run
from smallvision.data import load
from smallvision.data.batching import buckets
from smallvision.data.batching.samplers import ORDERS
from smallvision.errors import BadInput
from smallvision.experiment import build
from smallvision.metrics.by_size import by_size
from smallvision.metrics.intervals import wilson
from smallvision.metrics.scales import by_scale, resized
from smallvision.runs.read import read_run
from smallvision.tasks.classification.learn import ClassificationLearner
from smallvision.training import run
from smallvision.training.engine import Progress, train
from smallvision.training.run import RunOptions
from smallvision.training.state import begin

FEW = ((8, 8), (12, 12), (10, 14))
MANY = tuple((8 + n % 5, 8 + n % 7) for n in range(35))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def digits():
    """scikit-learn's digits 0 to 3, 8x8 and uint8, with labels."""
    from sklearn.datasets import load_digits

    content = load_digits(n_class=4)
    return (content.images * 15.9).astype(np.uint8), content.target


def folder(path, digits, sizes, train=150, test=40):
    """An image folder of digits drawn out to the sizes in turn."""
    pixels, labels = digits
    for split, first, count in (("train", 0, train), ("test", train, test)):
        for i in range(first, first + count):
            (path / split / str(labels[i])).mkdir(parents=True, exist_ok=True)
            height, width = sizes[(i * 11) % len(sizes)]
            Image.fromarray(pixels[i]).resize((width, height)).save(path / split / str(labels[i]) / f"{i}.png")
    return path


@pytest.fixture(scope="module")
def few(tmp_path_factory, digits):
    return folder(tmp_path_factory.mktemp("few"), digits, FEW)


@pytest.fixture(scope="module")
def many(tmp_path_factory, digits):
    return folder(tmp_path_factory.mktemp("many"), digits, MANY)


def experiment(path, **more):
    """A small network with a global head, and any keys changed."""
    model = {
        "kind": "cnn",
        "head": "global-max",
        "dense": [12],
        "blocks": [{"channels": 8, "padding": 1, "pool": 2}, {"channels": 12, "padding": 1, "activation": "silu"}],
    }
    recipe = {"epochs": 2, "batch_size": 16, "optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9}
    table = {
        "name": "sizes",
        "data": {"source": "folder", "path": str(path), "validation": 20, **more.get("data", {})},
        "model": {**model, **more.get("model", {})},
        "recipe": {**recipe, **more.get("recipe", {})},
    }
    return build(table, "test")


@pytest.mark.parametrize("which", ["few", "many"])
@pytest.mark.parametrize("clip", [0.0, 0.3])
def test_equal_to_a_plain_loop_over_images_one_by_one(which, clip, request):
    """Every image alone and unpadded; the gradient of a batch is the sum of its images' over the batch size."""
    asked = experiment(request.getfixturevalue(which), recipe={"clip": clip})
    splits = load.load(asked.data)

    def fresh():
        return networks.build(asked.model, networks.InputSpec(splits.train.largest, 4, splits.mean, splits.std), seed=5)

    state = begin(fresh().to(memory_format=torch.channels_last), asked.recipe)
    events = list(train(state, ClassificationLearner(asked.task), splits, asked, 0))
    parts = buckets.assign(splits.train, 16)
    each = [image[None].float() / 255 for group in splits.train.groups for image in group]
    model, losses, counts = fresh(), [], []
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9)
    for epoch in range(2):
        for row in ORDERS["shuffled"](splits.train.labels, 16, False, 0, epoch, parts):
            optimizer.zero_grad()
            total = sum(F.cross_entropy(model(each[i]), splits.train.labels[i : i + 1]) for i in row)
            (total / 16).backward()
            if clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            losses.append(total.item() / len(row))
            counts.append(len(row))
    assert min(counts) < 16, "some batches are short"
    assert [loss for event in events if isinstance(event, Progress) for loss in event.losses] == pytest.approx(
        losses, rel=1e-3
    )
    for name, value in state.model.state_dict().items():
        torch.testing.assert_close(value, model.state_dict()[name], rtol=2e-3, atol=2e-5)
    half = len(losses) // 2
    mean = sum(loss * n for loss, n in zip(losses[:half], counts[:half], strict=True)) / 130
    first = next(event for event in events if hasattr(event, "train"))
    assert first.train["loss"] == pytest.approx(mean, rel=1e-3)
    assert first.examples == 130
    if which == "many":
        assert len(splits.train.groups) > 30
        assert len(parts.unique()) < 9
    else:
        assert len(parts.unique()) == 3


EVERYTHING = {
    "model": {"dense_dropout": 0.2, "blocks": [{"channels": 8, "padding": 1, "pool": 2, "normalization": "batch"}]},
    "recipe": {"average": 0.99, "select": "best-validation", "schedule": "one-cycle"},
    "data": {
        "augment": [
            {"kind": "flip"},
            {"kind": "crop", "padding": 1, "fill": "reflect"},
            {"kind": "rotate"},
            {"kind": "noise"},
        ]
    },
}


def finish(asked, path, resume=False, events=None):
    """Run to the end, or abandon it after so many events."""
    running = run.run(asked, RunOptions(path, seed=3, device="cpu", threads=1), resume)
    for number, _ in enumerate(running, 1):
        if number == events:
            running.close()
            return


@pytest.mark.slow
@pytest.mark.parametrize("which", ["few", "many"])
def test_resumed_it_ends_with_the_same_bits(which, request, tmp_path, monkeypatch):
    asked = experiment(request.getfixturevalue(which), **EVERYTHING)
    finish(asked, tmp_path / "whole")
    whole = (tmp_path / "whole" / "model.safetensors").read_bytes()
    monkeypatch.setattr(run, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr("smallvision.training.engine.PROGRESS_STEPS", 3)
    for events in (2, 4, 6):
        path = tmp_path / f"after-{events}"
        finish(asked, path, events=events)
        finish(asked, path, resume=True)
        assert (path / "model.safetensors").read_bytes() == whole


def test_what_a_run_of_several_sizes_leaves(few, tmp_path):
    asked = experiment(few, recipe={"epochs": 4})
    finish(asked, tmp_path / "run")
    record = read_run(tmp_path / "run")
    result, evidence = record.result, record.evidence
    assert result["sizes"] == 3
    assert any(
        "images of 3 sizes, 8x8 to 12x12" in note or "images of 3 sizes, 8x8 to 10x14" in note
        for note in result["notes"]
    )
    rows = result["test"]["by_size"]
    assert [row["smallest"] for row in rows] == [[8, 8], [10, 14], [12, 12]]
    assert sum(row["count"] for row in rows) == 40 == result["test"]["count"]
    right = evidence["labels"] == evidence["predictions"]
    for row in rows:
        mine = right[(evidence["sizes"] == row["smallest"]).all(1)]
        assert (row["count"], row["accuracy"]) == (len(mine), pytest.approx(mine.mean()))
        assert row["accuracy_interval"] == pytest.approx(wilson(int(mine.sum()), len(mine)))
    assert record.layers["input"] in ([1, 12, 12], [1, 10, 14])
    for which in ("first", "train", "mistake"):  # galleries have all sizes, those of each in turn
        shown = evidence[f"{which}_sizes"]
        assert which == "mistake" or {tuple(size) for size in shown[:3].tolist()} == set(FEW)
        for image, (height, width) in zip(evidence[f"{which}_pixels"], shown, strict=True):
            assert not image[:, height:].any()
            assert not image[:, :, width:].any()
    found = {tuple(evidence["sizes"][i]) for i in evidence["first_index"]}
    assert found == set(FEW)
    where = evidence["scales"].tolist().index(1.0)
    assert np.array_equal(evidence["scaled_predictions"][where], evidence["predictions"][evidence["scaled_index"]])

    run = Run(tmp_path / "run")
    page = run.report().read_text()
    section = page[page.index('id="resolution"') :]
    section = section[: section.index("</section>")]
    rows_shown = re.findall(r'<th scope="row">([^<]*)</th><td class="number">(\d+) of (\d+)</td>', section)
    counted = [(str(round(row["accuracy"] * row["count"])), str(row["count"])) for row in rows]
    assert rows_shown[:3] == [
        (size, *found) for size, found in zip(("8 × 8", "10 × 14", "12 × 12"), counted, strict=True)
    ]
    assert ("× 1", str(int(right.sum())), "40") in rows_shown
    assert section.count("<svg") == 2
    files = sorted((few / "test").rglob("*.png"))
    answers = run.predict(files)
    by_name = {answer["image"]: answer["class"] for answer in answers}
    splits = load.load(asked.data)
    each = (image.numpy().tobytes() for group in splits.test.groups for image in group)
    alone = dict(zip(each, evidence["predictions"].tolist(), strict=True))
    for path in files:  # image files are taken as they are
        assert by_name[str(path)] == str(alone[np.asarray(Image.open(path)).tobytes()])
    assert run.predict(np.zeros((2, 1, 30, 9), np.uint8)).shape == (2, 4)
    with pytest.raises(BadInput, match="images of 1x9 are too small"):
        run.predict(np.zeros((2, 1, 1, 9), np.uint8))


def test_resized_runs_pair_with_unresized_ones(few):
    """R4.17 compares the two on the same test images: what they are known by is what they were before resizing."""
    sets = [load.load(experiment(few, data=data).data) for data in ({}, {"size": 9}, {"size": [8, 8]})]
    for split in ("train", "test"):
        known = [
            {
                tuple(row): int(label)
                for row, label in zip(one.named()[split].ids.tolist(), one.named()[split].labels, strict=True)
            }
            for one in sets
        ]
        assert known[0] == known[1] == known[2]
    assert sets[1].train.shape == (1, 9, 9)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"model": {"head": "flat"}},
            r"3 sizes \(8x8, 10x14, 12x12\), but this network takes one size only; set data\.size, .* "
            r'model\.head = "glo',
        ),
        (
            {"model": {"blocks": [{"channels": 4, "pool": 7}]}},
            r"images of 8x8 are too small for this network: model\.blocks\.0: pool 7",
        ),
        (
            {"recipe": {"drop_last": True, "batch_size": 64}},
            r"recipe\.drop_last: this would leave out all images of a size",
        ),
        ({"recipe": {"batch_size": 131}}, r"recipe\.batch_size: got 131"),
        (
            {"data": {"augment": [{"kind": "crop", "padding": 8, "fill": "reflect"}]}},
            "images of 8x8 can reflect at most 7",
        ),
        (
            {
                "model": {"blocks": [{"channels": 4, "kernel": 8, "normalization": "batch"}]},
                "recipe": {"batch_size": 1},
            },
            r"cannot be trained on a batch of 1 image\(s\)",
        ),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(few, more, message, tmp_path):
    with pytest.raises(BadInput, match=message):
        finish(experiment(few, **more), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_networks_of_one_size_say_so(few, tmp_path):
    for model in ({"kind": "mlp"}, {"kind": "lenet5"}):
        asked = build({**experiment(few).model_dump(exclude_none=True), "model": model}, "test")
        with pytest.raises(BadInput, match=r'set data\.size, .* or use model\.kind = "cnn" with a global head'):
            finish(asked, tmp_path / "run")
    own = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    running = run.run(
        experiment(few), RunOptions(tmp_path / "run", device="cpu", threads=1), passed=run.UserObjects(model=own)
    )
    with pytest.raises(BadInput, match="this network takes one"):
        next(running)


def test_a_test_split_of_another_size_is_taken_by_a_global_head(few, tmp_path, digits):
    path = folder(tmp_path / "data", digits, ((9, 9),))
    for file in (path / "test").rglob("*.png"):
        Image.open(file).resize((13, 11)).save(file)
    finish(experiment(path), tmp_path / "run")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert "sizes" not in result
    assert result["test"]["count"] == 40


def test_accuracy_against_scale_is_that_of_resized_images(few):
    splits = load.load(experiment(few).data)
    model = networks.build(
        experiment(few).model, networks.InputSpec(splits.train.largest, 4, splits.mean, splits.std), seed=1
    )
    found = by_scale(model, splits.test)
    assert model.training
    each = [image for group in splits.test.groups for image in group]
    for scale, predictions in zip(found["scales"], found["scaled_predictions"], strict=True):
        for index, prediction in zip(found["scaled_index"][::7], predictions[::7], strict=True):
            image = each[index]
            size = tuple(max(1, round(scale * side)) for side in image.shape[1:])
            plain = F.interpolate(image[None].float() / 255, size, mode="bilinear", antialias=True)
            torch.testing.assert_close(resized(image[None], scale), plain, rtol=1e-5, atol=1e-5)
            assert int(model.eval()(plain).argmax()) == prediction
        model.train()
    blocks = [{"channels": 4, "kernel": 5}, {"channels": 4, "kernel": 4}]  # 8 pixels are the least
    narrow = networks.build(
        experiment(few, model={"blocks": blocks}).model,
        networks.InputSpec(splits.train.largest, 4, splits.mean, splits.std),
        1,
    )
    assert by_scale(narrow, splits.test)["scales"].tolist() == [1.0, 1.25, 1.5, 2.0]


def test_accuracy_by_size_in_bands():
    random = np.random.default_rng(0)
    sizes = random.integers(10, 60, (500, 2))
    labels, predictions = random.integers(0, 3, 500), random.integers(0, 3, 500)
    rows = by_size(labels, predictions, sizes)
    assert len(rows) == 8
    areas = sizes.prod(1)
    ends = []
    for row in rows:
        low, high = np.prod(row["smallest"]), np.prod(row["largest"])
        inside = (areas >= low) & (areas <= high)
        ends += [low, high]
        assert abs(row["count"] - 500 / 8) < 20
        assert row["accuracy"] == pytest.approx((labels == predictions)[inside].mean(), abs=2 / row["count"])
    assert ends == sorted(ends)
    assert sum(row["count"] for row in rows) == 500
    assert sum(round(row["count"] * row["accuracy"]) for row in rows) == (labels == predictions).sum()


def test_one_size_keeps_its_gradients_and_bits(few):
    """A short last batch of images of one size counts in full, as it always did: committed runs stay what they are."""
    asked = experiment(few, data={"size": 8}, recipe={"batch_size": 100, "epochs": 1})
    splits = load.load(asked.data)
    assert buckets.assign(splits.train, 100) is None
    model = networks.build(asked.model, networks.InputSpec(splits.train.shape, 4, splits.mean, splits.std), seed=5)
    state = begin(model, asked.recipe)
    list(train(state, ClassificationLearner(asked.task), splits, asked, 0))
    plain = networks.build(asked.model, networks.InputSpec(splits.train.shape, 4, splits.mean, splits.std), seed=5)
    optimizer = torch.optim.SGD(plain.parameters(), 0.1, 0.9)
    for row in ORDERS["shuffled"](splits.train.labels, 100, False, 0, 0):
        optimizer.zero_grad()
        pixels = splits.train.pixels[row].float() / 255
        F.cross_entropy(
            plain(pixels.contiguous(memory_format=torch.channels_last)), splits.train.labels[row]
        ).backward()
        optimizer.step()
    for name, value in state.model.state_dict().items():
        torch.testing.assert_close(value, plain.state_dict()[name], rtol=1e-4, atol=1e-6)
    assert replace(splits.train, groups=splits.train.groups).largest == splits.train.shape
