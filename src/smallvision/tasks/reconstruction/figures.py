"""The figures of an autoencoder's report: its error among PCA's, the error of each class, the spectrum of the
representation.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from smallvision.rendering import style
from smallvision.rendering.style import FAR

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBERED = 20  # classes up to which every one gets a bar
COLORS = "magma"  # of error maps: from black, lighter all the way, so that it reads in gray too
NEAR = 4  # times the representation's size, up to which the left panel goes


@style.styled
def beside(counts: Sequence[int], errors: Sequence[float], size: int, mse: float) -> "Figure":
    """Mean squared error of PCA against its number of components, and this network at its own size: near it, and over
    all there is.

    Parameters
    ----------
    counts, errors : PCA's, counts ascending.
    size, mse : values of this network's representation, and its error.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    figure = style.blank(7.2, 3.4)
    near, every = figure.subplots(1, 2)
    x, y = np.array(counts, np.float64), np.array(errors)
    above = y > 0  # a logarithmic axis has no place for an error of 0
    for axes, some in ((near, x <= max(NEAR * size, x[0])), (every, above)):
        axes.plot(x[some], y[some], "-o", color=style.BLUE, markersize=3.5, label="exact PCA")
        axes.plot(
            [size],
            [mse],
            "D",
            color=style.VERMILION,
            markersize=8,
            markeredgecolor="white",
            label="this network",
            zorder=4,
        )
        axes.set(xlabel="components, values of the representation", ylabel="MSE of pixels in [0, 1]")
    near.set(
        xlim=(0, max(NEAR * size, x[0]) * 1.03), ylim=(0, 1.06 * max(float(y[x <= max(NEAR * size, x[0])].max()), mse))
    )
    near.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    every.set(xscale="log", yscale="log", ylabel="")
    if above.any() and (lowest := min(float(y[above].min()), mse or np.inf)) > 0:
        every.set_ylim(max(lowest, float(y.max()) * 1e-5) / 1.6, 1.6 * max(float(y.max()), mse))
    every.xaxis.set_major_formatter(FuncFormatter(style.count))
    every.yaxis.set_major_formatter(FuncFormatter(style.count))
    every.xaxis.set_minor_formatter(NullFormatter())
    every.yaxis.set_minor_formatter(NullFormatter())
    near.set_title("near this network")
    every.set_title("all there are, both axes logarithmic")
    figure.legend(*near.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


@style.styled
def per_class(rows: Sequence[Mapping[str, Any]], mean: float) -> "Figure":
    """Mean squared error of each class as bars; of many classes, those of highest error.

    Parameters
    ----------
    rows : `class` and `mse` each, as in result.json; a class without an image is left out.
    mean : over all images, a line.
    """
    there = [row for row in rows if row["mse"] is not None]
    names = style.distinct([row["class"] for row in there], 24)
    order = list(range(len(there)))
    if len(there) > NUMBERED:
        order = sorted(order, key=lambda i: (-there[i]["mse"], i))[:NUMBERED]
    figure = style.blank(7.2, 1.0 + 0.27 * len(order))
    axes = figure.subplots()
    values = [there[i]["mse"] for i in order]
    axes.barh(range(len(order)), values, 0.62, color=style.BLUE, edgecolor=style.INK, linewidth=0.5)
    for place, value in enumerate(values):  # in a column of their own, where no line is
        axes.text(1.01, place, f"{value:.4f}", transform=axes.get_yaxis_transform(), va="center", fontsize=8)
    axes.axvline(mean, color=style.INK, linestyle=":", linewidth=1.3, label="all images", zorder=3)
    axes.set_yticks(range(len(order)), [names[i] for i in order])
    axes.set(
        xlabel="MSE of pixels in [0, 1]",
        ylabel="class",
        ylim=(len(order) - 0.4, -0.6),
        xlim=(0, 1.02 * max([*values, mean]) or 1),
    )
    axes.grid(axis="y", visible=False)
    if len(there) > NUMBERED:
        axes.set_title(f"the {NUMBERED} classes of highest error, of {len(there)}")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right")
    return figure


@style.styled
def spectrum(shares: np.ndarray) -> "Figure":
    """Share of the representation's variance along each of its principal directions.

    Parameters
    ----------
    shares : float (directions,), descending, summing to 1, or all 0.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    figure = style.blank(7.2, 2.6)
    axes = figure.subplots()
    places, percent = np.arange(1, len(shares) + 1), 100 * shares
    axes.plot(
        places,
        np.where(percent > 0, percent, np.nan),
        "-o",
        color=style.BLUE,
        markersize=3.5 if len(shares) <= 128 else 0,
    )
    axes.axhline(100 / len(shares), color=style.INK, linestyle=":", linewidth=1.3, label="all alike")
    low, high = float(percent[percent > 0].min(initial=100 / len(shares))), max(float(percent.max()), 100 / len(shares))
    far = low * FAR < high
    axes.set(
        xlabel="direction, the widest first", ylabel="share of the variance (%)", yscale="log" if far else "linear"
    )
    axes.set_ylim(max(low, 1e-4) / 1.6 if far else 0, high * (1.8 if far else 1.06))
    axes.set_xlim(0.5 - 0.01 * len(shares), len(shares) + 0.5 + 0.01 * len(shares))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10, min_n_ticks=1))
    axes.yaxis.set_major_formatter(FuncFormatter(style.count))
    if far:
        axes.yaxis.set_minor_formatter(NullFormatter())
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right")
    return figure


@style.styled
def scale(largest: float) -> "Figure":
    """What the colours of `colored` stand for, from 0 to `largest`."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    figure = style.blank(3.6, 0.62)
    shown = ScalarMappable(Normalize(0, largest), colormaps[COLORS].resampled(63))
    bar = figure.colorbar(
        shown, cax=figure.subplots(), orientation="horizontal", label="absolute difference of pixels in [0, 1]"
    )
    bar.outline.set_visible(False)
    return figure


def colored(shares: np.ndarray) -> np.ndarray:
    """Numbers from 0 to 1 as colours: (H, W) to uint8 (3, H, W)."""
    from matplotlib import colormaps

    return np.asarray(colormaps[COLORS](shares, bytes=True)[..., :3].transpose(2, 0, 1))
