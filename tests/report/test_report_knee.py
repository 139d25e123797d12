"""The knee: the published example of Kneedle, calculus, and geometry point by point."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smallvision.stats.knee import LEAST, knee


def test_the_example_of_the_paper() -> None:
    """Satopaa et al. 2011, figure 2: y = -1 / (x + 0.1) + 5 at ten points from 0 to 1 has its knee at x = 0.22.

    Upside down the curve falls.
    """
    x = np.linspace(0, 1, 10)
    place = knee(x.tolist(), (1 / (x + 0.1)).tolist())
    assert place is not None
    assert x[place] == pytest.approx(0.22, abs=0.005)


def test_where_the_slope_is_the_chords() -> None:
    """The point of a smooth curve that is farthest from the chord is where both have the same slope.

    For exp(-3 x) this is at -ln((1 - exp(-3)) / 3) / 3.
    """
    x = np.linspace(0, 1, 100_001)
    place = knee(x.tolist(), np.exp(-3 * x).tolist())
    assert place is not None
    assert x[place] == pytest.approx(-np.log((1 - np.exp(-3)) / 3) / 3, abs=2e-5)


@given(
    st.lists(st.integers(1, 1000), min_size=3, max_size=8, unique=True),
    st.lists(st.integers(0, 1000), min_size=8, max_size=8),
)
def test_it_is_the_point_of_largest_distance_to_the_chord(sizes: list[int], errors: list[int]) -> None:
    x, y = sorted(sizes), errors[: len(sizes)]
    place = knee(x, y)
    if y[-1] >= y[0]:
        assert place is None
        return
    corner = np.array([(a - x[0], (b - y[-1])) for a, b in zip(x, y, strict=True)]) / (x[-1] - x[0], y[0] - y[-1])
    area = [
        np.cross([1.0, -1.0, 0.0], [*(point - (0, 1)), 0.0])[2] for point in corner
    ]  # of a parallelogram on the chord
    below = [-one for one in area]  # sqrt 2 times the distance
    farthest = max(below)
    if farthest <= LEAST - 1e-9:
        assert place is None
    elif farthest > LEAST + 1e-9:
        assert place is not None
        assert below[place] == pytest.approx(farthest)


def test_lines_and_hills_have_none() -> None:
    assert knee([1, 2, 3], [3, 2, 1]) is None
    assert knee([1, 2, 3, 4], [1.0, 0.99, 0.9, 0.1]) is None
    assert knee([1, 2], [2, 1]) is None
    assert knee([0, 1, 2], [1, 0.47, 0]) is None  # 0.03 of the fall below the chord
    assert knee([0, 1, 2], [1, 0.44, 0]) == 1
    assert knee([1, 2, 3], [1, 2, 3]) is None


def test_pca_of_cifar10_bends_at_100() -> None:
    """The errors are those with 10, 32, 100 and 1000 components.

    They fall by 0.0089, 0.0063 and 0.0058 for 0.51, 0.49 and 1 power of ten.
    """
    assert knee(np.log10([10, 32, 100, 1000]).tolist(), [0.0210, 0.0121, 0.0058, 0.00004]) == 2
