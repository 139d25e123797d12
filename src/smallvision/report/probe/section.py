"""The section of a run's report that says what its representation is good for: one for each probe standing in the run's
folder.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from smallvision.rendering import format
from smallvision.rendering.svg import inline
from smallvision.report.probe import figures as probe_figures
from smallvision.report.probe import projections, wording
from smallvision.report.probe.projections import Map
from smallvision.report.probe.results import OWN, PROBES, Result, best, called, results, same_class, table, told
from smallvision.report.probe.retrieval import queries
from smallvision.report.study import figures as study_figures
from smallvision.report.study.figures import Difference
from smallvision.tasks.classification import figures
from smallvision.tasks.reconstruction import figures as reconstruction_figures

if TYPE_CHECKING:
    from markupsafe import Markup

    from smallvision.runs.probes import ProbeRecord

TITLE = "What its representation is good for"
NAMES = {"pca": "PCA", "untrained": "untrained encoder"}  # of sources in a figure, where the word itself is none
OPEN = 3  # images whose neighbours stand before a fold
TITLES = {OWN: "representation", "pixels": "pixels"}  # of the sources that have maps


def parts(records: "Sequence[ProbeRecord]", prefix: str, weights: str | None = None) -> list[dict[str, Any]]:
    """All that the template needs of each probe.

    Parameters
    ----------
    records : of one run.
    prefix : keeps their ids apart from others on the page.
    weights : sha256 of the run's weights as they are now; a probe of others says so.
    """
    many = len(records) > 1
    anchors = [f"probe{number if many else ''}" for number in range(1, len(records) + 1)]
    return [
        {"anchor": anchor, **_part(record, prefix + anchor, many, weights)}
        for anchor, record in zip(anchors, records, strict=True)
    ]


def sections(found: Sequence[dict[str, Any]]) -> list[tuple[str, str, bool]]:
    """Anchor without the page's prefix, title and True of each, for a list of contents."""
    return [
        (one["anchor"], TITLE if len(found) == 1 else f"{TITLE}, {number}", True)
        for number, one in enumerate(found, start=1)
    ]


def _part(record: "ProbeRecord", at: str, several: bool, weights: str | None) -> dict[str, Any]:
    result, found = record.result, results(record)
    own = best(found)
    others = [one for one in found if one.source == OWN and one is not own]
    return {
        "at": at,
        "title": f"{TITLE}: {wording.asked(record)}" if several else TITLE,
        "split": result["split"],
        "headline": wording.headline(record),
        "beside": wording.beside(record),
        "judged": wording.judged(record),
        "follows": wording.follows(record),
        "highest": wording.highest(record),
        "protocol": f"{wording.protocol(record)} {wording.speaking(record)}".strip(),
        "other_weights": bool(weights) and weights != result["model_sha256"],
        "kinds": [PROBES[one["kind"]][0] for one in result["sources"][0]["probes"]],
        "table": table(record),
        "dots": inline(probe_figures.dots(found, same_class(record)), _spoken(found), f"{at}-dots"),
        "choosing": inline(probe_figures.choosing(found), _choices(found), f"{at}-choosing"),
        "chosen_on": "validation" if result["chosen_on"] == "validation" else "held-out training",
        "tests": tests(record, own),
        "forest": _forest(record, at),
        "own": of_classes(own, result["classes"], f"{at}-own"),
        "others": [of_classes(one, result["classes"], f"{at}-other{number}") for number, one in enumerate(others)],
        "recalls": [(one.title, one.per_class) for one in found if one.kind == own.kind],
        "dimensions": wording.dimensions(record),
        "spectrum": _spectrum(record, at),
        "queries": queries(record),
        "classes": len(result["classes"]),
        "open": OPEN,
        "maps": maps(record, at),
        "notes": list(
            dict.fromkeys(
                [*result["notes"], *(f"{one.title}, {one.header}: {note}" for one in found for note in one.notes)]
            )
        ),
        "command": format.relative_command(result["command"], record.path.parents[1]),
    }


