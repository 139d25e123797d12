"""Planned seeds and images: power by enumeration, by statsmodels and by simulating the tests themselves."""

from itertools import product
from math import factorial, inf

import numpy as np
import pytest
from scipy.stats import nct, norm, t, ttest_ind
from stats_population import Population
from statsmodels.stats.proportion import power_proportions_2indep

from smallvision.errors import BadInput
from smallvision.stats.networks import networks
from smallvision.stats.paired import mcnemar
from smallvision.stats.power import (
    mcnemar_power,
    mean_images,
    paired_images,
    published_images,
    recipe_needed,
    recipe_power,
)
from smallvision.stats.published import score_test
from smallvision.stats.seeds import Spread, recipes


@pytest.mark.parametrize(("p", "q"), [(0.9893, 0.9907), (0.9, 0.8), (0.5, 0.51), (1.0, 0.99), (0.0, 0.2)])
@pytest.mark.parametrize(("power", "level"), [(0.8, 0.05), (0.95, 0.01)])
def test_published_images_against_statsmodels(p, q, power, level):
    n = published_images(p, q, power, level)
    assert n is not None

    def reached(images):
        return power_proportions_2indep(p - q, q, images, alpha=level).power

    assert reached(n) >= power - 1e-6
    assert reached(n - 1) <= power + 1e-6


def test_published_images_by_simulation():
    n = published_images(0.95, 0.93)
    generator = np.random.default_rng(1)
    right = generator.binomial(n, [[0.95], [0.93]], (2, 4000))
    found = np.mean([score_test(int(x), n, int(y), n) <= 0.05 for x, y in right.T])
    assert found == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(("b", "c"), [(0.5, 0.1), (0.2, 0.2), (0.4, 0.0), (0.7, 0.3)])
@pytest.mark.parametrize("level", [0.05, 0.2])
def test_mcnemar_power_by_enumeration(b, c, level):
    n = 14
    expected = sum(
        factorial(n) / (factorial(i) * factorial(j) * factorial(n - i - j)) * b**i * c**j * (1 - b - c) ** (n - i - j)
        for i, j in product(range(n + 1), repeat=2)
        if i + j <= n and mcnemar(i, j) <= level
    )
    assert mcnemar_power(b, c, n, level) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("b", "c"), [(0.0055, 0.0041), (0.02, 0.0), (0.012, 0.008), (0.2, 0.1), (0.0001, 0.00001)])
def test_paired_images_reach_the_power(b, c):
    n = paired_images(b, c)
    assert mcnemar_power(b, c, n) >= 0.8
    assert mcnemar_power(b, c, int(0.97 * n)) < 0.8
    assert paired_images(c, b) == n
    assert paired_images(b, c, more_than=2 * n) == 2 * n + 1


def test_paired_images_against_connor():
    # Connor 1987's formula, for the test that is not exact; worked examples of its online calculators: 23 and 155 pairs
    assert 23 <= paired_images(0.45, 0.05) <= 27
    assert 155 <= paired_images(0.30, 0.15) <= 170
    # where exactness costs nothing, his number itself
    s, d = 0.1001, 0.0001
    connor = (1.959963985 * s**0.5 + 0.841621234 * (s - d * d) ** 0.5) ** 2 / d**2
    assert paired_images((s + d) / 2, (s - d) / 2) == pytest.approx(connor, rel=1e-6)
    assert mcnemar_power((s + d) / 2, (s - d) / 2, round(connor)) == pytest.approx(0.8, abs=0.002)


@pytest.mark.slow
def test_paired_images_by_simulation():
    b, c = 0.012, 0.006
    n = paired_images(b, c)
    drawn = np.random.default_rng(2).multinomial(n, [b, c, 1 - b - c], 4000)
    found = np.mean([mcnemar(int(x), int(y)) <= 0.05 for x, y, _ in drawn])
    assert found == pytest.approx(0.8, abs=0.02)


