"""The scores of all cases as points with their intervals, on an axis that is no wider than they need."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from smallvision.metrics.metric import Metric
from smallvision.rendering import style
from smallvision.rendering.svg import inline
from smallvision.report.study.cases import SPLITS, Case
from smallvision.stats.mean_score import MeanScore

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

WIDTH = 7.2  # inches
MOST = 60  # cases that one figure has room for
MARKS = {"validation": (style.BLUE, "o"), "test": (style.VERMILION, "D")}


def drawn(cases: Sequence[Case], metric: Metric, splits: Sequence[str] = SPLITS) -> "Markup | None":
    """Inline SVG of the scores of the first MOST cases on these splits; None where no case has a score."""
    rows = [(case.label, {split: case.scores[split] for split in splits if split in case.scores}) for case in cases]
    rows = [(name, scores) for name, scores in rows if scores][:MOST]
    if not rows:
        return None
    said = "; ".join(
        f"{name}: " + ", ".join(f"{split} {score.text} ({score.between})" for split, score in scores.items())
        for name, scores in rows
    )
    return inline(points(rows, metric), f"{metric.axis} with 95 % intervals. {said}", "scores")


@style.styled
def points(rows: Sequence[tuple[str, dict[str, MeanScore]]], metric: Metric) -> "Figure":
    """A row for each case, in it a point with its 95 % interval for each split.

    Parameters
    ----------
    rows : a case's name and its score by split; at least one row, each with a score at least.
    metric : what the scores are.
    """
    from matplotlib.ticker import MaxNLocator

    splits = [split for split in SPLITS if any(split in scores for _, scores in rows)]
    figure = style.blank(WIDTH, 1.0 + 0.2 * (len(splits) + 0.5) * len(rows))
    axes = figure.subplots()
    labelled: set[str] = set()
    for place, (_, scores) in enumerate(rows):
        for split, score in scores.items():
            color, marker = MARKS[split]
            low, high = (metric.scale * end for end in score.interval or (score.value, score.value))
            at = place + 0.28 * (splits.index(split) - (len(splits) - 1) / 2)
            axes.plot([low, high], [at, at], color=color, linewidth=2, solid_capstyle="butt")
            label = "" if split in labelled else split
            axes.plot(metric.scale * score.value, at, marker, color=color, markersize=6.5, label=label)
            labelled.add(split)
        if place:
            axes.axhline(place - 0.5, color=style.FAINT, linewidth=0.7)
    names = style.distinct([name for name, _ in rows], 40)
    axes.set_yticks(range(len(rows)), names)
    axes.set(ylim=(len(rows) - 0.45, -0.55), xlabel=metric.axis)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.06)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8))
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure
