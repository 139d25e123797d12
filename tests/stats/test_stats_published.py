"""Two published accuracies: p against statsmodels, interval against a maximised likelihood and printed examples."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from statsmodels.stats.proportion import confint_proportions_2indep, score_test_proportions_2indep

from smallvision.errors import BadInput
from smallvision.stats.published import images_right, score_interval, score_test

side = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(side, side)
def test_p_equals_statsmodels(a, b):
    if 0 < a[0] + b[0] < a[1] + b[1]:
        assert score_test(*a, *b) == pytest.approx(score_test_proportions_2indep(*a, *b).pvalue, abs=1e-12)
    else:
        assert score_test(*a, *b) == 1


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=300)
@given(side, side, st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.9999]))
def test_interval_never_contradicts_the_test(a, b, confidence):
    low, high = score_interval(*a, *b, confidence)
    assert -1 <= low <= a[0] / a[1] - b[0] / b[1] <= high <= 1
    p = score_test(*a, *b)
    if abs(p - (1 - confidence)) > 1e-9:
        assert (low > 0 or high < 0) == (p < 1 - confidence)
    np.testing.assert_allclose(score_interval(*b, *a, confidence), (-high, -low), atol=1e-10)
    wrong = [(n - x, n) for x, n in (b, a)]  # errors instead of hits, sides exchanged
    np.testing.assert_allclose(score_interval(*wrong[0], *wrong[1], confidence), (low, high), atol=1e-8)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        # Newcombe 1998, Table II, method 6 (Miettinen & Nurminen): examples a and d, four decimals
        ((56, 70), (48, 80), (0.0528, 0.3382)),
        ((5, 56), (0, 29), (-0.0326, 0.1933)),
    ],
)
def test_interval_published(a, b, expected):
    assert score_interval(*a, *b) == pytest.approx(expected, abs=5e-5)


def restricted_variance(x, m, y, n, d):
    """Variance at the most likely accuracies that differ by d, the likelihood maximised numerically."""

    def minus_likelihood(q):
        terms = [(x, q + d), (m - x, 1 - q - d), (y, q), (n - y, 1 - q)]
        return -sum(k * np.log(max(p, 1e-300)) for k, p in terms if k)

    low, high = max(0.0, -d), min(1.0, 1 - d)
    q = minimize_scalar(minus_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).x
    return ((q + d) * (1 - q - d) / m + q * (1 - q) / n) * (m + n) / (m + n - 1)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((9893, 10_000), (9907, 10_000)),
        ((56, 70), (48, 80)),
        ((5, 56), (0, 29)),
        ((7, 10), (10, 10)),
        ((355, 360), (9, 10)),
    ],
)
def test_interval_ends_where_the_score_test_just_rejects(a, b, confidence):
    for d in score_interval(*a, *b, confidence):
        score = abs(a[0] / a[1] - b[0] / b[1] - d) / np.sqrt(restricted_variance(*a, *b, d))
        assert score == pytest.approx(norm.isf((1 - confidence) / 2), rel=1e-5)


def test_interval_is_near_newcombes():
    # two methods that are both recommended; with statsmodels for the other one
    for a, b in [((9893, 10_000), (9907, 10_000)), ((950, 1000), (930, 1000))]:
        np.testing.assert_allclose(
            score_interval(*a, *b), confint_proportions_2indep(*a, *b, method="newcomb"), atol=3e-4
        )


def test_everything_right_still_has_a_width():
    low, high = score_interval(360, 360, 360, 360)
    assert low == pytest.approx(-high, abs=1e-9)
    assert 0.005 < high < 0.02
    assert score_interval(10, 10, 0, 10)[1] == 1
    assert score_test(10, 10, 10, 10) == score_test(0, 5, 0, 7) == 1


@pytest.mark.parametrize(
    ("accuracy", "images", "right"),
    [
        (0.9893, 10_000, 9893),
        (98.93 / 100, 10_000, 9893),
        ("0.9893", 7000, 6925),
        (Decimal("99.07") / 100, 10_000, 9907),
        (1, 360, 360),
        (0.0, 5, 0),
        (1 / 3, 3, 1),
        (0.8333, 6, 5),
        (np.float64(0.95), 20, 19),
        ("0.86", 50_000, 43_000),
    ],
)
def test_whole_numbers_of_images(accuracy, images, right):
    assert images_right(accuracy, images) == (right, None)


@pytest.mark.parametrize(
    ("accuracy", "images", "right"), [(0.86002, 10_000, 8600), ("0.985", 120, 118), (0.8587, 1000, 859)]
)
def test_no_whole_number_of_images_is_remarked(accuracy, images, right):
    found, remark = images_right(accuracy, images)
    assert found == right
    assert remark is not None
    assert "not a whole number" in remark
    assert images != 10_000 or remark.startswith("86.002 % of 10000 images would be 8600.2 images")


@pytest.mark.parametrize("n", [7, 60, 360, 10_000])
def test_every_real_figure_passes_however_it_was_rounded(n):
    for right in range(0, n + 1, max(n // 50, 1)):
        for digits in (2, 3, 4, 5):
            printed = Decimal(right) / n
            assert images_right(printed.quantize(Decimal(1).scaleb(-digits)), n)[1] is None


@pytest.mark.parametrize("accuracy", [98.93, -0.1, "abc", float("nan"), "nan", None, "1.01"])
def test_bad_accuracies_are_refused(accuracy):
    with pytest.raises(BadInput, match="accuracy: got"):
        images_right(accuracy, 10_000)


@pytest.mark.parametrize("counts", [(5, 4, 1, 4), (-1, 4, 1, 4), (1, 0, 0, 0), (1.0, 4, 1, 4)])
def test_bad_counts_are_refused(counts):
    with pytest.raises(BadInput, match=r"right_a|images_a"):
        score_interval(*counts)