@pytest.mark.slow
def test_mean_images_by_simulation():
    generator = np.random.default_rng(3)
    chances = np.array([[0.95, 0.9], [0.97, 0.7], [0.99, 0.85], [0.9, 0.8], [0.97, 0.82]])  # (networks, kinds)
    d = chances[:2].mean() - chances[2:].mean()
    noise = (chances * (1 - chances)).mean(axis=1)
    between = (chances[:2].mean(axis=0) - chances[2:].mean(axis=0)).var()
    n = mean_images(noise[:2].sum() / 4 + noise[2:].sum() / 9 + between, d)
    found = 0
    for _ in range(2000):
        right = generator.random((5, n)) < chances[:, generator.integers(2, size=n)]
        found += networks(right[:2], right[2:]).p <= 0.05
    assert found / 2000 == pytest.approx(0.8, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("population", "s_a", "s_b", "images"),
    [
        (Population(0.93, 0.90, hardness=2, agreement=0.9, seeds=0.2), 6, 6, 700),
        (Population(0.93, 0.92, hardness=2, agreement=1, seeds=0.0), 5, 8, 1500),
        (Population(0.95, 0.93, hardness=20, agreement=0.9, seeds=0.2), 5, 5, 1000),
    ],
)
def test_recipe_power_by_simulation(population, s_a, s_b, images):
    generator = np.random.default_rng(4)
    found = np.mean([recipes(*population.draw(generator, s_a, s_b, images)).p <= 0.05 for _ in range(2000)])
    expected = recipe_power(population.spread, population.difference, s_a, s_b, images)
    assert 0.2 < expected < 0.95
    assert found == pytest.approx(expected, abs=0.04)


@pytest.mark.parametrize(("seeds", "sd", "difference"), [(5, 0.001, 0.003), (5, 0.0015, 0.0035), (12, 0.002, 0.0035)])
def test_power_with_the_floor_by_welchs_test_of_scipy(seeds, sd, difference):
    """Seeds alone scatter: then the comparison is Welch's test, and the difference has to pass the floor as well."""
    images, generator = 1000, np.random.default_rng(6)
    a, b = generator.normal(0, sd, (2, 40_000, seeds))
    a += difference
    found = ttest_ind(a, b, axis=1, equal_var=False).pvalue <= 0.05
    beyond = abs(a.mean(1) - b.mean(1)) >= norm.isf(0.025) * 2**0.5 / images
    spread = Spread(sd**2, sd**2, 0.0, 0.0, 0.0)
    power = recipe_power(spread, difference, seeds, seeds, images)
    assert power == pytest.approx((found & beyond).mean(), abs=0.025)  # degrees are estimated
    by_t = recipe_power(spread, difference, seeds, seeds, images, correctness=False)
    assert by_t == pytest.approx(found.mean(), abs=0.025), "a number of each image has no floor"
    assert by_t > power + 0.04, "the floor decides here"


def test_the_floor_far_away_changes_nothing():
    assert recipe_power(SPREAD, 0.0025, 9, 9, 10_000) == pytest.approx(
        recipe_power(SPREAD, 0.0025, 9, 9, 10_000, correctness=False), abs=1e-12
    )


@pytest.mark.parametrize("seeds", [2, 3, 5, 40, 3000])
@pytest.mark.parametrize("level", [0.05, 0.001])
def test_power_without_a_floor_is_that_of_noncentral_t(seeds, level):
    spread, degrees = Spread(1.0, 1.0, 0.0, 0.0, 0.0), 2 * (seeds - 1)
    for center in (0.0, 0.5, 2.0, 3.5):
        edge = t.isf(level / 2, degrees)
        expected = nct.sf(edge, degrees, center) + nct.cdf(-edge, degrees, center)
        power = recipe_power(spread, center * (2 / seeds) ** 0.5, seeds, seeds, 1000, level, correctness=False)
        assert power == pytest.approx(expected, abs=1e-8)


def test_the_power_is_a_number_however_large_the_difference():
    """scipy 1.17's nct.cdf(-1.96, 999, 9) is NaN, at which a search for the number of seeds would not end."""
    spread = Spread(1e-5, 1e-5, 1e-4, 1e-4, 1e-4)
    for runs in (2, 5, 50, 10**9):
        found = [recipe_power(spread, d, runs, runs, 1000) for d in np.linspace(0, 0.3, 200)]
        assert all(0 <= power <= 1 + 1e-12 for power in found)
        assert np.all(np.diff(found) > -1e-9)


def test_below_the_floor_no_number_of_seeds_is_planned():
    """1.96 sqrt(2) / 1 000 is 0.277 points: seeds without end do not tell 0.2, and 0.3 only when hardly any scatter."""
    seeds_only = Spread(1e-5, 1e-5, 0.0, 0.0, 0.0)
    needed = recipe_needed(seeds_only, 0.002, 5, 5, 1000)
    assert needed.seeds is None
    assert needed.smallest == pytest.approx(0.00277, abs=1e-5)
    both = recipe_needed(Spread(1e-5, 1e-5, 1e-4, 1e-4, 1e-4), 0.002, 5, 5, 1000)
    deviation = (1e-4 / 1000) ** 0.5  # of the images, which endless seeds leave
    floor = max(norm.isf(0.025) * 2**0.5 / 1000, t.isf(0.025, 999) * deviation)
    assert both.smallest == pytest.approx(floor + norm.isf(0.2) * deviation, rel=1e-3)
    numbers = recipe_needed(seeds_only, 0.002, 5, 5, 1000, correctness=False)
    assert numbers.seeds is not None
    above = recipe_needed(seeds_only, 0.003, 5, 5, 1000)
    without = recipe_needed(seeds_only, 0.003, 5, 5, 1000, correctness=False)
    assert above.seeds > 10 * without.seeds, "just above the floor, the mean itself has to be known"
    assert above.smallest is None


