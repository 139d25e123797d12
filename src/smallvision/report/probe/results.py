"""The results of a probe as rows: each source of features with each probe, and the probe that is the headline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from smallvision.rendering import format

if TYPE_CHECKING:
    from smallvision.runs.probes import ProbeRecord

OWN = "representation"
# a probe's kind: its name over a column, and in a sentence
PROBES: dict[str, tuple[str, str]] = {
    "knn-cosine": ("kNN, cosine", "k nearest neighbours by cosine"),
    "knn-euclidean": ("kNN, Euclidean", "k nearest neighbours by Euclidean distance"),
    "linear": ("linear", "a linear probe"),
}


@dataclass(frozen=True, eq=False)
class Result:
    """One source of features with one probe, on the shown images."""

    source: str  # "representation", "pixels", "pca", "untrained"
    title: str
    size: int  # features of an image
    kind: str  # a key of PROBES
    setting: str  # "k" or "C"
    value: float  # of it, chosen without the shown images
    tried: tuple[tuple[float, float], ...]  # value, accuracy on the images that it was chosen on
    count: int
    accuracy: float  # 0 to 1
    interval: tuple[float, float]  # 95 %
    macro_f1: float
    per_class: list[dict[str, Any]] = field(repr=False)
    confusion: np.ndarray = field(repr=False)  # int64 (K, K), rows true
    notes: tuple[str, ...] = ()

    @property
    def header(self) -> str:
        """The probe's name over a column."""
        return PROBES[self.kind][0]

    @property
    def by(self) -> str:
        """The probe in a sentence, with what was chosen: "a linear probe (C = 0.01)"."""
        return f"{PROBES[self.kind][1]} ({self.chosen})"

    @property
    def chosen(self) -> str:
        """The setting: "k = 9"."""
        return f"{self.setting} = {self.value:g}"

    @property
    def chosen_at(self) -> float:
        """Accuracy on the images that the setting was chosen on, 0 to 1."""
        return next((accuracy for value, accuracy in self.tried if value == self.value), 0.0)


def results(record: "ProbeRecord") -> list[Result]:
    """All of a record, sources in their order, and of each the probes in theirs."""
    matrices = record.evidence["confusion"]  # (S, P, K, K)
    return [
        Result(
            source["name"],
            source["title"],
            source["size"],
            one["kind"],
            one["setting"],
            one["value"],
            tuple((value, accuracy) for value, accuracy in one["tried"]),
            one["count"],
            one["accuracy"],
            (one["interval"][0], one["interval"][1]),
            one["macro_f1"],
            one["per_class"],
            matrices[row, column],
            tuple(one["notes"]),
        )
        for row, source in enumerate(record.result["sources"])
        for column, one in enumerate(source["probes"])
    ]


def best(found: Sequence[Result], source: str = OWN) -> Result:
    """The probe that speaks for a source: best on the images that the settings were chosen on, not on those shown."""
    return max((one for one in found if one.source == source), key=lambda one: one.chosen_at)


def kinds(found: Sequence[Result]) -> list[str]:
    """The probes, each once, in their order."""
    return list(dict.fromkeys(one.kind for one in found))


def same_class(record: "ProbeRecord") -> float:
    """Share of the shown images that always saying the most frequent class would have right."""
    labels = record.evidence["labels"]
    return float(np.bincount(labels).max() / len(labels))


def called(source: str, size: int) -> str:
    """A source in a sentence: "PCA with 10 components"."""
    if source == "pca":
        return f"PCA with {format.whole(size)} component{'s' if size != 1 else ''}"
    return {"representation": "the representation", "pixels": "raw pixels", "untrained": "the untrained encoder"}.get(
        source, source
    )


def table(record: "ProbeRecord") -> list[dict[str, Any]]:
    """A row for each source: `title`, `size`, `cells` (a Result and whether it is the best of its column, by accuracy
    and by macro F1, for each probe) and `precision` (a share and whether it is the best, at 1 and at 8)."""
    found, sources = results(record), record.result["sources"]
    top = {
        kind: [max(getattr(one, key) for one in found if one.kind == kind) for key in ("accuracy", "macro_f1")]
        for kind in kinds(found)
    }
    first = {at: max(source["precision"][at] for source in sources) for at in ("1", "8")}
    return [
        {
            "title": source["title"],
            "size": source["size"],
            "own": source["name"] == OWN,
            "cells": [
                (one, one.accuracy == top[one.kind][0], one.macro_f1 == top[one.kind][1])
                for one in found
                if one.source == source["name"]
            ],
            "precision": [(source["precision"][at], source["precision"][at] == most) for at, most in first.items()],
        }
        for source in sources
    ]


def told(one: Mapping[str, Any]) -> bool:
    """Whether a comparison says that one side is better."""
    return bool(one["verdict"] != "not distinguishable")
