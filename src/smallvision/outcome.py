"""What a finished run has to say: `result.json` as a dict, and the arrays of `evidence.npz`."""

from typing import Any

import numpy as np
from torch import nn

from smallvision.data import augment
from smallvision.data.images import Splits
from smallvision.evaluate import evidence as chosen
from smallvision.evaluate import metrics, scales
from smallvision.evaluate.sizes import by_size
from smallvision.experiment import Experiment
from smallvision.stats.intervals import wilson
from smallvision.tasks import Scores
from smallvision.train.state import TrainState

PANEL = 10                                 # images of each kind in the panel of an expanded training set


def shown(scores: dict[str, Scores]) -> str:
    """The split whose images the report shows: test, else validation, else train."""
    return next(name for name in ("test", "validation", "train") if name in scores)


def result(
    experiment: Experiment,
    splits: Splits,
    layers: dict[str, Any],
    state: TrainState,
    scores: dict[str, Scores],
    selected: dict[str, Any],
) -> dict[str, Any]:
    """What `result.json` holds, but for what only the run directory knows (seed, notes, digest of the weights).

    Parameters
    ----------
    layers : the layer table.
    state : at the end of training.
    scores : of every split, scored by the selected weights.
    selected : the epoch that these weights are of, and what chose it.
    """
    classes = splits.train.classes
    out: dict[str, Any] = {
        "name": experiment.name,
        "experiment": experiment.hash(),
        "parameters": layers["totals"]["parameters"],
        "bytes": layers["totals"]["parameter_bytes"],
        "multiply_adds": layers["totals"]["multiply_adds"],
        "epochs": state.epoch,
        "seconds": state.seconds,
        "seconds_per_epoch": state.seconds / max(state.epoch, 1),
        "images_per_second": state.examples / state.seconds if state.seconds else 0.0,
        "precision": experiment.recipe.precision,
        "selected": selected,
        "classes": list(classes),
        "counts": {name: score.count for name, score in scores.items()},
        "mean": list(splits.mean),
        "std": list(splits.std),
        "looks": looks(experiment, splits, state.epoch),
    }
    if len(splits.train.groups) > 1:
        out["sizes"] = len(splits.train.groups)
    for name, score in scores.items():
        out[name] = {**score.values, "count": score.count}
    out[shown(scores)] = in_full(scores[shown(scores)], classes)
    return out


def in_full(score: Scores, classes: tuple[str, ...]) -> dict[str, Any]:
    """A split's scores with the interval of its accuracy, the figures of each class and of each image size, as in `result.json`."""
    labels, predictions = score.evidence["labels"], score.evidence["predictions"]
    interval = wilson(int((labels == predictions).sum()), score.count)
    per_class = metrics.per_class(labels, predictions, classes)
    out = {**score.values, "count": score.count, "accuracy_interval": list(interval), "per_class": per_class}
    if "sizes" in score.evidence:
        out["by_size"] = by_size(labels, predictions, score.evidence["sizes"])
    return out


def looks(experiment: Experiment, splits: Splits, epochs: int) -> int:
    """How often the test split was scored: once at the end, and after every epoch where it is watched."""
    if splits.test is None:
        return 0
    return 1 + (epochs if experiment.protocol.test == "watched" else 0)


def evidence(model: nn.Module, splits: Splits, experiment: Experiment, scores: dict[str, Scores]) -> dict[str, np.ndarray]:
    """What `evidence.npz` holds: every answer on the shown split, chosen images, the first layer's weights.

    Of a network that takes any size also its answers to the shown split's images at several scales: no further look at
    a test split, since nothing can select by it.
    """
    name, train = shown(scores), splits.train
    found = scores[name].evidence
    some = chosen.first(train)
    out = {
        "split": np.array(name),
        **found,
        "confusion": metrics.confusion(found["labels"], found["predictions"], len(train.classes)),
        **chosen.chosen(splits.named()[name], found["predictions"], found["probabilities"]),
        **{f"train_{key}": value for key, value in chosen.stacked(train, some).items()},
        "train_labels": train.labels.cpu().numpy()[some],
        "filters": chosen.filters(model, train.largest),
    }
    if getattr(model, "any_size", False):
        out |= scales.by_scale(model, splits.named()[name])
    if experiment.data.expand is not None:
        kinds = augment.kinds(experiment.data.expand)
        group = max(train.groups, key=len)
        panel = group.reshape(len(kinds), -1, *group.shape[1:])[:, :PANEL]                       # (kinds, n, C, H, W)
        out |= {"panel_pixels": panel.cpu().numpy(), "panel_kinds": np.array(kinds)}
    return out
