"""The verdicts of a study by probes: representations against other sources of features, and declared pairs of cases.

Each comparison is of the images that classifiers on the features get right, over all seeds, by the rule of
`stats/verdict.py`. All of them are judged together (Holm). The study's own verdicts, by its metric, are another family.
Pixels and PCA are the same for every seed, so their seeds add no variance. No torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

import numpy as np

from smallvision.experiment import Study
from smallvision.runs.probes import ProbeRecord
from smallvision.stats.comparison import Verdict
from smallvision.stats.verdict import compare_runs, judge
from smallvision.study.verdicts import Pair, Runs, confounded

OWN = "representation"
OTHER_SOURCES = {"pixels": "raw pixels", "pca": "PCA of its size", "untrained": "its untrained encoder"}
BY = {
    "knn-cosine": "By nearest neighbours (cosine)",
    "knn-euclidean": "By nearest neighbours (Euclidean)",
    "linear": "By the linear probe",
}

Records = Sequence[ProbeRecord]


@dataclass(frozen=True)
class Question:
    """A comparison by one probe, before it is judged."""

    probe: str
    case: str
    against: str  # a source of features, or another case
    of: str  # "sources" or "cases"
    names: tuple[str, str]
    right: tuple[np.ndarray, np.ndarray] = field(repr=False)  # bool (seeds, N) each


def verdicts(
    study: Study, cases: Mapping[str, Runs], probed: Mapping[str, Records], pairs: Sequence[Pair]
) -> list[dict[str, Any]]:
    """All verdicts by probes, of one family.

    Parameters
    ----------
    study : names what is meant to vary.
    cases : name -> its finished runs.
    probed : name -> the probes of these runs, one each, of one spec.
    pairs : the declared comparisons of cases; those that were probed on other images are left out.

    Returns
    -------
    list of dict : the fields of `stats.comparison.Verdict`, and `probe`, `case`, `against` (a source of features or
        another case), `of` ("sources" or "cases"), `split`, `confound` and `told`: whether the report names it first,
        since it is of the case and the probe that were best where k and C were chosen.
    """
    kinds = next(iter(probed.values()))[0].spec.probes
    asked = [one for name, records in probed.items() for kind in kinds for one in _against_sources(name, records, kind)]
    asked += [one for pair in pairs for kind in kinds for one in _between_cases(pair, probed, kind)]
    if not asked:
        return []
    best_case, best_kind = max(
        ((name, kind) for name in probed for kind in kinds), key=lambda at: chosen_at(probed[at[0]], at[1])
    )
    found = judge([compare_runs(*one.right, one.names) for one in asked])
    split = next(iter(probed.values()))[0].result["split"]
    out = []
    for one, verdict in zip(asked, found, strict=True):
        confound = confounded(study, cases, (one.case, one.against)) if one.of == "cases" else ""
        told = one.probe == best_kind and (one.of == "cases" or one.case == best_case)
        out.append(
            {
                "probe": one.probe,
                "case": one.case,
                "against": one.against,
                "of": one.of,
                "split": split,
                **asdict(verdict),
                "sentence": _sentence(one.probe, verdict),
                "confound": confound,
                "told": told,
            }
        )
    return out


def right(records: Records, source: str, kind: str) -> np.ndarray:
    """The images that each run's probe gets right, bool (seeds, N), ordered by the images' ids."""
    rows = []
    for record in records:
        found = record.evidence
        place = [one["name"] for one in record.result["sources"]].index(source), record.spec.probes.index(kind)
        rows.append((found["predictions"][place] == found["labels"])[np.lexsort(found["ids"].T)])
    return np.stack(rows)


def chosen_at(records: Records, kind: str) -> float:
    """The mean accuracy over the runs of a representation's probe on the images on which its k or C was chosen."""
    own = [next(one for one in record.result["sources"][0]["probes"] if one["kind"] == kind) for record in records]
    return fmean(max((accuracy for _, accuracy in one["tried"]), default=0.0) for one in own)


def _against_sources(name: str, records: Records, kind: str) -> list[Question]:
    """A case's representation against each other source that all its runs have."""
    there = [
        source
        for source in OTHER_SOURCES
        if all(source in [one["name"] for one in record.result["sources"]] for record in records)
    ]
    if not _same_images(records):
        return []
    own = right(records, OWN, kind)
    return [
        Question(
            kind,
            name,
            source,
            "sources",
            (f"the representation of {name}", OTHER_SOURCES[source]),
            (own, right(records, source, kind)),
        )
        for source in there
    ]


def _between_cases(pair: Pair, probed: Mapping[str, Records], kind: str) -> list[Question]:
    """The representations of two cases."""
    a, b = pair
    if not _same_images([*probed[a], *probed[b]]):
        return []
    names = f"the representation of {a}", f"the representation of {b}"
    return [Question(kind, a, b, "cases", names, (right(probed[a], OWN, kind), right(probed[b], OWN, kind)))]


def _same_images(records: Records) -> bool:
    """Whether all probes were judged on the same images of the same split, with the same labels."""
    split, first = records[0].result["split"], records[0].evidence
    order = np.lexsort(first["ids"].T)
    for record in records[1:]:
        found = record.evidence
        own = np.lexsort(found["ids"].T)
        same = (np.array_equal(found[key][own], first[key][order]) for key in ("ids", "labels"))
        if record.result["split"] != split or len(own) != len(order) or not all(same):
            return False
    return True


def _sentence(probe: str, verdict: Verdict) -> str:
    return f"{BY[probe]}, {verdict.sentence[:1].lower()}{verdict.sentence[1:]}"
