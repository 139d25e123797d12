"""The recipe interval against a two-way analysis, statsmodels' ANOVA, Welch's test and the pigeonhole bootstrap."""

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, t, ttest_ind
from stats_population import Population
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from smallvision.errors import BadInput
from smallvision.stats.seeds import recipes

POPULATION = Population(0.93, 0.90, hardness=2, agreement=0.8, seeds=0.3)


def plain(a, b):
    """The formula of the module's docstring, term by term: (difference, V, degrees of freedom)."""
    (s_a, n), s_b = a.shape, len(b)

    def residual(y):
        left = y - y.mean(axis=1, keepdims=True) - y.mean(axis=0) + y.mean()
        return (left**2).sum() / ((len(y) - 1) * (n - 1))

    a, b = a.astype(float), b.astype(float)
    v_a, v_b = a.mean(axis=1).var(ddof=1) / s_a, b.mean(axis=1).var(ddof=1) / s_b
    v_i = (a.mean(axis=0) - b.mean(axis=0)).var(ddof=1) / n
    v_images = max(0, v_i - residual(a) / (s_a * n) - residual(b) / (s_b * n))
    v = v_a + v_b + v_images
    squared = v_a**2 / (s_a - 1) + v_b**2 / (s_b - 1) + v_images**2 / (n - 1)
    return a.mean() - b.mean(), v, v**2 / squared if squared else np.inf


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(2, 9), st.integers(20, 400))
def test_is_the_formula(seed, s_a, s_b, n):
    a, b = POPULATION.draw(np.random.default_rng(seed), s_a, s_b, n)
    found = recipes(a, b)
    difference, v, degrees = plain(a, b)
    assert found.difference == pytest.approx(difference, abs=1e-12)
    assert found.error**2 == pytest.approx(v, abs=1e-12)
    if v > 2 / n**2:
        assert found.degrees == pytest.approx(degrees, rel=1e-9)
        half = t.isf(0.025, degrees) * np.sqrt(v)
        if half > norm.isf(0.025) * np.sqrt(2) / n:
            ends = np.clip((difference - half, difference + half), -1, 1)
            np.testing.assert_allclose(found.interval(), ends, rtol=0, atol=1e-12)
            assert found.p == pytest.approx(2 * t.sf(abs(difference) / np.sqrt(v), degrees), abs=1e-12)


@pytest.mark.filterwarnings("ignore")
def test_noise_is_the_residual_of_a_two_way_anova():
    a, b = POPULATION.draw(np.random.default_rng(3), 5, 6, 25)
    spread = recipes(a, b).spread
    for right, noise in ((a, spread.noise_a), (b, spread.noise_b)):
        seed, image = np.indices(right.shape)
        table = pandas.DataFrame({"y": right.ravel().astype(float), "seed": seed.ravel(), "image": image.ravel()})
        fit = anova_lm(ols("y ~ C(seed) + C(image)", table).fit())
        assert noise == pytest.approx(fit.loc["Residual", "mean_sq"], abs=1e-12)


def test_is_welchs_test_when_images_add_nothing():
    generator, met = np.random.default_rng(5), 0
    for _ in range(40):
        a, b = generator.random((5, 300)) < 0.7, generator.random((7, 300)) < 0.65
        found = recipes(a, b)
        if found.spread.images == 0:
            met += 1
            expected = ttest_ind(a.mean(axis=1), b.mean(axis=1), equal_var=False)
            assert found.p == pytest.approx(expected.pvalue, abs=1e-12)
            np.testing.assert_allclose(found.interval(0.9), expected.confidence_interval(0.9), rtol=0, atol=1e-12)
    assert met > 5


def test_is_the_paired_t_test_over_images_when_seeds_add_nothing():
    generator = np.random.default_rng(6)
    a, b = generator.random(400) < 0.8, generator.random(400) < 0.7
    found = recipes(np.tile(a, (5, 1)), np.tile(b, (6, 1)))
    d = a.astype(float) - b
    assert found.error**2 == pytest.approx(d.var(ddof=1) / 400, abs=1e-15)
    assert found.degrees == pytest.approx(399, rel=1e-12)


