"""One rule: verdict, p-value, interval and sentence never contradict one another, whatever is compared."""

import dataclasses
import json
import re
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stats_population import Population

from smallvision.errors import BadInput
from smallvision.stats.corrections import holm
from smallvision.stats.paired import discordant, mcnemar, paired_interval
from smallvision.stats.power import recipe_power
from smallvision.stats.published import score_interval
from smallvision.stats.seeds import recipes
from smallvision.stats.verdict import compare_published, compare_runs, judge
from smallvision.stats.wording import about, equivalence, points, probability, sentence
from smallvision.tasks import TASKS


def draw(seed, s_a, s_b, n=800, accuracy_b=0.93):
    population = Population(0.95, accuracy_b, hardness=3, agreement=0.95, seeds=0.1)
    return population.draw(np.random.default_rng(seed), s_a, s_b, n)


side = st.sampled_from([1, 1, 2, 4, 5, 8])
member = st.one_of(
    st.builds(
        lambda *a: compare_runs(*draw(*a)),
        st.integers(0, 10**6),
        side,
        side,
        st.sampled_from([30, 300]),
        st.sampled_from([0.95, 0.93, 0.8]),
    ),
    st.builds(lambda x, y: compare_published(x / 500, y / 500, 500), st.integers(400, 500), st.integers(400, 500)),
)


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=250)
@given(st.lists(member, min_size=1, max_size=6), st.sampled_from([0.01, 0.05, 0.2]))
def test_the_rule(family, level):
    verdicts = judge(family, level)
    for c, v, adjusted in zip(family, verdicts, holm([c.p for c in family]), strict=True):
        assert (v.p, v.adjusted_p) == (c.p, adjusted)
        expected = "not distinguishable" if v.adjusted_p > level else f"{'A' if c.difference > 0 else 'B'} is better"
        assert v.verdict == expected
        low, high = v.interval
        assert low <= v.difference <= high or v.kind == "these trained networks"
        assert v.confidence >= 1 - level
        if abs(v.adjusted_p - level) > 1e-9:
            zero = "A is better" if low > 0 else "B is better" if high < 0 else "not distinguishable"
            assert zero == v.verdict
        assert (v.needed is None) == (v.verdict != "not distinguishable")
        if v.needed and v.difference and v.kind == "recipes":
            assert (v.needed.seeds or 99) > max(v.runs)
        if v.needed and v.needed.images:
            assert v.needed.images > min(v.images)
        check_sentence(v)
        json.dumps(dataclasses.asdict(v))


def check_sentence(v):
    """What is printed says the same as the numbers."""
    text = v.sentence
    assert text.endswith(".")
    assert "\n" not in text
    assert text.startswith(
        {
            "recipes": ("A ", "B "),
            "these two trained networks": "For these two trained networks, ",
            "these trained networks": "For these trained networks, ",
            "published figures": "By the published figures, ",
        }[v.kind]
    )
    turned = v.difference < 0 if v.difference else v.verdict == "B is better"
    first, second = reversed(v.names) if turned else v.names  # the side of the better score comes first
    assert re.search(rf"\b{first} (is better than|and) {second}\b", text)
    gap, low, high = map(
        float, re.search(r"difference (-?[\d.]+) points, .*interval (-?[\d.]+) to (-?[\d.]+);", text).groups()
    )
    assert gap == pytest.approx(100 * abs(v.difference), abs=0.0501 if gap >= 0.95 else 0.00501)
    ends = [-end for end in reversed(v.interval)] if turned else v.interval
    assert (low > 0, high < 0) == (ends[0] > 0, ends[1] < 0)
    (printed,) = re.findall(r"(?<!mid-)\bp [=<] ([\d.e-]+)", text)
    assert (float(printed) <= v.level) == (v.adjusted_p <= v.level)
    if v.verdict == "not distinguishable":
        assert "not distinguishable" in text
    else:
        better, worse = v.names if v.verdict == "A is better" else v.names[::-1]
        assert f"{better} is better than {worse}" in text


