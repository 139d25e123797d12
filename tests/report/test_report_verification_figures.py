"""What a verifier's report reads off its pairs, and its figures.

The references are scikit-learn, random draws and arithmetic by hand.
"""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import auc, roc_auc_score, roc_curve

from smallvision.rendering import style
from smallvision.tasks.verification import figures
from smallvision.tasks.verification.rates import chance_error, curve, surest, threshold_distance, threshold_score


@pytest.mark.parametrize("digits", [1, 2, 9])
def test_the_curve_is_scikit_learns(digits: int) -> None:
    draw = np.random.default_rng(digits)
    same = draw.integers(0, 2, 3000)
    likely = expit(draw.standard_normal(3000) + same).round(digits)  # of few digits: many are equal
    found = curve(likely, same)
    false, true, _ = roc_curve(same, likely, drop_intermediate=False)
    np.testing.assert_allclose([found.false_accepts, found.true_accepts], [false, true], atol=1e-12)
    assert (found.of_two, found.least) == ((same == 0).sum(), 0.5 / (same == 0).sum())
    thin = found.thinned()
    assert len(thin.false_accepts) < 1100
    assert (np.diff(thin.false_accepts) >= 0).all()
    assert (np.diff(thin.true_accepts) >= 0).all()
    assert auc(thin.false_accepts, thin.true_accepts) == pytest.approx(roc_auc_score(same, likely), abs=2e-4)
    low = np.interp(thin.false_accepts, false, true)  # on the curve, or on a step of it
    high = np.array([true[false <= x + 1e-12].max() for x in thin.false_accepts])
    first = np.array(
        [np.interp(x, false, true) if x not in false else true[false == x].min() for x in thin.false_accepts]
    )
    assert (thin.true_accepts >= np.minimum(first, low) - 1e-9).all()
    assert (thin.true_accepts <= np.maximum(high, low) + 1e-9).all()
    rate = found.equal
    np.testing.assert_allclose(
        np.interp(rate, false, true), 1 - rate, atol=1e-3 + 0.5 * (digits == 1) * np.diff(true).max()
    )


def test_the_equal_error_rate_by_hand() -> None:
    assert curve(np.array([0.9, 0.8, 0.7, 0.6]), np.array([1, 0, 1, 0])).equal == 0.5
    assert curve(np.array([0.9, 0.8, 0.3, 0.1]), np.array([1, 1, 0, 0])).equal == 0.0
    assert curve(np.full(4, 0.5), np.array([1, 0, 1, 0])).equal == 0.5


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.93])
def test_the_threshold_parts_distances_as_it_parts_probabilities(threshold: float) -> None:
    verifier = {"slope": 3.0, "intercept": 4.5, "threshold": threshold}
    distances = np.linspace(0, 4, 2001)
    score, distance = threshold_score(verifier), threshold_distance(verifier)
    assert distance is not None
    assert score == -distance
    np.testing.assert_array_equal(distances <= distance, expit(3 * -distances + 4.5) >= threshold)
    for odd in ({"slope": 0.0}, {"slope": -1.0}, {"threshold": 0.0}, {"threshold": 1.0}):
        assert threshold_distance({**verifier, **odd}) is None


def test_what_chance_does_to_the_calibration_error_is_what_drawing_does() -> None:
    bins = np.array([[0.001, 0, 40], [0.1, 0, 41], [0.5, 0, 40], [0.93, 0, 7], [1.0, 0, 40], [0.0, 0, 3]])
    drawn = np.random.default_rng(0).binomial(bins[:, 2].astype(int), bins[:, 0], (200_000, 6))
    expected = np.abs(drawn - bins[:, 2] * bins[:, 0]).sum(1).mean() / bins[:, 2].sum()
    assert chance_error(bins) == pytest.approx(expected, rel=5e-3)


def test_how_sure_and_how_right() -> None:
    assert surest(np.array([0.9, 0.6, 0.2, 0.5]), np.array([1, 0, 0, 1])) == pytest.approx(
        ((0.9 + 0.6 + 0.8 + 0.5) / 4, 0.75)
    )


