"""The figures of a probe: what each source reaches with each probe, with intervals, and how k and C were chosen.

Never colour alone.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from smallvision.rendering import style
from smallvision.report.probe.results import OWN, PROBES, Result, kinds
from smallvision.report.study.figures import WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHANCE = "always the most frequent class"
# source: colour, line, marker, name in a legend
LOOKS: dict[str, tuple[str, str, str, str]] = {
    "representation": (style.VERMILION, "-", "D", "representation"),
    "pixels": (style.BLUE, "--", "o", "pixels"),
    "pca": (style.GREEN, "-.", "s", "PCA of equal size"),
    "untrained": (style.PURPLE, ":", "^", "untrained encoder"),
}


def look(source: str) -> tuple[str, str, str, str]:
    """Colour, line, marker and name of a source in every figure."""
    return LOOKS.get(source, (style.INK, "-", "v", style.short(source)))


@style.styled
def dots(found: Sequence[Result], chance: float) -> "Figure":
    """Accuracy with its 95 % interval: a group of lines for each probe, in it a line for each source.

    Parameters
    ----------
    found : at least one.
    chance : share that always saying the same class has right, a dashed line; left out where it is so far below that
        the accuracies would lie on one another.
    """
    groups = [(kind, [one for one in found if one.kind == kind]) for kind in kinds(found)]
    rows: list[Result | str] = []
    for kind, group in groups:
        rows += [PROBES[kind][0], *group]
    figure = style.blank(WIDTH, 1.05 + 0.25 * len(rows))
    axes = figure.subplots()
    for place, one in enumerate(rows):
        if isinstance(one, Result):
            _dot(axes, place, one)
        elif place:
            axes.axhline(place - 0.5, color="#999999", linewidth=0.8, linestyle=":")
    near = _near(found, chance)
    if near:
        axes.axvline(100 * chance, color=style.INK, linestyle="--", linewidth=1.1, label=CHANCE)
    axes.set_yticks(range(len(rows)), [one if isinstance(one, str) else style.short(one.title, 36) for one in rows])
    for label, one in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if isinstance(one, str) or one.source == OWN else "normal")
    axes.set(
        ylim=(len(rows) - 0.45, -0.55),
        xlabel=f"accuracy (%), {found[0].count} images",
        xlim=_room(found, [chance] if near else []),
    )
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(rows)), ["" if isinstance(one, str) else _numbers(one) for one in rows])
    right.tick_params(length=0, labelsize=8.5)
    right.spines["right"].set_visible(False)
    if near:
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center")
    return figure


def _near(found: Sequence[Result], chance: float) -> bool:
    """Whether the share is above all, or below them by no more than they differ among themselves."""
    low, high = min(one.interval[0] for one in found), max(one.interval[1] for one in found)
    return chance >= low - (high - low)


def _dot(axes: "Axes", place: int, one: Result) -> None:
    color, _, marker, _ = look(one.source)
    low, high = (100 * end for end in one.interval)
    own = one.source == OWN
    axes.plot([low, high], [place, place], color=color, linewidth=2.4 if own else 1.4, solid_capstyle="butt")
    axes.plot([low, high], [place, place], "|", color=color, markersize=7)
    axes.plot(100 * one.accuracy, place, marker, color=color, markerfacecolor=color if own else "white", markersize=6.5)


def _numbers(one: Result) -> str:
    low, high = one.interval
    return f"{100 * one.accuracy:.2f}  [{100 * low:.2f}, {100 * high:.2f}]"


def _room(found: Sequence[Result], others: Sequence[float]) -> tuple[float, float]:
    """Limits of an axis of accuracies in percent, with room around all that is on it."""
    low = 100 * min([*others, *(one.interval[0] for one in found)])
    high = 100 * max([*others, *(one.interval[1] for one in found)])
    margin = max(0.05 * (high - low), 0.5)
    return max(low - margin, -1.0), min(high + margin, 101.0)


@style.styled
def choosing(found: Sequence[Result]) -> "Figure":
    """Accuracy on the images that k and C were chosen on, over all values tried; what was chosen has a ring.

    A panel for each probe.
    """
    from matplotlib.lines import Line2D

    every = kinds(found)
    figure = style.blank(WIDTH if len(every) > 1 else 0.6 * WIDTH, 3.3)
    panels = figure.subplots(1, len(every), sharey=True, squeeze=False)[0]
    for axes, kind in zip(panels, every, strict=True):
        some = [one for one in found if one.kind == kind]
        for one in some:
            color, line, marker, _ = look(one.source)
            x, y = [value for value, _ in one.tried], [100 * accuracy for _, accuracy in one.tried]
            axes.plot(x, y, line, color=color, marker=marker, markerfacecolor=color if one.source == OWN else "white")
            axes.plot(
                one.value,
                100 * one.chosen_at,
                "o",
                color=style.INK,
                markerfacecolor="none",
                markersize=11,
                markeredgewidth=1.2,
            )
        _values_axis(axes, some[0].setting, sorted({value for one in some for value in (one.value, *dict(one.tried))}))
        axes.set_title(PROBES[kind][0])
        axes.margins(y=0.1)
    panels[0].set_ylabel("accuracy where chosen (%)")
    ring: Any = {
        "color": style.INK,
        "marker": "o",
        "markerfacecolor": "none",
        "markersize": 10,
        "linestyle": "",
        "label": "chosen",
    }
    handles = [_handle(source) for source in dict.fromkeys(one.source for one in found)]
    columns = 5 if len(every) > 1 else 3
    figure.legend(
        handles=[*handles, Line2D([], [], **ring)], loc="outside lower center", ncols=columns, handlelength=3.2
    )
    return figure


def _handle(source: str) -> Any:
    from matplotlib.lines import Line2D

    color, line, marker, name = look(source)
    how: Any = {
        "color": color,
        "linestyle": line,
        "marker": marker,
        "markerfacecolor": color if source == OWN else "white",
    }
    return Line2D([], [], **how, label=name)


def _values_axis(axes: "Axes", setting: str, values: Sequence[float]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if setting == "C":
        above = [value for value in values if value > 0] or [1.0]
        axes.set(xlabel="C, log scale", xscale="log", xlim=(above[0] / 1.8, above[-1] * 1.8))
        axes.set_xticks(above)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.minorticks_off()
    else:
        axes.set(xlabel="k, the number of neighbours")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7, min_n_ticks=1))
        room = max(0.06 * (values[-1] - values[0]), 0.6)
        axes.set_xlim(values[0] - room, values[-1] + room)
