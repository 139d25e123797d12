"""How often each 95 % interval holds the truth, counted over simulated studies with known answers.

Five seeds a side, 2 000 studies each: 95 % +- 1.5, or the true coverage where hardly any image is discordant.
"""

import numpy as np
import pytest
from stats_population import Population

from smallvision.stats.networks import networks
from smallvision.stats.paired import paired_interval
from smallvision.stats.published import score_interval
from smallvision.stats.seeds import recipes

pytestmark = pytest.mark.slow

STUDIES = 2000

# MNIST as it is: 99 %, a few hard images, accuracy of one run on 10 000 images with a standard deviation of 0.1 points.
LIKE_MNIST = Population(0.99, 0.988, hardness=4, agreement=0.95, seeds=0.12)
ALIKE = Population(0.99, 0.99, hardness=4, agreement=1, seeds=0.12)


def test_the_realistic_setting_is_realistic():
    spread = LIKE_MNIST.spread
    assert (spread.seeds_a + spread.noise_a / 10_000) ** 0.5 == pytest.approx(0.001, rel=0.1)
    a, b = LIKE_MNIST.draw(np.random.default_rng(0), 400, 400, 10_000)
    assert a.mean() == pytest.approx(0.99, abs=0.002)
    assert b.mean() == pytest.approx(0.988, abs=0.002)
    assert a.mean(axis=1).std() == pytest.approx(0.001, rel=0.1)
    assert ((a.mean(axis=0) > 0.05) & (a.mean(axis=0) < 0.95)).mean() < 0.03  # few images waver


def count(population, images, s_a=5, s_b=5, studies=STUDIES, seed=20240117):
    """(share of 95 % intervals that hold the truth, mean of V / the true variance)"""
    generator = np.random.default_rng(seed)
    held, variance = 0, 0.0
    for _ in range(studies):
        found = recipes(*population.draw(generator, s_a, s_b, images))
        low, high = found.interval()
        held += low <= population.difference <= high
        variance += found.error**2
    return 100 * held / studies, variance / studies / population.variance(s_a, s_b, images)


@pytest.mark.parametrize(
    ("population", "images", "s_a", "s_b"),
    [
        (LIKE_MNIST, 10_000, 5, 5),
        (ALIKE, 10_000, 5, 5),
        (LIKE_MNIST, 1000, 5, 5),
        (Population(0.95, 0.94, hardness=3, agreement=0.8, seeds=0), 1000, 5, 5),  # seeds only add chance
        (Population(0.90, 0.87, hardness=2, agreement=0.95, seeds=0.3), 1000, 5, 5),  # seeds count most
        (Population(0.98, 0.96, hardness=30, agreement=0.9, seeds=0.1), 1000, 5, 5),  # images count most
        (Population(0.70, 0.68, hardness=1.5, agreement=0.9, seeds=0.05), 1000, 5, 9),
    ],
    ids=["mnist-10000", "alike-10000", "mnist-1000", "chance", "seeds", "images", "5-against-9"],
)
def test_recipe_interval_covers(population, images, s_a, s_b):
    covered, ratio = count(population, images, s_a, s_b)
    assert 93.5 <= covered <= 96.5
    assert 0.93 < ratio < 1.15


@pytest.mark.parametrize(
    ("population", "images", "true"),
    [
        (ALIKE, 1000, 98.0),  # some 5 images, both ways
        (Population(0.999, 0.990, hardness=30, agreement=1, seeds=0.05), 1000, 93.0),  # some 9 images, one way
        (Population(0.999, 0.990, hardness=3, agreement=1, seeds=0.05), 1000, 93.1),
        (Population(0.998, 0.998, hardness=3, agreement=1, seeds=0), 1000, 99.9),  # hardly one
        (Population(0.995, 0.980, hardness=8, agreement=1, seeds=0), 200, 98.2),  # some 3 images
    ],
)
def test_recipe_interval_where_hardly_any_image_is_discordant(population, images, true):
    assert count(population, images)[0] == pytest.approx(true, abs=1.5)


@pytest.mark.parametrize("images", [1000, 10_000])
@pytest.mark.parametrize(
    ("discordant", "difference", "true"),
    [(0.02, 0.005, 95), (0.05, 0.02, 95), (0.02, 0.015, 95), (0.02, 0, 96), (0.01, 0, 96.7)],
)
def test_paired_interval_covers(images, discordant, difference, true):
    generator = np.random.default_rng(7)
    shares = [(discordant + difference) / 2, (discordant - difference) / 2, 1 - discordant]
    counts, times = np.unique(generator.multinomial(images, shares, 2 * STUDIES)[:, :2], axis=0, return_counts=True)
    ends = np.array([paired_interval(int(b), int(c), images) for b, c in counts])
    held = (ends[:, 0] <= difference) & (difference <= ends[:, 1])
    assert 100 * (held * times).sum() / times.sum() == pytest.approx(true, abs=1.5)


@pytest.mark.parametrize(("images", "p", "q"), [(10_000, 0.99, 0.988), (1000, 0.99, 0.985), (1000, 0.9, 0.9)])
def test_published_interval_covers(images, p, q):
    generator = np.random.default_rng(11)
    drawn = zip(generator.binomial(images, p, STUDIES), generator.binomial(images, q, STUDIES), strict=True)
    ends = np.array([score_interval(int(x), images, int(y), images) for x, y in drawn])
    assert 100 * ((ends[:, 0] <= p - q) & (p - q <= ends[:, 1])).mean() == pytest.approx(95, abs=1.5)


@pytest.mark.parametrize(("images", "s_a", "s_b"), [(1000, 3, 3), (1000, 1, 4), (1000, 1, 1)])
def test_network_interval_covers_for_the_networks_at_hand(images, s_a, s_b):
    generator = np.random.default_rng(13)
    chances = generator.beta(0.3, 0.02, (s_a + s_b, 40))  # of right, per network and kind of image
    truth = chances[:s_a].mean() - chances[s_a:].mean()
    held = 0
    for _ in range(STUDIES):
        right = generator.random((s_a + s_b, images)) < chances[:, generator.integers(40, size=images)]
        low, high = networks(right[:s_a], right[s_a:]).interval()
        held += low <= truth <= high
    assert 100 * held / STUDIES == pytest.approx(95, abs=1.5)