def test_the_better_side_comes_first():
    a, b = draw(3, 1, 1)
    while a.mean() == b.mean() or judge([compare_runs(a, b)])[0].verdict == "not distinguishable":
        a, b = np.concatenate([a, a], 1), np.concatenate([b, b], 1)
    sentences = {
        judge([compare_runs(*sides, names)])[0].sentence
        for sides, names in (((a, b), ("x", "y")), ((b, a), ("y", "x")))
    }
    (said,) = sentences
    first, second = map(float, re.search(r"\(([\d.]+) % against ([\d.]+) %", said).groups())
    assert first > second


def test_five_seeds_a_side_speak_of_recipes():
    a, b = draw(1, 5, 6)
    (v,) = judge([compare_runs(a, b, ("cnn", "mlp"))])
    found = recipes(a, b)
    assert v.kind == "recipes"
    assert (v.p, v.adjusted_p, v.interval, v.confidence) == (found.p, found.p, found.interval(0.95), 0.95)
    assert v.sentence.startswith(("cnn ", "mlp "))
    assert "; 5 and 6 seeds, 800 images, p " in v.sentence


def test_one_run_a_side_speaks_of_these_two_networks():
    a, b = draw(2, 1, 1)
    (v,) = judge([compare_runs(a[0], b)])
    only_a, only_b, n = discordant(a[0], b[0])
    assert v.kind == "these two trained networks"
    assert v.p == mcnemar(only_a, only_b)
    assert v.interval == paired_interval(only_a, only_b, n)
    assert v.only_right == (only_a, only_b)
    assert "hese two trained networks" in v.sentence
    first, other = (("A", only_a), ("B", only_b))[:: 1 if only_a >= only_b else -1]
    assert f"{first[1]} images are right by {first[0]} alone, {other[1]} images by {other[0]} alone." in v.sentence
    assert f"; 1 run each, {n} images, p " in v.sentence
    assert f", mid-{probability(v.mid_p, 0.05)})" in v.sentence
    assert "at least five seeds a side" in v.sentence


@pytest.mark.parametrize(("s_a", "s_b"), [(2, 2), (4, 4), (5, 4), (1, 5), (2, 1)])
def test_in_between_speaks_of_these_networks(s_a, s_b):
    (v,) = judge([compare_runs(*draw(3, s_a, s_b))])
    assert v.kind == "these trained networks"
    assert "at least five seeds a side" in v.sentence


@pytest.mark.parametrize("runs", [1, 2, 5])
@pytest.mark.parametrize("apart", [0.93, 0.6])
def test_of_pairs_it_says_pairs_and_the_same_figures(runs, apart):
    """A verifier's answers are judged as a classifier's, and images are not what there are so many of."""
    plain = compare_runs(*draw(3, runs, runs, 400, apart))
    (of_images,), (of_pairs,) = judge([plain]), judge([dataclasses.replace(plain, measure=TASKS["verify"].metric)])
    assert dataclasses.replace(of_pairs, measure=None) == of_images
    assert "pairs that share no image" in of_pairs.sentence
    assert (
        of_pairs.sentence.replace("pairs that share no image", "images").replace("pairs", "images")
        == of_images.sentence
    )


def test_the_references_own_claim():
    # 98.93 against 99.07 % on 10 000 images, told as "almost 1 %" better
    comparison = compare_published(
        Decimal("98.93") / 100, Decimal("99.07") / 100, 10_000, names=("without", "rotation")
    )
    (v,) = judge([comparison])
    assert v.verdict == "not distinguishable"
    assert v.interval == score_interval(9893, 10_000, 9907, 10_000)
    assert v.needed.images == 79_289
    assert v.sentence == (
        "By the published figures, rotation and without are not distinguishable (99.07 % against 98.93 %, difference "
        "0.14 points, 95 % interval -0.14 to 0.42; 10 000 images each, p = 0.32). About 79 300 images would tell a "
        "difference this large (80 % power)."
    )
    (clear,) = judge([compare_published(0.9507, 0.8587, 10_000, names=("resized", "variable"))])
    assert clear.verdict == "A is better"
    assert clear.needed is None


