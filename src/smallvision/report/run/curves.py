"""The figures of a run, each a function that returns a matplotlib Figure; fit for a screen, a page and a paper.

Object-oriented matplotlib only: nothing is kept in pyplot, so that figures can be made in any thread and thrown away.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from smallvision.errors import BadInput
from smallvision.metrics.metric import Metric
from smallvision.rendering import style
from smallvision.rendering.image_grids import filters, gallery
from smallvision.report.run.series import LOSS, envelope, minimised, panels, per_epoch, per_step, smooth
from smallvision.tasks import DEFAULT_METRIC

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curves", "filters", "gallery", "loss_curve"]

RAW_STEPS = 1500  # steps up to which each one is drawn; beyond, the range of neighbouring steps


@style.styled
def loss_curve(
    steps: Sequence[Mapping[str, Any]], metrics: Sequence[Mapping[str, Any]] = (), loss: str = "cross-entropy (nats)"
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
    loss: str = "cross-entropy (nats)",
    score: Metric = DEFAULT_METRIC,
    mark: tuple[float, str] | None = None,
    beside: Sequence[Metric] = (),
) -> "Figure":
    """Loss and score of each split per epoch, side by side; images seen on the upper axis. One panel where the two are
    the same.

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
        raise BadInput("no epoch of this run is finished, so there are no curves yet; let the training go on")
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
    far = lowest > 0 and lowest * style.FAR < highest < np.inf
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
