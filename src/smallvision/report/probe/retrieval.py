"""The retrieval part of a page: one image of each class, its nearest training images, and marks on those of another
class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from smallvision.report.probe.results import OWN

if TYPE_CHECKING:
    from smallvision.runs.probes import ProbeRecord

SHOWN = (
    (OWN, "representation"),
    ("pixels", "pixels"),
)  # the sources that have neighbours kept, and what a row is called


@dataclass(frozen=True, eq=False)
class Neighbour:
    """A training image near a query; `pixels` uint8 (C, H, W)."""

    pixels: np.ndarray
    label: str
    right: bool  # of the query's class
    distance: float  # 1 - cosine


@dataclass(frozen=True, eq=False)
class Row:
    """The images nearest to a query by one source of features, the nearest first."""

    title: str
    found: tuple[Neighbour, ...]

    @property
    def right(self) -> int:
        """How many are of the query's class."""
        return sum(one.right for one in self.found)


@dataclass(frozen=True, eq=False)
class Query:
    """An image of the shown split and what is nearest to it."""

    pixels: np.ndarray  # uint8 (C, H, W)
    label: str
    index: int  # among the shown images, from 0
    rows: tuple[Row, ...]


def queries(record: "ProbeRecord", sources: Sequence[tuple[str, str]] = SHOWN) -> list[Query]:
    """The queries of a record in their order, at most one for a class.

    Parameters
    ----------
    sources : name and title of those whose neighbours are wanted; what was not kept is left out.
    """
    evidence, classes = record.evidence, record.result["classes"]
    there = [(name, title) for name, title in sources if f"neighbours_{name}_pixels" in evidence]
    out = []
    for place, index in enumerate(evidence["query_index"].tolist() if there else ()):
        label = int(evidence["labels"][index])
        rows = tuple(_row(evidence, classes, name, title, place, label) for name, title in there)
        out.append(Query(evidence["query_pixels"][place], classes[label], index, rows))
    return out


def _row(
    evidence: Mapping[str, np.ndarray], classes: Sequence[str], name: str, title: str, place: int, label: int
) -> Row:
    pixels, labels, distances = (
        evidence[f"neighbours_{name}_{key}"][place] for key in ("pixels", "labels", "distances")
    )
    return Row(
        title,
        tuple(
            Neighbour(image, classes[near], near == label, distance)
            for image, near, distance in zip(pixels, labels.tolist(), distances.tolist(), strict=True)
        ),
    )
