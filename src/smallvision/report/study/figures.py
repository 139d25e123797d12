"""The figures of a study: differences with their intervals, curves of all cases. Never colour alone."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from smallvision.metrics.metric import Metric
from smallvision.rendering import style
from smallvision.report.run.series import per_epoch
from smallvision.stats.wording import amount
from smallvision.tasks import DEFAULT_METRIC

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 9.2  # inches: as wide as the page's column
BANDS = 8  # cases up to which the range over seeds is drawn: beyond, bands lie on one another
FOREST = 60  # differences that one figure has room for
FALLS = 5  # times that an error falls before its axis becomes logarithmic
Curves = Sequence[tuple[str, Sequence[Sequence[Mapping[str, Any]]]]]


class Difference(NamedTuple):
    """A line of the forest plot, in the metric's unit; shares are in percentage points."""

    label: str
    value: float
    low: float
    high: float
    told: bool  # whether the verdict is that one is better
    test: bool  # on the test split, not on validation


@style.styled
def forest(differences: Sequence[Difference], metric: Metric = DEFAULT_METRIC) -> "Figure":
    """Each difference as a point with its interval, in the order given from above; a line where there is none.

    Parameters
    ----------
    differences : at least one, those on the test split last.
    metric : what they are differences in.
    """
    from matplotlib.ticker import FuncFormatter

    count = len(differences)
    lines = sum(one.label.count("\n") + 1 for one in differences)
    figure = style.blank(WIDTH, 1.25 + 0.19 * lines + 0.14 * count)
    axes = figure.subplots()
    for place, one in enumerate(differences):
        color = style.VERMILION if one.test else style.BLUE
        axes.plot(
            [one.low, one.high], [place, place], color=color, linewidth=2.4 if one.told else 1.4, solid_capstyle="butt"
        )
        axes.plot([one.low, one.high], [place, place], "|", color=color, markersize=7)
        axes.plot(
            one.value,
            place,
            "D" if one.test else "o",
            color=color,
            markerfacecolor=color if one.told else "white",
            markersize=6.5,
        )
    axes.axvline(0, color=style.INK, linewidth=1.1)
    if count > 1 and differences[-1].test and not differences[0].test:
        axes.axhline(sum(not one.test for one in differences) - 0.5, color="#999999", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(count), [one.label for one in differences])
    unit = f" ({metric.difference_unit})" if metric.difference_unit else ""
    axes.set(ylim=(count - 0.45, -0.55), xlabel=f"difference in {metric.name}, the first minus the second{unit}")
    axes.margins(x=0.06)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value) if value else "0"))
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(count), [_signed(one, metric) for one in differences])
    right.tick_params(length=0, labelsize=8.5)
    right.spines["right"].set_visible(False)
    below, above = ("second", "first") if metric.higher else ("first", "second")
    for at, side, text in ((0.0, "left", f"← the {below} is better"), (1.0, "right", f"the {above} is better →")):
        axes.text(at, 1.01, text, transform=axes.transAxes, ha=side, va="bottom", fontsize=8.5, color="#555555")
    figure.legend(handles=_kinds(differences), loc="outside lower center", ncols=4)
    return figure


def _plain(value: float) -> str:
    """+0.5, −0.00002: never with an exponent."""
    return str(np.format_float_positional(value, 4, fractional=False, trim="-", sign=True)).replace("-", "−")


def _signed(one: Difference, metric: Metric) -> str:
    gap, low, high = (value / metric.scale for value in (one.value, one.low, one.high))
    said = [amount(value, metric, (low, high)) for value in (gap, low, high)]
    return f"{'+' * (gap > 0)}{said[0]}  [{said[1]}, {said[2]}]".replace("-", "−")


def _kinds(differences: Sequence[Difference]) -> list[Any]:
    """What the markers mean, those that occur."""
    from matplotlib.lines import Line2D

    out = []
    for test, told in dict.fromkeys(
        (one.test, one.told) for one in sorted(differences, key=lambda one: (one.test, not one.told))
    ):
        color = style.VERMILION if test else style.BLUE
        label = f"{'test' if test else 'validation'}: {'one is better' if told else 'not distinguishable'}"
        out.append(
            Line2D(
                [],
                [],
                color=color,
                marker="D" if test else "o",
                markerfacecolor=color if told else "white",
                linewidth=2.4 if told else 1.4,
                label=label,
            )
        )
    return out


