"""Calibration against scikit-learn's sigmoid and a general optimiser; reliability against scikit-learn's quantile bins
and Brier score."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.frozen import FrozenEstimator

from smallvision.errors import BadInput
from smallvision.metrics import calibration


def pairs(count=800, seed=0, unit=1.0, offset=0.0):
    rng = np.random.default_rng(seed)
    same = rng.random(count) < 0.5
    same[:2] = [True, False]
    return offset + unit * rng.gamma(np.where(same, 2.0, 5.0)), same


class Distance(ClassifierMixin, BaseEstimator):
    """A classifier whose decision is the distance itself."""

    classes_ = np.array([False, True])

    def fit(self, values, same):
        self.fitted_ = True
        return self

    def decision_function(self, values):
        return values[:, 0]

    def predict(self, values):
        return values[:, 0] > 0


@pytest.mark.parametrize(("unit", "offset"), [(1, 0), (1e-4, 0), (1e5, 0), (1, 1000)])
def test_it_is_scikit_learn_s_sigmoid(unit, offset):
    distances, same = pairs(unit=unit, offset=offset)
    theirs = CalibratedClassifierCV(FrozenEstimator(Distance().fit(None, None)), method="sigmoid", cv=2)
    theirs.fit(((distances - offset) / unit)[:, None], same)  # theirs is the less exact, the odder the scale
    expected = theirs.predict_proba(((distances - offset) / unit)[:, None])[:, 1]
    found = calibration.fit(distances, same)
    np.testing.assert_allclose(found.probability(distances), expected, atol=2e-5)
    assert found.slope < 0


@pytest.mark.parametrize("count", [3, 40, 800])
def test_no_curve_is_likelier(count):
    distances, same = pairs(count, seed=5)
    found = calibration.fit(distances, same)
    targets = np.where(same, (same.sum() + 1) / (same.sum() + 2), 1 / ((~same).sum() + 2))

    def loss(curve):
        logits = curve[0] * distances + curve[1]
        return (np.logaddexp(0, logits) - targets * logits).mean()

    best = minimize(loss, [0, 0], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-14, "maxiter": 4000})
    assert loss((found.slope, found.intercept)) <= best.fun + 1e-12
    np.testing.assert_allclose((found.slope, found.intercept), best.x, rtol=1e-4)


def test_distances_that_separate_the_pairs_have_a_finite_curve():
    distances, same = np.r_[np.zeros(50), np.ones(50)], np.arange(100) < 50
    found = calibration.fit(distances, same)
    # Platt's targets are reached.
    np.testing.assert_allclose(found.probability(np.array([0, 1])), [51 / 52, 1 / 52], atol=1e-9)
    apart = calibration.fit(np.r_[np.linspace(0, 1, 50), np.linspace(5, 6, 50)], same)
    assert np.isfinite([apart.slope, apart.intercept]).all()


def test_equal_distances_say_the_base_rate():
    found = calibration.fit(np.full(30, 2.5), np.arange(30) < 10)
    assert found.slope == 0
    # The probability is the mean of the targets.
    assert found.probability(np.array([[2.5, 9.0]])) == pytest.approx((10 * 11 / 12 + 20 / 22) / 30)


def test_a_verifier_that_is_the_wrong_way_round_is_seen():
    distances, same = pairs()
    assert calibration.fit(-distances, same).slope > 0


@pytest.mark.parametrize("levels", [0, 20, 3])
def test_reliability_is_scikit_learn_s(levels):
    distances, same = pairs(2000)
    probabilities = expit(2 - 0.9 * distances)
    if levels:
        probabilities = np.round(probabilities * levels) / levels
    found = calibration.reliability(probabilities, same)
    observed, predicted = calibration_curve(same, probabilities, n_bins=15, strategy="quantile")
    np.testing.assert_allclose(found.observed, observed)
    np.testing.assert_allclose(found.predicted, predicted)
    assert found.counts.sum() == 2000
    if not levels:
        assert set(found.counts) <= {133, 134}
        parts = zip(
            np.array_split(np.sort(probabilities), 15), np.array_split(same[np.argsort(probabilities)], 15), strict=True
        )
        by_hand = sum(abs(p.mean() - s.mean()) * len(p) for p, s in parts) / 2000
        assert found.error == pytest.approx(by_hand, abs=2e-3)  # whose bins of 134 are others


def test_the_error_by_hand():
    probabilities = np.array([0.1, 0.1, 0.1, 0.1, 0.8, 0.8, 0.8, 0.8])
    same = np.array([False, False, False, True, True, True, False, False])
    found = calibration.reliability(probabilities, same, 2)
    assert found.predicted.tolist() == pytest.approx([0.1, 0.8])
    assert found.observed.tolist() == [0.25, 0.5]
    assert found.error == pytest.approx((0.15 + 0.3) / 2)


def test_calibrated_probabilities_are_within_two_percent_on_other_pairs():
    """Where the curve is the true one, 20 000 pairs that it was not fitted on agree with it."""
    rng = np.random.default_rng(3)
    distances = rng.normal(2, 1, 24_000)
    same = rng.random(24_000) < expit(4 - 2 * distances)
    found = calibration.fit(distances[:4000], same[:4000])
    assert (found.slope, found.intercept) == pytest.approx((-2, 4), rel=0.1)
    assert calibration.reliability(found.probability(distances[4000:]), same[4000:]).error < 0.02
    wrong = calibration.Calibration(found.slope * 3, found.intercept * 3)
    assert calibration.reliability(wrong.probability(distances[4000:]), same[4000:]).error > 0.05


def test_far_distances_do_not_overflow():
    assert calibration.Calibration(-1.0, 0.0).probability(np.array([-1e6, 0, 1e6])).tolist() == [1, 0.5, 0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: calibration.fit(np.ones(2), np.ones(2, bool)), "2 of 2 pairs are of one class"),
        (lambda: calibration.fit(np.array([1, np.inf]), np.array([True, False])), "not finite"),
        (
            lambda: calibration.reliability(np.array([0.5, 1.5]), np.array([True, False])),
            "probabilities: got 0.5 to 1.5; expected 0 to 1",
        ),
        (lambda: calibration.reliability(np.array([0.5, 0.5]), np.array([True, False]), 0), "bins: got 0"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, words):
    with pytest.raises(BadInput, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
