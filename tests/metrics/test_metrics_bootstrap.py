"""Intervals on simulated pairs whose true figures have a formula: whether they hold them, and what a simpler bootstrap
would do."""

import numpy as np
import pytest
from scipy.stats import norm

from smallvision.data.pairs import balanced
from smallvision.errors import BadInput
from smallvision.metrics import bootstrap
from smallvision.metrics.bootstrap import intervals
from smallvision.metrics.verification import measure

GAP = 1.5
LABELS = np.arange(300) % 2
PAIRS = balanced(LABELS, 1200, 8, 0, "ab")


def simulated(seed, of_images, of_pairs, drawn=PAIRS):
    """Scores about +-GAP / 2; an image that is hard brings all its pairs nearer to the wrong side."""
    rng = np.random.default_rng(seed)
    pairs, same = drawn
    hard = rng.normal(0, of_images, len(LABELS))
    sides = np.where(same, 1, -1)
    return sides * (GAP / 2 - hard[pairs].sum(1)) + rng.normal(0, of_pairs, len(pairs)), same, pairs


def true_figures(of_images, of_pairs):
    """Two pairs drawn alone have independent normal scores."""
    deviation = np.sqrt(2 * of_images**2 + of_pairs**2)
    return {
        "accuracy": norm.cdf(GAP / 2 / deviation),
        "auc": norm.cdf(GAP / deviation / np.sqrt(2)),
        "equal_error": norm.cdf(-GAP / 2 / deviation),
    }


@pytest.mark.slow
@pytest.mark.parametrize(("of_images", "of_pairs"), [(0.0, 1.0), (0.5, 0.7)])
def test_intervals_are_as_wide_as_estimates_are_uncertain(of_images, of_pairs):
    """Against 600 simulations, each with images of its own: intervals as wide as these hold the true figures about 95
    times of 100."""
    truth = true_figures(of_images, of_pairs)
    estimates = {name: [] for name in truth}
    for seed in range(600):
        scores, same, _ = simulated(seed, of_images, of_pairs)
        figures = measure(scores, same, 0.0)
        for name, values in estimates.items():
            values.append(getattr(figures, name))
    ours, of_images_alone, of_pairs_alone = [], [], []
    for seed in range(15):
        scores, same, pairs = simulated(seed, of_images, of_pairs)
        found = intervals(scores, same, pairs, 0.0, 200, seed)
        ours.append([found[name][1] - found[name][0] for name in truth])
        figures = bootstrap._figures(scores, same, 0.0)
        for kept, weights in (
            (of_images_alone, bootstrap._image_weights(pairs, 200, seed)),
            (of_pairs_alone, bootstrap._pair_weights(len(pairs), 200, seed)),
        ):
            drawn = bootstrap._resampled(figures, weights)
            kept.append([np.ptp(np.quantile(drawn[name], [0.025, 0.975])) for name in truth])
    for name, width, by_images, by_pairs in zip(
        truth, *(np.mean(w, axis=0) for w in (ours, of_images_alone, of_pairs_alone)), strict=True
    ):
        assert 0.925 <= np.mean(np.abs(np.array(estimates[name]) - truth[name]) <= width / 2) <= 0.975
        needed = 2 * 1.96 * np.std(estimates[name])
        assert width == pytest.approx(needed, rel=0.12)
        assert by_images > 1.15 * needed  # why images are not drawn alone,
        assert by_pairs < 0.65 * needed or not of_images  # and why pairs are not taken for independent


def test_an_interval_is_about_its_figure_and_within_its_range():
    scores, same, pairs = simulated(3, 0.1, 0.2)
    found, figures = intervals(scores, same, pairs, 0.0, 100), measure(scores, same, 0.0)
    for name, (low, high) in found.items():
        assert 0 <= low <= getattr(figures, name) <= high <= 1
    perfect = intervals(np.where(same, 1.0, 0.0), same, pairs, 0.5, 100)
    assert perfect == {"accuracy": (1, 1), "auc": (1, 1), "equal_error": (0, 0)}


def test_draws_depend_on_the_seed_alone(monkeypatch):
    scores, same, pairs = simulated(0, 0.5, 0.7)
    first = intervals(scores, same, pairs, 0.0, 50, 1)
    assert first == intervals(scores, same, pairs + 1000, 0.0, 50, 1)  # images that are in no pair are not drawn
    assert first != intervals(scores, same, pairs, 0.0, 50, 2)
    monkeypatch.setattr(bootstrap, "WEIGHTS", 7 * len(pairs))
    in_blocks = intervals(scores, same, pairs, 0.0, 50, 1)
    for name, limits in first.items():
        assert in_blocks[name] == pytest.approx(limits, abs=1e-12)


def test_true_accepts_have_an_interval_where_there_are_enough_pairs():
    scores, same, pairs = simulated(0, 0.0, 1.0, balanced(LABELS, 4000, 40, 0, "ab"))
    found = intervals(scores, same, pairs, 0.0, 100)
    assert list(found)[3:] == ["true_accept_at_0.01"]
    low, high = found["true_accept_at_0.01"]
    assert low < measure(scores, same, 0.0).true_accept_at[0.01] < high
    assert low < norm.sf(norm.isf(0.01) - GAP) < high


def test_counts_are_those_of_draws_with_replacement():
    pairs = np.array([[4, 9], [9, 11], [4, 11]])
    weights = np.concatenate(list(bootstrap._image_weights(pairs, 20_000, 0)))
    assert weights.shape == (20_000, 3)
    # Three images drawn three times: (4, 9, 11) come 27 ways, and the product of two counts has mean 2/3, E[w²] = 10/9.
    np.testing.assert_allclose(weights.mean(0), 2 / 3, atol=0.02)
    np.testing.assert_allclose((weights**2).mean(0), 10 / 9, atol=0.05)
    alone = np.concatenate(list(bootstrap._pair_weights(5, 3000, 0)))
    assert (alone.sum(1) == 5).all()
    np.testing.assert_allclose(alone.var(0), 4 / 5, atol=0.1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"same": np.arange(60) < 10}, "10 pairs of one kind are too few for intervals; expected at least 20"),
        ({"resamples": 1}, "got 1 and 0.95"),
        ({"confidence": 95}, "a share such as 0.95"),
        ({"pairs": np.ones((3, 2), int)}, "got 3; expected"),
        ({"pairs": np.ones((60, 2), int)}, "of one image with itself"),
        ({"scores": np.full(60, np.nan)}, "60 of 60 pairs"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(change, words):
    given = {
        "scores": np.arange(60.0),
        "same": np.arange(60) < 30,
        "pairs": np.arange(120).reshape(60, 2),
        "threshold": 30.0,
    } | change
    with pytest.raises(BadInput, match=words) as caught:
        intervals(**given)
    assert "\n" not in str(caught.value)
