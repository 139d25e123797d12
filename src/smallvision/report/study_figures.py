"""The figures of a study: differences with their intervals, curves of all cases, accuracy against cost. Never colour alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from smallvision.report import figures, labels, style, words
from smallvision.report.series import per_epoch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 9.2                   # inches: as wide as the page's column
COLORS = (style.BLUE, style.VERMILION, style.GREEN, style.ORANGE, style.PURPLE, style.INK, "#56B4E9", "#8C8C8C")
LINES, MARKERS = ("-", "--", "-.", ":"), ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p")
BANDS = 8                     # cases up to which the range over seeds is drawn: beyond, bands lie on one another
LABELLED = 12                 # points up to which each has its name beside it
FOREST = 60                   # differences that one figure has room for
WIDE = 10                     # times that a cost varies before its axis becomes logarithmic
PANELS = (("train", "loss", 1), ("validation", "loss", 1), ("validation", "accuracy", 100))
Curves = Sequence[tuple[str, Sequence[Sequence[Mapping[str, Any]]]]]


class Difference(NamedTuple):
    """A line of the forest plot, in percentage points."""

    label: str
    value: float
    low: float
    high: float
    told: bool                # whether the verdict is that one is better
    test: bool                # on the test split, not on validation


class Point(NamedTuple):
    """A case in the scatter plots: accuracy in percent with its interval, and what it cost."""

    name: str
    accuracy: float
    low: float
    high: float
    costs: Mapping[str, float]                 # "parameters", "multiply_adds", "seconds", "bytes"


COSTS: tuple[tuple[str, str, Callable[..., str]], ...] = (
    ("parameters", "parameters", style.count),
    ("multiply_adds", "multiply-adds for an image", style.count),
    ("seconds", "training time, mean over seeds (s)", style.count),
    ("bytes", "size of the weights", lambda value, _=None: words.size(round(value)).replace(words.SPACE, " ")),
)


def look(number: int) -> dict[str, Any]:
    """Colour, line and marker of a case by its number; no two of the first 88 are alike, and neighbours differ in all three."""
    return {"color": COLORS[number % 8], "linestyle": LINES[(number + number // 8) % 4], "marker": MARKERS[number % 11]}


@style.styled
def forest(differences: Sequence[Difference]) -> "Figure":
    """Each difference as a point with its interval, in the order given from above; a line where there is none.

    Parameters
    ----------
    differences : at least one, those on the test split last.
    """
    from matplotlib.ticker import FuncFormatter

    count = len(differences)
    lines = sum(one.label.count("\n") + 1 for one in differences)
    figure = style.blank(WIDTH, 1.25 + 0.19 * lines + 0.14 * count)
    axes = figure.subplots()
    for place, one in enumerate(differences):
        color = style.VERMILION if one.test else style.BLUE
        axes.plot([one.low, one.high], [place, place], color=color, linewidth=2.4 if one.told else 1.4, solid_capstyle="butt")
        axes.plot([one.low, one.high], [place, place], "|", color=color, markersize=7)
        axes.plot(one.value, place, "D" if one.test else "o", color=color, markerfacecolor=color if one.told else "white", markersize=6.5)
    axes.axvline(0, color=style.INK, linewidth=1.1)
    if count > 1 and differences[-1].test and not differences[0].test:
        axes.axhline(sum(not one.test for one in differences) - 0.5, color="#999999", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(count), [one.label for one in differences])
    axes.set(ylim=(count - 0.45, -0.55), xlabel="difference in accuracy, the first minus the second (percentage points)")
    axes.margins(x=0.06)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.4g}".replace("-", "−") if value else "0"))
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(count), [_signed(one) for one in differences])
    right.tick_params(length=0, labelsize=8.5)
    right.spines["right"].set_visible(False)
    for at, side, text in ((0.0, "left", "← the second is better"), (1.0, "right", "the first is better →")):
        axes.text(at, 1.01, text, transform=axes.transAxes, ha=side, va="bottom", fontsize=8.5, color="#555555")
    figure.legend(handles=_kinds(differences), loc="outside lower center", ncols=4)
    return figure


def _signed(one: Difference) -> str:
    return f"{one.value:+.2f}  [{one.low:.2f}, {one.high:.2f}]".replace("-", "−")


def _kinds(differences: Sequence[Difference]) -> list[Any]:
    """What the markers mean, those that occur."""
    from matplotlib.lines import Line2D

    out = []
    for test, told in dict.fromkeys((one.test, one.told) for one in sorted(differences, key=lambda one: (one.test, not one.told))):
        color = style.VERMILION if test else style.BLUE
        label = f"{'test' if test else 'validation'}: {'one is better' if told else 'not distinguishable'}"
        out.append(Line2D([], [], color=color, marker="D" if test else "o", markerfacecolor=color if told else "white",
                          linewidth=2.4 if told else 1.4, label=label))  # fmt: skip
    return out


@style.styled
def curves(cases: Curves, loss: str = figures.CROSS_ENTROPY) -> "Figure":
    """Training loss, validation loss and validation accuracy over epochs: each case's mean over its runs, with their range as a band.

    Parameters
    ----------
    cases : (name, the records of metrics.jsonl of each of its runs); at least one record in all.
    loss : which loss it is, with its unit, for the axes.
    """
    from matplotlib.ticker import MaxNLocator

    names = style.distinct([name for name, _ in cases], 36)
    columns = _columns(names)
    figure = style.blank(WIDTH, 3.1 + 0.21 * -(-len(cases) // columns))
    shown: list[np.ndarray] = [np.zeros(0)]
    figure.set_layout_engine("constrained", w_pad=0.1)
    every = figure.subplots(1, 3)
    for axes, (split, scored, scale) in zip(every, PANELS, strict=True):
        for number, (_, runs) in enumerate(cases):
            epochs, mean, low, high = over_runs(runs, split, scored)
            if not len(epochs):
                continue
            if len(runs) > 1 and len(cases) <= BANDS:
                axes.fill_between(epochs, scale * low, scale * high, color=look(number)["color"], alpha=0.16, linewidth=0)
            axes.plot(epochs, scale * mean, **look(number), markevery=max(len(epochs) // 8, 1), linewidth=1.4)
            shown += [mean, high] if scored == "loss" else []
        axes.set(xlabel="epoch", title=f"{'training' if split == 'train' else split} {scored}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7, min_n_ticks=1))
        axes.set_ylabel("accuracy (%)" if scored == "accuracy" else loss)
    _loss_axes(every[:2], np.concatenate(shown), loss)
    _legend(figure, names, columns)
    return figure


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


def _loss_axes(every: Sequence["Axes"], values: np.ndarray, loss: str) -> None:
    """Both losses on one scale, from 0 up; logarithmic where they fall far."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    highest, lowest = values.max(initial=0.0), values.min(initial=np.inf)
    far = 0 < lowest * figures.FAR < highest
    for axes in every:
        if far:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(FuncFormatter(style.count))
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.set_ylabel(f"{loss}, log scale")
        axes.set_ylim(lowest / 1.5 if far else 0, highest * (1.5 if far else 1.06) or 1)


