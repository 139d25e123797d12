"""Neighbours at equal distance: by distance, then index, whatever the threads and blocks; against numpy's lexsort."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from smallvision.metrics import calibration, neighbours, retrieval


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def duplicates(count, kinds, width, seed=0, kind=np.float32):
    """Rows of which many are equal, and some queries among them."""
    rng = np.random.default_rng(seed)
    different = rng.standard_normal((kinds, width)).astype(kind)
    return different[rng.integers(0, kinds, count)], different[rng.integers(0, kinds, 9)] + kind(0.25)


def brute(queries, gallery, k, metric):
    """Distances in float64, without the last digits, so that equal rows have equal ones; then the index decides."""
    rows = gallery.astype(np.float64)
    if metric == "cosine":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    out = []
    for query in queries.astype(np.float64):
        one = query / np.linalg.norm(query) if metric == "cosine" else query
        apart = 1 - rows @ one if metric == "cosine" else np.sqrt(np.square(rows - one).sum(1))
        out.append(np.lexsort((np.arange(len(gallery)), np.round(apart, 12)))[:k])
    return np.array(out)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_by_distance_then_by_index(metric, kind, threads, monkeypatch):
    gallery, queries = duplicates(400, 13, 33, kind=kind)
    expected = brute(queries, gallery, 60, metric)
    for count in (1, 2):
        threads(count)
        for scores, elements in ((2**22, 2**18), (1000, 33 * 7), (401, 33 * 61)):
            monkeypatch.setattr(neighbours, "SCORES", scores)
            monkeypatch.setattr(neighbours, "ELEMENTS", elements)
            distances, indices = neighbours.nearest(queries, gallery, 60, metric)
            assert (indices == expected).all()
            assert (np.diff(distances) >= 0).all()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_long_rows_that_torch_would_share_among_threads(metric, threads, monkeypatch):
    """A sum of more than 32 768 values is shared among threads where it is the only one: then equal rows differed."""
    gallery, queries = duplicates(19, 8, 70_001)
    monkeypatch.setattr(neighbours, "ELEMENTS", 1)  # as few at a time as can be
    found = []
    for count in (1, 2):
        threads(count)
        found.append(neighbours.nearest(queries[:1], gallery, 19, metric))
    assert (found[0][0] == found[1][0]).all()
    expected = brute(queries[:1], gallery, 19, metric)
    assert all((indices == expected).all() for _, indices in found)
    for distances, indices in found:
        for row in np.unique(gallery[:, 0]):
            assert len(set(distances[0][gallery[indices[0], 0] == row])) == 1  # to the bit


def test_scikit_learn_orders_them_otherwise():
    """Why neighbours are our own: if this fails, scikit-learn's order is by index as well."""
    gallery, queries = duplicates(400, 13, 33)
    theirs = NearestNeighbors(n_neighbors=60, algorithm="brute").fit(gallery).kneighbors(queries, return_distance=False)
    assert (theirs != brute(queries, gallery, 60, "euclidean")).any()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("width", [3, 17, 100])
def test_retrieval_of_equal_images_depends_on_nothing_else(metric, width, threads, monkeypatch):
    """The product of doubles gives equal images distances that differ in their last bits: these are equally near."""
    rows, _ = duplicates(301, 30, width, kind=np.float64)
    labels = np.random.default_rng(1).integers(0, 4, len(rows))
    which = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
    expected_first, expected = np.empty(len(rows)), np.empty(len(rows))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True) if metric == "cosine" else rows
    apart = np.round(np.square(unit[:, None] - unit[None]).sum(-1), 11)
    for i in range(len(rows)):
        apart[i, which == which[i]] = 0
        for out, count in ((expected_first, 1), (expected, int((labels == labels[i]).sum()) - 1)):
            others = np.arange(len(rows)) != i
            last = np.sort(apart[i][others])[count - 1]
            nearer, as_far = others & (apart[i] < last), others & (apart[i] == last)
            right = labels == labels[i]
            out[i] = ((nearer & right).sum() + (count - nearer.sum()) / as_far.sum() * (as_far & right).sum()) / count
    order = np.random.default_rng(2).permutation(len(rows))
    for count, distances in ((1, 2**21), (2, 2**21), (2, 400)):
        threads(count)
        monkeypatch.setattr(retrieval, "DISTANCES", distances)
        found = retrieval.retrieve(rows, labels, metric)
        np.testing.assert_allclose(found.first, expected_first, atol=1e-12)
        np.testing.assert_allclose(found.found, expected, atol=1e-12)
        mixed = retrieval.retrieve(rows[order], labels[order], metric)
        np.testing.assert_allclose(mixed.found, expected[order], atol=1e-12)


def test_an_image_far_away_makes_no_others_equally_near():
    rows = np.concatenate([np.linspace(0, 1e-3, 8)[:, None] ** 2, [[1e6]]])
    labels = np.array([0, 1] * 4 + [0])
    apart = np.abs(rows - rows.T)
    np.fill_diagonal(apart, np.inf)
    found = retrieval.retrieve(rows, labels)
    assert (found.first == (labels[apart.argmin(1)] == labels))[:-1].all()  # to the last one all are equally near


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
def test_bins_of_calibration_are_closed_at_both_ends(share):
    """A probability of exactly 1 counts in the last bin, and one of exactly 0 in the first; by numpy's histogram."""
    rng = np.random.default_rng(0)
    probabilities = rng.uniform(0.01, 0.99, 300)
    ends = rng.permutation(300)[: int(300 * share)]
    probabilities[ends[::2]], probabilities[ends[1::2]] = 1.0, 0.0
    probabilities[:2] = 0.0, 1.0
    same = rng.random(300) < probabilities
    found = calibration.reliability(probabilities, same, bins=10)
    assert found.counts.sum() == 300
    edges = np.unique(np.quantile(probabilities, np.linspace(0, 1, 11)))
    # Bins (a, b], of which the first is [a, b]: of -p numpy's are [a, b), and the last is [a, b].
    counts = np.histogram(-probabilities, -edges[::-1])[0][::-1]
    sums = np.histogram(-probabilities, -edges[::-1], weights=probabilities)[0][::-1]
    right = np.histogram(-probabilities, -edges[::-1], weights=same.astype(float))[0][::-1]
    kept = counts > 0
    if share < 0.5:  # else many limits are 0 and 1, and numpy's edges leave out the bin of zeros alone
        assert (found.counts == counts[kept]).all()
        np.testing.assert_allclose(found.predicted, sums[kept] / counts[kept], atol=1e-12)
        np.testing.assert_allclose(found.observed, right[kept] / counts[kept], atol=1e-12)
    first, last = found.counts[0], found.counts[-1]
    assert first >= (probabilities == 0).sum()
    assert last >= (probabilities == 1).sum()
    assert found.predicted[-1] <= 1
    expected = sum(n * abs(p - o) for n, p, o in zip(found.counts, found.predicted, found.observed, strict=True)) / 300
    assert found.error == pytest.approx(expected)


def test_probabilities_of_0_and_1_alone():
    found = calibration.reliability(np.array([0.0, 1.0, 1.0, 0.0, 1.0]), np.array([False, True, True, True, False]))
    assert found.counts.tolist() == [2, 3]
    assert found.predicted.tolist() == [0, 1]
    assert found.observed.tolist() == pytest.approx([0.5, 2 / 3])
    assert found.error == pytest.approx(2 / 5 * 0.5 + 3 / 5 / 3)
