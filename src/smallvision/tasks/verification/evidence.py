"""Makes result.json and evidence.npz of a verifier: scores with intervals, pairs of classes, clearest answers."""

from typing import Any

import numpy as np
import torch
from torch import nn

from smallvision.data import pairs as drawn
from smallvision.data.imageset import ImageSet, Splits
from smallvision.experiment import Experiment
from smallvision.experiment.model.siamese import SiameseSpec
from smallvision.metrics import bootstrap, calibration, dimensions, neighbours, retrieval, verification
from smallvision.nn.siamese import Siamese
from smallvision.tasks import sample_images as chosen
from smallvision.tasks.base import Scores
from smallvision.tasks.verification.learn import PAIRS_SEED, TRUE_ACCEPTS
from smallvision.tasks.verification.pairs import encoded, judged

SHOWN = 12  # pairs in each gallery
NEAR = 3  # training images beside each image of a pair
VOTERS = 5  # nearest other images of the split that vote on an image's class
FIGURES = {
    "accuracy": "pair_accuracy",
    "auc": "auc",
    "equal_error": "equal_error",
    **{f"true_accept_at_{rate:g}": name for rate, name in TRUE_ACCEPTS.items()},
}
GALLERIES = ("right_same", "right_other", "wrong_same", "wrong_other")


def full_scores(images: ImageSet, score: Scores, experiment: Experiment) -> dict[str, Any]:
    """Intervals, rates at the threshold, retrieval, pairs of classes, use of the dimensions.

    Returns
    -------
    dict : `pairs`; `threshold`, the probability from which pairs were accepted; `false_accept`, `true_accept` there;
        `intervals` {figure: [low, high]}, 95 %, image-level bootstrap; `precision_at_1`, `r_precision`, `knn_accuracy`
        (VOTERS others of the split vote); `class_pairs` [{classes, pairs, accuracy, distance}]; `dimensions` {dead,
        duplicates, effective_rank}.
    """
    found, threshold = score.evidence, score.fitted["threshold"]
    same, made, labels = found["same"].astype(bool), found["representation"], found["labels"]
    probabilities = found["probabilities"]
    rates = verification.measure(probabilities, same, threshold)
    metric = _metric(experiment)
    out: dict[str, Any] = {
        "pairs": len(same),
        "threshold": threshold,
        "false_accept": rates.false_accept,
        "true_accept": rates.true_accept,
    }
    if min(same.sum(), (~same).sum()) >= bootstrap.LEAST:
        ends = bootstrap.intervals(probabilities, same, found["pairs"], threshold)
        out["intervals"] = {FIGURES[name]: list(interval) for name, interval in ends.items()}
    looked = retrieval.retrieve(made, labels, metric)
    out |= {"precision_at_1": looked.precision_at_1, "r_precision": looked.r_precision}
    if len(made) > VOTERS:
        out["knn_accuracy"] = _voted(made, labels, metric)
    used = dimensions.measure(made)
    use = {
        "dead": int(used.dead.sum()),
        "duplicates": int((used.duplicate_of >= 0).sum()),
        "effective_rank": used.effective_rank,
    }
    return {**out, "class_pairs": _class_pairs(found, threshold, images.classes), "dimensions": use}


@torch.inference_mode()
def evidence(
    model: nn.Module, splits: Splits, experiment: Experiment, name: str, score: Scores
) -> dict[str, np.ndarray]:
    """The first images, the reliability diagram, pairs that share no image, and the galleries: pairs with the training
    images nearest to each of the two."""
    assert isinstance(model, Siamese)
    images, found = splits.named()[name], score.evidence
    same = found["same"].astype(bool)
    first = chosen.first(images)
    curve = calibration.reliability(found["probabilities"], same)
    out = {
        "first_index": first.astype(np.int64),
        "first_pixels": chosen.stacked(images, first)["pixels"],
        "reliability": np.stack([curve.predicted, curve.observed, curve.counts.astype(np.float64)], axis=1),
        **alone(model, images, score),
    }
    train = splits.train
    known, labels = encoded(model, train).cpu().numpy(), train.labels.cpu().numpy()
    for kind, rows in galleries(found["probabilities"], same, score.fitted["threshold"]).items():
        index = found["pairs"][rows].reshape(-1)  # (2 n,)
        near = min(NEAR, len(train))
        apart, places = np.empty((0, near)), np.empty((0, near), np.int64)
        if len(index):
            apart, places = neighbours.nearest(found["representation"][index], known, near, model.metric)
        shape = (len(rows), 2)
        out |= {
            f"gallery_{kind}": rows,
            f"gallery_{kind}_pixels": chosen.stacked(images, index)["pixels"].reshape(*shape, *images.shape),
            f"gallery_{kind}_near": chosen.stacked(train, places.reshape(-1))["pixels"].reshape(
                *shape, near, *images.shape
            ),
            f"gallery_{kind}_near_labels": labels[places].reshape(*shape, near),
            f"gallery_{kind}_near_distances": apart.reshape(*shape, near),
        }
    return out


