"""What a report shows of a verifier alone: how it tells pairs apart, what its probabilities are worth, right answers and wrong ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smallvision.experiment.encoder import SiameseSpec
from smallvision.experiment.task import VerifySpec
from smallvision.report import tables, verification_pairs, verification_words, words
from smallvision.report import verification_figures as figures
from smallvision.report.drawn import inline
from smallvision.report.verification_account import account
from smallvision.report.verification_rates import Curve, curve, threshold_distance
from smallvision.runs.evidence import SPLITS
from smallvision.runs.measures import Measure
from smallvision.runs.read import RunRecord

AUC = Measure("auc", "AUC", True, 1.0, "", 4)
PERCENT = Measure("", "", True, 100.0, "%", 2)
# figures of a split: key, what it is called, how it is written, what guessing gives ("" where that depends on the classes)
FIGURES = (
    ("pair_accuracy", "accuracy on pairs", PERCENT, "50 %"), ("auc", "AUC", AUC, "0.5"), ("equal_error", "equal error rate", PERCENT, "50 %"),
    ("true_accept_1", "true accepts at 1 % false accepts", PERCENT, "1 %"),
    ("true_accept_01", "true accepts at 0.1 % false accepts", PERCENT, "0.1 %"),
    ("calibration_error", "expected calibration error", PERCENT, ""), ("precision_at_1", "precision at 1", PERCENT, ""),
    ("r_precision", "R-precision", PERCENT, ""), ("knn_accuracy", "accuracy of the 5 nearest’s vote", PERCENT, ""),
)  # fmt: skip
IN_SPLITS = (("auc", "AUC"), ("equal_error", "EER"), ("true_accept_1", "true accepts at 1 %"), ("calibration_error", "ECE"))
CONFUSED = 12                 # pairs of classes that are listed as the most confused
LISTED = 210                  # pairs of classes that are listed at all: those of 20 classes


def parts(record: RunRecord, prefix: str, shown: str) -> dict[str, Any]:
    """All that the template needs of a verifier beside what every run has; `middle` are its sections.

    Parameters
    ----------
    prefix : keeps its ids apart from other runs' on the page.
    shown : the split whose pairs are shown, as a word.
    """
    result, evidence, split = record.result, record.evidence, tables.judged(record)
    scored: Mapping[str, Any] = result[split] if result and split else {}
    new: Mapping[str, Any] = (result or {}).get("unseen") or {}
    rows = tables.scores(record, (*SPLITS, "unseen"))
    written = {key: how for key, _, how, _ in FIGURES}
    run: dict[str, Any] = {
        "columns": [(header, [tables.written(written[key], row[key]) if key in row else "" for row in rows])
                    for key, header in IN_SPLITS if any(key in row for row in rows)],
        "splits": rows, "figures": figures_table(scored, new), "unseen": new, "several_training": False,
        "class_pairs": _class_pairs(scored.get("class_pairs") or []), "listed": LISTED,
        **{name: [] for name in ("headline", "account", "right", "wrong", "unseen_words", "confused", "reliability_rows")},
        **dict.fromkeys(("roc", "histograms", "reliability", "heatmap", "unseen_heatmap", "dimensions")),
    }  # fmt: skip
    run["confused"] = [row for row in run["class_pairs"] if row["wrong"]][:CONFUSED]
    if result and evidence:
        run.update(_told(record, scored, new, evidence, shown), **_drawn(record, scored, new, evidence, prefix, shown))
    run["middle"] = [
        ("roc", "Same or not", run["roc"]), ("belief", "Probabilities", run["reliability"]), ("classes", "Pairs of classes", run["class_pairs"]),
        ("unseen", "Classes never seen", run["unseen_words"]), ("wrong", "Wrong answers", run["account"]),
        ("right", "Right answers", run["right"]), ("latent", "Representation", run["dimensions"]),
    ]  # fmt: skip
    return run


def figures_table(scored: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each figure that the shown split has, or that of classes never seen: `name`, `guess`, `cells` [(value, interval)] as text."""
    out = []
    for key, name, how, guess in FIGURES:
        if key in scored or key in new:
            ends = [one.get("intervals", {}).get(key) for one in (scored, new)]
            cells = [(tables.written(how, one[key]) if key in one else "–", tables.ranged(how, end) if end else "–")
                     for one, end in zip((scored, new), ends, strict=True)]  # fmt: skip
            out.append({"name": name, "guess": guess.replace(" ", words.SPACE), "cells": cells if new else cells[:1]})
    return out


