"""The figures of a classification: the confusion matrix, and precision, recall and F1 of each class."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from smallvision.errors import BadInput
from smallvision.metrics.intervals import wilson
from smallvision.rendering import style
from smallvision.rendering.class_axis import NUMBERED, class_ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# score: its colour, what its marker is filled with, the marker, and how far it stands from the middle of its class
POINTS = (
    ("precision", style.BLUE, style.BLUE, "o", -0.22),
    ("recall", style.VERMILION, style.VERMILION, "s", 0.0),
    ("f1", style.INK, "white", "D", 0.22),
)
POINT_NAMES = {"precision": "precision", "recall": "recall, with its interval", "f1": "F1"}


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
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=100, interpolation="none", gid=style.CELLS)
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
                gid=style.CELLS,
            )
    bar = figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class (%)")
    bar.outline.set_visible(False)
    bar.ax.set_gid(style.CELLS)
    return figure


@style.styled
def per_class(rows: Sequence[Mapping[str, Any]]) -> "Figure":
    """Precision, recall and F1 of each class as points, on an axis that holds them; of many classes, those of lowest
    F1. A line is the 95 % interval of the recall (Wilson).

    Parameters
    ----------
    rows : `class`, `precision`, `recall`, `f1` (0 to 1) each, as in result.json, and `support`, the images of the
        class, without which there is no interval; at least one row.
    """
    if not rows:
        raise BadInput("per_class: got no classes; expected at least one row")
    names = style.distinct([row["class"] for row in rows], 24)
    order = list(range(len(rows)))
    if len(rows) > NUMBERED:
        order = sorted(order, key=lambda i: (rows[i]["f1"], i))[:NUMBERED]
    figure = style.blank(7.2, 1.1 + 0.3 * len(order))
    axes = figure.subplots()
    lowest = 100.0
    for score, color, face, marker, offset in POINTS:
        values = [100 * rows[i][score] for i in order]
        places = np.arange(len(order)) + offset
        axes.plot(values, places, marker, color=color, markerfacecolor=face, markersize=6, label=POINT_NAMES[score])
        lowest = min(lowest, *values)
    for place, i in enumerate(order):
        if count := rows[i].get("support"):
            ends = [100 * end for end in wilson(round(rows[i]["recall"] * count), count)]
            axes.plot(ends, [place, place], color=style.VERMILION, linewidth=1.4, solid_capstyle="butt", zorder=1.5)
            lowest = min(lowest, ends[0])
        if place:
            axes.axhline(place - 0.5, color=style.FAINT, linewidth=0.7)
    axes.set_yticks(range(len(order)), [names[i] for i in order])
    room = 0.03 * (100 - lowest) or 0.5
    axes.set(xlabel="precision, recall, F1 (%)", ylabel="class", ylim=(len(order) - 0.4, -0.6))
    axes.set_xlim(lowest - room, 100 + room)
    axes.grid(axis="y", visible=False)
    if len(rows) > NUMBERED:
        axes.set_title(f"the {NUMBERED} classes of lowest F1, of {len(rows)}")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure
