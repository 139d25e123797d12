"""Curves from a run's records: the loss of every step, smoothed, and thinned to what a figure can show."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smallvision.metrics.metric import Metric
from smallvision.tasks.base import SPLITS

LOSS = Metric("loss", "loss", False, 1.0, "", 4)


def per_step(steps: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """The training loss of each step, over the training images seen so far.

    A record says how many images were seen at its last step; the steps before it are spread evenly between two records.

    Parameters
    ----------
    steps : records of steps.jsonl.

    Returns
    -------
    tuple of np.ndarray : examples float64 (S,), losses float64 (S,).
    """
    examples, losses = [np.zeros(0)], [np.zeros(0)]
    before = 0.0
    for record in steps:
        values = np.asarray(record["loss"], np.float64)
        examples.append(before + (record["examples"] - before) * np.arange(1, len(values) + 1) / max(len(values), 1))
        losses.append(values)
        before = float(record["examples"])
    return np.concatenate(examples), np.concatenate(losses)


def smooth(values: np.ndarray, points: int = 240) -> tuple[np.ndarray, np.ndarray, int]:
    """A running median at no more than `points` places: robust against single odd batches, and small in a file.

    Returns
    -------
    tuple : places int64 (P,), indices into `values`; medians (P,); the window's width in steps, odd.
    """
    n = len(values)
    half = max(n // 100, 2)
    places = np.unique(np.linspace(0, n - 1, min(n, points)).round().astype(np.int64))
    medians = np.array([np.median(values[max(i - half, 0) : i + half + 1]) for i in places])
    return places, medians, 2 * half + 1


def envelope(x: np.ndarray, y: np.ndarray, bins: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lowest and highest value in each of `bins` runs of neighbours: a long curve's outline, peaks included.

    Returns
    -------
    tuple of np.ndarray : middle x, lowest y, highest y, each (bins,).
    """
    edges = np.linspace(0, len(y), bins + 1).round().astype(np.int64)[:-1]
    widths = np.diff(np.append(edges, len(y)))
    return x[edges + widths // 2], np.minimum.reduceat(y, edges), np.maximum.reduceat(y, edges)


def per_epoch(
    metrics: Sequence[Mapping[str, Any]], split: str, score: str, over: str = "epoch"
) -> tuple[np.ndarray, np.ndarray]:
    """One score of one split, over epochs or over training images seen ("examples"); epochs without it are left out."""
    points = [(record[over], record[split][score]) for record in metrics if score in (record.get(split) or {})]
    array = np.array(points, np.float64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def panels(metrics: Sequence[Mapping[str, Any]], score: Metric, beside: Sequence[Metric] = ()) -> tuple[Metric, ...]:
    """What of the epochs is to be drawn: loss and score, or the score alone where the two are the same, and what else
    is asked for.
    """
    records = [record[split] for record in metrics for split in SPLITS if score.key in (record.get(split) or {})]
    pairs = np.array([(one["loss"], one[score.key]) for one in records]).reshape(-1, 2)
    same = not score.higher and np.allclose(pairs[:, 0], pairs[:, 1], rtol=1e-6, atol=0)
    return (score, *beside) if same else (LOSS, score, *beside)


def minimised(metrics: Sequence[Mapping[str, Any]], score: Metric) -> list[Mapping[str, Any]]:
    """The epochs with only those splits whose loss is the one that training minimises.

    That is every split, unless the score is not of batches: then training has a loss of its own (a verifier's is of
    triplets, say), and the loss that other splits are scored by has no place beside it.
    """
    if all(score.key in record["train"] for record in metrics):
        return list(metrics)
    return [{key: value for key, value in record.items() if key == "train" or key not in SPLITS} for record in metrics]