@pytest.mark.slow
@pytest.mark.parametrize("difference", [0.0065, 0.007])
def test_planned_seeds_reach_their_power_where_the_floor_decides(difference):
    """Studies of images of equal difficulty, simulated with as many seeds as are planned."""
    population = Population(0.97, 0.97 - difference, hardness=0, agreement=1, seeds=0.03)
    images, studies, generator = 500, 400, np.random.default_rng(12)
    seeds = recipe_needed(population.spread, difference, 5, 5, images).seeds
    without = recipe_needed(population.spread, difference, 5, 5, images, correctness=False).seeds
    assert seeds > 1.1 * without
    reached = [
        np.mean([recipes(*population.draw(generator, s, s, images)).p <= 0.05 for _ in range(studies)])
        for s in (seeds, without)
    ]
    assert reached[0] == pytest.approx(0.8, abs=0.06)
    assert reached[1] < 0.75, "what the t-test alone would have planned does not"


SPREAD = Spread(seeds_a=1e-6, seeds_b=1e-6, images=4e-3, noise_a=4e-3, noise_b=4e-3)


def test_needed_seeds_and_images_are_the_least_that_do():
    needed = recipe_needed(SPREAD, 0.0025, 5, 5, 10_000)
    s, n = needed.seeds, needed.images
    assert needed.together is None
    assert recipe_power(SPREAD, 0.0025, s, s, 10_000) >= 0.8 > recipe_power(SPREAD, 0.0025, s - 1, s - 1, 10_000)
    assert recipe_power(SPREAD, 0.0025, 5, 5, n) >= 0.8 > recipe_power(SPREAD, 0.0025, 5, 5, n - 1)


def test_what_no_number_of_seeds_or_images_alone_can_tell():
    images_limit = Spread(0.0, 0.0, 4e-3, 4e-3, 4e-3)  # images differ, seeds do not
    needed = recipe_needed(images_limit, 0.001, 5, 5, 1000)
    assert needed.seeds is None
    assert needed.images > 1000
    assert recipe_power(images_limit, 0.001, 10**9, 10**9, 1000) < 0.8
    seeds_limit = Spread(1e-6, 1e-6, 0.0, 4e-3, 4e-3)
    needed = recipe_needed(seeds_limit, 0.001, 5, 5, 10_000)
    assert needed.images is None
    assert needed.seeds > 5
    assert recipe_power(seeds_limit, 0.001, 5, 5, inf) < 0.8
    needed = recipe_needed(SPREAD, 0.0005, 5, 5, 10_000)
    assert needed.seeds is needed.images is None
    s, n = needed.together
    assert recipe_power(SPREAD, 0.0005, s, s, n) >= 0.8
    assert s > 5
    assert n > 10_000


def test_zero_cannot_be_told():
    assert published_images(0.9, 0.9) is None
    assert paired_images(0.01, 0.01) is None
    assert paired_images(0.0, 0.0) is None
    assert mean_images(0.1, 0.0) is None
    assert recipe_needed(SPREAD, 0.0, 5, 5, 100).images is None
    assert mcnemar_power(0.0, 0.0, 100) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: published_images(98.9, 0.9),
        lambda: published_images(0.9, 0.8, power=1.0),
        lambda: paired_images(0.6, 0.6),
        lambda: paired_images(0.1, -0.1),
        lambda: mcnemar_power(0.1, 0.2, 0),
        lambda: mcnemar_power(0.1, 0.2, 10, level=5),
        lambda: mean_images(-1.0, 0.1),
        lambda: recipe_power(SPREAD, 0.1, 1, 5, 100),
        lambda: recipe_power(SPREAD, float("nan"), 5, 5, 100),
        lambda: recipe_needed(SPREAD, 0.1, 5, 5, 100, power=80),
    ],
)
def test_bad_arguments_are_refused(call):
    with pytest.raises(BadInput, match=r"got .*; expected"):
        call()
