"""The part of a report that only classification has: confusion, classes, accuracy by resolution, mistakes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smallvision.rendering import format
from smallvision.rendering.svg import inline
from smallvision.tasks import galleries
from smallvision.tasks.base import SPLITS, FinishedRun, Section
from smallvision.tasks.classification import balance, figures, resolution
from smallvision.tasks.score_rows import judged_split

TEMPLATE = Path(__file__).with_name("section.html")
PAIRS = 20  # confused pairs that are listed
OPEN = 5  # of them, those that are listed before a fold


def section(record: FinishedRun, prefix: str, split: str) -> Section:
    """The part of a run's page that is a classification's.

    Parameters
    ----------
    prefix : keeps its ids apart from other runs' on the page.
    split : the split whose images are shown.
    """
    shown = "training" if split == "train" else split
    result, evidence, judged = record.result, record.evidence, judged_split(record)
    size = record.layers["input"][1:] if record.layers and not (result or {}).get("sizes") else []
    run: dict[str, Any] = {
        "by_size": resolution.by_size(result[judged].get("by_size") or []) if result and judged else [],
        "by_scale": resolution.by_scale(evidence, size) if evidence else [],
    }
    run["several"], run["several_training"] = (
        ("first_sizes" in evidence, "train_sizes" in evidence) if evidence else (False, False)
    )
    run.update(_figures(record, prefix), **_resolution(run, prefix))
    classes = result["classes"] if result else [str(i) for i in range(len(evidence["confusion"]))] if evidence else []
    run["per_class"] = (result[judged].get("per_class") or []) if result and judged else []
    run["pairs"] = confused(evidence["confusion"], classes) if evidence else []
    run["listed"] = PAIRS
    run["open"] = OPEN
    run["beside_of"] = {split: balance.beside(row) for split in SPLITS if (row := (result or {}).get(split))}
    run["beside_names"] = list(dict.fromkeys(name for found in run["beside_of"].values() for name in found))
    run["scores_are_probabilities"] = galleries.are_probabilities(evidence["probabilities"]) if evidence else True
    for which in ("first", "mistake", "confident"):
        run[which] = galleries.tiles(evidence, classes, which) if evidence else []
    run["mistakes"] = int((evidence["labels"] != evidence["predictions"]).sum()) if evidence else None
    contents = [
        ("confusion", "Confusion", run["confusion"]),
        ("mistakes", "Mistakes", run["mistakes"] is not None),
        ("resolution", "Accuracy by resolution", run["by_size"] or run["by_scale"]),
    ]
    details = [
        ("classes", "Classes", run["per_class"]),
        ("images", f"First {shown} images", run["first"]),
    ]
    return Section(TEMPLATE, run, contents, details)


def _figures(record: FinishedRun, prefix: str) -> dict[str, Any]:
    """Inline SVG of the confusion matrix and of the figures of each class, else None."""
    result, evidence, split = record.result, record.evidence, judged_split(record)
    out: dict[str, Any] = dict.fromkeys(("confusion", "classes"))
    if evidence and result:
        matrix = evidence["confusion"]
        right = f"{int(np.trace(matrix))} of {int(matrix.sum())} images"
        alt = f"Confusion matrix of {len(matrix)} classes; {right} on the diagonal"
        out["confusion"] = inline(figures.confusion(matrix, result["classes"]), alt, prefix + "confusion")
    if result and split and result[split].get("per_class"):
        alt = "Precision, recall and F1 of each class as points; the numbers are in the table below"
        out["classes"] = inline(figures.per_class(result[split]["per_class"]), alt, prefix + "classes")
    return out


def _resolution(run: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Inline SVG of accuracy over size and over scale, else None."""
    asked = (("by_size", "square root of height × width (pixels)", None), ("by_scale", "scale", 1.0))
    out: dict[str, Any] = {}
    for name, label, mark in asked:
        rows = run[name]
        points = ", ".join(f"{row['text']} {format.percent(row['accuracy'])}" for row in rows)
        alt = f"Accuracy over {label}: {points}"
        out[f"{name}_figure"] = inline(resolution.curve(rows, label, mark), alt, prefix + name) if rows else None
    return out


def confused(matrix: np.ndarray, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Pairs of classes that were taken for one another, most frequent first, then in the classes' order.

    Parameters
    ----------
    matrix : int (K, K), rows true.
    classes : K names.

    Returns
    -------
    list of dict : `true`, `predicted`, `count`, `share` (of the true class's images, 0 to 1).
    """
    wrong = matrix * (1 - np.eye(len(matrix), dtype=matrix.dtype))
    pairs = [(int(wrong[t, p]), int(t), int(p)) for t, p in zip(*np.nonzero(wrong), strict=True)]
    pairs.sort(key=lambda pair: (-pair[0], pair[1:]))
    totals = matrix.sum(axis=1)
    return [{"true": classes[t], "predicted": classes[p], "count": n, "share": n / int(totals[t])} for n, t, p in pairs]
