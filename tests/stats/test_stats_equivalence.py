"""Equivalence against statsmodels' TOST and closed forms, and its level and power by simulation."""

import json
import re
from dataclasses import asdict

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm, t
from stats_population import Population
from statsmodels.stats.weightstats import ttost_ind, ttost_paired

from smallvision.errors import BadInput
from smallvision.stats import values
from smallvision.stats.corrections import holm
from smallvision.stats.equivalence import equivalence_p
from smallvision.stats.networks import networks
from smallvision.stats.paired import paired_interval
from smallvision.stats.published import score_interval
from smallvision.stats.seeds import least_error, recipes
from smallvision.stats.verdict import compare_published, compare_runs, compare_values, judge
from smallvision.tasks import TASKS

MSE = TASKS["reconstruct"].metric


def draw(seed, s_a, s_b, n=800, accuracy_b=0.948):
    return Population(0.95, accuracy_b, 3, 0.95, 0.1).draw(np.random.default_rng(seed), s_a, s_b, n)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("margin", [0.05, 0.4, 1.5])
def test_recipes_that_differ_by_seed_alone_are_welchs_tost(seed, margin):
    generator = np.random.default_rng(seed)
    image = generator.normal(size=50)
    a, b = (generator.normal(size=(runs, 1)) / 3 + image for runs in (6, 9))
    found = values.recipes(a, b)
    expected, _, _ = ttost_ind(a.mean(1), b.mean(1), -margin, margin, usevar="unequal")
    assert equivalence_p(found.interval, found.difference, margin) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("margin", [0.01, 0.2, 0.5])
def test_two_networks_numbers_are_the_paired_tost(margin):
    generator = np.random.default_rng(1)
    a, b = generator.normal(size=(2, 60))
    found = values.networks(a, b)
    expected = ttost_paired(a, b, -margin, margin)[0]
    assert equivalence_p(found.interval, found.difference, margin) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("margin", [0.005, 0.02, 0.1])
@pytest.mark.parametrize(("x", "y"), [(270, 262), (299, 296), (250, 250)])
def test_published_figures_are_the_score_tests_of_miettinen_and_nurminen(margin, x, y):
    """The likelihood at the margin is maximised here (statsmodels' closed form has a slip, its issue 10269)."""

    def one_sided(x, y):
        """Of "A is better by the margin or more"."""

        def less(q):
            p = q + margin
            return -(x * np.log(p) + (300 - x) * np.log(1 - p) + y * np.log(q) + (300 - y) * np.log(1 - q))

        q = minimize_scalar(less, bounds=(1e-9, 1 - margin - 1e-9), method="bounded", options={"xatol": 1e-13}).x
        variance = ((q + margin) * (1 - q - margin) + q * (1 - q)) / 300 * 600 / 599
        return norm.cdf(((x - y) / 300 - margin) / np.sqrt(variance))

    found = equivalence_p(lambda c: score_interval(x, 300, y, 300, c), (x - y) / 300, margin)
    assert found == pytest.approx(max(one_sided(x, y), one_sided(y, x)), rel=1e-5)


@pytest.mark.parametrize("margin", [0.002, 0.01, 0.03])
@pytest.mark.parametrize(("b", "c"), [(14, 9), (3, 2), (9, 9)])
def test_two_networks_are_tangos_score_tests(margin, b, c):
    n = 1000

    def one_sided(only_a, only_b):
        """Of "A is better by the margin or more": the score statistic at the margin, the likelihood maximised here."""
        both = n - only_a - only_b

        def less(q):
            return -(only_a * np.log(q + margin) + only_b * np.log(q) + both * np.log(1 - 2 * q - margin))

        q = minimize_scalar(
            less, bounds=(1e-12, (1 - margin) / 2 - 1e-12), method="bounded", options={"xatol": 1e-13}
        ).x
        return norm.cdf((only_a - only_b - n * margin) / np.sqrt(n * (2 * q + margin * (1 - margin))))

    expected = max(one_sided(b, c), one_sided(c, b))
    found = equivalence_p(lambda confidence: paired_interval(b, c, n, confidence), (b - c) / n, margin)
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("margin", [0.001, 0.004, 0.02])
def test_recipes_and_networks_in_closed_form(margin):
    a, b = draw(3, 5, 6)
    found = recipes(a, b)
    away = margin - abs(found.difference)
    expected = max(norm.sf(away / least_error(800)), t.sf(away / found.error, found.degrees))
    if away < 0:
        expected = min(norm.sf(away / least_error(800)), t.sf(away / found.error, found.degrees))
    assert equivalence_p(found.interval, found.difference, margin) == pytest.approx(expected, rel=1e-6)
    some = networks(a[:2], b[:3])
    expected = norm.sf((margin - abs(some.center)) / some.error)
    assert equivalence_p(some.interval, some.difference, margin) == pytest.approx(expected, rel=1e-6)


