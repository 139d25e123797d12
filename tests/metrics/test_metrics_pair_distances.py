"""Distances of pairs against scipy's, whatever the blocks."""

import numpy as np
import pytest
from scipy.spatial.distance import cosine, euclidean

from smallvision.errors import BadInput
from smallvision.metrics import pair_distances as module
from smallvision.metrics.pair_distances import pair_distances


def rows_and_pairs(kind=np.float64):
    rng = np.random.default_rng(0)
    rows = (rng.standard_normal((40, 6)) + 3).astype(kind)
    rows[7] = rows[9]
    one = rng.integers(0, 40, 300)
    return rows, np.concatenate([np.stack([one, (one + rng.integers(1, 40, 300)) % 40], axis=1), [[7, 9]]])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(("metric", "reference"), [("euclidean", euclidean), ("cosine", cosine)])
def test_distances_are_scipy_s(monkeypatch, kind, metric, reference):
    rows, pairs = rows_and_pairs(kind)
    exact = rows.astype(np.float64)
    expected = [reference(exact[i], exact[j]) for i, j in pairs]
    found = pair_distances(rows, pairs, metric)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    monkeypatch.setattr(module, "ELEMENTS", 50)
    assert (pair_distances(rows, pairs, metric) == found).all()


def test_a_vector_of_zeros_is_at_cosine_distance_one():
    assert pair_distances(np.array([[0.0, 0], [3, 4], [0, 0]]), np.array([[0, 1], [2, 0]]), "cosine").tolist() == [1, 1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"pairs": np.array([[0, 1], [2, 2], [1, 1]])},
            r"2 of 3 are of one image with itself \(the first is image 2\)",
        ),
        ({"pairs": np.array([[0, 3]])}, "image 3 does not exist; expected 0 to 2"),
        ({"pairs": np.array([[-1, 0]])}, "image -1 does not exist"),
        ({"pairs": np.array([0, 1])}, "pairs: got int64 of shape"),
        ({"pairs": np.array([[0.0, 1.0]])}, "float64"),
        ({"pairs": np.empty((0, 2), int)}, "pairs: got"),
        ({"metric": "l1"}, "cosine, euclidean"),
        ({"representations": np.array([[1.0], [2.0], [np.nan]])}, "1 of 3 images"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(change, words):
    given = {"representations": np.ones((3, 2)), "pairs": np.array([[0, 1]])} | change
    with pytest.raises(BadInput, match=words) as caught:
        pair_distances(**given)
    assert "\n" not in str(caught.value)
