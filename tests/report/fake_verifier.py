"""A verifier's run directory, untrained and written by the product: its figures are from scikit-learn and loops."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fake_run
import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from smallvision.experiment import load

NAMES = ("cat", "dog", "owl")
THRESHOLD, SLOPE, INTERCEPT = 0.6, 3.0, 7.0  # a probability; of the head's score, which is minus the distance
SHAPE = (3, 8, 8)
Arrays = dict[str, np.ndarray]
SHORT = (
    "pair_accuracy",
    "auc",
    "equal_error",
    "calibration_error",
    "effective_rank",
    "distance",
)  # of a split that is not shown
INTERVALS = {"pair_accuracy": [0.7, 0.95], "auc": [0.8, 0.99], "equal_error": [0.05, 0.3]}


def make(
    path: Path,
    *,
    classes: Sequence[str] = NAMES,
    unseen: Sequence[str] = (),
    overrides: Sequence[str] = (),
    split: str = "test",
    status: str = "finished",
    epochs: int = 4,
    alarms: Mapping[int, str] | None = None,
    spread: float = 0.8,
) -> Path:
    """Write the directory.

    Parameters
    ----------
    unseen : names of classes kept out of training; they lie between the others.
    split : whose pairs are shown, "test" or "validation".
    spread : of the images of a class around its centre; the centres of two classes are 3 apart or more. With 0 no
        answer is wrong.
    """
    experiment = load("digits-siamese", [f"recipe.epochs={epochs}", "name=fake-siamese", *overrides])

    def measured(record: dict[str, Any]) -> dict[str, Any]:
        epoch = record["epoch"]
        scores = {
            "loss": 0.69 / epoch,
            "pair_accuracy": 0.5 + 0.1 * epoch,
            "auc": 0.55 + 0.1 * epoch,
            "equal_error": 0.5 / epoch,
            "calibration_error": 0.02,
            "effective_rank": 1.9,
            "distance": 3.0,
        }
        said = {"alarm": alarms[epoch]} if alarms and epoch in alarms else {}
        kept = {key: record[key] for key in ("epoch", "step", "examples", "learning_rate", "seconds")}
        return {**kept, "train": {"loss": record["train"]["loss"]}, "validation": scores, **said}

    rng = np.random.default_rng(0)
    dense = "model.head=dense" in overrides
    every = _pairs(rng, len(classes), spread, 4.0)
    arrays = {"split": np.array(split), **every, **_galleries(rng, every, dense), "reliability": reliability(every)}
    scored = {split: {**_scored(every, classes), "count": len(every["labels"])}}
    short = {key: scored[split][key] for key in SHORT} | {"loss": 0.1, "count": 60}
    scored |= {name: short for name in ("train", "validation") if name != split}
    if unseen:
        new = _pairs(rng, len(unseen), 1.0, 1.5)
        arrays |= {f"unseen_{name}": new[name] for name in ("labels", "pairs", "same", "distances", "probabilities")}
        arrays["unseen_classes"] = np.array(unseen)
        scored["unseen"] = {**_scored(new, unseen), "count": len(new["labels"])}
    arrays["train_pixels"], arrays["train_labels"] = (
        _pixels(rng, np.arange(20) % len(classes)),
        np.arange(20) % len(classes),
    )
    fitted = {"slope": SLOPE, "intercept": INTERCEPT, "threshold": THRESHOLD, "false_accept": 0.0812, "pairs": 500}
    says = {"counts": {"train": 100}, "verifier": fitted, **scored, "looks": int(split == "test")}
    return fake_run.make(
        path,
        classes=classes,
        epochs=epochs,
        steps_per_epoch=20,
        count=20,
        shape=(1, 8, 8),
        status=status,
        experiment=experiment,
        measured=measured,
        result=says,
        evidence=arrays,
    )


def change(file: Path, **values: object) -> None:
    """Set keys of a JSON file."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def changed(run: Path, **arrays: np.ndarray | None) -> None:
    """Set arrays of evidence.npz; None takes one away."""
    with np.load(run / "evidence.npz") as old:
        new = {name: array for name, array in {**old, **arrays}.items() if array is not None}
    np.savez_compressed(run / "evidence.npz", **new)


