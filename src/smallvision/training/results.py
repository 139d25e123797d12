"""Builds result.json and evidence.npz of a finished run. Each task adds its own part."""

from dataclasses import asdict
from typing import Any

import numpy as np
from torch import nn

from smallvision.data import expand
from smallvision.data.copies import TrainingImages
from smallvision.data.imageset import Splits
from smallvision.experiment import Experiment
from smallvision.tasks import Scores, sample_images, task_of
from smallvision.training.state import TrainState


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
    """The content of `result.json`, except the seed, the notes and the digest of the weights.

    Parameters
    ----------
    layers : the layer table.
    state : at the end of training.
    scores : of every split, by the selected weights.
    selected : {`epoch`, `by`}: the epoch of these weights and what chose it.
    """
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
        "classes": list(splits.train.classes),
        "counts": {name: score.count for name, score in scores.items()},
        "class_counts": class_counts(splits, scores),
        "mean": list(splits.mean),
        "std": list(splits.std),
        "looks": looks(experiment, splits, state.epoch),
    }
    if len(splits.train.groups) > 1:
        out["sizes"] = len(splits.train.groups)
    if splits.range is not None:
        out["pixel_range"] = asdict(splits.range)
    if scores[shown(scores)].fitted:
        out[task_of(experiment).fitted_key] = scores[shown(scores)].fitted
    return out | splits_of(experiment, splits, scores)


def splits_of(experiment: Experiment, splits: Splits, scores: dict[str, Scores]) -> dict[str, Any]:
    """The scores of each split by its name.

    The split that the report shows and the split of classes kept out of training have their full scores: with
    intervals, the figures of each class and the rest of the task's entries. Every split but the training images says
    how many of its images are copies of these, and what the score is without them.
    """
    out: dict[str, Any] = {name: {**score.values, "count": score.count} for name, score in scores.items()}
    for name in {shown(scores), "unseen"} & set(scores):
        out[name] |= task_of(experiment).full_scores(experiment, splits, name, scores[name])
    held_out = {name: split for name, split in splits.named().items() if name in scores and name != "train"}
    if not held_out:
        return out
    known = TrainingImages(splits.train)
    for name, split in held_out.items():
        found = known.copies(split, same_classes=name != "unseen")
        out[name]["copies"] = {"images": found.count, "other_label": found.other_label}
        if found.count:
            out[name]["copies"]["rest"] = task_of(experiment).scores_without(scores[name], found.found)
    return out


def class_counts(splits: Splits, scores: dict[str, Scores]) -> dict[str, list[int]]:
    """How many images of each class the splits that were scored have; not of classes that were kept out of training."""
    return {
        name: split.labels.cpu().bincount(minlength=len(split.classes)).tolist()
        for name, split in splits.named().items()
        if name in scores and name != "unseen"
    }


def looks(experiment: Experiment, splits: Splits, epochs: int) -> int:
    """How often the test split was scored: once at the end, and after every epoch if it is watched."""
    if splits.test is None:
        return 0
    return 1 + (epochs if experiment.protocol.test == "watched" else 0)


def evidence(
    model: nn.Module, splits: Splits, experiment: Experiment, scores: dict[str, Scores]
) -> dict[str, np.ndarray]:
    """The arrays of `evidence.npz`: all answers on the shown split, chosen images, the first layer's weights."""
    task, name, train = task_of(experiment), shown(scores), splits.train
    some = sample_images.first(train)
    out = {
        "split": np.array(name),
        **scores[name].evidence,
        **task.evidence(experiment, model, splits, name, scores[name]),
        **{f"train_{key}": value for key, value in sample_images.stacked(train, some).items()},
        "train_labels": train.labels.cpu().numpy()[some],
        "filters": sample_images.filters(model, train.largest),
    }
    if "unseen" in scores:
        out |= task.unseen_evidence(splits, scores["unseen"])
    if experiment.data.expand is not None:
        kinds = expand.kinds(experiment.data.expand)
        out |= {"panel_pixels": sample_images.panel(train, len(kinds)).cpu().numpy(), "panel_kinds": np.array(kinds)}
    return out
