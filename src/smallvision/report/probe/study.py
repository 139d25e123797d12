"""Compares the representations of a study's cases: one probe of each, averaged over seeds, beside pixels and PCA."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from smallvision.metrics.intervals import wilson
from smallvision.metrics.metric import ACCURACY
from smallvision.rendering import format
from smallvision.rendering.svg import inline
from smallvision.report.probe import projections, study_figures, wording
from smallvision.report.probe.figures import look
from smallvision.report.probe.results import OWN, PROBES, Result, best, called, results
from smallvision.report.probe.retrieval import queries
from smallvision.report.probe.section import a_map, of_classes
from smallvision.stats.mean_score import MeanScore, mean_score

if TYPE_CHECKING:
    from markupsafe import Markup

    from smallvision.runs.probes import ProbeRecord

TITLE = "What the representations are good for"
AT = "probes"  # the anchor, and the beginning of all ids


@dataclass(frozen=True, eq=False)
class Case:
    """A case with the probes of its runs."""

    name: str
    records: "Sequence[ProbeRecord]" = field(repr=False)
    found: tuple[tuple[Result, ...], ...] = field(repr=False)  # of each run

    def every(self, source: str, kind: str) -> list[Result]:
        """What each run has for a source and a probe."""
        return [one for run in self.found for one in run if (one.source, one.kind) == (source, kind)]

    def score(self, source: str, kind: str) -> MeanScore | None:
        """The mean accuracy over the runs, with its spread and interval; None where a run does not have it.

        A score that is the same for every seed, as that of pixels is, counts once, and its interval is over images.
        """
        some = self.every(source, kind)
        values = [one.accuracy for one in some]
        if len(some) != len(self.records):
            return None
        if len(set(values)) > 1:
            return mean_score(values, ACCURACY)
        count = some[0].count
        return mean_score(values[:1], ACCURACY, wilson(round(values[0] * count), count) if count else None)

    def mean(self, source: str, kind: str, key: str) -> float:
        """Mean of another number of a Result ("macro_f1", "chosen_at") over the runs that have it."""
        some = [float(getattr(one, key)) for one in self.every(source, kind)]
        return sum(some) / len(some)

    @property
    def size(self) -> int:
        """Values of the representation."""
        return next(one.size for one in self.found[0] if one.source == OWN)


def section(rows: "Sequence[tuple[str, Sequence[ProbeRecord]]]") -> dict[str, Any]:
    """All that report/probe/study.html needs; its macro is `section(found, h, sub)`.

    Parameters
    ----------
    rows : a case's name and the probes of its runs, one for each seed, all of one ProbeSpec. Cases without a probe are
        left out.

    Returns
    -------
    dict : empty where no case has a probe; else among others `at` and `title`, for a list of contents.
    """
    found = [
        Case(name, records, tuple(tuple(results(record)) for record in records)) for name, records in rows if records
    ]
    if not found:
        return {}
    sources = list(dict.fromkeys(one.source for case in found for one in case.found[0]))
    kinds = list(dict.fromkeys(one.kind for case in found for one in case.found[0]))
    return {
        "at": AT,
        "title": TITLE,
        "split": found[0].records[0].result["split"],
        "sentence": sentence(found, kinds),
        "protocol": _protocol(found),
        "readings": wording.READING,
        "seeds": sorted({len(case.records) for case in found}),
        "headers": [look(source)[3] for source in sources],
        "table": [_row(case, kind, kind == kinds[0], sources) for case in found for kind in kinds],
        "figure": _figure(found, kinds, sources),
        "cases": [_case(case, f"{AT}-{number}") for number, case in enumerate(found, start=1)],
        "pixels": _pixels(found[0].records[0]) if len(sources) > 1 else None,
        "notes": list(
            dict.fromkeys(
                f"{case.name}: {note}" for case in found for one in case.records for note in one.result["notes"]
            )
        ),
    }


def strongest(found: Sequence[Case], kinds: Sequence[str]) -> tuple[Case, str]:
    """The case and the probe whose representations were best, over the seeds, on the images that k and C were chosen
    on.
    """
    pairs = [(case, kind) for case in found for kind in kinds if case.score(OWN, kind)]
    return max(pairs, key=lambda pair: pair[0].mean(OWN, pair[1], "chosen_at"))


def sentence(found: Sequence[Case], kinds: Sequence[str]) -> str:
    """Which case holds most of the classes, and how many cases hold more than pixels and than PCA of their size."""
    case, kind = strongest(found, kinds)
    own = case.score(OWN, kind)
    assert own is not None
    beside = [
        f"{_share(other)} from {called(source, case.every(source, kind)[0].size)}"
        for source in ("pixels", "pca", "untrained")
        if (other := case.score(source, kind))
    ]
    against = f", against {format.listed(beside)}" if beside else ""
    most = (
        "Where k and C were chosen, the classes are best told from" if len(found) > 1 else "The classes are told from"
    )
    head = f"{most} {case.name} by {PROBES[kind][1]}; on the images shown that is right for {_share(own)}{against}."
    counted = [
        f"{_above(found, kind, source)} above {name}"
        for source, name in (("pixels", "raw pixels"), ("pca", "PCA of their own size"))
        if all(one.score(source, kind) for one in found)
    ]
    tail = (
        f" By that probe and by the means alone, {format.listed(counted)}; what differs beyond chance, means alone do "
        "not tell."
    )
    return head + (tail if counted and len(found) > 1 else "")


def _above(found: Sequence[Case], kind: str, source: str) -> str:
    """How many cases have a higher mean than a baseline: "none of 3 cases is", "2 of 3 cases are"."""
    pairs = [(case.score(OWN, kind), case.score(source, kind)) for case in found]
    count = sum(own is not None and other is not None and own.value > other.value for own, other in pairs)
    return f"{count or 'none'} of {len(found)} cases {'are' if count > 1 else 'is'}"


def _share(score: MeanScore) -> str:
    return score.text + format.SPACE + "%"


def _protocol(found: Sequence[Case]) -> str:
    """How the first run was probed, and whether the others were otherwise."""
    first = found[0].records[0]
    every = {(record.result["split"], *record.result["counts"].values()) for case in found for record in case.records}
    return wording.protocol(first) + (
        " Not every run had as many images; these are the first’s." if len(every) > 1 else ""
    )


def _row(case: Case, kind: str, first: bool, sources: Sequence[str]) -> dict[str, Any]:
    """A line of the table: a case by one probe, a score for each source, and the macro F1 of the representation."""
    scores = [case.score(source, kind) for source in sources]
    top = max((score.value for score in scores if score), default=0.0)
    return {
        "case": case.name,
        "size": case.size,
        "first": first,
        "probe": PROBES[kind][0],
        "f1": case.mean(OWN, kind, "macro_f1"),
        "cells": [(score, score is not None and score.value == top) for score in scores],
    }


def _figure(found: Sequence[Case], kinds: Sequence[str], sources: Sequence[str]) -> "Markup":
    scores = {
        kind: [{source: score for source in sources if (score := case.score(source, kind))} for case in found]
        for kind in kinds
    }
    said = "; ".join(
        f"{case.name}, {PROBES[kind][0]}: {_share(score)}"
        for kind in kinds
        for case in found
        if (score := case.score(OWN, kind))
    )
    drawn = study_figures.dots([case.name for case in found], scores)
    return inline(drawn, f"Accuracy from each representation: {said}", f"{AT}-dots")


def _case(case: Case, at: str) -> dict[str, Any]:
    """What is shown of a case's first run: confusion, neighbours, maps."""
    record, found = case.records[0], case.found[0]
    return {
        "name": case.name,
        "run": record.result["name"],
        "seed": record.result["seed"],
        "own": of_classes(best(found), record.result["classes"], at),
        "dimensions": wording.dimensions(record),
        "queries": queries(record, ((OWN, "representation"),)),
        "maps": maps(record, OWN, at),
    }


