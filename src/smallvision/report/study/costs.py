"""What a case is judged by, against what it costs: a panel for each cost. Never colour alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from smallvision.metrics.metric import Metric
from smallvision.rendering import format, label_placement, style
from smallvision.report.study.figures import ACCURACY, WIDTH, columns, legend, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELLED = 12  # points up to which each has its name beside it
ALIKE = 0.02  # of a cost: closer than that (matched sizes) is drawn as one place, not as a trend
WIDE = 10  # times that a cost varies before its axis becomes logarithmic


class Point(NamedTuple):
    """A case in the scatter plots: its score as it is shown (an accuracy in percent) with its interval, and what it cost."""

    name: str
    value: float
    low: float
    high: float
    costs: Mapping[str, float]  # "parameters", "multiply_adds", "seconds", "seconds_per_epoch", "bytes"


COSTS: tuple[tuple[str, str, Callable[..., str]], ...] = (
    ("parameters", "parameters", style.count),
    ("multiply_adds", "multiply-adds for an image", style.count),
    ("seconds", "training time, mean over seeds (s)", style.count),
    ("bytes", "size of the weights", lambda value, _=None: format.size(round(value)).replace(format.SPACE, " ")),
)
OTHER_COSTS = (  # of any score that is no share of right answers
    COSTS[3],
    COSTS[0],
    ("multiply_adds", "multiply-adds", style.count),
    ("seconds_per_epoch", "training time of an epoch (s)", style.count),
    COSTS[2],
)


def costs(measure: Metric) -> tuple[tuple[str, str, Callable[..., str]], ...]:
    """What a score is drawn against: key, label and format of each."""
    return COSTS if measure.share else OTHER_COSTS


@style.styled
def scatter(points: Sequence[Point], measure: Metric = ACCURACY) -> "Figure":
    """A score with its interval against each of `costs`; names beside the points while there is room, else a legend.

    Parameters
    ----------
    points : at least one; a cost that is not known to all of them is left out where it is not.
    measure : what the score is.
    """
    names = style.distinct([point.name for point in points], 30)
    side, against = columns(names), costs(measure)
    figure = style.blank(WIDTH, 6.8)
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)
    every = _panels(figure, len(against))
    for axes, (key, label, formatter) in zip(every, against, strict=True):
        for number, point in enumerate(points):
            if key in point.costs:
                how = {**look(number), "linestyle": ""}
                bars = np.maximum([[point.value - point.low], [point.high - point.value]], 0)
                axes.errorbar(point.costs[key], point.value, bars, **how, markersize=6, elinewidth=1.2, capsize=3)
        _cost_axis(axes, [point.costs[key] for point in points if key in point.costs], label, formatter)
        axes.set_ylabel(measure.axis)
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
            for axes, (key, _, _) in zip(every, against, strict=True)
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