def alone(model: Siamese, images: ImageSet, score: Scores) -> dict[str, np.ndarray]:
    """The answers to pairs of which no two share an image, so that they are independent: what networks are compared by.

    Returns
    -------
    dict : `alone_pairs` int64 (A, 2), rows of the split, balanced, as many as there can be; the same images whatever
        their order in the split; `alone_same`, `alone_right` int64 (A,), 0 or 1; `alone_probabilities` float64 (A,).
    """
    found, fitted = score.evidence, score.fitted
    order = np.lexsort(found["ids"].T)
    labels = found["labels"][order]
    count = drawn.most_pairs(labels, 1, images.classes)
    which, same = np.empty((0, 2), np.int64), np.empty(0, bool)
    if count:
        which, same = drawn.balanced(labels, count, 1, PAIRS_SEED, images.classes)
    pairs, probabilities = order[which], np.empty(0)
    if count:
        scores, _ = judged(model, torch.from_numpy(found["representation"]).to(next(model.parameters()).device), pairs)
        probabilities = calibration.Calibration(fitted["slope"], fitted["intercept"]).probability(scores)
    right = (probabilities >= fitted["threshold"]) == same
    whole = {"alone_pairs": pairs, "alone_same": same, "alone_right": right}
    return {**{name: array.astype(np.int64) for name, array in whole.items()}, "alone_probabilities": probabilities}


def galleries(probabilities: np.ndarray, same: np.ndarray, threshold: float) -> dict[str, np.ndarray]:
    """Rows of pairs for each kind of answer, at most SHOWN, most confident first: {kind: int64 (n,)}, see GALLERIES."""
    said = probabilities >= threshold
    kinds = {
        "right_same": said & same,
        "right_other": ~said & ~same,
        "wrong_same": said & ~same,
        "wrong_other": ~said & same,
    }
    sure = np.where(said, -probabilities, probabilities)  # ascending: the surest first
    return {
        kind: (rows := np.flatnonzero(kinds[kind]))[np.argsort(sure[rows], kind="stable")][:SHOWN] for kind in GALLERIES
    }


def _voted(made: np.ndarray, labels: np.ndarray, metric: str) -> float:
    """The share of images whose nearest others, itself left out, have its class for the most part."""
    _, places = neighbours.nearest(made, made, VOTERS + 1, metric)
    own = places == np.arange(len(made))[:, None]
    own[~own.any(1), -1] = True  # equal images: it is as near as they are, and not among them
    others = places[~own].reshape(len(made), VOTERS)
    return float((neighbours.votes(labels, others) == labels).mean())


def _class_pairs(found: dict[str, np.ndarray], threshold: float, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """What became of the pairs of each two classes, in the classes' order."""
    both = np.sort(found["labels"][found["pairs"]], axis=1)  # (M, 2)
    right = (found["probabilities"] >= threshold) == found["same"].astype(bool)
    rows = []
    for one, other in np.unique(both, axis=0).tolist():
        there = (both == (one, other)).all(1)
        rows.append(
            {
                "classes": [classes[one], classes[other]],
                "pairs": int(there.sum()),
                "accuracy": float(right[there].mean()),
                "distance": float(found["distances"][there].mean()),
            }
        )
    return rows


def _metric(experiment: Experiment) -> str:
    assert isinstance(experiment.model, SiameseSpec)
    return experiment.model.distance
