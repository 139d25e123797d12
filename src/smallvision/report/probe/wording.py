"""States the results of a probe in sentences, with intervals, and claims no more than was tested."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from smallvision.metrics.metric import ACCURACY
from smallvision.rendering import format
from smallvision.rendering.format import listed
from smallvision.report.probe.results import OWN, PROBES, best, called, results, same_class, told
from smallvision.stats.wording import amount

if TYPE_CHECKING:
    from smallvision.runs.probes import ProbeRecord

MAPS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
# what a map can tell and what it cannot
READING = {
    "pca": "PCA shows the two directions of largest variance. Distances here are never larger "
    "than those in the features; images that differ only in other directions lie on one another.",
    "tsne": "t-SNE keeps neighbours: images that lie together are alike in the features. "
    "Distances between groups, and how large or dense a group is, mean nothing (van der Maaten & Hinton 2008).",
    "umap": "UMAP keeps neighbours: images that lie together are alike in the features. "
    "Distances between groups, and how large or dense a group is, mean little (McInnes, Healy & Melville 2018).",
}

CONSEQUENCES = {
    ("pixels", "worse than"): "For telling these classes apart the images as they are serve better.",
    ("pca", "worse than"): "PCA is linear and needs no network: this one has kept less of the classes than that.",
    (
        "pca",
        "not distinguishable from",
    ): "That it keeps more of the classes than PCA, which is linear and needs no network, is not shown.",
    (
        "untrained",
        "worse than",
    ): "The same network with its initial weights keeps more of the classes: training has taken some away.",
    (
        "untrained",
        "not distinguishable from",
    ): "That training helped with the classes is not shown: the initial weights may do as well.",
}


def headline(record: "ProbeRecord") -> dict[str, str]:
    """What the representation reaches: `share`, `of` (the sentence it begins) and `range`, by the probe that speaks for
    it.
    """
    one = best(results(record))
    values = f"{format.whole(one.size)} value{'s' if one.size != 1 else ''}"
    images = f"{format.whole(one.count)} {record.result['split']} images"
    of = f"of {images} are classified rightly from the {values} of the representation alone, by {one.by}"
    return {"share": format.percent(one.accuracy), "of": of, "range": format.interval(list(one.interval))}


def beside(record: "ProbeRecord") -> str:
    """What the same probe reaches from the other sources, and what no features at all would."""
    found = results(record)
    own = best(found)
    others = [
        f"{format.percent(one.accuracy)} from {called(one.source, one.size)} ({format.interval(list(one.interval))})"
        for one in found
        if one.kind == own.kind and one.source != OWN
    ]
    without = f"Always answering the most frequent class would be right for {format.percent(same_class(record))}."
    return f"The same probe is right for {listed(others)}. {without}" if others else without


def judged(record: "ProbeRecord") -> str:
    """The strongest finding against each of the other sources, in one sentence; "" without a test.

    The tests of all probes are one family, corrected together, so that a difference that one probe finds is one, also
    where the other probes find none.
    """
    sizes = {one["name"]: one["size"] for one in record.result["sources"]}
    sides: dict[str, list[str]] = {"worse than": [], "better than": [], "not distinguishable from": []}
    several = len({one["probe"] for one in record.result["comparisons"]}) > 1
    for source, one in strongest(record).items():
        name = called(source, sizes.get(source, 0))
        sides[_side(one)].append(f"{name} ({_figures(one, several)})" if told(one) else name)
    if sides["not distinguishable from"] and several:
        sides["not distinguishable from"][-1] += " by any probe"
    claim = listed([f"{side} {listed(names)}" for side, names in sides.items() if names])
    return f"Image by image, the representation is {claim}." if claim else ""


def strongest(record: "ProbeRecord") -> dict[str, Mapping[str, Any]]:
    """By source: the comparison of it with the representation, by whatever probe, that says most: a difference before
    none, then the one of the smallest corrected p-value, then the largest."""
    every = record.result["comparisons"]
    return {
        source: min(
            (one for one in every if one["against"] == source),
            key=lambda one: (not told(one), one["adjusted_p"], -abs(one["difference"])),
        )
        for source in dict.fromkeys(one["against"] for one in every)
    }


def _figures(one: Mapping[str, Any], several: bool) -> str:
    """The size of a difference with its interval, and the probe: "by 2.86 points, 0.35 to 6.41; a linear probe"."""
    low, high = sorted(abs(end) for end in one["interval"])
    gap, *ends = (amount(value, ACCURACY, (low, high)) for value in (abs(one["difference"]), low, high))
    return f"by {gap} points, {' to '.join(ends)}" + (f"; {PROBES[one['probe']][1]}" if several else "")


def follows(record: "ProbeRecord") -> str:
    """What the outcomes that are no success mean for who would use the representation; "" where there is none."""
    sides = _sides(record)
    return " ".join(CONSEQUENCES[pair] for pair in sides.items() if pair in CONSEQUENCES)


def _sides(record: "ProbeRecord") -> dict[str, str]:
    """For each source: whether the representation is better, worse or not distinguishable, by its strongest finding."""
    return {source: _side(one) for source, one in strongest(record).items()}


def _side(one: Mapping[str, Any]) -> str:
    if not told(one):
        return "not distinguishable from"
    return "better than" if one["difference"] > 0 else "worse than"


def highest(record: "ProbeRecord") -> str:
    """Which source and probe is right most often of all that are shown, where that is another than the headline's; else
    "".
    """
    found = results(record)
    own, top = best(found), max(found, key=lambda one: one.accuracy)
    if top.accuracy <= own.accuracy:
        return ""
    return (
        f"Right most often of all below: {called(top.source, top.size)} with {top.by}, {format.percent(top.accuracy)}."
    )


def protocol(record: "ProbeRecord") -> str:
    """Which images were used for what, and how k and C were chosen."""
    result, counts = record.result, record.result["counts"]
    each = np.bincount(record.evidence["labels"], minlength=len(result["classes"]))
    balanced = ", equally many of every class" if len(set(each.tolist())) == 1 else ""
    letters = listed(list(dict.fromkeys(one["setting"] for source in result["sources"] for one in source["probes"])))
    chosen = "validation images" if result["chosen_on"] == "validation" else result["chosen_on"]
    look = " Such a probe is one look at its run’s test split." if result["looks"] else ""
    return (
        f"Shown are {format.whole(counts['shown'])} {result['split']} images{balanced}. The probes learned from "
        f"{format.whole(counts['train'])} training images with their labels; the encoder stays as it is. "
        f"{letters} {'was' if len(letters) == 1 else 'were'} chosen on {format.whole(counts['chosen_on'])} {chosen}, "
        f"for each source by itself.{look}"
    )


def speaking(record: "ProbeRecord") -> str:
    """Why it is this probe that the headline is of; "" where there is no other."""
    several = len(record.result["sources"][0]["probes"]) > 1
    return (
        "Of several probes the accuracy at the top is of the one that was best where k and C were chosen."
        if several
        else ""
    )


def asked(record: "ProbeRecord") -> str:
    """What distinguishes a probe from other probes of the same run: "10 000 training and 1 000 test images, seed 0"."""
    counts, spec = record.result["counts"], record.result["spec"]
    probes = listed(
        [PROBES[kind][0] for kind in dict.fromkeys(one["kind"] for one in record.result["sources"][0]["probes"])]
    )
    images = (
        f"{format.whole(counts['train'])} training and {format.whole(counts['shown'])} {record.result['split']} images"
    )
    return f"{images}, {probes}, seed {spec['seed']}"


def dimensions(record: "ProbeRecord") -> str:
    """How many dimensions the representation has, and how many of them are used."""
    found, size = (
        record.result["dimensions"],
        next(one["size"] for one in record.result["sources"] if one["name"] == OWN),
    )
    dead, twice = found["dead"], found["duplicates"]
    unused = (
        f"{_none(dead)} {'is' if dead == 1 else 'are'} dead (the same for every {record.result['split']} image shown)"
    )
    same = (
        f"{_none(twice)} say{'s' if twice == 1 else ''} what another does (correlation beyond 0.999, or below −0.999)"
    )
    return (
        f"Of {format.whole(size)} dimension{'s' if size != 1 else ''}, {unused} and {same}. The effective rank is "
        f"{found['effective_rank']:.1f}: as many equally wide directions would be used as much (Roy & Vetterli 2007)."
    )


def _none(count: int) -> str:
    return format.whole(count) if count else "none"


def votes(record: "ProbeRecord", kind: str) -> str:
    """How often the neighbours in a map vote rightly, for each source that has one."""
    found = [one for one in record.result["maps"] if one["kind"] == kind]
    sizes = {one["name"]: one["size"] for one in record.result["sources"]}
    each = [
        f"{format.percent(one['neighbours'], 1)} ({called(one['source'], sizes.get(one['source'], 0))})"
        for one in found
    ]
    seconds = listed([format.seconds(max(round(one["seconds"], 1), 0.1)) for one in found])
    images = format.whole(len(record.evidence["map_index"]))
    return (
        f"Ten neighbours on the map, each image left out in turn, vote rightly for {listed(each)} of {images} images: "
        f"how much of the classes is left in two coordinates. Computed in {seconds}."
    )


def in_two(record: "ProbeRecord") -> str:
    """How much of the representation's variance its two widest directions have; "" where nothing varies."""
    spectrum = record.evidence["spectrum"]
    if not spectrum.size or not spectrum.sum() > 0:
        return ""
    if len(spectrum) == 1:
        return " The representation has one direction alone."
    return f" Of the representation’s variance the two hold {format.percent(min(float(spectrum[:2].sum()), 1.0), 1)}."
