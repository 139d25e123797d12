"""A number for each image: scipy's tests where they are special cases, known variances, and coverage by simulation."""

import re

import numpy as np
import pytest
from scipy import stats

from smallvision.errors import BadInput
from smallvision.metrics.metric import Metric
from smallvision.stats.values import networks, recipes
from smallvision.stats.verdict import compare_values, judge
from smallvision.tasks import TASKS

MSE = TASKS["reconstruct"].metric
SIMILARITY = Metric("ssim", "SSIM", True, 1.0, "", 4)


def draw(generator, seeds_a, seeds_b, images, gap=0.0, seed=0.02, shared=0.1, own=0.05, noise=0.03):
    """Numbers by the model: a seed, an image (mostly shared by the recipes), and chance."""
    common = generator.normal(0, shared, images)
    sides = []
    for seeds, mean in ((seeds_a, 1 + gap), (seeds_b, 1.0)):
        image = common + generator.normal(0, own, images)
        sides.append(mean + generator.normal(0, seed, (seeds, 1)) + image + generator.normal(0, noise, (seeds, images)))
    return sides


def test_one_run_a_side_is_the_paired_t_test():
    a, b = draw(np.random.default_rng(0), 1, 1, 300, 0.01)
    found, theirs = networks(a[0], b), stats.ttest_rel(a[0], b[0])
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-12)
    assert found.interval(0.9) == pytest.approx(tuple(theirs.confidence_interval(0.9)), rel=1e-10)


def test_recipes_that_differ_on_no_image_are_welchs_test_over_seeds():
    generator = np.random.default_rng(1)
    a, b = generator.normal(1, 0.1, (5, 1)) + np.zeros((1, 50)), generator.normal(1.1, 0.2, (7, 1)) + np.zeros((1, 50))
    theirs = stats.ttest_ind(a[:, 0], b[:, 0], equal_var=False)
    assert recipes(a, b).p == pytest.approx(theirs.pvalue, rel=1e-9)
    assert recipes(a, b).interval() == pytest.approx(tuple(theirs.confidence_interval()), rel=1e-9)


def test_correctness_as_numbers_gives_what_correctness_gives():
    from smallvision.stats.seeds import recipes as of_correctness

    generator = np.random.default_rng(2)
    a, b = generator.random((5, 900)) < 0.9, generator.random((6, 900)) < 0.85
    mine, theirs = recipes(a, b), of_correctness(a, b)
    assert (mine.p, mine.error, mine.degrees) == pytest.approx((theirs.p, theirs.error, theirs.degrees), rel=1e-9)
    assert mine.spread.images == pytest.approx(theirs.spread.images, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "own"), [(0.0, 0.05), (0.02, 0.05), (0.02, 0.0), (0.001, 0.2)])
def test_the_interval_holds_the_truth(seed, own):
    generator = np.random.default_rng(3)
    held = 0
    for _ in range(1000):
        a, b = draw(generator, 5, 5, 400, 0.013, seed=seed, own=own)
        low, high = recipes(a, b).interval()
        held += low <= 0.013 <= high
    assert 93 <= held / 10 <= 97.5


@pytest.mark.parametrize(("measure", "better"), [(MSE, "B"), (SIMILARITY, "A")])
@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_the_direction_is_the_measures_and_the_sentence_says_so(measure, better, seeds):
    a, b = draw(np.random.default_rng(4), seeds, seeds, 500, 0.2)  # A has the larger numbers
    (verdict,) = judge([compare_values(a, b, measure, ("x", "y"))])
    assert verdict.verdict == f"{better} is better"
    first, second = ("x", "y") if better == "A" else ("y", "x")
    assert f"{first} is better than {second}" in verdict.sentence
    one, other = map(
        float, re.search(r" \(\D*?([\d.]+) against ([\d.]+), ", verdict.sentence.replace("[0, 1]", "")).groups()
    )
    assert (one, other) == pytest.approx((b.mean(), a.mean()) if better == "B" else (a.mean(), b.mean()), abs=1e-4)
    low, high = map(float, re.search(r"interval (-?[\d.]+) to (-?[\d.]+)", verdict.sentence).groups())
    assert 0 < low < high, "by how much the better side is better, whichever way the measure goes"
    gap = re.search(rf", {'lower' if better == 'B' else 'higher'} by ([\d.]+),", verdict.sentence)
    assert float(gap.group(1)) == pytest.approx(a.mean() - b.mean(), abs=1e-4)
    assert "%" not in verdict.sentence.split("interval")[0].rpartition("(")[0]


def test_equal_sides_are_not_distinguishable_with_what_would_tell():
    a, b = draw(np.random.default_rng(5), 5, 5, 200, 0.001)
    (verdict,) = judge([compare_values(a, b, MSE)])
    assert verdict.verdict == "not distinguishable"
    assert "seeds a side" in verdict.sentence
    a, b = draw(np.random.default_rng(7), 1, 1, 200, 0.001, seed=0)
    (verdict,) = judge([compare_values(a, b, MSE)])
    assert verdict.verdict == "not distinguishable"
    assert verdict.needed.images > 200


BAD = [np.zeros((2, 2, 2)), np.array([[1.0, np.nan]]), [[1], [2, 3]], np.zeros((5, 1)), np.zeros((0, 3)), [["x", "y"]]]


@pytest.mark.parametrize("bad", BAD)
def test_what_are_no_numbers_is_refused(bad):
    with pytest.raises(BadInput, match=r"^a: "):
        networks(bad, np.zeros((1, 2)))
    with pytest.raises(BadInput, match="images"):
        networks(np.zeros((1, 3)), np.zeros((1, 2)))
    with pytest.raises(BadInput, match="1 seed"):
        recipes(np.zeros((1, 2)), np.zeros((5, 2)))
