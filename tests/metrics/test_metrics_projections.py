"""Maps against numpy's singular vectors and scikit-learn's trustworthiness (Venna & Kaski 2001)."""

import sys
import types

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness
from sklearn.neighbors import KNeighborsClassifier

from smallvision.errors import BadInput
from smallvision.metrics import projections

PIXELS, LABELS = (some[:240] for some in load_digits(return_X_y=True))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_pca_is_the_first_two_singular_vectors(kind):
    found = projections.project("pca", PIXELS.astype(kind))
    left, sigma, _ = np.linalg.svd(PIXELS - PIXELS.mean(0), full_matrices=False)
    expected = left[:, :2] * sigma[:2]
    expected *= np.sign((expected * found).sum(0))  # a component has no sign of its own
    np.testing.assert_allclose(found, expected, atol=2e-3 * sigma[0] / 240**0.5)
    assert found.dtype == np.float32


@pytest.mark.slow
def test_tsne_keeps_neighbours_and_says_the_same_again():
    found = projections.project("tsne", PIXELS, seed=1)
    flat = projections.project("pca", PIXELS)
    assert found.shape == (240, 2)
    assert trustworthiness(PIXELS, found, n_neighbors=10) > max(
        0.95, trustworthiness(PIXELS, flat, n_neighbors=10) + 0.05
    )
    assert KNeighborsClassifier(5).fit(found[:160], LABELS[:160]).score(found[160:], LABELS[160:]) > 0.9
    assert (projections.project("tsne", PIXELS, seed=1) == found).all()


@pytest.mark.parametrize("kind", ["pca", "tsne"])
@pytest.mark.parametrize("shape", [(4, 3), (12, 1), (10, 200)])
def test_few_images_and_few_features_have_maps(kind, shape):
    features = np.random.default_rng(0).standard_normal(shape)
    found = projections.project(kind, features)
    assert found.shape == (shape[0], 2)
    assert np.isfinite(found).all()
    assert found[:, 0].std() > 0


def test_a_collapsed_representation_is_one_point():
    for kind in ("pca", "tsne"):
        assert (projections.project(kind, np.full((9, 3), 0.7, np.float32)) == np.zeros((9, 2))).all()


def test_umap_that_is_not_installed_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(BadInput, match=r'pip install "smallvision\[maps\]"') as caught:
        projections.project("umap", PIXELS)
    assert "\n" not in str(caught.value)


def test_umap_is_asked_for_two_seeded_dimensions(monkeypatch):
    """The library may not be here; this stands for it, and shows what it was asked."""
    asked = {}

    class Umap:
        def __init__(self, **settings):
            asked.update(settings)

        def fit_transform(self, features):
            asked["shape"] = features.shape
            return features[:, :2]

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=Umap))
    assert projections.project("umap", PIXELS[:10], seed=7).shape == (10, 2)
    assert asked == {"n_neighbors": 9, "n_components": 2, "random_state": 7, "n_jobs": 1, "shape": (10, 10)}


def test_what_cannot_be_mapped_is_refused():
    wrong = (
        ("som", PIXELS, "pca, tsne, umap"),
        ("pca", PIXELS[:3], "at least 4"),
        ("pca", PIXELS[0], "images, features"),
    )
    for kind, features, words in wrong:
        with pytest.raises(BadInput, match=words):
            projections.project(kind, features)
