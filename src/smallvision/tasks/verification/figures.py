"""The figures of a verifier's report: ROC curves, distances of pairs, what its probabilities are worth, and pairs of
classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from smallvision.rendering import style
from smallvision.rendering.class_axis import NUMBERED, class_ticks
from smallvision.tasks.verification.rates import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BARS = 48  # of a histogram
LOOKS = ((style.BLUE, "-"), (style.VERMILION, "--"))  # of the shown split's curve, and of that of classes never seen


@dataclass(frozen=True, eq=False)
class Spread:
    """A histogram's data: values (M,) of pairs, `same` 0 or 1 (M,), and where the answer changes, if known."""

    title: str
    axis: str
    values: np.ndarray
    same: np.ndarray
    threshold: float | None


@style.styled
def roc(curves: Mapping[str, Curve], operating: Mapping[str, tuple[float, float]]) -> "Figure":
    """True accepts over false accepts, these on a logarithmic axis and on a linear one, with the threshold that is
    used.

    Parameters
    ----------
    curves : by the name of their pairs, one or two.
    operating : the false-accept and true-accept rates at the threshold, of each.
    """
    from matplotlib.ticker import FuncFormatter, NullFormatter

    figure = style.blank(7.2, 3.7)
    panels = figure.subplots(1, 2)
    left = 100 * min(curve.least for curve in curves.values())
    lowest = 100.0
    for (name, curve), (color, line) in zip(curves.items(), LOOKS, strict=False):
        some = curve.thinned()
        false, true = 100 * some.false_accepts, 100 * some.true_accepts
        for axes in panels:
            axes.plot(
                np.maximum(false, left) if axes is panels[0] else false, true, line, color=color, label=name, zorder=3
            )
            at, reached = operating[name]
            axes.plot(
                [max(100 * at, left) if axes is panels[0] else 100 * at],
                [100 * reached],
                "D",
                color=color,
                markersize=7,
                markeredgecolor="white",
                label=f"{name}: its threshold",
                zorder=5,
                clip_on=False,
            )
        lowest = min(lowest, float(true[false <= left].max()), 100 * reached)
    guess = np.geomspace(left, 100, 60)
    panels[0].plot(guess, guess, ":", color=style.INK, linewidth=1.3, label="guessing")
    panels[1].plot([0, 100], [0, 100], ":", color=style.INK, linewidth=1.3)
    panels[0].set(
        xscale="log",
        xlim=(left, 100),
        ylim=(_below(lowest), 100 + 0.03 * (100 - _below(lowest))),
        ylabel="true accepts (%)",
    )
    panels[1].set(xlim=(-1.5, 101.5), ylim=(-1.5, 103))
    for axes in panels:
        axes.set_xlabel("false accepts (%)" + (", log scale" if axes is panels[0] else ""))
    panels[0].xaxis.set_major_formatter(FuncFormatter(style.count))
    panels[0].xaxis.set_minor_formatter(NullFormatter())
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3 if len(curves) == 1 else 2
    )
    return figure


def _below(percent: float) -> float:
    """Where an axis begins that goes up to 100 %: so that what is to be seen fills it."""
    return max(0.0, percent - 0.25 * (100 - percent) - 1)


