"""A score against the size of the representation, beside PCA, and against depth, on training images too.

Never colour alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from smallvision.rendering import style
from smallvision.rendering.svg import inline
from smallvision.stats.knee import knee
from smallvision.stats.mean_score import MeanScore
from smallvision.tasks.base import StudyCase
from smallvision.tasks.reconstruction.study_scores import pca_errors
from smallvision.tasks.reconstruction.study_trends import Line, lines, overfitting, returns

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROOM = 1.35  # times beyond the smallest and largest representation that an axis goes
RING: Any = {
    "marker": "o",
    "markersize": 15,
    "markerfacecolor": "none",
    "markeredgecolor": style.INK,
    "markeredgewidth": 1.3,
    "linestyle": "",
}
PCA: Any = {"color": style.INK, "linestyle": (0, (1, 1.5)), "marker": ".", "markersize": 5, "linewidth": 1.3}


@dataclass(frozen=True)
class Drawn:
    """A figure as inline SVG, and what it shows in sentences."""

    svg: "Markup"
    said: tuple[str, ...]


def of_representation(cases: Sequence[StudyCase]) -> Drawn | None:
    """The error of a study's cases against the size of their representation; None where that does not vary."""
    found = lines(cases, "representation")
    if not found:
        return None
    ladders = (pca_errors(run, "validation") for case in cases for run in case.runs[:1])
    pca = next((one for one in ladders if len(one[0])), (np.zeros(0), np.zeros(0)))
    said = tuple(text for line in found if (text := returns(line)))
    alt = f"Validation error against the size of the representation. {_told(found)}. {' '.join(said)}"
    return Drawn(inline(against_representation(found, pca), alt, "size"), said)


def of_depth(cases: Sequence[StudyCase]) -> Drawn | None:
    """The error of a study's cases on training and validation images against their depth; None where that does not
    vary.
    """
    found = lines(cases, "depth")
    if not found:
        return None
    said = tuple(overfitting(line) for line in found)
    alt = f"Training and validation error against depth. Validation: {_told(found)}. {' '.join(said)}"
    return Drawn(inline(against_depth(found), alt, "depth"), said)


def _told(found: Sequence[Line]) -> str:
    return "; ".join(
        f"{line.name}{' ' * bool(line.name)}{value}: {one.text}"
        for line in found
        for value, one in zip(line.values, line.scores, strict=True)
    )


@style.styled
def against_representation(
    found: Sequence[Line], pca: tuple[np.ndarray, np.ndarray] = (np.zeros(0), np.zeros(0))
) -> "Figure":
    """The error against the values of the representation (log scale), PCA's with as many components beside it, a ring
    at every knee.

    Parameters
    ----------
    found : lines, at least one.
    pca : numbers of components, rising, and the error with each; those within their range are drawn.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    figure = style.blank(7.2, 4.2)
    axes = figure.subplots()
    ticks = sorted({value for line in found for value in line.values})
    rings: list[tuple[float, float]] = []
    for number, line in enumerate(found):
        label = f"{line.name or 'autoencoder'}{'' if line.knee is None else f', knee at {line.values[line.knee]}'}"
        _line(axes, line.values, line.scores, {**style.case_look(number), "label": label})
        if line.knee is not None:
            rings.append((line.values[line.knee], line.scores[line.knee].value))
    inside = (pca[0] >= ticks[0]) & (pca[0] <= ticks[-1])
    components, errors = pca[0][inside], pca[1][inside]
    if len(components):
        place = knee([log(value) for value in components], list(errors))
        knee_at = "" if place is None else f", knee at {components[place]}"
        axes.plot(components, errors, **PCA, label=f"PCA, as many components{knee_at}")
        rings += [] if place is None else [(float(components[place]), float(errors[place]))]
    if rings:
        axes.plot(*zip(*rings, strict=True), **RING, label="knee")
    axes.set_xscale("log")
    axes.set_xlim(ticks[0] / ROOM, ticks[-1] * ROOM)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.set(xlabel="values in the representation, log scale", ylabel=f"{found[0].scores[0].metric.axis}, validation")
    axes.set_ylim(bottom=0)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


@style.styled
def against_depth(found: Sequence[Line]) -> "Figure":
    """The error on training and on validation images against the layers of the encoder.

    Parameters
    ----------
    found : lines, at least one.
    """
    from matplotlib.ticker import FixedLocator

    figure = style.blank(7.2, 4.0)
    axes = figure.subplots()
    for number, line in enumerate(found):
        before = f"{line.name}, " if line.name else ""
        how = style.case_look(number)
        known = [(value, one) for value, one in zip(line.values, line.train, strict=True) if one is not None]
        _line(axes, line.values, line.scores, {**how, "linestyle": "-", "label": f"{before}validation"})
        _line(
            axes,
            [value for value, _ in known],
            [one for _, one in known],
            {**how, "linestyle": "--", "markerfacecolor": "white", "label": f"{before}training"},
        )
    axes.xaxis.set_major_locator(FixedLocator(sorted({value for line in found for value in line.values})))
    axes.set(xlabel="layers of the encoder, and as many of the decoder", ylabel=found[0].scores[0].metric.axis)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _line(axes: "Axes", values: Sequence[int], scores: Sequence[MeanScore], how: dict[str, Any]) -> None:
    """Means with their intervals, joined."""
    means = np.array([one.value for one in scores])
    ends = np.array([one.interval or (one.value, one.value) for one in scores]).reshape(-1, 2).T
    axes.errorbar(values, means, np.abs(ends - means), **how, markersize=6, elinewidth=1.2, capsize=3)
