"""A run directory of any size, in any state, that is made without training.

Its numbers are made up here; its files are written by the product.
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from smallvision.data.imageset import ImageSet, Splits
from smallvision.experiment import Experiment, build
from smallvision.runs import environment
from smallvision.runs.directory import RunDirectory
from smallvision.tasks import Scores
from smallvision.training import results

BATCH = 64
DEAD = 2**22 + 1  # a process number that no process has

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TOML = """name = "{name}"
about = "{about}"

[data]
source = "npz"
path = "images.npz"
validation = {validation}
{expand}
[model]
kind = "cnn"
blocks = [{{ channels = 10, kernel = 5, pool = 2 }}, {{ channels = 20, kernel = 5, pool = 2 }}]
dense = [128]

[recipe]
epochs = {epochs}
batch_size = 64
learning_rate = 0.01

[protocol]
test = "{protocol}"
"""

ENVIRONMENT = {
    **environment.describe("cpu", "A processor", 2, "fp32", True),
    "smallvision": "0.1.0",
    "python": "3.11.7",
    "platform": "Linux x86_64",
    "processor": "A processor",
    "cores": 2,
    "packages": {"torch": "2.9.0", "numpy": "2.4.6"},
}


def make(
    path: Path,
    *,
    classes: Sequence[str] = NAMES,
    shape: tuple[int, int, int] = (1, 28, 28),
    epochs: int = 10,
    planned: int | None = None,
    steps_per_epoch: int = 100,
    count: int = 500,
    accuracy: float = 0.9,
    test: bool = True,
    validation: bool = False,
    watched: bool = True,
    protocol: str | None = None,
    status: str = "finished",
    panel: bool = False,
    about: str = "R3: two convolutions",
    name: str = "mnist-cnn",
    filters: tuple[int, ...] | None = None,
    seed: int = 1,
    images: tuple[np.ndarray, np.ndarray] | None = None,
    draw: int | None = None,
    totals: Mapping[str, int] | None = None,
    experiment: Experiment | None = None,
    measured: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    result: Mapping[str, Any] | None = None,
    evidence: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """Write the directory.

    Parameters
    ----------
    seed : of the run; the numbers are drawn by `draw`, by default the same.
    images : pixels uint8 (N, C, H, W) and labels, else noise with a bright square.
    totals : what the layer table says of the whole network, in the place of the sums over its layers.
    experiment : what was run, in the place of a classification.
    measured : a record of metrics.jsonl -> that which is written in its place.
    result : what result.json says in the place of, or beside, what a classification has there.
    evidence : the arrays of evidence.npz, in the place of those of a classification.
    """
    rng = np.random.default_rng(seed if draw is None else draw)
    toml = TOML.format(
        name=name,
        about=about,
        validation=0.1 if validation else 0,
        expand="[data.expand]\nflip = true\nnoise = 0.1\n" if panel else "",
        epochs=planned or max(epochs, 1),
        protocol=protocol or ("watched" if watched else "once"),
    )
    classified = build(tomllib.loads(toml), "fake")
    experiment = experiment or classified
    layers = _layers(shape, len(classes), totals)
    begun = {
        "experiment": experiment.hash(),
        "seed": seed,
        "command": f"smallvision run {name} --seed {seed}",
        "message": "",
    }
    directory = RunDirectory.create(path, experiment, begun, ENVIRONMENT, layers)
    total = epochs * steps_per_epoch
    losses = (
        2.3 * np.exp(-np.linspace(0, 3.5, total))
        + 0.15
        + rng.normal(0, 0.08, total) * np.exp(-np.linspace(0, 1, total))
    )
    losses = np.abs(losses).round(5)
    also = (*([("validation", 0.03)] if validation else []), *([("test", 0.05)] if test and watched else []))
    for epoch in range(1, epochs + 1):
        ends = range((epoch - 1) * steps_per_epoch, epoch * steps_per_epoch)
        for first in ends[::20]:
            last = min(first + 20, ends.stop)
            line = {
                "epoch": epoch,
                "step": last,
                "examples": last * BATCH,
                "loss": losses[first:last].tolist(),
                "seconds": last * 0.02,
            }
            directory.append("steps.jsonl", line)
        mean = float(losses[ends.start : ends.stop].mean())
        record = {
            "epoch": epoch,
            "step": ends.stop,
            "examples": ends.stop * BATCH,
            "learning_rate": 0.01,
            "seconds": epoch * 2.0,
            "train": {"loss": mean, "accuracy": float(np.exp(-mean / 2))},
            **{
                split: {"loss": mean + more * (1 + epoch / 20), "accuracy": float(np.exp(-(mean + more) / 2))}
                for split, more in also
            },
        }
        directory.append("metrics.jsonl", measured(record) if measured else record)
    if status == "finished":
        split = "test" if test else "validation"
        splits, score, model = _scored(
            rng, tuple(classes), shape, count, accuracy, split, images, panel, filters or (10, shape[0], 5, 5)
        )
        scores = {"train": Scores({"loss": 0.0321, "accuracy": 0.99}, 60000), split: score}
        if validation and test:
            scores["validation"] = Scores({"loss": 0.048, "accuracy": 0.9855}, 6000)
        state: Any = SimpleNamespace(epoch=epochs, seconds=62.4, examples=613_766)
        found = results.result(classified, splits, layers, state, scores, {"epoch": epochs, "by": "last"})
        found |= {
            "name": experiment.name,
            "experiment": experiment.hash(),
            "seed": seed,
            "model_sha256": "0" * 64,
            "notes": ["mean and standard deviation are measured over the 60 000 training images"],
        }
        arrays = results.evidence(model, splits, classified, scores) if evidence is None else dict(evidence)
        kept = {key: value for key, value in found.items() if result is None or key not in scores}
        directory.finish({**kept, **(result or {})}, arrays, b"no weights")
    directory.note(status=status, pid=DEAD, started=1.7e9, finished=1.7e9 + 260)
    directory.close()
    return path


def _layers(shape: Sequence[int], classes: int, totals: Mapping[str, int] | None) -> dict[str, Any]:
    rows = [
        ("blocks.0.conv", "Conv2d", [10, 24, 24], 260, 144000, 5),
        ("blocks.0.relu", "ReLU", [10, 24, 24], 0, 0, 5),
        ("blocks.0.pool", "MaxPool2d", [10, 12, 12], 0, 0, 6),
        ("dense.0", "Linear", [128], 41088, 40960, None),
        ("output", "Linear", [classes], 129 * classes, 128 * classes, None),
    ]
    table = [
        {
            "name": name,
            "type": kind,
            "output": out,
            "parameters": weights,
            "multiply_adds": products,
            "receptive_field": field,
            "parameter_bytes": 4 * weights,
            "output_bytes": 4 * int(np.prod(out)),
        }
        for name, kind, out, weights, products, field in rows
    ]
    sums = {
        key: sum(int(row[key]) for row in table)
        for key in ("parameters", "multiply_adds", "parameter_bytes", "output_bytes")
    }
    return {"input": list(shape), "rows": table, "totals": {**sums, **(totals or {})}}


def _scored(
    rng: np.random.Generator,
    classes: tuple[str, ...],
    shape: tuple[int, int, int],
    count: int,
    accuracy: float,
    split: str,
    images: tuple[np.ndarray, np.ndarray] | None,
    panel: bool,
    filters: tuple[int, ...],
) -> tuple[Splits, Scores, nn.Module]:
    """A split with a network's answers, of which about a share `accuracy` is right, and a layer with random weights."""
    k = len(classes)
    if images is None:
        labels = rng.integers(0, k, count)
        pixels = rng.integers(0, 60, (count, *shape), dtype=np.uint8)
        for i, label in enumerate(labels):
            row, column = label % 5 * shape[1] // 6, label // 5 % 5 * shape[2] // 6
            pixels[i, :, row : row + shape[1] // 4, column : column + shape[2] // 4] = 220
    else:
        pixels, labels = images[0][:count], images[1][:count].astype(np.int64)
        count = len(labels)
    logits = rng.normal(0, 0.7, (count, k))
    favourite = np.where(rng.random(count) < accuracy, labels, (labels + rng.choice([1, 1, 1, 3], count)) % k)
    logits[np.arange(count), favourite] += rng.gamma(6, 1.2, count)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    predictions = probabilities.argmax(1)
    ids = np.stack([rng.integers(0, 2**62, count), np.zeros(count, np.int64)], 1)
    known, owners = pixels[-20:][::-1], labels[-20:][::-1]
    if panel:
        some = pixels[-10:]
        noisy = np.clip(some.astype(int) + rng.integers(-25, 25, some.shape), 0, 255).astype(np.uint8)
        known, owners = np.concatenate([some, some[..., ::-1], noisy, noisy[..., ::-1]]), np.tile(labels[-10:], 4)
    train = _images(known, owners, np.zeros((len(owners), 2), np.int64), classes, "train")
    shown = _images(pixels, labels, ids, classes, split)
    model = nn.Conv2d(filters[1], filters[0], filters[2:])
    model.weight = nn.Parameter(torch.from_numpy(rng.normal(0, 0.2, filters).astype(np.float32)))
    wrong = int((predictions != labels).sum())
    answers = {
        "labels": labels,
        "predictions": predictions,
        "probabilities": probabilities.astype(np.float32),
        "ids": ids,
    }
    none: dict[str, Any] = {"validation": None, "test": None, split: shown}
    splits = Splits(train=train, **none, mean=(0.1307,), std=(0.3081,), notes=())
    return splits, Scores({"loss": 0.0512, "accuracy": (count - wrong) / count}, count, answers), model


def _images(pixels: np.ndarray, labels: np.ndarray, ids: np.ndarray, classes: tuple[str, ...], name: str) -> ImageSet:
    kept = [torch.from_numpy(np.ascontiguousarray(array)) for array in (pixels, labels, ids)]
    return ImageSet((kept[0],), kept[1], kept[2], classes, name)