def test_the_verdict_its_interval_and_the_sentence_agree():
    """Holm's method adjusts these tests among themselves, and "ruled out" is where the interval is in the margin."""
    family = [
        compare_runs(*draw(seed, s_a, s_b, 3000, b), names=("x", "y"))
        for seed, (s_a, s_b, b) in enumerate([(5, 5, 0.95), (1, 1, 0.949), (2, 3, 0.93), (6, 5, 0.94), (1, 1, 0.95)])
    ]
    ruled, plain = set(), judge(family)
    for margin in (0.002, 0.015, 0.1):
        found = judge(family, equivalence=margin)
        tests = [one.equivalence for one in found]
        assert [one.adjusted_p for one in tests] == pytest.approx(holm([one.p for one in tests]))
        for v, without, e in zip(found, plain, tests, strict=True):
            assert (v.p, v.adjusted_p, v.verdict, v.sentence) == (
                without.p,
                without.adjusted_p,
                without.verdict,
                without.sentence,
            ), "the first question is answered as if the second had not been asked"
            assert without.equivalence is None
            assert e.ruled_out == (e.adjusted_p <= 0.05) == (max(map(abs, e.interval)) < margin)
            assert f"A difference of more than {100 * margin:g} points between " in e.sentence
            assert ("is ruled out" in e.sentence) == e.ruled_out
            low, high = map(float, re.search(r" interval (-?[\d.]+) to (-?[\d.]+);", e.sentence).groups())
            assert (max(abs(low), abs(high)) < 100 * margin) == e.ruled_out
            assert "after Holm's correction for 5 comparisons" in e.sentence
            json.dumps(asdict(v))
            ruled.add(e.ruled_out)
    assert ruled == {True, False}


def test_the_sentence_word_for_word():
    right = np.arange(10_000) >= 100
    other = np.roll(right, 20)
    (v,) = judge([compare_runs(right, other, ("cnn", "mlp"))], equivalence=0.005)
    low, high = (100 * end for end in paired_interval(20, 20, 10_000, 0.9))
    assert v.verdict == "not distinguishable"
    assert v.equivalence.sentence == (
        "A difference of more than 0.5 points between cnn and mlp is ruled out "
        f"(90 % interval {low:.2f} to {high:.2f}; p < 0.0001)."
    )
    errors = np.random.default_rng(2).normal(0.01, 0.001, (2, 400))
    (v,) = judge([compare_values(errors[0], errors[1], MSE, ("x", "y"))], equivalence=0.001)
    assert (
        "more than 0.001 in MSE of pixels in [0, 1] between y and x is ruled out (90 % interval"
        in v.equivalence.sentence
    )


def test_a_better_side_can_be_better_by_less_than_the_margin():
    a = np.arange(20_000) >= 100
    b = np.arange(20_000) >= 140
    (v,) = judge([compare_runs(b, a, ("worse", "better"))], equivalence=0.005)
    assert v.verdict == "B is better"
    assert v.equivalence.ruled_out
    assert "between better and worse is ruled out (90 % interval 0." in v.equivalence.sentence


@pytest.mark.parametrize(
    ("margin", "words"),
    [
        (0, "expected a number above 0"),
        (-0.1, "expected a number above 0"),
        ("x", "expected a number"),
        (float("nan"), "expected a number"),
        (0.5, "50 percentage points; use a share of at most 0.2: 0.005 is 0.5 points"),
    ],
)
def test_other_margins_are_refused(margin, words):
    with pytest.raises(BadInput, match=f"equivalence: got .*{words}"):
        judge([compare_published(0.9, 0.8, 100)], equivalence=margin)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("population", "images", "runs"),
    [
        (Population(0.95, 0.94, hardness=3, agreement=0.9, seeds=0.1), 2000, 5),
        (Population(0.90, 0.88, hardness=2, agreement=0.95, seeds=0.3), 1000, 5),  # seeds count most
        (Population(0.95, 0.94, hardness=3, agreement=0.9, seeds=0.0), 1000, 8),
    ],
)
def test_level_over_seeds_and_images(population, images, runs):
    """Of recipes that differ by exactly the margin, at most 5 % are wrongly told to differ by less."""
    generator, wrong = np.random.default_rng(8), 0
    for _ in range(2000):
        low, high = recipes(*population.draw(generator, runs, runs, images)).interval(0.9)
        wrong += max(-low, high) < population.difference
    assert wrong / 2000 <= 0.05 + 3 * (0.05 * 0.95 / 2000) ** 0.5
    alike = Population(population.accuracy_a, population.accuracy_a, *list(asdict(population).values())[2:])
    margin, found = 4 * alike.variance(runs, runs, images) ** 0.5, 0
    for _ in range(300):
        low, high = recipes(*alike.draw(generator, runs, runs, images)).interval(0.9)
        found += max(-low, high) < margin
    assert found / 300 > 0.85, "and equal recipes are told to be within four standard errors"


@pytest.mark.slow
def test_level_of_two_networks():
    generator, margin, n = np.random.default_rng(9), 0.005, 20_000
    counts, times = np.unique(generator.multinomial(n, [0.0125, 0.0075, 0.98], 2000)[:, :2], axis=0, return_counts=True)
    ends = [paired_interval(int(b), int(c), n, 0.9) for b, c in counts]
    wrong = [max(-low, high) < margin for low, high in ends]
    assert (np.array(wrong) * times).sum() / 2000 == pytest.approx(0.05, abs=0.015)
