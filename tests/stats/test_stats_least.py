"""The smallest difference that can be told: no verdict is ever below it, and it is the smallest such number."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from stats_population import Population
from statsmodels.stats.proportion import test_proportions_2indep as score_test_of_statsmodels

from smallvision.errors import BadInput
from smallvision.stats import least
from smallvision.stats.networks import networks
from smallvision.stats.seeds import recipes
from smallvision.stats.verdict import compare_published, compare_runs, compare_values, judge
from smallvision.stats.wording import least_difference
from smallvision.tasks import TASKS


def test_recipes_by_hand():
    assert least.recipes(10_000) == pytest.approx(1.959963985 * 2**0.5 / 10_000)
    assert least.recipes(1000, 0.05 / 3) == pytest.approx(norm.isf(0.05 / 6) * 2**0.5 / 1000)


@pytest.mark.parametrize(("images", "runs"), [(1000, 5), (400, 8)])
def test_recipes_are_told_from_this_difference_on(images, runs):
    """Every run of A has images of its own right that B has wrong, so that nothing scatters but by the floor."""
    told = []
    for own in range(1, 5):
        a, b = np.zeros((runs, images), bool), np.zeros((runs, images), bool)
        for run in range(runs):
            a[run, own * run : own * (run + 1)] = True
        found = recipes(a, b)
        assert found.difference == own / images
        told.append(found.p <= 0.05)
        assert told[-1] == (found.difference >= least.recipes(images))
    assert told == [False, False, True, True], "2.77 images"


@pytest.mark.parametrize("level", [0.05, 0.01, 0.05 / 3, 0.2, 0.03125, 2**-8])
def test_two_networks_by_the_binomial_test(level):
    fewest = next(k for k in range(1, 99) if binomtest(k, k, 0.5).pvalue <= level)
    assert least.two_networks(500, level) == fewest / 500


@pytest.mark.parametrize(("runs_a", "runs_b"), [(1, 1), (2, 2), (3, 3), (1, 4), (2, 3)])
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_networks_by_trying(runs_a, runs_b, level):
    images, found = 20_000, []
    for wrong in range(1, 60):
        a, b = np.ones((runs_a, images), bool), np.ones((runs_b, images), bool)
        # B's runs are wrong on images of their own, and where A has more runs, A's one run alone is right
        if runs_a == runs_b or runs_a < runs_b:
            b[np.arange(wrong) % runs_b, np.arange(wrong)] = False
        else:
            a[np.arange(wrong) % runs_a, np.arange(wrong)] = False
        one = networks(a, b)
        if one.p <= level:
            found.append(abs(one.difference))
    assert min(found) >= least.networks(images, runs_a, runs_b, level) * (1 - 1e-3)
    if runs_a in (1, runs_b) or runs_b == 1:  # one image's step is one run of the side with more of them
        step = 1 / (max(runs_a, runs_b) * images)
        assert min(found) <= least.networks(images, runs_a, runs_b, level) + step * (1 + 1e-3)


@pytest.mark.parametrize(("m", "n"), [(200, 200), (1000, 1000), (300, 150)])
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_published_by_statsmodels(m, n, level):
    def told(x, y):
        return score_test_of_statsmodels(x, m, y, n, compare="diff", method="score", correction=True).pvalue <= level

    near = range(25)
    least_of_all = min(
        [abs((m - i) / m - (n - j) / n) for i, j in product(near, repeat=2) if (i or j) and told(m - i, n - j)]
    )
    assert least.published(m, n, level) == pytest.approx(least_of_all, rel=1e-12)


def test_no_verdict_is_below_it():
    generator, close = np.random.default_rng(5), 0
    for _ in range(300):
        s_a, s_b = generator.choice([1, 1, 2, 3, 5, 7], 2)
        images = int(generator.choice([60, 200]))
        population = Population(0.97, generator.choice([0.9, 0.94, 0.97]), 2, 0.95, 0.1)
        found = compare_runs(*population.draw(generator, int(s_a), int(s_b), images))
        if found.p <= 0.2:
            assert abs(found.difference) >= found.least(0.2) * (1 - 2 / images)
            close += abs(found.difference) < 1.5 * found.least(0.2)
    assert close >= 5, "some came near it"


def test_what_is_said():
    right = np.arange(1000) >= 20
    wrong = np.arange(1000) >= 25
    (one,) = judge([compare_runs(right, wrong)])
    assert (
        least_difference(one) == "On 1 000 images no difference below 0.60 points can be told (6 images, all one way)."
    )
    (five,) = judge([compare_runs(np.tile(right, (5, 1)), np.tile(wrong, (5, 1)))])
    assert (
        least_difference(five)
        == "On 1 000 images no difference below 0.28 points can be told (1.96 x sqrt(2) / 1 000)."
    )
    (few,) = judge([compare_runs(np.tile(right[:3], (5, 1)), np.tile(wrong[:3], (5, 1)))])
    assert least_difference(few) == "On 3 images no difference below 92.39 points can be told (1.96 x sqrt(2) / 3)."
    (two,) = judge([compare_runs(np.tile(right[:2], (5, 1)), np.tile(wrong[:2], (5, 1)))])
    assert least_difference(two) == "On 2 images no difference can be told at all."
    (paper,) = judge([compare_published(0.99, 0.98, 100)])
    assert (
        least_difference(paper)
        == "On 100 images no difference below 4.00 points can be told (4 images, where the other figure is 100 %)."
    )
    errors = np.random.default_rng(0).random((2, 5, 30))
    (numbers,) = judge([compare_values(*errors, TASKS["reconstruct"].metric)])
    assert numbers.least_difference is None
    assert least_difference(numbers) == ""


@pytest.mark.parametrize(
    "call",
    [
        lambda: least.recipes(0),
        lambda: least.recipes(10, 5),
        lambda: least.two_networks(10, 0),
        lambda: least.networks(10, 0, 1),
        lambda: least.published(10, 0),
    ],
)
def test_bad_arguments_are_refused(call):
    with pytest.raises(BadInput, match=r"got .*; expected"):
        call()
