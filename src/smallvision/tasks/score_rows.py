"""The scores of a run as rows of a page's table: what every task's section has in common. No torch."""

from collections.abc import Sequence
from typing import Any

from smallvision.metrics.metric import Metric
from smallvision.rendering import format
from smallvision.tasks.base import SPLITS, FinishedRun


def score_rows(run: FinishedRun, metric: Metric, splits: Sequence[str] = SPLITS) -> list[dict[str, Any]]:
    """Each split scored with the selected weights: `split`, `count`, `loss`, the task's scores by their keys,
    `interval` (or None).

    Of a classification also `right`. `text` and `range` are the score that the task is judged by and its interval, as
    people read them.
    """
    result = run.result or {}
    out = []
    for split in splits:
        if row := result.get(split):
            ends = row.get(f"{metric.key}_interval") or row.get("intervals", {}).get(metric.key)
            shown = {"text": written(metric, row[metric.key]), "range": ranged(metric, ends) if ends else ""}
            right = {"right": round(row["accuracy"] * row["count"])} if "accuracy" in row else {}
            out.append({**row, "split": split, "interval": ends, **right, **shown})
    return out


def written(metric: Metric, value: float) -> str:
    """A score as a page has it: 98.46 %, 0.01185."""
    return metric.text(value).replace(" ", format.SPACE)


def ranged(metric: Metric, ends: Sequence[float]) -> str:
    """An interval of a score as a page has it: 97.68 to 99.57 %, 0.01169 to 0.01201."""
    return f"{metric.number(ends[0])} to {written(metric, ends[1])}"


def judged_split(run: FinishedRun) -> str | None:
    """The split a report judges by: test, else validation, else the training images; None before there is a result."""
    result = run.result or {}
    return next((split for split in reversed(SPLITS) if result.get(split)), None)
