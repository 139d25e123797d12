"""The figures of a study: differences with their intervals, curves of all cases. Never colour alone."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from smallvision.metrics.metric import Metric
from smallvision.rendering import style
from smallvision.report.run.series import per_epoch
from smallvision.stats.wording import amount
from smallvision.tasks import TASKS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 9.2  # inches: as wide as the page's column
COLORS = (style.BLUE, style.VERMILION, style.GREEN, style.ORANGE, style.PURPLE, style.INK, "#56B4E9", "#8C8C8C")
LINES, MARKERS = ("-", "--", "-.", ":"), ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p")
BANDS = 8  # cases up to which the range over seeds is drawn: beyond, bands lie on one another
FOREST = 60  # differences that one figure has room for
FALLS = 5  # times that an error falls before its axis becomes logarithmic
ACCURACY = TASKS["classify"].metric
Curves = Sequence[tuple[str, Sequence[Sequence[Mapping[str, Any]]]]]


class Difference(NamedTuple):
    """A line of the forest plot, in the measure's unit; of shares in percentage points."""

    label: str
    value: float
    low: float
    high: float
    told: bool  # whether the verdict is that one is better
    test: bool  # on the test split, not on validation


def look(number: int) -> dict[str, Any]:
    """Colour, line and marker of a case by its number; no two of the first 88 are alike, and neighbours differ in all three."""
    return {"color": COLORS[number % 8], "linestyle": LINES[(number + number // 8) % 4], "marker": MARKERS[number % 11]}


@style.styled
def forest(differences: Sequence[Difference], measure: Metric = ACCURACY) -> "Figure":
    """Each difference as a point with its interval, in the order given from above; a line where there is none.

    Parameters
    ----------
    differences : at least one, those on the test split last.
    measure : what they are differences in.
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
    unit = " (percentage points)" if measure.share else f" ({measure.unit})" if measure.unit else ""
    axes.set(ylim=(count - 0.45, -0.55), xlabel=f"difference in {measure.name}, the first minus the second{unit}")
    axes.margins(x=0.06)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value) if value else "0"))
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(count), [_signed(one, measure) for one in differences])
    right.tick_params(length=0, labelsize=8.5)
    right.spines["right"].set_visible(False)
    below, above = ("second", "first") if measure.higher else ("first", "second")
    for at, side, text in ((0.0, "left", f"← the {below} is better"), (1.0, "right", f"the {above} is better →")):
        axes.text(at, 1.01, text, transform=axes.transAxes, ha=side, va="bottom", fontsize=8.5, color="#555555")
    figure.legend(handles=_kinds(differences), loc="outside lower center", ncols=4)
    return figure


def _plain(value: float) -> str:
    """+0.5, −0.00002: never with an exponent."""
    return str(np.format_float_positional(value, 4, fractional=False, trim="-", sign=True)).replace("-", "−")


def _signed(one: Difference, measure: Metric) -> str:
    if measure.share:
        return f"{one.value:+.2f}  [{one.low:.2f}, {one.high:.2f}]".replace("-", "−")
    gap, low, high = (value / measure.scale for value in (one.value, one.low, one.high))
    said = [amount(value, measure, (low, high)) for value in (gap, low, high)]
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
    cases: Curves, loss: str = "cross-entropy (nats)", measure: Metric = ACCURACY, losses: bool = True
) -> "Figure":
    """Training loss, validation loss and the measure on validation over epochs: each case's mean over its runs, their range as a band.

    Parameters
    ----------
    cases : (name, the records of metrics.jsonl of each of its runs); at least one record in all.
    loss : which loss it is, with its unit, for the axes.
    measure : what runs are judged by.
    losses : whether the loss says something that the measure does not; if not, there is the measure on both splits and no loss.
    """
    from matplotlib.ticker import MaxNLocator

    names = style.distinct([name for name, _ in cases], 36)
    side = columns(names)
    figure = style.blank(WIDTH, 3.1 + 0.21 * -(-len(cases) // side))
    figure.set_layout_engine("constrained", w_pad=0.1)
    panels = [("train", "loss"), ("validation", "loss"), ("validation", measure.key)]
    panels = panels if losses else [("train", measure.key), ("validation", measure.key)]
    every = figure.subplots(1, len(panels))
    shown: list[list[np.ndarray]] = [[np.zeros(0)] for _ in panels]
    for axes, values, (split, scored) in zip(every, shown, panels, strict=True):
        scale = measure.scale if scored == measure.key else 1.0
        for number, (_, runs) in enumerate(cases):
            epochs, mean, low, high = over_runs(runs, split, scored)
            if not len(epochs):
                continue
            if len(runs) > 1 and len(cases) <= BANDS:
                axes.fill_between(
                    epochs, scale * low, scale * high, color=look(number)["color"], alpha=0.16, linewidth=0
                )
            axes.plot(epochs, scale * mean, **look(number), markevery=max(len(epochs) // 8, 1), linewidth=1.4)
            values += [scale * mean, scale * high]
        name = short(measure) if scored == measure.key else scored
        axes.set(xlabel="epoch", title=f"{'training' if split == 'train' else split} {name}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7, min_n_ticks=1))
        axes.set_ylabel(measure.axis if scored == measure.key else loss)
    if losses:  # of verifiers they are two losses, the case's own and that of pairs
        for part in (slice(0, 1), slice(1, 2)) if measure.of == "pairs" else (slice(0, 2),):
            _falling(every[part], np.concatenate([one for some in shown[part] for one in some]), loss)
    if not measure.higher:
        part = slice(2, None) if losses else slice(None)
        _falling(every[part], np.concatenate([one for some in shown[part] for one in some]), measure.axis, FALLS)
    legend(figure, names, side)
    return figure


def short(measure: Metric) -> str:
    """Its name where there is little room: "accuracy", "MSE"."""
    return measure.name.partition(" of ")[0]


def over_runs(
    runs: Sequence[Sequence[Mapping[str, Any]]], split: str, scored: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One score per epoch over several runs: epochs, mean, lowest and highest, each (E,); of the runs that got as far."""
    found: dict[float, list[float]] = {}
    for metrics in runs:
        for epoch, value in zip(*per_epoch(metrics, split, scored), strict=True):
            found.setdefault(float(epoch), []).append(float(value))
    epochs = sorted(found)
    rows = [(np.mean(found[epoch]), min(found[epoch]), max(found[epoch])) for epoch in epochs]
    mean, low, high = np.array(rows, np.float64).reshape(-1, 3).T
    return np.array(epochs), mean, low, high


def _falling(every: Sequence["Axes"], values: np.ndarray, label: str, times: float = style.FAR) -> None:
    """What falls, all on one scale from 0 up; logarithmic where it falls so many times."""
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
    """Below a figure, every case with its look; so many side by side."""
    from matplotlib.lines import Line2D

    looks = [look(number) if lines else {**look(number), "linestyle": ""} for number in range(len(names))]
    handles = [Line2D([], [], **how, label=name) for how, name in zip(looks, names, strict=True)]
    figure.legend(handles=handles, loc="outside lower center", ncols=side, handlelength=3.2 if lines else 1.2)
