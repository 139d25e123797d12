"""A run directory made up after the contract in docs/architecture.md, of any size, in any state, without training."""

import json
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smallvision.experiment import build

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TOML = """name = "{name}"
about = "{about}"

[data]
source = "npz"
path = "images.npz"
validation = {validation}

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
) -> Path:
    """Write the directory; `images` are pixels uint8 (N, C, H, W) and labels, else noise with a bright square."""
    rng = np.random.default_rng(seed)
    path.mkdir(parents=True)
    toml = TOML.format(
        name=name,
        about=about,
        validation=0.1 if validation else 0,
        epochs=planned or max(epochs, 1),
        protocol=protocol or ("watched" if watched else "once"),
    )
    (path / "experiment.toml").write_text(toml)
    identity = build(tomllib.loads(toml), "fake").hash()
    batch = 64
    _write(
        path / "state.json",
        {
            "status": status,
            "pid": 2**22 + 1,
            "heartbeat": time.time(),
            "started": 1.7e9,
            "finished": 1.7e9 + 260,
            "experiment": identity,
            "seed": seed,
            "command": f"smallvision run {name} --seed {seed}",
            "message": "",
        },
    )
    _write(
        path / "environment.json",
        {
            "smallvision": "0.1.0",
            "python": "3.11.7",
            "platform": "Linux x86_64",
            "processor": "A processor",
            "cores": 2,
            "packages": {"torch": "2.9.0", "numpy": "2.4.6"},
            "device": "cpu",
            "device_name": "A processor",
            "threads": 2,
            "precision": "fp32",
            "deterministic": True,
        },
    )
    total = epochs * steps_per_epoch
    losses = (
        2.3 * np.exp(-np.linspace(0, 3.5, total))
        + 0.15
        + rng.normal(0, 0.08, total) * np.exp(-np.linspace(0, 1, total))
    )
    losses = np.abs(losses).round(5)
    with open(path / "steps.jsonl", "w") as steps, open(path / "metrics.jsonl", "w") as metrics:
        for epoch in range(1, epochs + 1):
            for first in range((epoch - 1) * steps_per_epoch, epoch * steps_per_epoch, 20):
                last = min(first + 20, epoch * steps_per_epoch)
                _line(
                    steps,
                    {
                        "epoch": epoch,
                        "step": last,
                        "examples": last * batch,
                        "loss": losses[first:last].tolist(),
                        "seconds": last * 0.02,
                    },
                )
            mean = float(losses[(epoch - 1) * steps_per_epoch : epoch * steps_per_epoch].mean())
            record: dict[str, Any] = {
                "epoch": epoch,
                "step": epoch * steps_per_epoch,
                "examples": epoch * steps_per_epoch * batch,
                "learning_rate": 0.01,
                "seconds": epoch * 2.0,
                "train": {"loss": mean, "accuracy": float(np.exp(-mean / 2))},
            }
            for split, there, more in (("validation", validation, 0.03), ("test", test and watched, 0.05)):
                if there:
                    record[split] = {
                        "loss": mean + more * (1 + epoch / 20),
                        "accuracy": float(np.exp(-(mean + more) / 2)),
                    }
            _line(metrics, record)
    rows = [
        ("blocks.0.conv", "Conv2d", [10, 24, 24], 260, 144000, 5),
        ("blocks.0.relu", "ReLU", [10, 24, 24], 0, 0, 5),
        ("blocks.0.pool", "MaxPool2d", [10, 12, 12], 0, 0, 6),
        ("dense.0", "Linear", [128], 41088, 40960, None),
        ("output", "Linear", [len(classes)], 129 * len(classes), 128 * len(classes), None),
    ]
    table = [
        {
            "name": n,
            "type": t,
            "output": o,
            "parameters": p,
            "multiply_adds": m,
            "receptive_field": r,
            "parameter_bytes": 4 * p,
            "output_bytes": 4 * int(np.prod(o)),
        }
        for n, t, o, p, m, r in rows
    ]
    totals = {
        key: sum(int(row[key]) for row in table)
        for key in ("parameters", "multiply_adds", "parameter_bytes", "output_bytes")
    }
    _write(path / "layers.json", {"input": list(shape), "rows": table, "totals": totals})
    if status == "finished":
        _finish(
            path,
            rng,
            list(classes),
            shape,
            count,
            accuracy,
            "test" if test else "validation",
            validation or not test,
            images,
            panel,
            filters or (min(32, 10), shape[0], 5, 5),
            totals,
            epochs,
            watched,
            name,
            seed,
            identity,
        )
    return path


def _finish(
    path: Path,
    rng: np.random.Generator,
    classes: list[str],
    shape: tuple[int, int, int],
    count: int,
    accuracy: float,
    split: str,
    validation: bool,
    images: tuple[np.ndarray, np.ndarray] | None,
    panel: bool,
    filters: tuple[int, ...],
    totals: dict[str, int],
    epochs: int,
    watched: bool,
    name: str,
    seed: int,
    identity: str,
) -> None:
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
    confusion = np.zeros((k, k), np.int64)
    np.add.at(confusion, (labels, predictions), 1)
    wrong = np.flatnonzero(predictions != labels)
    confident = wrong[np.argsort(-probabilities[wrong, predictions[wrong]], kind="stable")]
    arrays: dict[str, np.ndarray] = {
        "split": np.array(split),
        "labels": labels,
        "predictions": predictions,
        "probabilities": probabilities.astype(np.float32),
        "ids": np.stack([rng.integers(0, 2**62, count), np.zeros(count, np.int64)], 1),
        "confusion": confusion,
        "train_pixels": pixels[-20:][::-1],
        "train_labels": labels[-20:][::-1],
    }
    for prefix, index in (("first", np.arange(min(20, count))), ("mistake", wrong[:20]), ("confident", confident[:20])):
        arrays[f"{prefix}_index"], arrays[f"{prefix}_pixels"] = index.astype(np.int64), pixels[index]
    arrays["filters"] = rng.normal(0, 0.2, filters).astype(np.float32)
    if panel:
        some = pixels[-10:]
        noisy = np.clip(some.astype(int) + rng.integers(-25, 25, some.shape), 0, 255).astype(np.uint8)
        arrays["panel_pixels"] = np.stack([some, some[..., ::-1], noisy, noisy[..., ::-1]])
        arrays["panel_kinds"] = np.array(["original", "flipped", "noisy", "flipped and noisy"])
    np.savez_compressed(path / "evidence.npz", **arrays)
    right = int((predictions == labels).sum())
    z = 1.959963984540054
    p, middle = right / count, 1 + z * z / count
    half = z * np.sqrt(p * (1 - p) / count + z * z / (4 * count * count)) / middle
    centre = (p + z * z / (2 * count)) / middle
    recall = np.diag(confusion) / np.maximum(confusion.sum(1), 1)
    precision = np.diag(confusion) / np.maximum(confusion.sum(0), 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    scored = {
        "loss": 0.0512,
        "accuracy": p,
        "count": count,
        "accuracy_interval": [max(centre - half, 0.0), min(centre + half, 1.0)],
        "per_class": [
            {
                "class": c,
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "support": int(confusion[i].sum()),
            }
            for i, c in enumerate(classes)
        ],
    }
    result = {
        "name": name,
        "experiment": identity,
        "seed": seed,
        "parameters": totals["parameters"],
        "bytes": totals["parameter_bytes"],
        "multiply_adds": totals["multiply_adds"],
        "epochs": epochs,
        "seconds": 62.4,
        "seconds_per_epoch": 6.1,
        "images_per_second": 9836.0,
        "precision": "fp32",
        "selected": {"epoch": epochs, "by": "last"},
        "classes": classes,
        "counts": {"train": 60000, split: count},
        "mean": [0.1307],
        "std": [0.3081],
        "notes": ["mean and standard deviation are measured over the 60 000 training images"],
        "looks": 0 if split == "validation" else (epochs + 1 if watched else 1),
        "model_sha256": "0" * 64,
        "train": {"loss": 0.0321, "accuracy": 0.99, "count": 60000},
    }
    if validation and split == "test":
        result["validation"] = {"loss": 0.048, "accuracy": 0.9855, "count": 6000}
        result["counts"]["validation"] = 6000
    _write(path / "result.json", {**result, split: scored})


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps({"format_version": 1, **value}, indent=1))


def _line(file: Any, record: dict[str, Any]) -> None:
    file.write(json.dumps(record) + "\n")