def test_variance_against_the_pigeonhole_bootstrap():
    """Owen 2007: seeds of A, seeds of B and images are drawn again, each with replacement."""
    generator = np.random.default_rng(8)
    s, n, draws = 12, 400, 20_000
    a, b = POPULATION.draw(generator, s, s, n)

    def again(k):
        return generator.multinomial(k, np.full(k, 1 / k), draws) / k  # (draws, k) weights

    images = again(n)
    boot = ((again(s) @ a) * images).sum(1) - ((again(s) @ b) * images).sum(1)
    found = recipes(a, b)
    noise = (found.spread.noise_a + found.spread.noise_b) / (s * n)
    v_seeds = (a.mean(1).var(ddof=1) + b.mean(1).var(ddof=1)) / s
    v_images = (a.mean(0) - b.mean(0)).var(ddof=1) / n
    # what the bootstrap estimates: sample variances with 1/k for 1/(k - 1), image by seed counted three times, not once
    expected = v_seeds * (s - 1) / s + v_images * (n - 1) / n + noise * (s - 1) / s * (n - 1) / n
    error = expected * np.sqrt(2 / draws)
    assert boot.var() == pytest.approx(expected, abs=4 * error)
    assert boot.mean() == pytest.approx(found.difference, abs=4 * np.sqrt(expected / draws))
    assert found.error**2 == pytest.approx(boot.var() + v_seeds / s - 2 * noise, abs=5 * error)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(0, 10**6), st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.9999]), st.sampled_from([0, 0.01, 0.1, 0.3]))
def test_interval_never_contradicts_p(seed, confidence, gap):
    generator = np.random.default_rng(seed)
    a, b = generator.random((5, 50)) < 0.97, generator.random((5, 50)) < 0.97 - gap
    found = recipes(a, b)
    low, high = found.interval(confidence)
    assert -1 <= low <= found.difference <= high <= 1
    if abs(found.p - (1 - confidence)) > 1e-9:
        assert (low > 0 or high < 0) == (found.p < 1 - confidence)
    other = recipes(b, a)
    assert other.p == pytest.approx(found.p, abs=1e-14)
    np.testing.assert_allclose(other.interval(confidence), (-high, -low), atol=1e-14)


def test_five_perfect_runs_do_not_claim_certainty():
    right = np.ones((5, 360), bool)
    found = recipes(right, right)
    assert found.p == 1
    half = norm.isf(0.025) * np.sqrt(2) / 360
    assert found.interval() == pytest.approx((-half, half), abs=1e-12)
    one_less = right.copy()
    one_less[:, 0] = False  # one image lost by every seed
    assert recipes(right, one_less).p > 0.3


def test_spread_is_recovered():
    truth = POPULATION.spread
    generator, seen = np.random.default_rng(9), []
    for _ in range(60):
        spread = recipes(*POPULATION.draw(generator, 40, 40, 500)).spread
        seen.append([spread.seeds_a, spread.seeds_b, spread.images, spread.noise_a, spread.noise_b])
    expected = [truth.seeds_a, truth.seeds_b, truth.images, truth.noise_a, truth.noise_b]
    np.testing.assert_allclose(np.mean(seen, axis=0), expected, rtol=0.12)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.ones((5, 9), bool), np.ones((5, 8), bool), "b_right: got 8 images; expected 9"),
        (np.ones((1, 9), bool), np.ones((5, 9), bool), "a_right: got 1 seed; expected at least 2"),
        (np.ones((5, 1), bool), np.ones((5, 1), bool), "got 1 image"),
        (np.full((5, 9), 0.99), np.ones((5, 9), bool), "a_right: got float64 values"),
        ([[1, 0], [1]], [[1, 0], [1, 1]], "a_right: got rows of different lengths"),
        (np.ones((5, 9, 2), bool), np.ones((5, 9), bool), "a_right: got shape"),
    ],
)
def test_bad_runs_are_refused(a, b, message):
    with pytest.raises(BadInput, match=message):
        recipes(a, b)
