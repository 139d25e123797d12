"""Names beside points, so that none lies on another, on a point or its interval, or out of the axes."""

from collections.abc import Sequence
from math import cos, pi, sin
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Box = tuple[float, float, float, float]  # left, bottom, right, top, in pixels
Labelled = tuple[str, float, float, float, float]  # name, x, y, and the interval's ends
SIZE, GAP = 8.0, 2.0  # points: of the font, between a label and what it must not touch
TURNS = (
    0,
    8,
    4,
    12,
    2,
    14,
    6,
    10,
    1,
    15,
    7,
    9,
    3,
    13,
    5,
    11,
)  # of a circle, in sixteenths: right, left, above, below, between
# which side of a label is nearest to its point, and how far to the right and up that is, in points: the nearest free
# one is taken
PLACES = [
    (
        "center" if turn in (4, 12) else "left" if turn < 4 or turn > 12 else "right",
        far * cos(turn * pi / 8),
        far * sin(turn * pi / 8) * (1.4 if turn % 8 else 1),
    )
    for far in (8, 13, 20, 28, 38, 50, 64, 80, 100)
    for turn in TURNS
]
LED = 11.0  # points: labels farther away have a line to their point
LINE: Any = {"arrowstyle": "-", "color": "#999999", "linewidth": 0.7, "shrinkA": 0, "shrinkB": 4}


def place(figure: "Figure", panels: Sequence[tuple["Axes", Sequence[Labelled]]]) -> bool:
    """Write a name beside every point of every panel.

    Parameters
    ----------
    figure : with everything drawn in it but the names, and its axes' limits set.
    panels : axes, with the points in them.

    Returns
    -------
    bool : False where there is not room for all of them; then nothing is written.
    """
    figure.draw_without_rendering()  # lays the axes out, so that places in pixels are known
    found = [(axes, _places(axes, points)) for axes, points in panels]
    if any(one is None for _, places in found for one in places):
        return False
    for (axes, places), (_, points) in zip(found, panels, strict=True):
        for one, (name, x, y, _, _) in zip(places, points, strict=True):
            assert one is not None
            side, dx, dy = one
            text = axes.annotate(
                name,
                (x, y),
                (dx, dy),
                textcoords="offset points",
                ha=side,
                va="center_baseline",
                fontsize=SIZE,
                arrowprops=LINE if max(abs(dx), abs(dy)) > LED else None,
                zorder=5,
            )
            text.set_in_layout(False)
    return True


def _places(axes: "Axes", points: Sequence[Labelled]) -> list[tuple[str, float, float] | None]:
    """For every point one of PLACES, None where none is free; they choose in their order."""
    unit = axes.figure.dpi / 72  # pixels of a point
    inside = axes.get_window_extent()
    at = [axes.transData.transform((x, y)) for _, x, y, _, _ in points]
    taken: list[Box] = []
    for (_, x, _, low, high), (left, middle) in zip(points, at, strict=True):
        ends = axes.transData.transform([(x, low), (x, high)])[:, 1]
        taken += [(left - 5 * unit, middle - 5 * unit, left + 5 * unit, middle + 5 * unit)]
        taken += [(left - 3 * unit, min(ends), left + 3 * unit, max(ends))]
    out: list[tuple[str, float, float] | None] = []
    for (name, *_), (x, y) in zip(points, at, strict=True):
        width, height = _extent(axes, name)
        free = None
        for side, dx, dy in PLACES:
            left = x + dx * unit - {"left": 0.0, "center": width / 2, "right": width}[side]
            box = (left, y + dy * unit - height / 2, left + width, y + dy * unit + height / 2)
            within = inside.x0 <= box[0] and box[2] <= inside.x1 and inside.y0 <= box[1] and box[3] <= inside.y1
            if within and not any(_meet(box, other, GAP * unit) for other in taken):
                free = (side, dx, dy)
                taken.append(box)
                break
        out.append(free)
    return out


def _extent(axes: "Axes", name: str) -> tuple[float, float]:
    text = axes.text(0, 0, name, fontsize=SIZE)
    box = text.get_window_extent()
    text.remove()
    return float(box.width), float(box.height)


def _meet(a: Box, b: Box, gap: float) -> bool:
    return a[0] < b[2] + gap and b[0] < a[2] + gap and a[1] < b[3] + gap and b[1] < a[3] + gap