def of_classes(one: Result, classes: Sequence[str], at: str) -> dict[str, Any]:
    """The confusion matrix and the table of classes of one source with one probe."""
    right = f"{int(one.confusion.trace())} of {int(one.confusion.sum())} images"
    alt = f"Confusion matrix of {one.title}, {one.header}, of {len(one.confusion)} classes; {right} on the diagonal"
    return {
        "title": one.title,
        "by": one.by,
        "kind": PROBES[one.kind][1],
        "accuracy": one.accuracy,
        "per_class": one.per_class,
        "confusion": inline(figures.confusion(one.confusion, classes), alt, f"{at}-confusion"),
    }


def tests(record: "ProbeRecord", own: Result) -> list[dict[str, Any]]:
    """The comparisons with their sentences, in their order."""
    sizes = {one["name"]: one["size"] for one in record.result["sources"]}
    return [
        {
            **one,
            "header": PROBES[one["probe"]][0],
            "other": called(one["against"], sizes.get(one["against"], own.size)),
            "told": told(one),
            "badge": _badge(one),
        }
        for one in record.result["comparisons"]
    ]


def _badge(one: dict[str, Any]) -> str:
    if not told(one):
        return "not distinguishable"
    better = OWN if one["difference"] > 0 else one["against"]
    return {OWN: "the representation is better", "pixels": "pixels are better"}.get(
        better, f"{NAMES.get(better, better)} is better"
    )


def _forest(record: "ProbeRecord", at: str) -> "Markup | None":
    """The paired differences with their intervals."""
    test, lines = record.result["split"] == "test", []
    for one in record.result["comparisons"]:
        gap, low, high = (100 * value for value in (one["difference"], *one["interval"]))
        label = f"{PROBES[one['probe']][0]}: representation − {NAMES.get(one['against'], one['against'])}"
        lines.append(Difference(label, gap, low, high, told(one), test))
    if not lines:
        return None
    alt = "; ".join(f"{one.label} {one.value:+.2f} points ({one.low:.2f} to {one.high:.2f})" for one in lines)
    return inline(
        study_figures.forest(lines[: study_figures.FOREST]), f"Differences in accuracy: {alt}", f"{at}-forest"
    )


def _spectrum(record: "ProbeRecord", at: str) -> "Markup | None":
    shares = record.evidence["spectrum"]
    if len(shares) < 2:
        return None
    alt = (
        f"Share of the representation's variance along each of its {len(shares)} directions, the largest "
        f"{100 * shares[0]:.0f} %"
    )
    return inline(reconstruction_figures.spectrum(shares), alt, f"{at}-spectrum")


def maps(record: "ProbeRecord", at: str) -> list[dict[str, Any]]:
    """A figure for each kind of map, with those of the representation and of pixels side by side, and what can be read
    in it.
    """
    out = []
    for kind in dict.fromkeys(one["kind"] for one in record.result["maps"] if one["images"]):
        sources = [one["source"] for one in record.result["maps"] if one["kind"] == kind]
        drawn = projections.draw(
            [a_map(record, kind, source, TITLES.get(source, source)) for source in sources], record.result["classes"]
        )
        name = wording.MAPS[kind]
        alt = (
            f"{name} of {listed_sources(sources)}: {len(record.evidence['map_index'])} images as points by class, some "
            "as pictures"
        )
        reading = wording.READING[kind] + (wording.in_two(record) if kind == "pca" else "")
        votes = wording.votes(record, kind)
        out.append({"name": name, "figure": inline(drawn, alt, f"{at}-{kind}"), "reading": reading, "votes": votes})
    return out


def a_map(record: "ProbeRecord", kind: str, source: str, title: str) -> Map:
    """One map of a record, to be drawn."""
    arrays = record.evidence
    return Map(
        title,
        arrays[f"map_{kind}_{source}"],
        arrays["labels"][arrays["map_index"]],
        arrays["thumbs"],
        arrays["thumb_index"],
    )


def listed_sources(sources: Sequence[str]) -> str:
    """What maps are of, in words."""
    return format.listed(
        [f"the {TITLES[source]}" if source == OWN else TITLES.get(source, source) for source in sources]
    )


def _spoken(found: Sequence[Result]) -> str:
    return "Accuracy with 95 % intervals: " + "; ".join(
        f"{one.title}, {one.header} {format.percent(one.accuracy)}" for one in found
    )


def _choices(found: Sequence[Result]) -> str:
    return "Accuracy where k and C were chosen, over the values tried; chosen: " + "; ".join(
        f"{one.title}, {one.header} {one.chosen}" for one in found
    )