def reliability(arrays: Arrays, bins: int = 15) -> np.ndarray:
    """(bins, 3): mean probability, share of one class, pairs; of equally many pairs."""
    order = np.argsort(arrays["probabilities"], kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return np.array([(arrays["probabilities"][part].mean(), arrays["same"][part].mean(), len(part)) for part in parts])


def _pixels(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    return rng.integers(0, 256, (*labels.shape, *SHAPE), dtype=np.uint8)


def _pairs(rng: np.random.Generator, classes: int, spread: float, apart: float) -> Arrays:
    """Images around a centre for each class, on a circle; as many pairs of one class as of two, 300 in all."""
    labels = np.repeat(np.arange(classes), 20)
    turns = 2 * np.pi * np.arange(classes) / classes
    made = apart * np.stack([np.cos(turns), np.sin(turns)], 1)[labels] / 2 + spread * rng.standard_normal(
        (len(labels), 2)
    )
    one, other = np.triu_indices(len(labels), 1)
    same = labels[one] == labels[other]
    rows = np.concatenate([rng.permutation(np.flatnonzero(kind))[:150] for kind in (same, ~same)])
    pairs = rng.permutation(np.stack([one, other], 1)[rows])
    distances = np.linalg.norm(made[pairs[:, 0]] - made[pairs[:, 1]], axis=1)
    return {
        "labels": labels,
        "ids": np.stack([rng.integers(0, 2**62, len(labels)), np.zeros(len(labels), np.int64)], 1),
        "representation": made.astype(np.float32),
        "pairs": pairs,
        "same": (labels[pairs[:, 0]] == labels[pairs[:, 1]]).astype(np.int64),
        "distances": distances,
        "scores": -distances,
        "probabilities": expit(SLOPE * -distances + INTERCEPT),
    }


def _scored(arrays: Arrays, classes: Sequence[str]) -> dict[str, Any]:
    """A split in full."""
    same, likely, labels = arrays["same"], arrays["probabilities"], arrays["labels"]
    said = likely >= THRESHOLD
    rows = []
    for a in range(len(classes)):
        for b in range(a, len(classes)):
            some = [i for i, (p, q) in enumerate(arrays["pairs"]) if sorted((labels[p], labels[q])) == [a, b]]
            if some:
                rows.append(
                    {
                        "classes": [classes[a], classes[b]],
                        "pairs": len(some),
                        "distance": float(arrays["distances"][some].mean()),
                        "accuracy": float((said[some] == (same[some] == 1)).mean()),
                    }
                )
    bins = reliability(arrays)
    return {
        "loss": float(-np.log(np.where(same == 1, likely, 1 - likely)).mean()),
        "pair_accuracy": float((said == (same == 1)).mean()),
        "auc": float(roc_auc_score(same, likely)),
        "equal_error": 0.125,
        "effective_rank": 1.97,
        "distance": 3.2,
        "calibration_error": float((bins[:, 2] * np.abs(bins[:, 0] - bins[:, 1])).sum() / len(same)),
        "pairs": len(same),
        "threshold": THRESHOLD,
        "false_accept": float(said[same == 0].mean()),
        "true_accept": float(said[same == 1].mean()),
        "intervals": INTERVALS,
        "precision_at_1": 0.9,
        "r_precision": 0.8,
        "knn_accuracy": 0.95,
        "class_pairs": rows,
        "dimensions": {"dead": 0, "duplicates": 1, "effective_rank": 1.97},
    }


def _galleries(rng: np.random.Generator, arrays: Arrays, dense: bool) -> Arrays:
    """The surest pairs of each kind, with the nearest of the split's own images in place of training images."""
    same, likely, made = arrays["same"] == 1, arrays["probabilities"], arrays["representation"].astype(np.float64)
    said = likely >= THRESHOLD
    kinds = {
        "right_same": said & same,
        "right_other": ~said & ~same,
        "wrong_same": said & ~same,
        "wrong_other": ~said & same,
    }
    apart = cdist(made, made)
    out: Arrays = {}
    for kind, there in kinds.items():
        some, sign = np.flatnonzero(there), -1 if kind.endswith("_same") else 1
        rows = some[np.argsort(sign * likely[some], kind="stable")][:12]
        index = arrays["pairs"][rows]  # (n, 2)
        near = np.argsort(apart[index], axis=-1, kind="stable")[..., 1:4]
        out |= {
            f"gallery_{kind}": rows,
            f"gallery_{kind}_pixels": _pixels(rng, index),
            f"gallery_{kind}_near": _pixels(rng, near),
            f"gallery_{kind}_near_labels": arrays["labels"][near],
            f"gallery_{kind}_near_distances": np.take_along_axis(apart[index], near, -1),
        }
    return out
