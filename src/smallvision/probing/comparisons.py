"""Compares the representation with each other source of features, paired on the same images and judged together."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smallvision.stats import wording
from smallvision.stats.comparison import Verdict
from smallvision.stats.verdict import compare_runs, judge

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
    """A verdict on two sources of features in sentences; a difference is that of the better side over the other."""
    a, b = (CALLED[name] for name in verdict.names)
    said = wording.sentence(verdict, (a, b), opening=f"{BY[kind]}, ")
    return said.replace(" images, p", f" {split} images, p", 1)
