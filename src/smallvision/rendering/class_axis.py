"""An axis whose places are classes: their names, as long as there is room for them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NUMBERED = 20  # classes up to which a matrix has room for numbers, and bars for every class


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
