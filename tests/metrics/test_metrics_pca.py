"""Principal components against scikit-learn's."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from smallvision.metrics import pca


def images(count, shape, seed=0):
    """uint8 (N, C, H, W) whose pixels hang together."""
    generator = torch.Generator().manual_seed(seed)
    size = int(np.prod(shape))
    mixed = torch.randn(count, size, generator=generator) @ torch.randn(size, size, generator=generator)
    return (mixed * torch.linspace(1, 8, size) + 110).clamp(0, 255).to(torch.uint8).view(count, *shape)


@pytest.mark.parametrize("kind", ["bytes", "floats"])
@pytest.mark.parametrize(("count", "shape"), [(2500, (3, 5, 6)), (40, (1, 8, 9)), (300, (1, 33, 27))])
def test_equal_to_scikit_learns(kind, count, shape):
    given, other = images(count, shape), images(200, shape, seed=1)
    plain, unseen = (some.flatten(1).double().numpy() / 255 for some in (given, other))
    if kind == "floats":
        given, other = given.double() / 255, other.float() / 255
    found = pca.fit(given)
    kept = min(count, plain.shape[1])
    expected = PCA(kept, svd_solver="full").fit(plain)
    np.testing.assert_allclose(found.mean, expected.mean_, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.variances, expected.explained_variance_, rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(
        found.components @ found.components.t(), torch.eye(kept, dtype=torch.float64), rtol=0, atol=1e-10
    )
    for k in (1, 10, kept // 2):
        cosines = (found.components[:k].numpy() * expected.components_[:k]).sum(1)
        np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-6)
        coordinates = (unseen - expected.mean_) @ expected.components_[:k].T
        made = coordinates @ expected.components_[:k] + expected.mean_
        np.testing.assert_allclose(found.project(other, k).abs(), np.abs(coordinates), rtol=0, atol=1e-5)
        np.testing.assert_allclose(found.error(other, k), ((made - unseen) ** 2).mean(1), rtol=1e-5, atol=1e-9)


def test_bytes_are_summed_exactly():
    given = torch.randint(0, 2, (5000, 1, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8) * 255
    whole = given.flatten(1).numpy().astype(object)  # Python's integers
    sums, count = whole.sum(0), len(whole)
    products = whole.T @ whole
    exact = (count * products - np.outer(sums, sums)).astype(float) / (count * (count - 1) * 255**2)
    found = pca.fit(given)
    ours = (found.components.t() * found.variances) @ found.components
    np.testing.assert_allclose(ours, exact, rtol=0, atol=1e-14)


def test_all_components_lose_nothing_and_the_largest_value_of_each_is_positive():
    given = images(500, (1, 6, 6))
    found = pca.fit(given)
    assert found.error(given, 36).max() < 1e-14
    largest = found.components.gather(1, found.components.abs().argmax(1, keepdim=True))
    assert (largest > 0).all()


def test_what_cannot_be_is_said():
    found = pca.fit(images(5, (1, 4, 4)))
    assert len(found.components) == 5
    with pytest.raises(ValueError, match=r"^k: 6; expected 1 to 5"):
        found.error(images(3, (1, 4, 4)), 6)
    with pytest.raises(ValueError, match=r"^images: they have 20 pixels, but the components have 16"):
        found.error(images(3, (1, 4, 5)), 2)
    with pytest.raises(ValueError, match=r"^images: 1; a variance needs at least two"):
        pca.fit(images(1, (1, 4, 4)))
