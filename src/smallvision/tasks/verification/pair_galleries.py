"""The pairs that a verifier's report shows: two images, their classes, distance, probability, and the nearest training
images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from smallvision.rendering import format
from smallvision.tasks.verification.schema import GALLERIES


@dataclass(frozen=True)
class Near:
    """A training image near one of a pair."""

    pixels: np.ndarray  # uint8 (C, H, W)
    label: str
    distance: str
    own: bool  # whether it is of the image's class


@dataclass(frozen=True)
class Side:
    """One image of a pair, with the nearest training images, the nearest first."""

    pixels: np.ndarray  # uint8 (C, H, W)
    label: str
    index: int  # in its split, from 0
    near: tuple[Near, ...]


@dataclass(frozen=True)
class Pair:
    """A pair of a gallery."""

    sides: tuple[Side, Side]
    distance: str
    probability: str  # that both are of one class
    right: bool


@dataclass(frozen=True)
class Gallery:
    """Answers of one kind, the surest first."""

    kind: str  # one of GALLERIES
    title: str
    count: int  # how many such answers there are; not all are shown
    pairs: tuple[Pair, ...]


TITLES = {
    "right_same": "Judged to be of one class, correctly",
    "right_other": "Judged to be of two classes, correctly",
    "wrong_same": "Judged to be of one class, but they are of two",
    "wrong_other": "Judged to be of two classes, but they are of one",
}


def kinds(evidence: Mapping[str, np.ndarray], threshold: float) -> dict[str, np.ndarray]:
    """Which of the M pairs got which answer: bool (M,) for each of GALLERIES."""
    said, same = evidence["probabilities"] >= threshold, evidence["same"] == 1
    return dict(zip(GALLERIES, (said & same, ~said & ~same, said & ~same, ~said & same), strict=True))


def galleries(evidence: Mapping[str, np.ndarray], classes: Sequence[str], threshold: float) -> dict[str, Gallery]:
    """The four galleries of the shown split, those of which images were kept.

    Parameters
    ----------
    evidence : arrays of evidence.npz.
    classes : K names.
    threshold : the probability from which pairs are said to be of one class.
    """
    answers = kinds(evidence, threshold)
    return {
        kind: Gallery(kind, TITLES[kind], int(answers[kind].sum()), tuple(_pairs(evidence, classes, kind)))
        for kind in GALLERIES
        if f"gallery_{kind}" in evidence
    }


def _pairs(evidence: Mapping[str, np.ndarray], classes: Sequence[str], kind: str) -> list[Pair]:
    rows = evidence[f"gallery_{kind}"].tolist()
    arrays = {name: evidence[f"gallery_{kind}_{name}"] for name in ("pixels", "near", "near_labels", "near_distances")}
    out = []
    for place, row in enumerate(rows):
        sides = [
            _side(evidence, classes, index, {name: values[place, side] for name, values in arrays.items()})
            for side, index in enumerate(evidence["pairs"][row].tolist())
        ]
        distance, likely = float(evidence["distances"][row]), float(evidence["probabilities"][row])
        out.append(Pair((sides[0], sides[1]), apart(distance), probability(likely), kind.startswith("right")))
    return out


def _side(evidence: Mapping[str, np.ndarray], classes: Sequence[str], index: int, arrays: Mapping[str, Any]) -> Side:
    """One image of a pair; `arrays` are the gallery's, of this image alone."""
    label = int(evidence["labels"][index])
    known = zip(arrays["near"], arrays["near_labels"].tolist(), arrays["near_distances"].tolist(), strict=True)
    near = tuple(Near(pixels, _name(classes, one), apart(distance), one == label) for pixels, one, distance in known)
    return Side(arrays["pixels"], _name(classes, label), index, near)


def probability(value: float) -> str:
    """In percent; what only rounds to certainty, of either kind, is not called certain."""
    return f"< 0.1{format.SPACE}%" if value > 0 and round(100 * value, 1) <= 0 else format.probability(value)


def apart(distance: float) -> str:
    """A distance with three digits: "1.00"."""
    return f"{distance:#.3g}" if abs(distance) < 1000 else format.whole(round(distance))


def _name(classes: Sequence[str], index: int) -> str:
    return classes[index] if index < len(classes) else str(index)
