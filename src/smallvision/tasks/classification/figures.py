"""The figures of a classification: the confusion matrix, and precision, recall and F1 of each class."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from smallvision.errors import BadInput
from smallvision.rendering import style
from smallvision.rendering.class_axis import NUMBERED, class_ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
