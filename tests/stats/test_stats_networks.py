"""Some networks against some others: Bonett & Price's interval for one a side, and the normal one far from zero."""

import numpy as np
import pytest
from scipy.stats import norm

from smallvision.errors import BadInput
from smallvision.stats.networks import networks


def vectors(b, c, n):
    a_right, b_right = np.ones(n, bool), np.ones(n, bool)
    b_right[:b] = False
    a_right[b : b + c] = False
    return a_right, b_right


@pytest.mark.parametrize(("b", "c", "n"), [(1, 7, 21), (6, 16, 161), (0, 0, 50), (30, 0, 1000)])
def test_one_run_a_side_is_bonett_and_price(b, c, n):
    p, q = (b + 1) / (n + 2), (c + 1) / (n + 2)  # their equation, for counts
    half = norm.isf(0.025) * np.sqrt((p + q - (p - q) ** 2) / (n + 2))
    found = networks(*vectors(b, c, n))
    np.testing.assert_allclose(found.interval(), (p - q - half, p - q + half), rtol=0, atol=1e-12)
    assert found.difference == pytest.approx((b - c) / n, abs=1e-15)


def test_published():
    # Fagerland, Lydersen & Laake 2014: Bentur et al. 2009, Wald interval with Bonett & Price's adjustment
    assert networks(*vectors(1, 7, 21)).interval() == pytest.approx((-0.508, -0.013), abs=5e-4)


def test_several_runs_are_the_mean_over_images_with_two_imagined_ones():
    generator = np.random.default_rng(0)
    a, b = generator.random((3, 200)) < 0.9, generator.random((4, 200)) < 0.8
    found = networks(a, b)
    d = np.append(a.mean(axis=0) - b.mean(axis=0), [1, -1])
    assert found.center == pytest.approx(d.mean(), abs=1e-12)
    assert found.error == pytest.approx(d.std() / np.sqrt(202), abs=1e-12)
    assert found.p == pytest.approx(2 * norm.sf(abs(d.mean()) / (d.std() / np.sqrt(202))), abs=1e-12)
    assert found.accuracy_a == a.mean()
    for confidence in (0.5, 0.95, 0.999):
        low, high = found.interval(confidence)
        assert (low > 0 or high < 0) == (found.p < 1 - confidence)


def test_bad_runs_are_refused():
    with pytest.raises(BadInput, match="b_right: got 3 images; expected 4"):
        networks(np.ones((2, 4), bool), np.ones((3, 3), bool))
    with pytest.raises(BadInput, match="confidence"):
        networks(np.ones(4), np.ones(4)).interval(95)