@style.styled
def scatter(points: Sequence[Point]) -> "Figure":
    """Accuracy with its interval against each of COSTS; names beside the points while there is room, else a legend.

    Parameters
    ----------
    points : at least one; a cost that is not known to all of them is left out where it is not.
    """
    names = style.distinct([point.name for point in points], 30)
    columns = _columns(names)
    figure = style.blank(WIDTH, 6.8)
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)
    every = figure.subplots(2, 2)
    for axes, (key, label, formatter) in zip(every.flat, COSTS, strict=True):
        for number, point in enumerate(points):
            if key in point.costs:
                how = {**look(number), "linestyle": ""}
                bars = np.maximum([[point.accuracy - point.low], [point.high - point.accuracy]], 0)
                axes.errorbar(point.costs[key], point.accuracy, bars, **how, markersize=6, elinewidth=1.2, capsize=3)
        _cost_axis(axes, [point.costs[key] for point in points if key in point.costs], label, formatter)
        axes.set_ylabel("accuracy (%)")
        axes.margins(y=0.14)
    placed = len(points) <= LABELLED and labels.place(
        figure, [(axes, [(name, p.costs[key], p.accuracy, p.low, p.high) for name, p in zip(names, points, strict=True) if key in p.costs])
                 for axes, (key, _, _) in zip(every.flat, COSTS, strict=True)])  # fmt: skip
    if not placed:
        figure.set_figheight(6.8 + 0.21 * -(-len(points) // columns))
        _legend(figure, names, columns, lines=False)
    return figure


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
        room = 0.16 * (high - low) or 0.5 * high or 1.0
        axes.set_xlim(low - room if low - room >= 0 else min(0.0, low) - 0.04 * high, high + room)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: formatter(value) if value >= 0 else ""))


def _columns(names: Sequence[str]) -> int:
    """How many entries of a legend stand side by side."""
    fitting = max(1, min(len(names), int(WIDTH / (0.62 + 0.078 * max(map(len, names))))))
    return -(-len(names) // -(-len(names) // fitting))           # as few as give no more rows


def _legend(figure: "Figure", names: Sequence[str], columns: int, lines: bool = True) -> None:
    from matplotlib.lines import Line2D

    looks = [look(number) if lines else {**look(number), "linestyle": ""} for number in range(len(names))]
    handles = [Line2D([], [], **how, label=name) for how, name in zip(looks, names, strict=True)]
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=3.2 if lines else 1.2)
