"""Exact McNemar against scipy, statsmodels and enumeration; Tango's interval against its definition and paper."""

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom, binomtest, norm
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from smallvision.errors import BadInput
from smallvision.stats.paired import discordant, mcnemar, mcnemar_mid_p, paired_interval

counts = st.integers(0, 400)
tables = st.tuples(counts, counts, counts).filter(lambda t: sum(t) > 0).map(lambda t: (t[0], t[1], sum(t)))
confidences = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.9983, 0.9999, 0.999999])


@settings(derandomize=True, deadline=None)
@given(counts, counts)
def test_mcnemar_equals_scipy_and_statsmodels(b, c):
    expected = statsmodels_mcnemar([[7, b], [c, 3]], exact=True).pvalue if b + c else 1.0
    assert mcnemar(b, c) == pytest.approx(expected, abs=1e-12)
    assert mcnemar(b, c) == mcnemar(c, b)
    if b + c:
        assert mcnemar(b, c) == binomtest(b, b + c).pvalue


@pytest.mark.parametrize("m", range(1, 11))
def test_mcnemar_by_enumerating_all_outcomes(m):
    outcomes = [sum(sides) for sides in product((0, 1), repeat=m)]
    for b in range(m + 1):
        as_uneven = sum(abs(2 * k - m) >= abs(2 * b - m) for k in outcomes)
        assert mcnemar(b, m - b) == pytest.approx(as_uneven / 2**m, abs=1e-14)


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_mid_p_counts_half_of_what_is_as_uneven(b, c):
    n, k = b + c, np.arange(b + c + 1)
    chances, uneven = binom.pmf(k, n, 0.5), abs(2 * k - n)
    expected = chances[uneven > abs(b - c)].sum() + chances[uneven == abs(b - c)].sum() / 2 if n else 1.0
    assert mcnemar_mid_p(b, c) == pytest.approx(expected, abs=1e-12)
    assert mcnemar_mid_p(b, c) == pytest.approx(mcnemar_mid_p(c, b), abs=1e-14)
    assert mcnemar_mid_p(b, c) < mcnemar(b, c) or n == 0


def test_mid_p_published():
    assert mcnemar_mid_p(1, 7) == pytest.approx(0.0391, abs=5e-5)  # Bentur et al. 2009 in Fagerland et al. 2013
    assert mcnemar_mid_p(6, 16) == pytest.approx(0.0347, abs=5e-5)  # Cavo et al. 2012, there as well


def test_mcnemar_published():
    assert mcnemar(12, 2) == pytest.approx(0.0129, abs=5e-5)  # Armitage & Berry 1994, p. 127 (Liddell)
    assert mcnemar(1, 7) == pytest.approx(0.0703, abs=5e-5)  # Bentur et al. 2009 in Fagerland et al. 2013
    assert mcnemar(6, 16) == pytest.approx(2 * sum(comb(22, k) for k in range(7)) / 2**22, abs=1e-14)


def test_interval_published():
    # Tango 1998, section 6.1: 43 lenses both ways effective, 1 by the standard alone; 90 % lower limit
    assert paired_interval(0, 1, 44, 0.90)[0] == pytest.approx(-0.096, abs=5e-4)
    # Fagerland, Lydersen & Laake 2014: Bentur et al., 1 against 7 of 21 (score test and exact test disagree at 95 %)
    low, high = paired_interval(1, 7, 21)
    assert low == pytest.approx(-0.517, abs=5e-4)
    assert high > 0
    assert paired_interval(1, 7, 21, 0.90)[1] < 0
    # PropCIs 0.3 scoreci.mp in R, to the digits its users print: 48 and 41 of 549 at 90 %
    assert paired_interval(48, 41, 549, 0.90) == pytest.approx((-0.0157, 0.0414), abs=5e-5)


def restricted(b, c, n, d):
    """Most likely variance of b - c given p10 - p01 = d, by maximising the likelihood (slow and plain)."""

    def minus_likelihood(q):
        terms = [(b, q + d), (c, q), (n - b - c, 1 - 2 * q - d)]
        return -sum(k * np.log(max(p, 1e-300)) for k, p in terms if k)

    low, high = max(0.0, -d), (1 - d) / 2
    q = minimize_scalar(minus_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).x
    return 2 * q + d - d * d


@pytest.mark.parametrize(
    ("b", "c", "n"), [(12, 2, 50), (40, 20, 160), (3, 3, 10), (0, 9, 100), (17, 5, 10_000), (0, 3, 10_000)]
)
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_interval_ends_where_the_score_test_just_rejects(b, c, n, confidence):
    for d in paired_interval(b, c, n, confidence):
        score = abs((b - c) / n - d) / np.sqrt(restricted(b, c, n, d) / n)
        if (mcnemar(b, c) < 1 - confidence) == (2 * norm.sf(abs(b - c) / np.sqrt(b + c)) < 1 - confidence):
            assert score == pytest.approx(norm.isf((1 - confidence) / 2), rel=1e-5)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(tables, confidences)
def test_interval_never_contradicts_the_exact_test(table, confidence):
    b, c, n = table
    low, high = paired_interval(b, c, n, confidence)
    assert -1 <= low <= (b - c) / n <= high <= 1
    assert low < high
    excludes_zero = low > 0 or high < 0
    assert excludes_zero == (mcnemar(b, c) < 1 - confidence)
    np.testing.assert_allclose(paired_interval(c, b, n, confidence), (-high, -low), atol=1e-12)


@settings(derandomize=True, deadline=None)
@given(tables)
def test_more_confidence_is_never_narrower(table):
    ends = np.array([paired_interval(*table, confidence) for confidence in (0.5, 0.9, 0.99, 0.9999)])
    assert (np.diff(ends[:, 0]) <= 1e-12).all()
    assert (np.diff(ends[:, 1]) >= -1e-12).all()


def test_nothing_discordant():
    z2 = norm.isf(0.025) ** 2
    np.testing.assert_allclose(paired_interval(0, 0, 100), (-z2 / (100 + z2), z2 / (100 + z2)), rtol=1e-10)
    assert mcnemar(0, 0) == 1
    assert paired_interval(9, 0, 9)[1] == 1
    assert paired_interval(0, 10**6, 10**6)[0] == -1


def test_discordant_counts():
    a = np.array([1, 1, 0, 0, 1], bool)
    assert discordant(a, np.array([1, 0, 1, 0, 0])) == (2, 1, 5)
    assert discordant(a, a) == (0, 0, 5)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([True], [True, False]),
        ([], []),
        ([0.5], [1]),
        ([[True]], [[True]]),
        ([np.nan], [1]),
        (["yes"], ["no"]),
        ([2], [1]),
    ],
)
def test_bad_vectors_are_refused(a, b):
    with pytest.raises(BadInput, match=r"_right: got .*; expected"):
        discordant(a, b)


@pytest.mark.parametrize(
    ("b", "c", "n", "confidence"),
    [
        (-1, 0, 5, 0.95),
        (3, 3, 5, 0.95),
        (1.0, 0, 5, 0.95),
        (True, 0, 5, 0.95),
        (0, 0, 0, 0.95),
        (1, 0, 5, 95),
        (1, 0, 5, np.nan),
        (1, 0, 5, "0.95"),
    ],
)
def test_bad_counts_are_refused(b, c, n, confidence):
    with pytest.raises(BadInput, match=r"got .*; expected"):
        paired_interval(b, c, n, confidence)
