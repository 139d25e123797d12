"""Where returns diminish: the knee of a falling curve.

Satopaa, Albrecht, Irwin & Raghavan 2011, "Finding a 'Kneedle' in a Haystack", section III: a curve's ends are brought
to the corners of the unit square, and the knee is the point farthest from the chord between them. With the few points
of a study nothing is smoothed, and their sensitivity S is 0: there is one knee at most.
"""

from collections.abc import Sequence

import numpy as np

LEAST = 0.05  # of the whole fall: what lies less below the chord is a straight line, as far as anyone can see


def knee(x: Sequence[float], y: Sequence[float]) -> int | None:
    """The knee of a curve that falls fast at first and slowly then.

    Where steps are ratios (2, 8, 32 components), `x` is best their logarithm: else every curve bends where its first
    steps are.

    Parameters
    ----------
    x : rising, finite.
    y : as many values, of which the last is below the first.

    Returns
    -------
    int or None : the index of the point farthest below the chord, the first of equals; None with fewer than three
        points, where the curve does not fall from its first point to its last, or where nothing lies below the chord by
        more than LEAST of the fall.
    """
    across, down = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if len(across) < 3 or not down[-1] < down[0]:
        return None
    along = (across - across[0]) / (across[-1] - across[0])  # 0 to 1
    fallen = (down[0] - down) / (down[0] - down[-1])  # 0 to 1, but for points outside of the ends
    below = fallen - along  # Kneedle's difference curve
    place = int(below.argmax())
    return place if below[place] > LEAST else None
