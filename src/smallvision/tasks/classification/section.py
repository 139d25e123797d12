"""What a report shows of a classification alone: confusion, classes, accuracy by resolution, mistakes."""

from typing import Any

import numpy as np

from smallvision.rendering import format
from smallvision.rendering.svg import inline
from smallvision.report.run import figures, tables
from smallvision.runs.read import RunRecord
from smallvision.tasks.classification import galleries, resolution

PAIRS = 20  # confused pairs that are listed


def parts(record: RunRecord, prefix: str, shown: str) -> dict[str, Any]:
    """All that the template needs of a classification beside what every run has; `middle` are its sections.

    Parameters
    ----------
    prefix : keeps its ids apart from other runs' on the page.
    shown : the split whose images are shown, as a word.
    """
    result, evidence, split = record.result, record.evidence, tables.judged(record)
    size = record.layers["input"][1:] if record.layers and not (result or {}).get("sizes") else []
    run: dict[str, Any] = {
        "by_size": resolution.by_size(result[split].get("by_size") or []) if result and split else [],
        "by_scale": resolution.by_scale(evidence, size) if evidence else [],
    }
    run["several"], run["several_training"] = (
        ("first_sizes" in evidence, "train_sizes" in evidence) if evidence else (False, False)
    )
    run.update(_figures(record, prefix), **_resolution(run, prefix))
    classes = result["classes"] if result else [str(i) for i in range(len(evidence["confusion"]))] if evidence else []
    run["per_class"] = (result[split].get("per_class") or []) if result and split else []
    run["pairs"] = tables.confused(evidence["confusion"], classes) if evidence else []
    run["listed"] = PAIRS
    run["scores_are_probabilities"] = galleries.are_probabilities(evidence["probabilities"]) if evidence else True
    for which in ("first", "mistake", "confident"):
        run[which] = galleries.tiles(evidence, classes, which) if evidence else []
    run["mistakes"] = int((evidence["labels"] != evidence["predictions"]).sum()) if evidence else None
    run["middle"] = [
        ("confusion", "Confusion", run["confusion"]),
        ("classes", "Classes", run["per_class"]),
        ("resolution", "Accuracy by resolution", run["by_size"] or run["by_scale"]),
        ("mistakes", "Mistakes", run["mistakes"] is not None),
        ("images", f"First {shown} images", run["first"]),
    ]
    return run


def _figures(record: RunRecord, prefix: str) -> dict[str, Any]:
    """Inline SVG of the confusion matrix and of the figures of each class, else None."""
    result, evidence, split = record.result, record.evidence, tables.judged(record)
    out: dict[str, Any] = dict.fromkeys(("confusion", "classes"))
    if evidence and result:
        matrix = evidence["confusion"]
        right = f"{int(np.trace(matrix))} of {int(matrix.sum())} images"
        alt = f"Confusion matrix of {len(matrix)} classes; {right} on the diagonal"
        out["confusion"] = inline(figures.confusion(matrix, result["classes"]), alt, prefix + "confusion")
    if result and split and result[split].get("per_class"):
        alt = "Precision, recall and F1 of each class as bars; the numbers are in the table beside it"
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
