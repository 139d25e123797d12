"""How much of the classes a representation holds: simple classifiers on its features, on images that are balanced by
class.

k nearest neighbours ask whether images of a class lie together; a linear probe (Alain & Bengio 2016, "Understanding
intermediate layers using linear classifier probes") whether hyperplanes tell them apart. Each has one setting, chosen
on validation; the test images are met once, with that. Pixels, PCA or an untrained encoder are probed alike, as
baselines.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from smallvision.data import split
from smallvision.data.seeds import mix
from smallvision.errors import BadInput
from smallvision.metrics import classification, neighbours
from smallvision.metrics.features import checked, checked_labels
from smallvision.metrics.intervals import wilson

CS = (0.0001, 0.001, 0.01, 0.1, 1.0)
STEPS = 200  # of L-BFGS for each C: enough for all but the weakest penalties on thousands of features
_PROBE = 3  # keeps this draw apart from those of data/split.py, which are 1 and 2


@dataclass(frozen=True, eq=False)
class Part:
    """One split of a probe: features (N, D), float32 or float64, and labels int64 (N,), 0..K-1."""

    features: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class Probe:
    """The result of a probe on the test images.

    Parameters
    ----------
    kind : "knn-cosine", "knn-euclidean" or "linear".
    setting : name of the hyperparameter that was chosen on validation, "k" or "C".
    value : the value that was chosen.
    tried : validation accuracy, 0 to 1, of every value tried.
    count : test images.
    accuracy : share of them that is classified correctly, 0 to 1.
    interval : 95 % (Wilson) around it.
    macro_f1 : the mean of all classes' F1.
    per_class : for each class `class`, `precision`, `recall`, `f1`, `support`.
    confusion : int64 (K, K), rows true.
    predictions : int64 (N,).
    notes : what a person should know.
    """

    kind: str
    setting: str
    value: float
    tried: dict[float, float]
    count: int
    accuracy: float
    interval: tuple[float, float]
    macro_f1: float
    per_class: list[dict[str, Any]]
    confusion: np.ndarray
    predictions: np.ndarray
    notes: tuple[str, ...] = ()


def each(count: int, classes: Sequence[str], name: str = "subset") -> int:
    """Images of every class in a balanced subset of `count`. Raises BadInput unless there are equally many, at least
    one."""
    share, rest = divmod(count, len(classes))
    if share < 1 or rest:
        near = max(1, round(count / len(classes))) * len(classes)
        raise BadInput(f"{name}: {count:,} images cannot be divided equally among {len(classes)} classes; use {near:,}")
    return share


def subset(labels: np.ndarray, per_class: int, classes: Sequence[str], seed: int, name: str = "subset") -> np.ndarray:
    """Rows of a balanced subset: equally many random images of every class.

    Parameters
    ----------
    labels : int64 (N,), 0..K-1.
    per_class : images of each class.
    classes : K names.
    seed : which images; with another seed, others.
    name : how messages call the subset, for example "the probe's training images".

    Returns
    -------
    np.ndarray : int64 (K * per_class,), ascending.

    Raises
    ------
    BadInput : fewer than one of each class; more images than there are; a class that has too few.
    """
    known = checked_labels(name, labels, len(labels))
    counts = np.bincount(known, minlength=len(classes))
    if per_class < 1:
        raise BadInput(f"{name}: got {per_class} images of every class; expected at least 1")
    if len(counts) > len(classes):
        raise BadInput(
            f"{name}: got label {len(counts) - 1}; expected 0 to {len(classes) - 1}, one for each of {len(classes)} "
            "classes"
        )
    least, total = int(counts.argmin()), per_class * len(classes)
    if total > len(known):
        raise BadInput(
            f"{name}: {total:,} images were asked for, but there are only {len(known):,}; use at most "
            f"{int(counts[least]) * len(classes):,}, with equally many of every class"
        )
    if counts[least] < per_class:
        raise BadInput(
            f'{name}: {per_class:,} images of every class were asked for, but "{classes[least]}" has only '
            f"{counts[least]:,}; use at most {int(counts[least]) * len(classes):,} images, with equally many of "
            "every class"
        )
    return split.draw(known, np.arange(len(known)), np.full(len(classes), per_class), mix(seed, _PROBE))


def knn(
    train: Part,
    validation: Part,
    test: Part,
    classes: Sequence[str],
    metric: str = "euclidean",
    ks: Sequence[int] | None = None,
) -> Probe:
    """k-nearest-neighbour classification of the test images, with the k that is best on validation.

    Parameters
    ----------
    train, validation, test : features of one kind and labels.
    classes : K names.
    metric : "euclidean" or "cosine".
    ks : numbers of neighbours to try; those of `neighbours.KS` that the training images allow, if None.

    Raises
    ------
    BadInput : parts that do not fit one another or the classes; otherwise as `neighbours.choose_k`.
    """
    train, validation, test = _fitting(train, validation, test, classes)
    tried = [k for k in neighbours.KS if k <= len(train.labels)] if ks is None else ks
    k, accuracies = neighbours.choose_k(
        validation.features, validation.labels, train.features, train.labels, tried, metric
    )
    predictions = neighbours.classify(test.features, train.features, train.labels, k, metric)
    return _probe(f"knn-{metric}", "k", k, accuracies, test.labels, predictions, classes)


def linear(train: Part, validation: Part, test: Part, classes: Sequence[str], cs: Sequence[float] = CS) -> Probe:
    """Logistic regression (scikit-learn's) on standardised features, with the C that is best on validation.

    Parameters
    ----------
    train, validation, test : features of one kind and labels. Means and standard deviations are the training images'.
    classes : K names.
    cs : inverse strengths of the L2 penalty to try, above 0; among equally good ones the smallest, which is the
        strongest penalty.

    Raises
    ------
    BadInput : parts that do not fit one another or the classes; training images of one class only; nothing to choose
        from.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    train, validation, test = _fitting(train, validation, test, classes)
    values = sorted(set(cs))
    if not values or not 0 < values[0] <= values[-1] < float("inf"):
        raise BadInput(f"cs: got {list(cs)}; expected numbers above 0, such as 0.01, 0.1, 1")
    if len(np.unique(train.labels)) < 2:
        raise BadInput("train: there are images of one class only; a linear probe needs at least two classes")
    scaler = StandardScaler().fit(train.features)
    scaled, held_out = scaler.transform(train.features), scaler.transform(validation.features)
    models, accuracies, unfinished = {}, {}, set()
    for value in values:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            models[value] = LogisticRegression(C=value, max_iter=STEPS).fit(scaled, train.labels)
        if any(issubclass(warning.category, ConvergenceWarning) for warning in caught):
            unfinished.add(value)
        accuracies[value] = float((models[value].predict(held_out) == validation.labels).mean())
    best = max(values, key=lambda value: (accuracies[value], -value))
    predictions = np.asarray(models[best].predict(scaler.transform(test.features)), np.int64)
    notes = (
        ((f"the fit with C = {best:g} was stopped after {STEPS} steps, before it had converged"),)
        if best in unfinished
        else ()
    )
    return _probe("linear", "C", best, accuracies, test.labels, predictions, classes, notes)


def _fitting(train: Part, validation: Part, test: Part, classes: Sequence[str]) -> list[Part]:
    """The parts, checked. Raises BadInput where features or labels are invalid, or do not fit one another."""
    parts: list[Part] = []
    for name, part in (("train", train), ("validation", validation), ("test", test)):
        features = checked(f"{name} features", part.features)
        labels = checked_labels(f"{name} labels", part.labels, len(features))
        if labels.max() >= len(classes):
            raise BadInput(
                f"{name} labels: got {labels.max()}; expected 0 to {len(classes) - 1}, one for each of {len(classes)} "
                "classes"
            )
        if parts and features.shape[1] != parts[0].features.shape[1]:
            raise BadInput(
                f"{name} features: got {features.shape[1]:,} for each image, but the training images have "
                f"{parts[0].features.shape[1]:,}"
            )
        parts.append(Part(features, labels))
    return parts


def _probe(
    kind: str,
    setting: str,
    value: float,
    tried: dict[Any, float],
    labels: np.ndarray,
    predictions: np.ndarray,
    classes: Sequence[str],
    notes: tuple[str, ...] = (),
) -> Probe:
    right, count = int((predictions == labels).sum()), len(labels)
    rows = classification.per_class(labels, predictions, tuple(classes))
    return Probe(
        kind=kind,
        setting=setting,
        value=value,
        tried=tried,
        count=count,
        accuracy=right / count,
        interval=wilson(right, count),
        macro_f1=float(np.mean([row["f1"] for row in rows])),
        per_class=rows,
        confusion=classification.confusion(labels, predictions, len(classes)),
        predictions=predictions,
        notes=notes,
    )
