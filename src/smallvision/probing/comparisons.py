"""Compares the representation with each other source of features, paired on the same images and judged together."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smallvision.stats.comparison import Verdict
from smallvision.stats.verdict import compare_runs, judge
from smallvision.stats.wording import about, count, points, probability

CALLED = {
    "representation": "the representation",
    "pixels": "raw pixels",
    "pca": "PCA",
    "untrained": "the untrained encoder",
}
BY = {
    "knn-cosine": "By nearest neighbours (cosine)",
    "knn-euclidean": "By nearest neighbours (Euclidean)",
    "linear": "By the linear probe",
}


def comparisons(right: Mapping[str, np.ndarray], kinds: Sequence[str], split: str) -> list[dict[str, Any]]:
    """The comparisons of probe.json, by probe and source; empty if the representation is the only source.

    Parameters
    ----------
    right : source -> bool (P, N), whether each probe gets each image right; one source is "representation".
    kinds : the P probes.
    split : of the images.
    """
    pairs = [(place, kind, other) for place, kind in enumerate(kinds) for other in right if other != "representation"]
    if not pairs:
        return []
    own = right["representation"]
    judged = judge(
        [compare_runs(own[place], right[other][place], ("representation", other)) for place, _, other in pairs]
    )
    return [
        {
            "probe": kind,
            "against": other,
            "difference": one.difference,
            "interval": list(one.interval),
            "p": one.p,
            "adjusted_p": one.adjusted_p,
            "verdict": one.verdict,
            "sentence": sentence(one, kind, split),
        }
        for (_, kind, other), one in zip(pairs, judged, strict=True)
    ]


def sentence(verdict: Verdict, kind: str, split: str) -> str:
    """A verdict on two sources of features in one sentence; a difference is that of the better side over the other."""
    turned = verdict.verdict == "B is better"
    step = -1 if turned else 1
    a, b = (CALLED[name] for name in verdict.names[::step])
    (first, second), n = verdict.accuracies[::step], verdict.images[0]
    low, high = sorted(step * end for end in verdict.interval)
    be = "are" if a.endswith("pixels") else "is"
    claim = f"{a} and {b} are not distinguishable" if verdict.needed is not None else f"{a} {be} better than {b}"
    figures = [
        f"{100 * verdict.confidence:.4g} % interval {points(low, n)} to {points(high, n)}",
        probability(verdict.p, verdict.level),
    ]
    if verdict.comparisons > 1:
        adjusted = probability(verdict.adjusted_p, verdict.level)
        figures.append(f"{adjusted} after Holm's correction for {verdict.comparisons} comparisons")
    assert verdict.only_right is not None
    alone = [count(number) for number in verdict.only_right[::step]]
    figures.append(f"{alone[0]} image{'' if alone[0] == '1' else 's'} right by {a} alone, {alone[1]} by {b} alone")
    return (
        f"{BY[kind]}, {claim}: {points(first, n)} % against {points(second, n)} % over {count(n)} {split} images, "
        f"a difference of {points(step * verdict.difference, n)} points ({'; '.join(figures)}){_outlook(verdict)}."
    )


def _outlook(verdict: Verdict) -> str:
    """The number of images that would detect a difference which these images do not."""
    if verdict.needed is None:
        return ""
    if verdict.difference == 0 or verdict.needed.images is None:
        return "; no number of images tells a difference of zero"
    images = about(verdict.needed.images)
    return f"; to tell a difference as large as this one ({100 * verdict.power:.4g} % power) takes {images} images"
