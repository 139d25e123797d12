"""The figures of any study on their way into its page: curves, and the score against what it costs, with words for who cannot see them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from smallvision.metrics.metric import Metric
from smallvision.rendering import embed, format
from smallvision.report.study import cases
from smallvision.report.study import costs as study_costs
from smallvision.report.study import figures as study_figures
from smallvision.report.study.cases import Case
from smallvision.tasks import task_of

if TYPE_CHECKING:
    from markupsafe import Markup

    from smallvision.study.read import StudyRecord


def drawn(record: "StudyRecord", every: Sequence[Case], one: Metric) -> dict[str, "Markup | bool | None"]:
    """Inline SVG of the `curves` and of the score against cost (`scatter`), None where there is nothing to draw.

    Parameters
    ----------
    one : what the cases are judged by.

    Returns
    -------
    dict : `curves`, `scatter`; `losses`, whether the curves show a loss beside the measure.
    """
    from markupsafe import Markup

    losses, name = _losses(record, every), study_figures.short(one)
    trained = [(case.name, case.curves) for case in every]
    curves = scatter = None
    if any(runs for _, runs in trained):
        unit = f" {one.unit}" if one.unit else ""
        ends = ", ".join(
            f"{case.name} {case.scores['validation'].text}{unit}" for case in every if "validation" in case.scores
        )
        shown = f"Training loss, validation loss and validation {name}" if losses else f"Training and validation {name}"
        alt = f"{shown} per epoch of {len(every)} cases; scored on validation images: {ends}"
        curves = Markup(embed.svg(study_figures.curves(trained, _loss(record), one, losses), alt, "curves"))
    points = [_point(case) for case in every if "validation" in case.scores]
    if points:
        said = "; ".join(
            f"{case.name} {one.text(case.scores['validation'].value)} with {_costs(point.costs, one)}"
            for case, point in zip((case for case in every if "validation" in case.scores), points, strict=True)
        )
        alt = f"Validation {name} against what it costs: {said}"
        scatter = Markup(embed.svg(study_costs.scatter(points, one), alt, "scatter"))
    return {"curves": curves, "scatter": scatter, "losses": losses}


def _loss(record: "StudyRecord") -> str:
    """The training loss of the base experiment, for an axis."""
    return task_of(record.study.base).study_loss_name(record.study.base)


def _losses(record: "StudyRecord", every: Sequence[Case]) -> bool:
    """Whether the loss of some case is anything but what it is judged by: the squared error of pixels."""
    specs = [run.record.experiment for case in every for run in case.runs[:1] if run.record] or [record.study.base]
    return not all(task_of(spec).loss_is_metric(spec) for spec in specs)


def _point(case: Case) -> study_costs.Point:
    score = case.scores["validation"]
    value, low, high = (
        score.measure.scale * end for end in (score.value, *(score.interval or (score.value, score.value)))
    )
    costs = {
        **{key: case.size(key) for key in cases.SIZES},
        "seconds": case.seconds,
        "seconds_per_epoch": case.seconds_per_epoch,
    }
    known = {key: float(cost) for key, cost in costs.items() if cost is not None}
    return study_costs.Point(case.name, value, low, high, known)


def _costs(costs: Mapping[str, float], one: Metric) -> str:
    said = [
        f"{format.whole(round(costs[key]))} {key.replace('_', '-')}"
        for key in ("parameters", "multiply_adds")
        if key in costs
    ]
    if not one.share:
        said = [f"{format.size(round(costs['bytes']))}"] * ("bytes" in costs) + said
        said += [f"{format.seconds(costs['seconds_per_epoch'])} for an epoch"] if "seconds_per_epoch" in costs else []
    return ", ".join(said + ([f"{format.seconds(costs['seconds'])} of training"] if "seconds" in costs else []))
