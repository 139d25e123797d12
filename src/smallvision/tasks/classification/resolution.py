"""Accuracy by resolution: of images of several sizes, and of images made smaller and larger than they are."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from smallvision.metrics.intervals import wilson
from smallvision.rendering import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = dict[str, Any]  # text, x, count, right, accuracy, interval


def by_size(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A row for each size or band of sizes, as a table and a figure show it.

    Parameters
    ----------
    rows : `by_size` of a split in result.json.

    Returns
    -------
    list of dict : `text`; `x`, the square root of height times width; `count`, `right`, `accuracy`, `interval`.
    """
    out = []
    for row in rows:
        ends = [" × ".join(map(str, row[end])) for end in ("smallest", "largest")]
        side = float(np.prod([*row["smallest"], *row["largest"]], dtype=np.float64) ** 0.25)  # of a band, in the middle
        out.append(
            {
                "text": ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}",
                "x": side,
                "count": row["count"],
                "right": round(row["accuracy"] * row["count"]),
                "accuracy": row["accuracy"],
                "interval": row["accuracy_interval"],
            }
        )
    return out


def by_scale(evidence: Mapping[str, np.ndarray], size: Sequence[int]) -> list[Row]:
    """A row for each scale at which images were shown; empty when there was none.

    Parameters
    ----------
    evidence : arrays of evidence.npz.
    size : (H, W) of every image, for the text; empty when they have several.

    Returns
    -------
    list of dict : as `by_size`, with the scale as `x`.
    """
    if "scales" not in evidence:
        return []
    labels, out = evidence["labels"][evidence["scaled_index"]], []
    for scale, predictions in zip(evidence["scales"].tolist(), evidence["scaled_predictions"], strict=True):
        right, count = int((labels == predictions).sum()), len(labels)
        pixels = " × ".join(str(max(1, round(scale * side))) for side in size)
        out.append(
            {
                "text": f"× {scale:.3g}{f': {pixels}' if pixels else ''}",
                "x": scale,
                "count": count,
                "right": right,
                "accuracy": right / count,
                "interval": list(wilson(right, count)),
            }
        )
    return out


@style.styled
def curve(rows: Sequence[Row], label: str, mark: float | None = None) -> "Figure":
    """Accuracy with its 95 % interval over size or scale, on a logarithmic axis.

    Parameters
    ----------
    rows : of `by_size` or `by_scale`, at least one.
    label : of the axis, with its unit.
    mark : where the images' own size is; None for nowhere in particular.
    """
    from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

    figure = style.blank(7.2, 3.0)
    axes = figure.subplots()
    x = np.array([row["x"] for row in rows])
    y = 100 * np.array([row["accuracy"] for row in rows])
    low, high = 100 * np.array([row["interval"] for row in rows]).T
    bars = np.maximum([y - low, high - y], 0)
    axes.errorbar(x, y, bars, color=style.BLUE, marker="o", linewidth=1.4, elinewidth=1.2, capsize=3)
    axes.set_xscale("log")
    axes.set_xticks(x)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    if mark is not None:
        axes.axvline(mark, color=style.INK, linestyle=":", linewidth=1.1)
        axes.annotate(
            "as they are",
            (mark, 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, -10),
            textcoords="offset points",
            fontsize=8,
        )
    bottom = max(0.0, float(low.min()) - 3)
    axes.set(xlabel=label, ylabel="accuracy (%)", ylim=(bottom, min(101.0, float(high.max()) + 3)))
    if len(x) == 1:
        axes.set_xlim(x[0] / 2, 2 * x[0])
    return figure
