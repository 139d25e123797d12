"""The score of each case against each of its costs, a panel for each cost.

Cases differ in marker, too, not only in colour.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from smallvision.metrics.metric import Metric
from smallvision.rendering import format, label_placement, style
from smallvision.report.study.figures import WIDTH, columns, legend
from smallvision.tasks import DEFAULT_METRIC
from smallvision.tasks.base import Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELLED = 12  # points up to which each has its name beside it
ALIKE = 0.02  # of a cost: closer than that (matched sizes) is drawn as one place, not as a trend
WIDE = 10  # times that a cost varies before its axis becomes logarithmic


class Point(NamedTuple):
    """A case in the scatter plots: its score as it is shown (an accuracy in percent) with its interval, and what it
    cost.
    """

    name: str
    value: float
    low: float
    high: float
    costs: Mapping[str, float]  # "parameters", "multiply_adds", "seconds", "seconds_per_epoch", "bytes"


@dataclass(frozen=True)
class Cost:
    """What a score is drawn against: the label of the axis, a shorter one for three panels side by side, and how a
    value is written.
    """

    label: str
    short_label: str
    text: Callable[..., str]


def _bytes(value: float, _position: int | None = None) -> str:
    return format.size(round(value)).replace(format.SPACE, " ")


COSTS: dict[str, Cost] = {
    "parameters": Cost("parameters", "parameters", style.count),
    "multiply_adds": Cost("multiply-adds for an image", "multiply-adds", style.count),
    "seconds": Cost("training time, mean over seeds (s)", "training time, mean over seeds (s)", style.count),
    "seconds_per_epoch": Cost("training time of an epoch (s)", "training time of an epoch (s)", style.count),
    "bytes": Cost("size of the weights", "size of the weights", _bytes),
}


@style.styled
def scatter(points: Sequence[Point], metric: Metric = DEFAULT_METRIC, costs: Sequence[str] = Task.costs) -> "Figure":
    """A score with its interval against each cost; names beside the points while there is room, else a legend.

    Parameters
    ----------
    points : at least one; a cost that is not known to all of them is left out where it is not.
    metric : what the score is.
    costs : four or five keys of COSTS, a panel each.
    """
    names = style.distinct([point.name for point in points], 30)
    side = columns(names)
    figure = style.blank(WIDTH, 6.8)
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)
    every = _panels(figure, len(costs))
    for axes, key in zip(every, costs, strict=True):
        label = COSTS[key].label if len(costs) == 4 else COSTS[key].short_label
        for number, point in enumerate(points):
            if key in point.costs:
                how = {**style.case_look(number), "linestyle": ""}
                bars = np.maximum([[point.value - point.low], [point.high - point.value]], 0)
                axes.errorbar(point.costs[key], point.value, bars, **how, markersize=6, elinewidth=1.2, capsize=3)
        _cost_axis(axes, [point.costs[key] for point in points if key in point.costs], label, COSTS[key].text)
        axes.set_ylabel(metric.axis)
        axes.margins(y=0.14)
    placed = len(points) <= LABELLED and label_placement.place(
        figure,
        [
            (
                axes,
                [
                    (name, p.costs[key], p.value, p.low, p.high)
                    for name, p in zip(names, points, strict=True)
                    if key in p.costs
                ],
            )
            for axes, key in zip(every, costs, strict=True)
        ],
    )
    if not placed:
        figure.set_figheight(6.8 + 0.21 * -(-len(points) // side))
        legend(figure, names, side, lines=False)
    return figure


def _panels(figure: "Figure", count: int) -> list["Axes"]:
    if count == 4:
        return list(figure.subplots(2, 2).flat)
    grid = figure.add_gridspec(2, 6)  # three above, two below
    places = [grid[0, :2], grid[0, 2:4], grid[0, 4:], grid[1, :3], grid[1, 3:]]
    return [figure.add_subplot(place) for place in places]


def _cost_axis(axes: "Axes", values: Sequence[float], label: str, formatter: Callable[..., str]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    low, high = min(values, default=1.0), max(values, default=1.0)
    far = 0 < low * WIDE < high
    axes.set_xlabel(f"{label}, log scale" if far else label)
    if far:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 300 else (1.0, 2.0, 5.0)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        stretch = (high / low) ** 0.14
        axes.set_xlim(low / stretch, high * stretch)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
        apart = high - low > ALIKE * high
        room = (0.16 * (high - low) if apart else 0.5 * high) or 1.0
        axes.set_xlim(low - room if low - room >= 0 else min(0.0, low) - 0.04 * high, high + room)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: formatter(value) if value >= 0 else ""))
