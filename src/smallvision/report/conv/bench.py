"""The figure of `smallvision conv bench`: what each implementation of the convolution takes, in time and in memory."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from smallvision.errors import BadInput
from smallvision.rendering import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["bench_figure"]

FAR = 150  # times torch's time at which the axis ends: Python loops would take most of it
LABEL: Any = {"textcoords": "offset points", "va": "center", "fontsize": 8}
LABELS = ("time, forward + backward", "forward alone", "memory, measured", "memory, as stated")


@style.styled
def bench_figure(rows: Sequence[Mapping[str, Any]], shapes: Mapping[str, str] | None = None) -> "Figure":
    """Time as a ratio to torch, and memory beside it, of every implementation at every shape.

    Parameters
    ----------
    rows : as conv-bench.json has them: `shape`, `rung`, `reason` (why it was not measured), `refused` (its method
        cannot do it) and, where there is no reason, `ratio` ("forward", "total"), `share` (below 1: a slice was timed),
        `memory_bytes` (or None) and `stated_bytes` of three functions each.
    shapes : what each shape is, for its title.

    Raises
    ------
    BadInput : nothing was measured.
    """
    done = [row for row in rows if row["reason"] is None]
    if not done:
        raise BadInput("bench_figure: nothing was measured; expected a row without a reason")
    texts = list(dict.fromkeys(row["shape"] for row in rows))
    groups = [[row for row in rows if row["shape"] == text] for text in texts]
    figure = style.blank(8.0, 1.0 + sum(0.55 + 0.215 * len(group) for group in groups))
    grid = figure.subplots(
        len(groups), 2, squeeze=False, width_ratios=[3, 2], height_ratios=[2 + len(group) for group in groups]
    )
    ratios = [row["ratio"][key] for row in done for key in ("forward", "total")]
    low, high = min(0.5, 0.8 * min(ratios)), min(max(3.0, 1.5 * max(ratios)), FAR)
    for text, group, (left, right) in zip(texts, groups, grid, strict=True):
        _ratios(left, group, low, high)
        _memory(right, group)
        about = (shapes or {}).get(text)
        left.set_title(f"{text}   ({about})" if about else text, loc="left", fontsize=10)
    grid[-1, 0].set_xlabel("time, in times of torch's (log scale)")
    grid[-1, 1].set_xlabel("memory beside inputs and output (MB)")
    handles = {label: one for axes in grid.flat for one, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(
        [handles[label] for label in LABELS if label in handles],
        [label for label in LABELS if label in handles],
        loc="outside upper center",
        ncols=4,
    )
    return figure


def _ratios(axes: "Axes", group: Sequence[Mapping[str, Any]], low: float, high: float) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set(xscale="log", xlim=(low, high), ylim=(len(group) - 0.4, -0.6))
    axes.axvline(1, color=style.INK, linewidth=1)
    done = [(place, row) for place, row in enumerate(group) if row["reason"] is None]
    places, totals = [place for place, _ in done], np.array([row["ratio"]["total"] for _, row in done])
    axes.barh(places, np.minimum(totals, high) - 1, 0.66, left=1, color=style.BLUE, label=LABELS[0])
    axes.plot(
        [row["ratio"]["forward"] for _, row in done],
        places,
        "D",
        color=style.ORANGE,
        markersize=4.2,
        markeredgecolor=style.INK,
        markeredgewidth=0.5,
        label=LABELS[1],
        zorder=4,
    )
    for place, row in done:
        ratio, forward = row["ratio"]["total"], row["ratio"]["forward"]
        text = f"{'~' if row['share'] < 1 else ''}{_short(ratio)}"
        if ratio > 0.6 * high:  # no room to the right: inside the bar
            axes.annotate(
                f"{text} →" if ratio > high else text,
                (min(ratio, high), place),
                (-5, 0),
                color="white",
                ha="right",
                **LABEL,
            )
        else:
            axes.annotate(text, (max(ratio, min(forward, high), 1.0), place), (6, 0), **LABEL)
    for place, row in enumerate(group):
        if row["reason"] is not None:
            axes.annotate(
                "not for this shape" if row["refused"] else "not measured", (1, place), (6, 0), color="#777777", **LABEL
            )
    axes.set_yticks(range(len(group)), [row["rung"] for row in group])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(FuncFormatter(style.count))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", visible=False)


def _memory(axes: "Axes", group: Sequence[Mapping[str, Any]]) -> None:
    measured = [(place, row) for place, row in enumerate(group) if row["reason"] is None and row["memory_bytes"]]
    sizes = {place: max(row["memory_bytes"]) / 1e6 for place, row in measured}
    stated = {place: max(row["stated_bytes"]) / 1e6 for place, row in measured if max(row["stated_bytes"])}
    top = max([*sizes.values(), *stated.values(), 0.001])
    axes.barh(list(sizes), list(sizes.values()), 0.66, color=style.GREEN, label=LABELS[2])
    axes.plot(
        list(stated.values()),
        list(stated),
        "o",
        markerfacecolor="none",
        markeredgecolor=style.INK,
        markersize=5.5,
        label=LABELS[3],
        zorder=4,
    )
    for place, size in sizes.items():
        ring = stated.get(place, 0.0)  # the number stands beyond it, unless it is far from the bar
        axes.annotate(_short(size), (size if ring > size + 0.25 * top else max(size, ring), place), (7, 0), **LABEL)
    axes.set(xlim=(0, 1.3 * top), ylim=(len(group) - 0.4, -0.6))
    axes.set_yticks([])
    axes.grid(axis="y", visible=False)


def _short(value: float) -> str:
    """Two figures, more only before the point."""
    if value >= 100:
        return style.count(float(f"{value:.2g}"))
    return f"{value:.{0 if value >= 9.95 else 1 if value >= 0.995 else 2}f}"