def test_a_side_is_called_by_its_text():
    rng = np.random.default_rng(9)
    flips, none = rng.random((5, 2000)) < 0.90, rng.random((5, 2000)) < 0.97
    (v,) = judge([compare_runs(flips, none, ("flip", "none"))], equivalence=0.1)
    said = sentence(v, ("training with flips", "training without augmentation"))
    accuracies = f"({100 * none.mean():.1f} % against {100 * flips.mean():.1f} %, difference "
    start = "Training without augmentation is better than training with flips "
    assert said.startswith(start + accuracies)
    assert said.endswith("; 5 seeds each, 2 000 images, p < 0.0001).")
    assert sentence(v) == v.sentence == said.replace(start, "none is better than flip ")
    ruled = equivalence(v, v.equivalence, ("training with flips", "training without augmentation"))
    assert ruled.startswith(
        "A difference of more than 10 points between training without augmentation and training with flips "
    )


def test_a_figure_that_no_number_of_images_gives_is_noted():
    (v,) = judge([compare_published(0.86002, 0.85, 10_000)])
    assert v.notes == (
        ("A: 86.002 % of 10000 images would be 8600.2 images, which is not a whole number; 8600 are used"),
    )
    assert v.accuracies == (0.86, 0.85)


def test_holm_widens_the_interval_of_each_comparison():
    close, far = compare_published(0.93, 0.95, 1000), compare_published(0.80, 0.95, 1000)
    alone, together = judge([close])[0], judge([far, close, close])
    assert alone.confidence == 0.95
    assert together[0].confidence == pytest.approx(1 - 0.05 / 3)
    assert together[1].confidence == pytest.approx(1 - 0.05 / 2)
    assert together[1].interval[0] < alone.interval[0]
    assert "after Holm's correction for 3 comparisons" in together[0].sentence
    assert "Holm" not in alone.sentence


def test_needed_seeds_would_tell():
    a, b = draw(5, 5, 5, n=4000, accuracy_b=0.949)
    (v,) = judge([compare_runs(a, b)])
    assert v.verdict == "not distinguishable"
    spread = recipes(a, b).spread
    s, n = v.needed.together or (v.needed.seeds or 5, 4000 if v.needed.seeds else v.needed.images)
    assert recipe_power(spread, v.difference, s, s, n) >= 0.8


def test_alike_runs_are_not_distinguishable():
    right = np.arange(100) > 2
    for a, b in ((right, right), (np.tile(right, (5, 1)), np.tile(right, (5, 1))), (np.tile(right, (3, 1)), right)):
        (v,) = judge([compare_runs(a, b)])
        assert (v.verdict, v.p, v.difference) == ("not distinguishable", 1, 0)
        assert v.interval[0] < 0 < v.interval[1]
        assert "No number of images tells a difference of zero" in v.sentence


def test_numbers_as_text():
    assert points(0.9893, 10_000) == "98.93"
    assert points(-0.0000004, 10_000) == "-0.00004"
    assert points(0.0, 10_000) == points(-0.0, 10) == "0.00"
    assert points(0.98765, 60_000) == "98.765"
    assert probability(0.0499996, 0.05) == "p = 0.0499996"
    assert probability(0.0500004, 0.05) == "p = 0.0500004"
    assert probability(0.00000012, 0.05) == "p < 0.0001"
    assert probability(1.0, 0.05) == "p = 1"
    assert [probability(p, 0.05) for p in (0.3064, 0.0278, 0.00184, 0.000312)] == [
        "p = 0.306",
        "p = 0.0278",
        "p = 0.0018",
        "p = 0.0003",
    ]
    assert (about(81_543), about(7), about(999_001)) == ("about 81 600", "7", "about 1 000 000")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: judge([]), "comparisons: got none"),
        (lambda: judge([compare_published(0.9, 0.8, 10)], level=5), "level: got 5"),
        (lambda: judge([compare_published(0.9, 0.8, 10)], power=0), "power: got 0"),
        (lambda: compare_published(98.93, 0.9, 10_000), "accuracy: got 98.93"),
        (lambda: compare_published(0.9, 0.8, 0), "images: got 0"),
        (lambda: compare_published(0.9, 0.8, 10, names=("x", "x")), "names: got"),
        (lambda: compare_runs(np.ones((5, 9)), np.ones((5, 8))), "b_right: got 8 images; expected 9"),
        (lambda: compare_runs(np.full((5, 9), 2), np.ones((5, 9))), "a_right: got int64 values"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(BadInput, match=message):
        call()
