"""Figures of each case's probe accuracy beside pixels, PCA and its untrained encoder, with intervals.

Never colour alone.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from smallvision.rendering import style
from smallvision.report.probe.figures import look
from smallvision.report.probe.results import OWN, PROBES
from smallvision.report.study.figures import WIDTH
from smallvision.stats.mean_score import MeanScore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@style.styled
def dots(names: Sequence[str], scores: Mapping[str, Sequence[Mapping[str, MeanScore]]]) -> "Figure":
    """A panel for each probe, in it a line for each case and on it a mark for each source with its 95 % interval.

    Parameters
    ----------
    names : of the cases.
    scores : by probe: of each case, by source.
    """
    from matplotlib.lines import Line2D

    sources = list(dict.fromkeys(source for rows in scores.values() for row in rows for source in row))
    step = 0.72 / max(len(sources), 2)
    figure = style.blank(WIDTH, 1.35 + 0.21 * max(len(sources), 2) * len(names))
    figure.set_layout_engine("constrained", w_pad=0.08)
    panels = figure.subplots(1, len(scores), sharey=True, sharex=True, squeeze=False)[0]
    for axes, (kind, rows) in zip(panels, scores.items(), strict=True):
        for place, row in enumerate(rows):
            for source, score in row.items():
                _mark(axes, place + (sources.index(source) - (len(sources) - 1) / 2) * step, source, score)
            if place:
                axes.axhline(place - 0.5, color="#999999", linewidth=0.8, linestyle=":")
        axes.set(title=PROBES[kind][0], xlabel="accuracy (%)", ylim=(len(names) - 0.45, -0.55))
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        axes.margins(x=0.06)
    panels[0].set_yticks(range(len(names)), style.distinct(names, 30))
    handles: list[Any] = [
        Line2D(
            [],
            [],
            color=color,
            marker=marker,
            label=name,
            linewidth=2.4 if source == OWN else 1.4,
            markerfacecolor=color if source == OWN else "white",
        )
        for source, (color, _, marker, name) in ((source, look(source)) for source in sources)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, handlelength=2.6)
    return figure


def _mark(axes: "Axes", place: float, source: str, score: MeanScore) -> None:
    color, _, marker, _ = look(source)
    own = source == OWN
    if score.interval:
        low, high = (100 * end for end in score.interval)
        axes.plot([low, high], [place, place], color=color, linewidth=2.4 if own else 1.4, solid_capstyle="butt")
    axes.plot(
        100 * score.value,
        place,
        marker,
        color=color,
        markerfacecolor=color if own else "white",
        markersize=6.5 if own else 5.5,
    )
