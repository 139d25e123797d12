"""Plain and variational autoencoders side by side, and PCA: random codes decoded, and the way from one image to
another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from smallvision.tasks.base import StudyCase, StudyRun
from smallvision.tasks.reconstruction.study_images import SHOWN, linear_name
from smallvision.tasks.reconstruction.study_scores import representation

PAIRS = 2  # pairs of images whose codes are interpolated


@dataclass(frozen=True)
class Row:
    """Images of one case, or of PCA: uint8 (n, C, H, W)."""

    name: str
    codes: str  # what was decoded, in words; "" where it is the same for all
    images: np.ndarray
    alt: str  # for readers who do not see them


@dataclass(frozen=True)
class Between:
    """The interpolations from one image to another, by each case that has the same two images."""

    ends: str  # "3 to 7 (no. 12 and 40)"
    split: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class NewImages:
    """What the page shows; empty where the runs were made by a version that did not keep these images."""

    samples: tuple[Row, ...]
    between: tuple[Between, ...]


def mixed(cases: Sequence[StudyCase]) -> bool:
    """Whether there are variational autoencoders and plain ones among the cases."""
    return {variational(case.runs[0]) for case in cases if case.runs and representation(case.runs[0])} >= {True, False}


def variational(run: StudyRun) -> bool:
    """Whether the network of a run is a variational autoencoder."""
    return bool(run.record and getattr(run.record.experiment.model, "variational", False))


def new_images(cases: Sequence[StudyCase]) -> NewImages | None:
    """Random codes decoded, and interpolations, by the first run of each case.

    None unless there are plain and variational autoencoders among the cases.
    """
    if not mixed(cases):
        return None
    split = "test" if all(case.runs[0].evidence("test") for case in cases) else "validation"
    given = "normal codes, as of the training images"
    samples = [
        *_linear(cases, split, "pca_samples", lambda images: images[:SHOWN], given, "sample of {}"),
        *(
            Row(case.name, _code_distribution(case.runs[0], split), arrays["samples"][:SHOWN], f"sample of {case.name}")
            for case in cases
            if "samples" in (arrays := case.runs[0].evidence(split))
        ),
    ]
    ends = next((found for case in cases if (found := _ends(case.runs[0], split))), [])
    return NewImages(tuple(samples), tuple(_between(cases, split, place) for place in range(len(ends[:PAIRS]))))


def _code_distribution(run: StudyRun, split: str) -> str:
    return "standard normal codes, as taught" if variational(run) else f"normal codes, as its own of the {split} images"


def _ends(run: StudyRun, split: str) -> list[list[int]]:
    found: list[list[int]] = run.evidence(split).get("interpolation_index", np.zeros((0, 2), np.int64)).tolist()
    return found


def _linear(
    cases: Sequence[StudyCase], split: str, key: str, some: Callable[[np.ndarray], np.ndarray], codes: str, alt: str
) -> list[Row]:
    """PCA's images, once for all cases of which they are the same, fewer components first."""
    found: dict[bytes, tuple[int, Row]] = {}
    for case in cases:
        arrays, size = case.runs[0].evidence(split), representation(case.runs[0])
        if key in arrays and size is not None:
            images, name = some(arrays[key]), linear_name(min(size, int(arrays["pca_components"][-1])))
            found.setdefault(images.tobytes(), (size, Row(name, codes, images, alt.format(name))))
    return [row for _, row in sorted(found.values(), key=lambda pair: pair[0])]


def _between(cases: Sequence[StudyCase], split: str, place: int) -> Between:
    """The interpolations of all cases that have the same pairs of images as the first case that has any."""
    first = next(case.runs[0] for case in cases if _ends(case.runs[0], split))
    ends = _ends(first, split)
    pair = ends[place]
    labels, names = first.evidence(split)["labels"], first.result["classes"]
    said = f"{names[labels[pair[0]]]} to {names[labels[pair[1]]]}"
    alike = [case for case in cases if _ends(case.runs[0], split) == ends and _same(case.runs[0], first, split)]
    rows = [
        *_linear(alike, split, "pca_interpolations", lambda images: images[place], "", f"from {said} by {{}}"),
        *(
            Row(case.name, "", case.runs[0].evidence(split)["interpolations"][place], f"from {said} by {case.name}")
            for case in alike
        ),
    ]
    return Between(f"{said} (no. {pair[0]} and {pair[1]})", split, tuple(rows))


def _same(run: StudyRun, other: StudyRun, split: str) -> bool:
    """Whether two runs were shown the same images."""
    mine, theirs = (one.evidence(split).get("ids", np.zeros((0, 2))) for one in (run, other))
    return bool(np.array_equal(mine, theirs))