def _class_pairs(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Pairs of classes, those of lowest accuracy first, with `wrong`, the number of wrong answers, and `one`, whether both are one class."""
    found = [{**row, "wrong": round(row["pairs"] * (1 - row["accuracy"])), "one": row["classes"][0] == row["classes"][1]} for row in rows]
    return sorted(found, key=lambda row: (row["accuracy"], -row["pairs"]))


def _told(
    record: RunRecord, scored: Mapping[str, Any], new: Mapping[str, Any], evidence: Mapping[str, np.ndarray], shown: str
) -> dict[str, Any]:
    """Sentences and galleries."""
    result, task = record.result, record.experiment.task
    assert result is not None and isinstance(task, VerifySpec)
    verifier, classes, same, likely = result["verifier"], result["classes"], evidence["same"], evidence["probabilities"]
    at = _distance(record)
    of = tables.judged(record) or ""
    shelves = verification_pairs.galleries(evidence, classes, verifier["threshold"])
    out: dict[str, Any] = {
        "pairs": len(same), "half": abs(float(same.mean()) - 0.5) < 1e-9, "share": float(same.mean()),
        "headline": [
            verification_words.guessing(float(same.mean()), scored.get("intervals", {}).get("pair_accuracy")),
            verification_words.threshold(verifier, task.false_accept, at), verification_words.rates(scored, shown),
            verification_words.belief(scored["calibration_error"], evidence.get("reliability"), likely, same),
        ],
        "account": account(evidence, classes, verifier["threshold"], at),
        "right": [shelves[kind] for kind in ("right_same", "right_other") if kind in shelves],
        "wrong": [shelves[kind] for kind in ("wrong_same", "wrong_other") if kind in shelves],
    }  # fmt: skip
    if new:
        names = [str(name) for name in evidence.get("unseen_classes", ())]
        out["unseen_words"] = verification_words.unseen(new, scored, names, of)
    if scored.get("dimensions"):
        out["dimensions"] = verification_words.dimensions(scored["dimensions"], evidence["representation"].shape[1], shown)
    return out


def _drawn(
    record: RunRecord, scored: Mapping[str, Any], new: Mapping[str, Any], evidence: Mapping[str, np.ndarray], prefix: str, shown: str
) -> dict[str, Any]:
    """Inline SVG of each figure that there is something to draw for."""
    assert record.result is not None
    threshold = record.result["verifier"]["threshold"]
    sets = {shown: ""} | ({"classes never seen": "unseen_"} if "unseen_pairs" in evidence else {})
    curves: dict[str, Curve] = {}
    operating: dict[str, tuple[float, float]] = {}
    for name, part in sets.items():
        likely, same = evidence[f"{part}probabilities"], evidence[f"{part}same"]
        curves[name] = curve(likely, same)
        operating[name] = float((likely[same == 0] >= threshold).mean()), float((likely[same == 1] >= threshold).mean())
    alt = "; ".join(f"{name}: equal error rate {words.percent(one.equal)}, at the threshold {words.percent(operating[name][0])} false and "
                    f"{words.percent(operating[name][1])} true accepts" for name, one in curves.items())  # fmt: skip
    spreads = _spreads(record, evidence, sets)
    out: dict[str, Any] = {
        "roc": inline(figures.roc(curves, operating), f"ROC curve. {alt}", prefix + "roc"),
        "histograms": inline(figures.histograms(spreads), f"Histograms of pairs of one class and of two: {_spread(spreads)}", prefix + "distances"),
        "by_distance": spreads[0].values is evidence["distances"],
    }  # fmt: skip
    if "reliability" in evidence:
        rows = evidence["reliability"]
        alt = f"Reliability of {len(rows)} bins of probabilities; expected calibration error {words.percent(scored['calibration_error'])}"
        out["reliability"] = inline(figures.reliability(rows, scored["calibration_error"]), alt, prefix + "reliability")
        out["reliability_rows"] = [(verification_pairs.probability(said), words.percent(found, 1), words.whole(int(count))) for said, found, count in rows.tolist()]
    for name, one in (("heatmap", scored), ("unseen_heatmap", new)):
        if pairs := one.get("class_pairs"):
            names = figures.class_names(pairs)
            alt = f"Accuracy and mean distance of the pairs of {len(names)} classes; the numbers are in the table"
            out[name] = inline(figures.class_pairs(pairs), alt, prefix + name.replace("_", "-"))
    return out


def _distance(record: RunRecord) -> float | None:
    """The distance that the threshold is at; None where a dense head judges."""
    model = record.experiment.model
    by_distance = isinstance(model, SiameseSpec) and model.head == "distance"
    return threshold_distance(record.result["verifier"]) if by_distance and record.result else None


def _spreads(record: RunRecord, evidence: Mapping[str, np.ndarray], sets: Mapping[str, str]) -> list[figures.Spread]:
    """What is drawn as histograms: distances with the threshold; of a dense head its own scores first, then distances, which it does not use."""
    model, result = record.experiment.model, record.result
    assert isinstance(model, SiameseSpec) and result is not None
    at = _distance(record)
    distances = [figures.Spread(name, f"distance ({model.distance})", evidence[f"{part}distances"], evidence[f"{part}same"], at)
                 for name, part in sets.items()]  # fmt: skip
    if model.head == "distance":
        return distances
    verifier = result["verifier"]
    chosen, slope = verifier["threshold"], verifier["slope"]
    edge = (np.log(chosen / (1 - chosen)) - verifier["intercept"]) / slope if 0 < chosen < 1 and slope > 0 else None
    name = next(iter(sets))
    scores = figures.Spread(f"{name}: what the head says", "the head’s logit", evidence["scores"], evidence["same"], edge)
    return [scores, *(figures.Spread(f"{one.title}: distances, which the head does not judge by", one.axis, one.values, one.same, None) for one in distances)]


def _spread(spreads: Sequence[figures.Spread]) -> str:
    one = spreads[0]
    return ", ".join(f"median {np.median(one.values[one.same == kind]):.3g} of {name}" for kind, name in ((1, "one class"), (0, "two")))