def _pixels(record: "ProbeRecord") -> Mapping[str, Any] | None:
    """The neighbours by pixels and the maps of pixels, which are the same for all cases; None where there are none."""
    near, drawn = queries(record, (("pixels", "pixels"),)), maps(record, "pixels", f"{AT}-pixels")
    return {"queries": near, "maps": drawn} if near or drawn else None


def maps(record: "ProbeRecord", source: str, at: str) -> dict[str, Any] | None:
    """The maps of one source, side by side, and what can be read in each; None where there are none."""
    kinds = [one["kind"] for one in record.result["maps"] if one["source"] == source and one["images"]]
    if not kinds:
        return None
    names = [wording.MAPS[kind] for kind in kinds]
    drawn = projections.draw(
        [a_map(record, kind, source, name) for kind, name in zip(kinds, names, strict=True)], record.result["classes"]
    )
    vote = {one["kind"]: one["neighbours"] for one in record.result["maps"] if one["source"] == source}
    votes = [f"{format.percent(vote[kind], 1)} ({name})" for kind, name in zip(kinds, names, strict=True)]
    alt = (
        f"{format.listed(names)} of {called(source, 0)}: {len(record.evidence['map_index'])} images as points by class"
    )
    return {
        "figure": inline(drawn, alt, f"{at}-maps"),
        "kinds": kinds,
        "votes": f"Ten neighbours on the map vote rightly for {format.listed(votes)} of the images.",
    }
