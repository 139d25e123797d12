"""The part of a report that only verifiers have: separation of pairs, calibration, right and wrong answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from smallvision.experiment.model.siamese import SiameseSpec
from smallvision.experiment.task import VerifySpec
from smallvision.metrics.metric import Metric
from smallvision.rendering import format, style
from smallvision.rendering.svg import inline
from smallvision.tasks.base import SPLITS, FinishedRun, Section
from smallvision.tasks.score_rows import judged_split, ranged, score_rows, written
from smallvision.tasks.verification import figures, wording
from smallvision.tasks.verification.error_analysis import account
from smallvision.tasks.verification.pair_galleries import apart, galleries, probability
from smallvision.tasks.verification.rates import curve, threshold_distance, threshold_score
from smallvision.tasks.verification.schema import ACCURACY, AUC

TEMPLATE = Path(__file__).with_name("section.html")
PERCENT = Metric("", "", True, 100.0, "%", 2)
# figures of a split: key, what it is called, how it is written, what guessing gives ("" where that depends on the
# classes)
FIGURES = (
    ("pair_accuracy", "accuracy on pairs", PERCENT, "50 %"),
    ("auc", "AUC", AUC, "0.5"),
    ("equal_error", "equal error rate", PERCENT, "50 %"),
    ("true_accept_1", "true accepts at 1 % false accepts", PERCENT, "1 %"),
    ("true_accept_01", "true accepts at 0.1 % false accepts", PERCENT, "0.1 %"),
    ("calibration_error", "expected calibration error", PERCENT, ""),
    ("precision_at_1", "precision at 1", PERCENT, ""),
    ("r_precision", "R-precision", PERCENT, ""),
    ("knn_accuracy", "accuracy of a vote of the 5 nearest images", PERCENT, ""),
)
WRITTEN = {key: how for key, _, how, _ in FIGURES}
COLUMNS = (
    ("auc", "AUC"),
    ("equal_error", "EER"),
    ("true_accept_1", "true accepts at 1 %"),
    ("calibration_error", "ECE"),
)
CONFUSED = 12  # pairs of classes that are listed as the most confused
OPEN, OPEN_PAIRS = 5, 4  # of them, and of the pairs of a gallery, those that stand before a fold
LISTED = 210  # pairs of classes that are listed at all: those of 20 classes
UNSEEN = "classes never seen"


@dataclass(frozen=True)
class _Found:
    """What a finished run's files say of the pairs that are shown."""

    record: FinishedRun
    result: Mapping[str, Any]
    evidence: Mapping[str, np.ndarray]
    scored: Mapping[str, Any]  # of the shown split
    unseen: Mapping[str, Any]  # of classes that were kept out of training; empty where none were
    model: SiameseSpec
    task: VerifySpec
    shown: str  # the split, as a word

    @property
    def distance(self) -> float | None:
        """Where the threshold is; None where a dense head judges."""
        return threshold_distance(self.result["verifier"]) if self.model.head == "distance" else None