def test_the_roc_figure_shows_curves_and_thresholds_on_both_axes() -> None:
    draw = np.random.default_rng(1)
    same = np.arange(400) % 2
    curves = {"test": curve(same + draw.standard_normal(400), same), "new": curve(draw.random(400), same)}
    log, linear = figures.roc(curves, {"test": (0.0, 0.3), "new": (0.25, 0.5)}).axes
    assert (log.get_xscale(), linear.get_xscale()) == ("log", "linear")
    for axes in (log, linear):
        found = {str(line.get_label()): line for line in axes.lines}
        for name, one in curves.items():
            x, y = found[name].get_xydata().T
            np.testing.assert_allclose([y[0], y[-1], x[-1]], [0, 100, 100])
            assert auc(x, y) / 1e4 == pytest.approx(auc(one.false_accepts, one.true_accepts), abs=4e-3)
        np.testing.assert_allclose(found["new: its threshold"].get_xydata(), [[25, 50]])
    assert log.lines[1].get_xydata()[0, 0] == log.get_xlim()[0] == pytest.approx(100 * 0.5 / 200)
    assert linear.lines[1].get_xydata()[0, 0] == 0


def test_histograms_count_pairs_of_either_kind() -> None:
    draw = np.random.default_rng(2)
    same = np.arange(90) % 3 == 0
    parts = [
        figures.Spread(name, "distance", draw.random(90) * scale, same.astype(int), at)
        for name, scale, at in (("test", 2.0, 0.7), ("new", 3.0, None))
    ]
    first, second = figures.histograms(parts).axes
    assert first.get_xlim() == second.get_xlim()
    assert [axes.get_title() for axes in (first, second)] == ["test", "new"]
    for axes, one in zip((first, second), parts, strict=True):
        edges = np.linspace(0, max(part.values.max() for part in parts), figures.BARS + 1)
        for stairs, kind in zip(axes.patches[::2], (same, ~same), strict=True):
            np.testing.assert_allclose(
                stairs.get_data().values, 100 * np.histogram(one.values[kind], edges)[0] / kind.sum()
            )
            assert stairs.get_data().values.sum() == pytest.approx(100)
    assert first.lines[0].get_xdata() == [0.7, 0.7]
    assert not second.lines
    collapsed = figures.Spread("test", "distance", np.zeros(4), np.array([1, 0, 1, 0]), None)
    assert figures.histograms([collapsed]).axes[0].get_xlim()[1] > 0.5


def test_the_reliability_diagram_shows_every_bin() -> None:
    rows = np.array([[0.1, 0.0, 100], [0.5, 0.6, 101], [0.9, 1.0, 1100]])
    whole, each = figures.reliability(rows, 0.0725).axes
    np.testing.assert_allclose(whole.lines[1].get_xydata(), 100 * rows[:, :2])
    assert whole.get_title() == "calibration error 7.25 %"
    np.testing.assert_allclose([line.get_xdata() for line in each.lines], 100 * rows[:, :2].T)
    assert [text.get_text() for text in each.texts] == ["100", "101", "1\u202f100"]


@pytest.mark.parametrize("k", [3, 10, 13, 21, 60])
def test_pairs_of_classes_are_shown_in_their_places(k: int) -> None:
    names = [f"class {i}" for i in range(k)]
    rows = [
        {"classes": [names[a], names[b]], "accuracy": 1 - (a + b) / (4 * k), "distance": 1.0 + a + b}
        for a in range(k)
        for b in range(a, k)
        if (a, b) != (0, 1)
    ]
    axes = figures.class_pairs(rows).axes[0]
    right, below = (image.get_array() for image in axes.images)
    for one in rows:
        a, b = (names.index(name) for name in one["classes"])
        assert right[a, b] == pytest.approx(100 * one["accuracy"])
        if a != b:
            assert below[b, a] == one["distance"]
    assert right.mask.sum() == k * (k - 1) // 2 + 1
    assert right.mask[0, 1]
    assert below.mask[1, 0]
    assert below.mask.sum() == k * (k + 1) // 2 + 1
    assert len(axes.texts) == (k * k - 2 if k <= 20 else 0)


def test_numbers_can_be_read_on_every_colour() -> None:
    rows = [
        {"classes": ["a", "a"], "accuracy": 0.0, "distance": 0.0},
        {"classes": ["a", "b"], "accuracy": 1.0, "distance": 9.0},
    ]
    texts = {text.get_text(): text.get_color() for text in figures.class_pairs(rows).axes[0].texts}
    assert texts == {"0.0": "white", "100": style.INK, "9.00": style.INK}