@style.styled
def histograms(spreads: Sequence[Spread]) -> "Figure":
    """How pairs of one class and of two are spread, with the threshold: a panel for each `Spread`, at least one."""
    figure = style.blank(7.2, 2.6 + 2.3 * (len(spreads) - 1))
    every = figure.subplots(len(spreads), 1, squeeze=False).flat
    for axes, one in zip(every, spreads, strict=True):
        edges = _edges([other for other in spreads if other.axis == one.axis])  # so that panels can be compared
        looks = (
            ("pairs of one class", one.same == 1, style.BLUE, "-"),
            ("pairs of two classes", one.same == 0, style.ORANGE, "--"),
        )
        for name, kind, color, line in looks:
            share = 100 * np.histogram(one.values[kind], edges)[0] / max(int(kind.sum()), 1)
            axes.stairs(share, edges, fill=True, color=color, alpha=0.3)
            axes.stairs(share, edges, color=color, linestyle=line, linewidth=1.5, label=name)
        if one.threshold is not None:
            axes.axvline(one.threshold, color=style.INK, linewidth=1.4, label="threshold", zorder=4)
        margin = 0.02 * (edges[-1] - edges[0])
        ends = (
            edges[[0, -1]] if one.threshold is None else [min(edges[0], one.threshold), max(edges[-1], one.threshold)]
        )
        axes.set(xlabel=one.axis, ylabel="pairs (%)", xlim=(ends[0] - margin, ends[1] + margin), ylim=(0, None))
        if len(spreads) > 1:
            axes.set_title(one.title)
    labelled = {
        label: line for axes in figure.axes for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(labelled.values(), labelled.keys(), loc="outside lower center", ncols=3)
    return figure


def _edges(spreads: Sequence[Spread]) -> np.ndarray:
    """The limits of BARS bars that hold all values, from 0 where none is below."""
    low = min(0.0, *(float(one.values.min()) for one in spreads))
    high = max(float(one.values.max()) for one in spreads)
    return np.linspace(low, high if high > low else low + 1, BARS + 1)


@style.styled
def reliability(rows: np.ndarray, error: float) -> "Figure":
    """How often pairs are of one class, over the probability they were given; and each bin's difference, with its
    number of pairs.

    Parameters
    ----------
    rows : float64 (bins, 3), mean probability, share of one class, pairs; by rising probability.
    error : the expected calibration error, 0 to 1.
    """
    figure = style.blank(7.2, 3.9)
    whole, each = figure.subplots(1, 2, width_ratios=(1, 1.05))
    said, found, counts = 100 * rows[:, 0], 100 * rows[:, 1], rows[:, 2]
    whole.plot([0, 100], [0, 100], ":", color=style.INK, linewidth=1.3, label="as said")
    whole.plot(said, found, "-o", color=style.BLUE, markersize=5, label="as found", zorder=3, clip_on=False)
    whole.set(
        xlabel="probability of one class, as said (%)",
        ylabel="pairs that are of one class (%)",
        xlim=(-2, 102),
        ylim=(-2, 102),
        title=f"calibration error {100 * error:.2f} %",
    )
    places = np.arange(len(rows))
    each.hlines(places, said, found, color=style.INK, linewidth=1)
    each.plot(said, places, "o", color="white", markeredgecolor=style.INK, markersize=6, label="said", zorder=3)
    each.plot(found, places, "o", color=style.BLUE, markersize=5, label="found", zorder=4)
    for place, count in zip(places, counts, strict=True):
        each.text(
            1.03,
            place,
            f"{int(count):,}".replace(",", "\u202f"),
            transform=each.get_yaxis_transform(),
            va="center",
            fontsize=8,
        )
    each.set(
        xlabel="probability, share (%)", xlim=(-3, 103), ylim=(-0.6, len(rows) - 0.4), title="each bin, with its pairs"
    )
    each.set_yticks(places, [str(place + 1) for place in places])
    each.set_ylabel("bin, of equally many pairs")
    each.tick_params(axis="y", labelsize=8, length=0)
    each.grid(axis="y", visible=False)
    figure.legend(*whole.get_legend_handles_labels(), loc="outside lower left", ncols=2)
    figure.legend(*each.get_legend_handles_labels(), loc="outside lower right", ncols=2)
    return figure


@style.styled
def class_pairs(rows: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draws a matrix of classes: on and above the diagonal how many pairs of two classes are answered rightly, below it
    how far apart they are.

    Parameters
    ----------
    rows : `classes` [a, b], `accuracy` (0 to 1), `distance` (a mean), as in result.json; at least one.
    """
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    names = class_names(rows)
    right, apart = _matrices(rows, names)
    shown, k = style.distinct(names, 14), len(names)
    size = float(np.clip(0.46 * k, 2.6, 5.2))
    figure = style.blank(min(size + 2.6, 7.8), size + 0.4 + 0.06 * max(map(len, shown)))
    axes = figure.subplots()
    drawn = [("answered rightly (%)", right, "Oranges_r", min(float(np.nanmin(right)), 90.0), 100.0)]
    if np.isfinite(apart).any():
        drawn.append(("mean distance", apart, "Blues_r", 0.0, float(np.nanmax(apart)) or 1.0))
    class_ticks(axes, shown)
    axes.set(xlabel="class", ylabel="class")
    for label, values, name, low, high in drawn:
        colors = ListedColormap(colormaps[name](np.linspace(0, 0.9, 128)))  # the last would be white
        shown_values = np.ma.masked_invalid(values)
        image = axes.imshow(shown_values, cmap=colors, vmin=low, vmax=high, interpolation="none", gid=style.CELLS)
        bar = figure.colorbar(image, ax=axes, shrink=0.8, label=label, pad=0.02, aspect=28)
        bar.outline.set_visible(False)
        bar.ax.set_gid(style.CELLS)
        if k <= NUMBERED:
            _numbers(
                axes,
                values,
                image.to_rgba(values),
                1 if label.endswith("(%)") and k <= 12 else 0 if label.endswith("(%)") else 2,
            )
    return figure


def class_names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The classes of `class_pairs`, in their order."""
    return list(dict.fromkeys([row["classes"][0] for row in rows] + [name for row in rows for name in row["classes"]]))


def _matrices(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Shares of right answers in percent, (K, K) on and above the diagonal, and distances below it; NaN elsewhere."""
    place = {name: number for number, name in enumerate(names)}
    right, apart = np.full((len(names), len(names)), np.nan), np.full((len(names), len(names)), np.nan)
    for row in rows:
        one, other = sorted(place[name] for name in row["classes"])
        right[one, other] = 100 * row["accuracy"]
        if one != other:
            apart[other, one] = row["distance"]
    return right, apart


def _numbers(axes: "Axes", values: np.ndarray, colors: np.ndarray, digits: int) -> None:
    """Every number that there is in its field, in white on what is dark: values (K, K), colors (K, K, 4)."""
    light = colors[..., :3] @ np.array([0.2126, 0.7152, 0.0722])  # relative luminance (ITU-R BT.709)
    size = float(np.clip(9.0 - 0.25 * len(values), 4.5, 8))
    for row, column in zip(*np.nonzero(np.isfinite(values)), strict=True):
        text = f"{values[row, column]:.{digits}f}"
        axes.text(
            column,
            row,
            "100" if text == "100.0" else text,
            ha="center",
            va="center",
            fontsize=size,
            color="white" if light[row, column] < 0.45 else style.INK,
            gid=style.CELLS,
        )
