"""Wilson's interval against statsmodels', and against the inequality that defines it."""

import math

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from smallvision.errors import BadInput
from smallvision.metrics.intervals import wilson

CASES = [(0, 1), (1, 1), (0, 10), (10, 10), (1, 2), (9846, 10000), (357, 360), (76, 100), (10**6 - 1, 10**6)]


@pytest.mark.parametrize(("successes", "n"), CASES)
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_equals_statsmodels(successes: int, n: int, confidence: float) -> None:
    expected = proportion_confint(successes, n, alpha=1 - confidence, method="wilson")
    np.testing.assert_allclose(wilson(successes, n, confidence), expected, rtol=1e-9, atol=1e-12)


def test_ends_are_where_the_score_test_just_rejects() -> None:
    for end in wilson(9846, 10000):
        z = (0.9846 - end) / math.sqrt(end * (1 - end) / 10000)
        assert abs(z) == pytest.approx(1.959963984540054, rel=1e-9)


def test_numpy_counts_are_welcome() -> None:
    assert wilson(np.int64(5), np.int64(10)) == wilson(5, 10)


@pytest.mark.parametrize(
    ("successes", "n", "confidence"),
    [
        (-1, 10, 0.95),
        (11, 10, 0.95),
        (0, 0, 0.95),
        (0.5, 10, 0.95),
        (5, 10.0, 0.95),
        (True, 10, 0.95),
        ("5", 10, 0.95),
        (5, 10, 0.0),
        (5, 10, 1.0),
        (5, 10, 95),
        (5, 10, float("nan")),
    ],
)
def test_bad_counts_are_refused(successes: object, n: object, confidence: float) -> None:
    with pytest.raises(BadInput):
        wilson(successes, n, confidence)  # type: ignore[arg-type]
