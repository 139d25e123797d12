"""Retrieval against pytorch-metric-learning's AccuracyCalculator, and against sorted distances where there are ties."""

import numpy as np
import pytest
import torch
from pytorch_metric_learning.distances import CosineSimilarity, LpDistance
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN
from scipy.spatial.distance import cdist

from smallvision.errors import BadInput
from smallvision.metrics import retrieval
from smallvision.metrics.neighbours import nearest


def clouds(labels, width, seed=0, kind=np.float64):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((len(labels), width)) + 1.5 * rng.standard_normal((10, width))[labels] + 4).astype(kind)


CASES = {
    "even": np.arange(200) % 5,
    "uneven": np.random.default_rng(1).permutation(np.repeat([0, 2, 3, 7], [1, 2, 60, 111])),
}


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("labels", CASES.values(), ids=CASES)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_it_is_pytorch_metric_learning_s(labels, metric, kind):
    rows = clouds(labels, 6, kind=kind)
    distance = LpDistance(normalize_embeddings=False) if metric == "euclidean" else CosineSimilarity()
    calculator = AccuracyCalculator(
        include=("precision_at_1", "r_precision"), k="max_bin_count", knn_func=CustomKNN(distance)
    )
    given = torch.from_numpy(rows.astype(np.float64)), torch.from_numpy(labels)
    theirs = calculator.get_accuracy(*given, *given, ref_includes_query=True)
    found = retrieval.retrieve(rows, labels, metric)
    assert found.precision_at_1 == pytest.approx(theirs["precision_at_1"], abs=1e-9)
    assert found.r_precision == pytest.approx(theirs["r_precision"], abs=1e-9)
    assert (found.first.mean(), found.found.mean()) == (found.precision_at_1, found.r_precision)
    assert (found.asked == np.flatnonzero(np.bincount(labels)[labels] > 1)).all()
    indices = nearest(rows, rows, 2, metric)[1]  # the image itself comes first
    assert (found.first == (labels[indices[:, 1]] == labels)[found.asked]).all()


@pytest.mark.parametrize("seed", range(3))
def test_equally_near_images_count_in_part_whatever_their_order(monkeypatch, seed):
    """Few whole coordinates, so that rounding plays no part: the mean over all orders of the images, by their
    definition."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, 14)
    rows = rng.integers(0, 3, (14, 2)).astype(float)
    found = retrieval.retrieve(rows, labels)
    orders = [rng.permutation(14) for _ in range(800)]
    first, shares = np.zeros(14), np.zeros(14)
    apart = cdist(rows, rows)
    for order in orders:
        for i in range(14):
            by_distance = order[np.argsort(apart[i][order], kind="stable")]
            right = labels[by_distance[by_distance != i]] == labels[i]
            first[i] += right[0] / len(orders)
            shares[i] += right[: (labels == labels[i]).sum() - 1].mean() / len(orders)
    np.testing.assert_allclose(found.first, first[found.asked], atol=0.07)
    np.testing.assert_allclose(found.found, shares[found.asked], atol=0.07)
    monkeypatch.setattr(retrieval, "DISTANCES", 30)
    in_blocks = retrieval.retrieve(rows, labels)
    np.testing.assert_allclose(in_blocks.found, found.found, atol=1e-12)


def test_a_collapsed_representation_finds_what_chance_does():
    labels = np.arange(60) % 3
    found = retrieval.retrieve(np.ones((60, 4)), labels)
    assert found.precision_at_1 == pytest.approx(19 / 59)
    assert found.r_precision == pytest.approx(19 / 59)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": np.arange(4)}, "each of the 4 images is the only one of its class"),
        ({"labels": np.zeros(3, int)}, "each of 4 images"),
        ({"metric": "l1"}, "cosine, euclidean"),
        ({"representations": np.full((4, 2), np.nan)}, "4 of 4 images"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(change, words):
    given = {"representations": np.ones((4, 2)), "labels": np.zeros(4, int)} | change
    with pytest.raises(BadInput, match=words) as caught:
        retrieval.retrieve(**given)
    assert "\n" not in str(caught.value)