@style.styled
def curves(
    cases: Curves,
    loss: str = "cross-entropy (nats)",
    metric: Metric = DEFAULT_METRIC,
    losses: bool = True,
    same_loss: bool = True,
) -> "Figure":
    """Training loss, validation loss and the metric on validation over epochs: each case's mean over its runs, their
    range as a band.

    Parameters
    ----------
    cases : (name, the records of metrics.jsonl of each of its runs); at least one record in all.
    loss : which loss it is, with its unit, for the axes.
    metric : what runs are judged by.
    losses : whether the loss says something that the metric does not; if not, there is the metric on both splits and no
        loss.
    same_loss : whether training and validation images have the same loss, so that the axes of both have one scale.
    """
    from matplotlib.ticker import MaxNLocator

    names = style.distinct([name for name, _ in cases], 36)
    side = columns(names)
    figure = style.blank(WIDTH, 3.1 + 0.21 * -(-len(cases) // side))
    figure.set_layout_engine("constrained", w_pad=0.1)
    panels = [("train", "loss"), ("validation", "loss"), ("validation", metric.key)]
    panels = panels if losses else [("train", metric.key), ("validation", metric.key)]
    every = figure.subplots(1, len(panels))
    shown: list[list[np.ndarray]] = [[np.zeros(0)] for _ in panels]
    for axes, values, (split, scored) in zip(every, shown, panels, strict=True):
        scale = metric.scale if scored == metric.key else 1.0
        for number, (_, runs) in enumerate(cases):
            epochs, mean, low, high = over_runs(runs, split, scored)
            if not len(epochs):
                continue
            if len(runs) > 1 and len(cases) <= BANDS:
                axes.fill_between(
                    epochs, scale * low, scale * high, color=style.case_look(number)["color"], alpha=0.16, linewidth=0
                )
            axes.plot(
                epochs, scale * mean, **style.case_look(number), markevery=max(len(epochs) // 8, 1), linewidth=1.4
            )
            values += [scale * mean, scale * high]
        name = short(metric) if scored == metric.key else scored
        axes.set(xlabel="epoch", title=f"{'training' if split == 'train' else split} {name}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7, min_n_ticks=1))
        axes.set_ylabel(metric.axis if scored == metric.key else loss)
    if losses:
        for part in (slice(0, 2),) if same_loss else (slice(0, 1), slice(1, 2)):
            _falling(every[part], np.concatenate([one for some in shown[part] for one in some]), loss)
    if not metric.higher:
        part = slice(2, None) if losses else slice(None)
        _falling(every[part], np.concatenate([one for some in shown[part] for one in some]), metric.axis, FALLS)
    legend(figure, names, side)
    return figure


def short(metric: Metric) -> str:
    """Its name where there is little room: "accuracy", "MSE"."""
    return metric.name.partition(" of ")[0]


def over_runs(
    runs: Sequence[Sequence[Mapping[str, Any]]], split: str, scored: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A score per epoch over the runs that got so far: epochs, mean, lowest and highest, each (E,)."""
    found: dict[float, list[float]] = {}
    for metrics in runs:
        for epoch, value in zip(*per_epoch(metrics, split, scored), strict=True):
            found.setdefault(float(epoch), []).append(float(value))
    epochs = sorted(found)
    rows = [(np.mean(found[epoch]), min(found[epoch]), max(found[epoch])) for epoch in epochs]
    mean, low, high = np.array(rows, np.float64).reshape(-1, 3).T
    return np.array(epochs), mean, low, high


def _falling(every: Sequence["Axes"], values: np.ndarray, label: str, times: float = style.FAR) -> None:
    """One scale from 0 up for curves that fall; logarithmic where they fall by more than the factor `times`."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    highest, lowest = values.max(initial=0.0), values.min(initial=np.inf)
    far = 0 < lowest * times < highest
    for axes in every:
        if far:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(FuncFormatter(style.count))
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.set_ylabel(f"{label}, log scale")
        if far and highest < style.FAR * lowest:  # within so little there may be no power of ten
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.set_ylim(lowest / 1.5 if far else 0, highest * (1.5 if far else 1.06) or 1)


def columns(names: Sequence[str]) -> int:
    """How many entries of a legend stand side by side."""
    fitting = max(1, min(len(names), int(WIDTH / (0.62 + 0.078 * max(map(len, names))))))
    return -(-len(names) // -(-len(names) // fitting))  # as few as give no more rows


def legend(figure: "Figure", names: Sequence[str], side: int, lines: bool = True) -> None:
    """A legend below a figure with the style of every case, `side` entries in a row."""
    from matplotlib.lines import Line2D

    looks = [
        style.case_look(number) if lines else {**style.case_look(number), "linestyle": ""}
        for number in range(len(names))
    ]
    handles = [Line2D([], [], **how) for how in looks]
    style.legend(figure, handles, names, loc="outside lower center", ncols=side, handlelength=3.2 if lines else 1.2)
