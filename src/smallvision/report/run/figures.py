"""The figures of a run, each a function that returns a matplotlib Figure; fit for a screen, a page and a paper.

Object-oriented matplotlib only: nothing is kept in pyplot, so that figures can be made in any thread and thrown away.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from smallvision.errors import BadInput
from smallvision.metrics.metric import MEASURES, Measure
from smallvision.rendering import style
from smallvision.rendering.image_grids import filters, gallery
from smallvision.report.run.losses import CROSS_ENTROPY, loss_name
from smallvision.report.run.series import LOSS, envelope, minimised, panels, per_epoch, per_step, smooth

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["CROSS_ENTROPY", "confusion", "curves", "filters", "gallery", "loss_curve", "loss_name", "per_class"]

NUMBERED = 20  # classes up to which a confusion matrix has room for numbers, and bars for every class
FAR = 60  # times that a loss falls before its axis becomes logarithmic
RAW_STEPS = 1500  # steps up to which each one is drawn; beyond, the range of neighbouring steps


@style.styled
def loss_curve(
    steps: Sequence[Mapping[str, Any]], metrics: Sequence[Mapping[str, Any]] = (), loss: str = CROSS_ENTROPY
) -> "Figure":
    """Training loss at each step and, per epoch, loss on validation and test, over the training images seen.

    Parameters
    ----------
    steps : records of steps.jsonl; may be empty.
    metrics : records of metrics.jsonl; may be empty.
    loss : which loss it is, with its unit, for the axis.
    """
    from matplotlib.ticker import FuncFormatter

    figure = style.blank(7.2, 3.6)
    axes = figure.subplots()
    examples, losses = per_step(steps)
    typical = [np.zeros(0)]
    if len(losses):
        if len(losses) > RAW_STEPS:
            middle, low, high = envelope(examples, losses)
            label = "training, range of all steps"
            axes.fill_between(middle, low, high, color=style.BLUE, alpha=0.22, linewidth=0, label=label)
        else:
            axes.plot(
                examples,
                losses,
                color=style.BLUE,
                alpha=0.35,
                linewidth=0.7,
                label="training, each step",
                marker="o" if len(losses) <= 40 else "",
                markersize=2.5,
            )
        places, medians, width = smooth(losses)
        typical += [medians]
        if len(losses) >= 10:
            label = f"training, median of {width} steps"
            axes.plot(examples[places], medians, color=style.BLUE, linewidth=1.8, label=label)
    for split in ("validation", "test"):
        x, y = per_epoch(metrics, split, "loss", "examples")
        if len(x):
            _line(axes, split, x, y)
            typical += [y]
    last = max([record["examples"] for record in [*steps, *metrics]], default=0)
    axes.set(xlabel="training images seen", xlim=(0, 1.02 * last or 1))
    _loss_axis(axes, loss, np.concatenate(typical), float(np.quantile(losses, 0.995)) if len(losses) else 0.0)
    axes.xaxis.set_major_formatter(FuncFormatter(style.count))
    if metrics and metrics[-1]["epoch"] and metrics[-1]["examples"]:
        _second_axis(axes, metrics[-1]["examples"] / metrics[-1]["epoch"], "epochs")
    if axes.get_legend_handles_labels()[0]:  # outside, where no curve can be under it
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


@style.styled
def curves(
    metrics: Sequence[Mapping[str, Any]],
    loss: str = CROSS_ENTROPY,
    score: Measure = MEASURES["classify"],
    mark: tuple[float, str] | None = None,
    beside: Sequence[Measure] = (),
) -> "Figure":
    """Loss and score of each split per epoch, side by side; images seen on the upper axis. One panel where the two are the same.

    Parameters
    ----------
    metrics : records of metrics.jsonl, at least one.
    loss : which loss it is, with its unit, for the axis.
    score : what is drawn beside it.
    mark : a score to compare with, and what it is of.
    beside : further scores, a panel each.

    Raises
    ------
    BadInput : no epoch is finished yet.
    """
    from matplotlib.ticker import MaxNLocator

    if not metrics:
        raise BadInput("no epoch of this run is finished, so there are no curves yet; let it train on")
    shown = panels(metrics, score, beside)
    figure = style.blank(7.2, 3.4)
    for axes, one in zip(figure.subplots(1, len(shown), squeeze=False).flat, shown, strict=True):
        records = minimised(metrics, score) if one is LOSS else metrics
        found = {split: per_epoch(records, split, one.key) for split in style.SPLITS}
        for split, (x, y) in found.items():
            if len(x):
                _line(axes, split, x, y * one.scale)
        axes.set(xlabel="epoch", ylabel=one.axis)
        typical = [y for _, y in found.values()]
        if one is score and mark is not None:
            typical.append(np.array([mark[0]]))
            axes.axhline(one.scale * mark[0], color=style.INK, linestyle=":", linewidth=1.3, label=mark[1])
        if not one.higher:
            _loss_axis(axes, loss if one is LOSS else one.axis, np.concatenate(typical))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8 if len(shown) < 3 else 5, min_n_ticks=1))
        first, last = metrics[0]["epoch"], metrics[-1]["epoch"]
        margin = 0.5 if last - first < 2 else 0.03 * (last - first)
        axes.set_xlim(first - margin, last + margin)
        if last and metrics[-1]["examples"] and len(shown) < 3:
            _second_axis(axes, last / metrics[-1]["examples"], "training images seen")
    labelled = {
        label: line for axes in figure.axes for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(labelled.values(), labelled.keys(), loc="outside lower center", ncols=3)
    return figure


def _loss_axis(axes: "Axes", loss: str, typical: np.ndarray, top: float = 0.0) -> None:
    """From 0 up; logarithmic where the loss falls so far that most of a curve would lie on the axis."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    highest, lowest = max(typical.max(initial=top), top), typical.min(initial=np.inf)
    far = lowest > 0 and lowest * FAR < highest < np.inf
    axes.set_ylabel(f"{loss}, log scale" if far else loss)
    if far:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(style.count))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(lowest / 2 if far else 0, highest * (1.5 if far else 1.06) or 1)


