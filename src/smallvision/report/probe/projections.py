"""Maps of a representation: every image a point in its class's colour and shape, and pictures of some of them where
they lie.

Colours: Petroff 2021, "Accessible color sequences for data visualization", arXiv 2107.02270: ten that colour-blind
readers tell apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from smallvision.rendering import style
from smallvision.rendering.embed import displayable
from smallvision.report.study.figures import WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*")
NAMED = 20  # classes that have a look of their own; the others, those of fewest images, are gray
OTHERS = "#cccccc"
DPI = 160  # of points and pictures, which would be large files as vectors
SIDE = 0.058  # of a picture's longer side, of the map's
TURNS = 6  # in which points are drawn
APART = 1.75  # sides between the middles of two pictures, so that points are seen between them


@dataclass(frozen=True, eq=False)
class Map:
    """One map: where N images lie, what they are, and pictures of some."""

    title: str
    places: np.ndarray  # float (N, 2)
    labels: np.ndarray  # int (N,)
    thumbs: np.ndarray  # uint8 (T, C, H, W)
    thumb_index: np.ndarray  # int (T,), which of the N


@style.styled
def draw(maps: Sequence[Map], classes: Sequence[str]) -> "Figure":
    """Maps side by side with one legend.

    Parameters
    ----------
    maps : at least one, three at most.
    classes : K names.
    """
    present = np.bincount(np.concatenate([one.labels for one in maps]), minlength=len(classes))
    named = sorted(np.argsort(-present, kind="stable")[:NAMED].tolist())
    names = style.distinct([classes[label] for label in named], 16)
    columns = max(
        1, min(len(named), int((WIDTH if len(maps) > 1 else 0.6 * WIDTH) / (0.4 + 0.085 * max(map(len, names)))))
    )
    rows = -(-(len(named) + (len(classes) > len(named))) // columns)
    side = WIDTH / len(maps) if len(maps) > 1 else 0.6 * WIDTH
    figure = style.blank(side * len(maps), side + 0.32 + 0.22 * rows)
    figure.set_dpi(DPI)
    for axes, one in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps, strict=True):
        _map(axes, one, named)
    handles, labels = [_handle(place) for place in range(len(names))], list(names)
    if len(classes) > len(named):
        handles.append(_handle(None))
        labels.append(f"{len(classes) - len(named)} other classes")
    style.legend(
        figure, handles, labels, loc="outside lower center", ncols=columns, handletextpad=0.2, columnspacing=1.2
    )
    return figure


def look(place: int | None) -> dict[str, Any]:
    """Colour and marker of a class by its place among the named ones, None for all others; no two of the first 110 are
    alike.
    """
    return (
        {"color": OTHERS, "marker": "."}
        if place is None
        else {"color": COLORS[place % 10], "marker": MARKERS[place % 11]}
    )


def _handle(place: int | None) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], **look(place), linestyle="", markersize=6)


def _map(axes: "Axes", one: Map, named: Sequence[int]) -> None:
    places = np.asarray(one.places, np.float64)
    rows: list[tuple[int | None, np.ndarray]] = [(None, np.flatnonzero(~np.isin(one.labels, named)))]
    rows += [(place, np.flatnonzero(one.labels == label)) for place, label in enumerate(named)]
    for turn in range(TURNS):  # all classes a few points at a time, so that none lies on all others
        for place, some in rows:
            how, (x, y) = look(place), places[some[turn::TURNS]].T
            if len(x):
                axes.scatter(x, y, 11, c=how["color"], marker=how["marker"], linewidths=0, rasterized=True)
    middle, reach = view(places)
    x, y = ((at - reach, at + reach) for at in middle)
    axes.set(xlim=x, ylim=y, xticks=[], yticks=[], title=one.title)
    axes.set_aspect("equal")
    axes.grid(False)
    axes.spines[["top", "right"]].set_visible(True)
    for place in chosen((places[one.thumb_index] - middle) / (2 * reach)):
        row = int(one.thumb_index[place])
        _picture(axes, one.thumbs[place], places[row], 2 * SIDE * reach, _color(int(one.labels[row]), named))


def _color(label: int, named: Sequence[int]) -> str:
    return str(look(named.index(label) if label in named else None)["color"])


def view(places: np.ndarray) -> tuple[np.ndarray, float]:
    """The middle of a square around all points, with room for pictures at its edge, and half its side; never 0."""
    low, high = places.min(0), places.max(0)
    half = float((high - low).max()) / 2
    return np.asarray((low + high) / 2), 1.05 * half / (1 - SIDE) or 1.0


def chosen(places: np.ndarray) -> list[int]:
    """Which pictures are drawn: in their order each that is far enough from all before it.

    Parameters
    ----------
    places : (T, 2) in sides of the map.

    Returns
    -------
    list of int : rows of `places`; of any two the middles are APART * SIDE apart in one direction at least.
    """
    out: list[int] = []
    for row, place in enumerate(places):
        if not out or (np.abs(places[out] - place).max(1) >= APART * SIDE).all():
            out.append(row)
    return out


def _picture(axes: "Axes", pixels: np.ndarray, place: np.ndarray, side: float, color: str) -> None:
    """A picture with its middle where the image lies, in a frame of its class's colour."""
    from matplotlib.patches import Rectangle

    height, width = (side * length / max(pixels.shape[1:]) for length in pixels.shape[1:])
    left, low = place[0] - width / 2, place[1] - height / 2
    axes.imshow(
        displayable(pixels),
        cmap="gray",
        vmin=0,
        vmax=255,
        extent=(left, left + width, low, low + height),
        aspect="equal",
        interpolation="nearest",
        zorder=3,
        rasterized=True,
    )
    axes.add_patch(
        Rectangle((left, low), width, height, fill=False, edgecolor=color, linewidth=1.6, zorder=3.1, rasterized=True)
    )
