"""Dimensions against scikit-learn's PCA, scipy's entropy, numpy's correlations, and representations made for the
purpose."""

import numpy as np
import pytest
from scipy.linalg import svdvals
from scipy.stats import entropy
from sklearn.decomposition import PCA

from smallvision.errors import BadInput
from smallvision.metrics import dimensions


def correlated(count, width, seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, width)) @ rng.standard_normal((width, width)) + 5


@pytest.mark.parametrize(("count", "width"), [(200, 12), (9, 30), (50, 1)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_spectrum_and_rank_are_scikit_learn_s_and_scipy_s(count, width, kind):
    features = correlated(count, width, 0).astype(kind)
    shares = PCA(svd_solver="full").fit(features.astype(np.float64)).explained_variance_ratio_
    np.testing.assert_allclose(dimensions.spectrum(features), shares, atol=1e-9)
    sigma = svdvals(features.astype(np.float64) - features.astype(np.float64).mean(0))
    assert dimensions.effective_rank(features) == pytest.approx(np.exp(entropy(sigma)), rel=1e-6)


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_equally_wide_directions_count_as_many(rank):
    """Orthonormal columns that sum to zero, turned into 20 dimensions: Roy & Vetterli's rank is then the rank."""
    rng = np.random.default_rng(rank)
    noise = rng.standard_normal((60, rank))
    flat = np.linalg.qr(noise - noise.mean(0))[0]
    turn = np.linalg.qr(rng.standard_normal((20, rank)))[0].T
    assert dimensions.effective_rank(flat @ turn * 7 + 100) == pytest.approx(rank, rel=1e-6)


def test_dead_dimensions_do_not_move():
    features = correlated(100, 6, 1).astype(np.float32)
    features[:, 1] = 0
    features[:, 3] = 0.1 + np.where(np.arange(100) % 2, np.float32(7e-9), 0)  # the next float, at most
    features[0, 4], features[1:, 4] = 1e-30, 0  # small, but of another image another value
    assert np.flatnonzero(dimensions.dead(features)).tolist() == [1, 3]


def test_duplicates_are_numpy_s_correlations():
    features = correlated(300, 9, 2)
    rng = np.random.default_rng(3)
    features[:, 4] = -2 * features[:, 1] + 1e-3 * rng.standard_normal(300)
    features[:, 6] = features[:, 4] * 100 - 3
    features[:, 7] = features[:, 0] + 0.5 * features[:, 0].std() * rng.standard_normal(300)  # correlated 0.9
    features[:, [2, 8]] = 1.0
    with np.errstate(invalid="ignore"):
        matrix = np.abs(np.corrcoef(features.T))
    expected = [next((i for i in range(j) if matrix[i, j] > 0.999), -1) for j in range(9)]
    assert expected == [-1, -1, -1, -1, 1, -1, 1, -1, -1]
    assert dimensions.duplicates(features).tolist() == expected
    looser = [next((i for i in range(j) if matrix[i, j] > 0.85), -1) for j in range(9)]
    assert looser != expected
    assert dimensions.duplicates(features, 0.85).tolist() == looser


def test_a_collapsed_representation_has_nothing():
    found = dimensions.measure(np.full((30, 4), 0.3, np.float32))
    assert found.dead.all()
    assert (found.duplicate_of == -1).all()
    assert found.effective_rank == 0
    assert found.spectrum.tolist() == [0, 0, 0, 0]


def test_all_of_them_at_once():
    features = correlated(80, 5, 4)
    found = dimensions.measure(features)
    assert (found.dead == dimensions.dead(features)).all()
    assert (found.duplicate_of == dimensions.duplicates(features)).all()
    assert (found.spectrum == dimensions.spectrum(features)).all()
    assert found.effective_rank == dimensions.effective_rank(features)


def test_what_is_no_features_is_refused():
    for given in (np.ones(3), np.ones((0, 3)), np.array([[1.0, np.nan]])):
        with pytest.raises(BadInput, match="features: "):
            dimensions.measure(given)