def _line(axes: "Axes", split: str, x: np.ndarray, y: np.ndarray) -> None:
    color, line, marker, name = style.SPLITS[split]
    axes.plot(x, y, line, color=color, marker=marker, markevery=max(len(x) // 12, 1), label=name, zorder=3)


def _second_axis(axes: "Axes", ratio: float, label: str) -> None:
    """The same axis in another unit on top: values there = values here / ratio."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    def there(x: Any) -> Any:
        return x / ratio

    def back(x: Any) -> Any:
        return x * ratio

    top = axes.secondary_xaxis("top", functions=(there, back))
    top.set_xlabel(label)
    top.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=label == "epochs"))
    top.xaxis.set_major_formatter(FuncFormatter(style.count))
    top.spines["top"].set_visible(True)


@style.styled
def confusion(matrix: np.ndarray, classes: Sequence[str]) -> "Figure":
    """How often each class (row) was predicted as each class (column); colour is the share of the row.

    Parameters
    ----------
    matrix : int (K, K), rows true.
    classes : K names.

    Raises
    ------
    BadInput : sizes that do not fit together.
    """
    matrix, k = np.asarray(matrix), len(classes)
    if matrix.shape != (k, k) or not k:
        raise BadInput(f"confusion: got a matrix {matrix.shape} and {k} class names; expected (K, K) and K")
    share = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    names = style.distinct(classes)
    longest = max(map(len, names))
    size = float(np.clip(0.46 * k, 2.6, 5.4))
    figure = style.blank(min(size + 1.5 + 0.07 * longest, 8.0), size + 0.5 + 0.06 * longest)
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=100, interpolation="none")
    class_ticks(axes, names)
    axes.set(xlabel="predicted class", ylabel="true class")
    if k <= NUMBERED:
        fontsize = float(np.clip(9.5 - 0.2 * k, 6, 9)) - (1 if matrix.max() >= 1000 and k > 8 else 0)
        for row, column in zip(*np.nonzero(matrix), strict=True):
            axes.text(
                column,
                row,
                f"{matrix[row, column]}",
                ha="center",
                va="center",
                fontsize=fontsize,
                color="white" if share[row, column] > 55 else style.INK,
            )
    bar = figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class (%)")
    bar.outline.set_visible(False)
    return figure


def class_ticks(axes: "Axes", names: Sequence[str]) -> None:
    """The classes along both axes of a matrix; of many only some, so that they can be read."""
    k, longest = len(names), max(map(len, names))
    ticks = np.arange(k) if k <= 2 * NUMBERED else np.unique(np.linspace(0, k - 1, 25).round().astype(int))
    labels = [names[int(i)] for i in ticks]
    slant = 0 if longest <= 2 else 45 if k <= NUMBERED else 90
    axes.set_xticks(
        ticks,
        labels,
        rotation=slant,
        ha="right" if slant == 45 else "center",
        rotation_mode="anchor" if slant == 45 else None,
    )
    axes.set_yticks(ticks, labels)
    axes.tick_params(length=0 if k <= NUMBERED else 2, labelsize=9 if k <= NUMBERED else 7)
    axes.grid(False)


@style.styled
def per_class(rows: Sequence[Mapping[str, Any]]) -> "Figure":
    """Precision, recall and F1 of each class as bars; of many classes, those of lowest F1.

    Parameters
    ----------
    rows : `class`, `precision`, `recall`, `f1` (0 to 1) each, as in result.json; at least one.
    """
    if not rows:
        raise BadInput("per_class: got no class; expected at least one row")
    names = style.distinct([row["class"] for row in rows], 24)
    order = list(range(len(rows)))
    if len(rows) > NUMBERED:
        order = sorted(order, key=lambda i: (rows[i]["f1"], i))[:NUMBERED]
    figure = style.blank(7.2, 1.0 + 0.36 * len(order))
    axes = figure.subplots()
    bars = (("precision", style.BLUE), ("recall", style.ORANGE), ("f1", "white"))  # dark, middle, light: in gray too
    for offset, (score, color) in enumerate(bars):
        values = [100 * rows[i][score] for i in order]
        places = np.arange(len(order)) + (offset - 1) * 0.27
        name = "F1" if score == "f1" else score
        axes.barh(places, values, 0.25, color=color, edgecolor=style.INK, linewidth=0.5, label=name)
    for place, i in enumerate(order):
        axes.text(100 * rows[i]["f1"] + 0.8, place + 0.27, f"{100 * rows[i]['f1']:.1f}", va="center", fontsize=7.5)
    axes.set_yticks(range(len(order)), [names[i] for i in order])
    axes.set(xlabel="precision, recall, F1 (%)", ylabel="class", xlim=(0, 106), ylim=(len(order) - 0.4, -0.6))
    axes.set_xticks(range(0, 101, 20))
    axes.grid(axis="y", visible=False)
    if len(rows) > NUMBERED:
        axes.set_title(f"the {NUMBERED} classes of lowest F1, of {len(rows)}")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure
