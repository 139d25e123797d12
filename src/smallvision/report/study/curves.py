"""The figures of every study as inline SVG with a text alternative: curves over epochs, and the score against what it
costs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from smallvision.rendering import format
from smallvision.rendering.svg import inline
from smallvision.report.study import cases
from smallvision.report.study import costs as study_costs
from smallvision.report.study import figures as study_figures
from smallvision.report.study.cases import Case
from smallvision.tasks import Task, task_of

if TYPE_CHECKING:
    from markupsafe import Markup

    from smallvision.study.read import StudyRecord

COST_WORDS: dict[str, Callable[[float], str]] = {
    "bytes": lambda value: format.size(round(value)),
    "parameters": lambda value: f"{format.whole(round(value))} parameters",
    "multiply_adds": lambda value: f"{format.whole(round(value))} multiply-adds",
    "seconds_per_epoch": lambda value: f"{format.seconds(value)} for an epoch",
    "seconds": lambda value: f"{format.seconds(value)} of training",
}


def drawn(record: "StudyRecord", every: Sequence[Case], task: Task) -> dict[str, "Markup | bool | None"]:
    """Inline SVG of the `curves` and of the score against cost (`scatter`), None where there is nothing to draw.

    Parameters
    ----------
    every : the study's cases.
    task : what they learn.

    Returns
    -------
    dict : `curves`, `scatter`; `losses`, whether the curves show a loss beside the metric.
    """
    metric = task.metric
    losses, name = _losses(record, every), study_figures.short(metric)
    trained = [(case.label, case.curves) for case in every]
    curves = scatter = None
    if any(runs for _, runs in trained):
        unit = f" {metric.unit}" if metric.unit else ""
        ends = ", ".join(
            f"{case.name} {case.scores['validation'].text}{unit}" for case in every if "validation" in case.scores
        )
        shown = f"Training loss, validation loss and validation {name}" if losses else f"Training and validation {name}"
        alt = f"{shown} per epoch of {len(every)} cases; scored on validation images: {ends}"
        curves = inline(
            study_figures.curves(trained, _loss(record, every), metric, losses, task.same_loss), alt, "curves"
        )
    points = [_point(case) for case in every if "validation" in case.scores]
    if points:
        said = "; ".join(
            f"{case.name} {metric.text(case.scores['validation'].value)} with {_costs(point.costs, task.costs)}"
            for case, point in zip((case for case in every if "validation" in case.scores), points, strict=True)
        )
        alt = f"Validation {name} against what it costs: {said}"
        scatter = inline(study_costs.scatter(points, metric, task.costs), alt, "scatter")
    return {"curves": curves, "scatter": scatter, "losses": losses}


def _loss(record: "StudyRecord", every: Sequence[Case]) -> str:
    """The name of the training loss of the cases, for an axis."""
    specs = [run.record.experiment for case in every for run in case.runs[:1] if run.record] or [record.study.base]
    return task_of(specs[0]).study_loss_name(specs[0])


def _losses(record: "StudyRecord", every: Sequence[Case]) -> bool:
    """Whether the loss of some case is something else than the metric."""
    specs = [run.record.experiment for case in every for run in case.runs[:1] if run.record] or [record.study.base]
    return not all(task_of(spec).loss_is_metric(spec) for spec in specs)


def _point(case: Case) -> study_costs.Point:
    score = case.scores["validation"]
    value, low, high = (
        score.metric.scale * end for end in (score.value, *(score.interval or (score.value, score.value)))
    )
    costs = {
        **{key: case.size(key) for key in cases.SIZES},
        "seconds": case.seconds,
        "seconds_per_epoch": case.seconds_per_epoch,
    }
    known = {key: float(cost) for key, cost in costs.items() if cost is not None}
    return study_costs.Point(case.label, value, low, high, known)


def _costs(costs: Mapping[str, float], keys: Sequence[str]) -> str:
    """The costs that are drawn, those that are known, in words."""
    return ", ".join(COST_WORDS[key](costs[key]) for key in keys if key in costs)