def section(record: FinishedRun, prefix: str, split: str) -> Section:
    """The part of a run's page that is a verifier's.

    Parameters
    ----------
    prefix : keeps its ids apart from other runs' on the page.
    split : the split whose pairs are shown.
    """
    shown = "training" if split == "train" else split
    result, evidence, judged = record.result, record.evidence, judged_split(record)
    scored: Mapping[str, Any] = result[judged] if result and judged else {}
    unseen: Mapping[str, Any] = (result or {}).get("unseen") or {}
    rows = score_rows(record, ACCURACY, (*SPLITS, "unseen"))
    pairs = _class_pairs(scored.get("class_pairs", []))
    run: dict[str, Any] = {
        "columns": [
            (header, [written(WRITTEN[key], row[key]) if key in row else "" for row in rows])
            for key, header in COLUMNS
            if any(key in row for row in rows)
        ],
        "splits": rows,
        "figures": figures_table(scored, unseen),
        "unseen": unseen,
        "several_training": False,
        "most": getattr(record.experiment.task, "pairs_per_image", 0),
        "class_pairs": pairs,
        "listed": LISTED,
        "open": OPEN,
        "open_pairs": OPEN_PAIRS,
        "confused": [row for row in pairs if row["wrong"]][:CONFUSED],
        **{name: [] for name in ("headline", "account", "right", "wrong", "unseen_words", "bins")},
        **dict.fromkeys(
            ("guessing", "ask", "roc", "histograms", "reliability", "heatmap", "unseen_heatmap", "dimensions")
        ),
    }
    model, task = record.experiment.model, record.experiment.task
    if result and evidence and isinstance(model, SiameseSpec) and isinstance(task, VerifySpec):
        found = _Found(record, result, evidence, scored, unseen, model, task, shown)
        run.update(_told(found), **_drawn(found, prefix), **_classes(found, prefix))
    contents = [
        ("roc", "Same or not", run["roc"]),
        ("classes", "Pairs of classes", run["class_pairs"]),
        ("unseen", "Classes never seen", run["unseen_words"]),
        ("wrong", "Wrong answers", run["account"]),
    ]
    details = [
        ("right", "Right answers", run["right"]),
        ("belief", "Probabilities", run["reliability"]),
        ("latent", "Representation", run["dimensions"]),
        ("ask", "The function", run["ask"]),
    ]
    return Section(TEMPLATE, run, contents, details)


