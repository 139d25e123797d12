"""The ROC curve and its figures against scikit-learn, the usual root finding for the equal error, and counting."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn.metrics import accuracy_score, roc_auc_score, roc_curve

from smallvision.errors import BadInput
from smallvision.metrics import verification


def scored(count=500, seed=0, levels=0):
    """Scores of pairs of one class are higher on the whole; of few levels there are ties."""
    rng = np.random.default_rng(seed)
    same = rng.random(count) < 0.4
    same[:2] = [True, False]
    scores = rng.normal(same * 1.2, 1)
    return (np.round(scores * levels) / levels if levels else scores), same


@pytest.mark.parametrize("levels", [0, 1, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_curve_is_scikit_learn_s(levels, weighted):
    scores, same = scored(levels=levels)
    weights = np.random.default_rng(1).integers(0, 4, len(same)).astype(float) if weighted else None
    false, true, thresholds = roc_curve(same, scores, sample_weight=weights, drop_intermediate=False)
    curve = verification.roc(scores, same, weights)
    if weighted:  # scikit-learn leaves pairs of weight 0 out altogether
        places = np.searchsorted(-curve.thresholds, -thresholds[1:])
        assert (curve.thresholds[places] == thresholds[1:]).all()
        curve = verification.Roc(
            curve.false_accepts[[0, *places]], curve.true_accepts[[0, *places]], curve.thresholds[[0, *places]]
        )
    np.testing.assert_allclose(curve.false_accepts, false, atol=1e-12)
    np.testing.assert_allclose(curve.true_accepts, true, atol=1e-12)
    assert (curve.thresholds[1:] == thresholds[1:]).all()
    assert np.isfinite(curve.thresholds[0])
    assert curve.thresholds[0] > scores.max()
    assert verification.auc(curve) == pytest.approx(roc_auc_score(same, scores, sample_weight=weights), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 60), st.sampled_from([0, 1, 3]), st.integers(0, 10**6))
def test_equal_error_is_where_the_straight_lines_cross(count, levels, seed):
    scores, same = scored(count, seed, levels)
    curve = verification.roc(scores, same)
    rate, threshold = verification.equal_error(curve)
    if (np.diff(curve.false_accepts) > 0).all():  # else the line is vertical, which interp1d cannot have
        expected = brentq(lambda x: 1 - x - interp1d(curve.false_accepts, curve.true_accepts)(x), 0, 1)
        assert rate == pytest.approx(expected, abs=1e-9)
    # At the threshold, and at the one a hair above, one of the two kinds of error is at least the rate and the other at
    # most.
    after = verification.rates_at(curve, float(threshold))
    before = np.searchsorted(-curve.thresholds, -threshold, side="left") - 1
    low = (curve.false_accepts[max(before, 0)], 1 - curve.true_accepts[max(before, 0)])
    assert low[0] - 1e-9 <= rate <= max(after[0], low[0], 1 - after[1]) + 1e-9
    assert 1 - after[1] - 1e-9 <= max(rate, low[1])


def test_equal_error_by_hand():
    """Accepting ever more: (0, 1/2), (1/3, 1/2), (1/3, 1), ...: at false accepts of 1/3 false rejects go from 1/2 to 0
    and pass 1/3."""
    scores, same = np.array([6, 5, 4, 3, 2.0]), np.array([True, False, True, False, False])
    rate, threshold = verification.equal_error(verification.roc(scores, same))
    assert rate == pytest.approx(1 / 3)
    assert threshold == pytest.approx(5 - 1 / 3)  # a third of the way from 5 to 4
    assert [
        float(part)
        for part in verification.equal_error(verification.roc(np.array([3.0, 1.0]), np.array([True, False])))
    ] == [0, 3]
    # Equal scores are as good as chance.
    assert verification.equal_error(verification.roc(np.ones(6), np.arange(6) < 2))[0] == 0.5
    assert verification.equal_error(verification.roc(-scores, same))[0] == pytest.approx(2 / 3)


@pytest.mark.parametrize("levels", [0, 4])
def test_rates_and_accuracy_are_counted(levels):
    scores, same = scored(levels=levels)
    curve = verification.roc(scores, same)
    for threshold in (*np.quantile(scores, [0, 0.2, 0.5, 1]), scores.min() - 1, scores.max() + 1):
        accepted = scores >= threshold
        false, true = verification.rates_at(curve, threshold)
        assert (false, true) == (accepted[~same].mean(), accepted[same].mean())
        assert verification.accuracy(curve, threshold, same.mean()) == pytest.approx(accuracy_score(same, accepted))


@pytest.mark.parametrize("levels", [0, 3])
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.1, 0.5, 1.0])
def test_true_accepts_at_a_rate_by_trying_every_threshold(levels, rate):
    scores, same = scored(levels=levels)
    allowed = [t for t in (*scores, np.inf) if (scores[~same] >= t).mean() <= rate]
    curve = verification.roc(scores, same)
    assert verification.true_accept_at(curve, rate) == max((scores[same] >= t).mean() for t in allowed)
    threshold = verification.threshold_at(curve, rate)
    assert ((scores >= threshold) == (scores >= min(allowed))).all()
    assert np.isfinite(threshold)


def test_exact_rates_are_not_lost_to_rounding():
    """7 of 100 are 0.07, although 0.07 * 100 is not 7."""
    scores, same = np.arange(200.0), np.arange(200) < 100
    assert verification.threshold_at(verification.roc(scores, same), 0.07) == 193


def test_many_sets_of_weights_at_once_are_each_of_them():
    scores, same = scored(levels=5)
    weights = np.random.default_rng(3).integers(0, 3, (4, len(same))).astype(np.float32)
    curve = verification.roc(scores, same, weights)
    for k, some in enumerate(weights):
        own = verification.roc(np.repeat(scores, some.astype(int)), np.repeat(same, some.astype(int)))
        assert verification.auc(curve)[k] == pytest.approx(verification.auc(own))
        assert verification.equal_error(curve)[0][k] == pytest.approx(verification.equal_error(own)[0])
        assert verification.true_accept_at(curve, 0.1)[k] == verification.true_accept_at(own, 0.1)
        assert verification.accuracy(curve, 0.6)[k] == pytest.approx(float(verification.accuracy(own, 0.6)))


def test_pairs_that_all_weigh_nothing_have_no_rates():
    scores, same = np.array([3.0, 2, 1]), np.array([True, False, True])
    curve = verification.roc(scores, same, np.array([[1, 0, 1], [1, 1, 1]]))
    for figure in (
        verification.auc(curve),
        verification.equal_error(curve)[0],
        verification.true_accept_at(curve, 0.5),
    ):
        assert np.isfinite(figure).tolist()[1]
    assert np.isnan(verification.auc(curve)[0])
    assert np.isnan(verification.equal_error(curve)[0][0])


def test_all_figures_of_a_set_of_pairs():
    scores, same = scored(5000)
    found = verification.measure(scores, same, 0.5)
    assert (found.pairs, found.same, found.threshold) == (5000, same.sum(), 0.5)
    assert found.accuracy == pytest.approx(((scores >= 0.5) == same).mean())
    assert found.auc == pytest.approx(roc_auc_score(same, scores))
    assert (found.false_accept, found.true_accept) == ((scores >= 0.5)[~same].mean(), (scores >= 0.5)[same].mean())
    assert 0.2 < found.equal_error < 0.35
    assert list(found.true_accept_at) == [0.01]  # 0.1 % would rest on three pairs
    assert not verification.measure(*scored(900), 0.5).true_accept_at
    draw = np.random.default_rng(0)
    scores, same = draw.normal(size=201_000), np.arange(201_000) < 101_000
    scores[same] += 3
    found = verification.measure(scores, same, 0.5).true_accept_at
    assert list(found) == [0.01, 0.001]
    for rate, share in found.items():  # the largest scores of pairs of two that may be accepted
        refused = np.sort(scores[~same])[-int(rate * 100_000) - 1]
        assert share == (scores[same] > refused).mean()
    assert list(verification.measure(scores[1001:], same[1001:], 0.5).true_accept_at) == [0.01, 0.001]
    assert list(verification.measure(scores[:-1], same[:-1], 0.5).true_accept_at) == [0.01], (
        "99 999 pairs of two classes are too few"
    )


@pytest.mark.parametrize(
    ("scores", "same", "words"),
    [
        (np.ones(3), np.ones(3, bool), "3 of 3 pairs are of one class"),
        (np.ones(3), np.zeros(3, bool), "0 of 3 pairs are"),
        (np.ones(3), np.array([0, 1, 1]), "int64"),
        (np.ones(2), np.array([True, False, True]), r"\(2,\)"),
        (np.array([1, np.nan, 2]), np.array([True, False, True]), "1 of 3 pairs have scores that are not finite"),
        (np.array(["a", "b"]), np.array([True, False]), "expected a number and a boolean"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(scores, same, words):
    with pytest.raises(BadInput, match=words) as caught:
        verification.measure(scores, same, 0.5)
    assert "\n" not in str(caught.value)