def figures_table(scored: Mapping[str, Any], unseen: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each figure that the shown split has, or that of classes never seen.

    Returns
    -------
    list of dict : `key`, `name`, `guess` and `cells`; `cells` holds, for each of the splits that there are, the figure
        and its interval as text.
    """
    splits = [scored, unseen] if unseen else [scored]
    out = []
    for key, name, how, guess in FIGURES:
        if any(key in one for one in splits):
            ends = [one.get("intervals", {}).get(key) for one in splits]
            cells = [
                (written(how, one[key]) if key in one else "–", ranged(how, end) if end else "–")
                for one, end in zip(splits, ends, strict=True)
            ]
            out.append({"key": key, "name": name, "guess": guess.replace(" ", format.SPACE), "cells": cells})
    return out


def _class_pairs(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Pairs of classes, those of lowest accuracy first: `classes`, `pairs`, `accuracy`, `apart` (their mean distance as
    text), `wrong` (how many pairs were answered wrongly), `one` (whether both classes are the same)."""
    found = [
        {
            **row,
            "wrong": round(row["pairs"] * (1 - row["accuracy"])),
            "one": row["classes"][0] == row["classes"][1],
            "apart": apart(row["distance"]),
        }
        for row in rows
    ]
    return sorted(found, key=lambda row: (row["accuracy"], -row["pairs"]))


def _told(found: _Found) -> dict[str, Any]:
    """Sentences and galleries."""
    verifier, evidence, scored = found.result["verifier"], found.evidence, found.scored
    share, classes, at = float(evidence["same"].mean()), found.result["classes"], found.distance
    chosen = wording.threshold(verifier, found.task.false_accept, at)
    likely, bins = evidence["probabilities"], evidence.get("reliability")
    belief = wording.belief(scored["calibration_error"], bins, likely, evidence["same"])
    shelves = galleries(evidence, classes, verifier["threshold"])
    out: dict[str, Any] = {
        "share": "half" if 2 * evidence["same"].sum() == len(evidence["same"]) else format.percent(share, 1),
        "guessing": wording.guessing(share, scored.get("intervals", {}).get("pair_accuracy")),
        "headline": [
            ("Threshold", f"{chosen} {wording.rates(scored, found.shown)}"),
            ("Probabilities", belief),
        ],
        "ask": {
            "path": format.run_path(found.record.path),
            "said": wording.function(verifier, found.model.distance, found.model.head == "dense", at),
        },
        "account": account(evidence, classes, verifier["threshold"], at),
        "right": [shelves[kind] for kind in ("right_same", "right_other") if kind in shelves],
        "wrong": [shelves[kind] for kind in ("wrong_same", "wrong_other") if kind in shelves],
    }
    if found.unseen:
        names = [style.short(str(name), 40) for name in evidence.get("unseen_classes", ())]
        out["unseen_words"] = wording.unseen(found.unseen, scored, names, found.shown)
    if scored.get("dimensions"):
        out["dimensions"] = wording.dimensions(scored["dimensions"], evidence["representation"].shape[1], found.shown)
    return out


def _drawn(found: _Found, prefix: str) -> dict[str, Any]:
    """Inline SVG of the ROC curves, the histograms and the reliability diagram."""
    evidence, verifier = found.evidence, found.result["verifier"]
    curves, operating = {}, {}
    for name, part in _splits(found).items():
        likely, same = evidence[f"{part}probabilities"], evidence[f"{part}same"]
        said = likely >= verifier["threshold"]
        curves[name], operating[name] = (
            curve(likely, same),
            (float(said[same == 0].mean()), float(said[same == 1].mean())),
        )
    told = [
        f"{name}: equal error rate {format.percent(one.equal)}, at the threshold {format.percent(operating[name][0])} "
        "false and "
        f"{format.percent(operating[name][1])} true accepts"
        for name, one in curves.items()
    ]
    spreads = _spreads(found)
    middles = [
        f"{name} {np.median(spreads[0].values[spreads[0].same == kind]):.3g}"
        for kind, name in ((1, "one class"), (0, "two"))
    ]
    drawn = inline(
        figures.histograms(spreads),
        f"Histograms of pairs; medians: of {middles[0]}, of {middles[1]}",
        prefix + "distances",
    )
    out: dict[str, Any] = {
        "roc": inline(figures.roc(curves, operating), f"ROC curve. {'; '.join(told)}", prefix + "roc"),
        "histograms": drawn,
        "by_distance": found.model.head == "distance",
        "side": "" if spreads[0].threshold is None else "left" if found.model.head == "distance" else "right",
    }
    if "reliability" in evidence:
        rows, error = evidence["reliability"], found.scored["calibration_error"]
        alt = f"Reliability of probabilities in {len(rows)} bins; expected calibration error {format.percent(error)}"
        out["reliability"] = inline(figures.reliability(rows, error), alt, prefix + "reliability")
        out["bins"] = [(probability(said), format.percent(true, 1), int(count)) for said, true, count in rows.tolist()]
    return out


def _classes(found: _Found, prefix: str) -> dict[str, Any]:
    """Inline SVG of the pairs of classes, of the shown split and of classes never seen."""
    out = {}
    for name, scored in (("heatmap", found.scored), ("unseen_heatmap", found.unseen)):
        if pairs := scored.get("class_pairs"):
            alt = f"Accuracy and mean distance of the pairs of {len(figures.class_names(pairs))} classes"
            out[name] = inline(figures.class_pairs(pairs), alt, prefix + name.replace("_", "-"))
    return out


def _splits(found: _Found) -> dict[str, str]:
    """What the pairs are of, and what their arrays' names begin with."""
    return {found.shown: "", **({UNSEEN: "unseen_"} if "unseen_pairs" in found.evidence else {})}


def _spreads(found: _Found) -> list[figures.Spread]:
    """What is drawn as histograms: distances with the threshold; of a dense head its own scores, then distances, which
    it does not use.
    """
    evidence, axis = found.evidence, f"distance ({found.model.distance})"
    dense = found.model.head == "dense"
    extra = ": distances, which the head does not use" if dense else ""
    out = [
        figures.Spread(name + extra, axis, evidence[f"{part}distances"], evidence[f"{part}same"], found.distance)
        for name, part in _splits(found).items()
    ]
    if dense:
        at = threshold_score(found.result["verifier"])
        out.insert(
            0,
            figures.Spread(
                f"{found.shown}: the output of the head", "the head’s logit", evidence["scores"], evidence["same"], at
            ),
        )
    return out
