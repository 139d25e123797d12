"""Neighbours and votes against scikit-learn's, and against brute force where that leaves ties open; features against
the model."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from smallvision.data.imageset import ImageSet
from smallvision.errors import BadInput
from smallvision.metrics import neighbours
from smallvision.metrics.features import features


def clouds(count, width, seed, kind=np.float64):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((count, width)) + rng.integers(0, 3, (count, 1))).astype(kind)


def apart(queries, images, metric):
    """Distances of pairs of rows in extended precision, by their definitions."""
    one, other = queries.astype(np.longdouble), images.astype(np.longdouble)
    if metric == "euclidean":
        return np.sqrt(((one - other) ** 2).sum(-1))
    lengths = np.sqrt((one**2).sum(-1) * (other**2).sum(-1))
    return 1 - (one * other).sum(-1) / np.where(lengths > 0, lengths, 1)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize(
    ("count", "width", "k"), [(900, 2, 5), (900, 3, 10), (700, 64, 7), (300, 900, 3), (40, 5, 40), (1, 4, 1)]
)
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_equals_scikit_learn(metric, count, width, k, kind):
    gallery, queries = clouds(count, width, 0, kind), clouds(200, width, 1, kind)
    labels = np.random.default_rng(2).integers(0, 4, count)
    reference = KNeighborsClassifier(k, metric=metric, algorithm="brute").fit(gallery.astype(np.float64), labels)
    expected, places = reference.kneighbors(queries.astype(np.float64))
    distances, indices = neighbours.nearest(queries, gallery, k, metric)
    np.testing.assert_allclose(distances, expected, rtol=0, atol=1e-6)
    # Another image than scikit-learn's is as near as it; there are hardly any, and without them the votes are the same.
    np.testing.assert_allclose(
        apart(queries[:, None], gallery[indices], metric), expected.astype(np.longdouble), rtol=0, atol=1e-6
    )
    differ = indices != places
    assert differ.mean() < 0.01
    alike = ~differ.any(1)
    answers = neighbours.classify(queries, gallery, labels, k, metric)
    assert (answers == reference.predict(queries.astype(np.float64)))[alike].all()


def brute(queries, gallery, k, metric):
    """Of equally near ones the first."""
    return np.argsort(apart(queries[:, None], gallery[None], metric), axis=1, kind="stable")[:, :k]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 4), st.integers(1, 60), st.sampled_from([2, 3, 1000]), st.integers(0, 10**6))
def test_of_equally_near_ones_the_first(count, width, k, levels, seed):
    """Few whole values make ties and equal images; more of them than there are spare candidates."""
    rng = np.random.default_rng(seed)
    gallery = rng.integers(0, levels, (count, width)).astype(np.float32)
    queries = rng.integers(0, levels, (7, width)).astype(np.float32)
    indices = neighbours.nearest(queries, gallery, min(k, count), "euclidean")[1]
    assert (indices == brute(queries, gallery, min(k, count), "euclidean")).all()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e25])
def test_far_from_the_origin_and_at_any_scale(metric, scale):
    """Distances a hundred thousandth of the features themselves: what a product of floats cannot tell apart."""
    rng = np.random.default_rng(3)
    offset = rng.standard_normal(50)
    gallery = (offset * (rng.integers(0, 2, (400, 1)) + 1) + 1e-5 * rng.standard_normal((400, 50))) * scale
    queries = (offset + 1e-5 * rng.standard_normal((60, 50))) * scale
    assert (neighbours.nearest(queries, gallery, 9, metric)[1] == brute(queries, gallery, 9, metric)).all()


def test_one_image_far_away_hides_no_neighbour():
    """It makes the bound on rounding useless for all queries, which are then compared with every image."""
    gallery = clouds(500, 8, 4)
    gallery[77] = 1e9
    queries = clouds(30, 8, 5)
    assert (neighbours.nearest(queries, gallery, 5)[1] == brute(queries, gallery, 5, "euclidean")).all()


def test_a_vector_of_zeros_is_at_cosine_distance_one():
    gallery = np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]])
    distances, indices = neighbours.nearest(np.array([[3.0, 0.0], [0.0, 0.0]]), gallery, 4, "cosine")
    assert distances.tolist() == [[0, 1, 1, 2], [1, 1, 1, 1]]
    assert indices.tolist() == [[1, 0, 3, 2], [0, 1, 2, 3]]


def test_no_distance_is_negative():
    """Of an image to itself scaled, 1 − cos is a rounding above or below 0."""
    gallery = clouds(200, 13, 8)
    distances, indices = neighbours.nearest(3 * gallery, gallery, 1, "cosine")
    assert (indices[:, 0] == np.arange(200)).all()
    assert 0 <= distances.min() <= distances.max() < 1e-15


def test_blocks_and_threads_change_nothing(monkeypatch):
    gallery, queries = clouds(500, 20, 6, np.float32), clouds(64, 20, 7, np.float32)
    whole = neighbours.nearest(queries, gallery, 4)
    threads = torch.get_num_threads()
    monkeypatch.setattr(neighbours, "SCORES", 1500)
    monkeypatch.setattr(neighbours, "ELEMENTS", 70)
    torch.set_num_threads(2 if threads == 1 else 1)
    try:
        parts = neighbours.nearest(queries, gallery, 4)
    finally:
        torch.set_num_threads(threads)
    assert all((one == other).all() for one, other in zip(whole, parts, strict=True))


def test_votes_that_are_equal_go_to_the_lowest_class():
    labels = np.array([2, 1, 1, 2, 0])
    assert neighbours.votes(labels, np.array([[0, 1], [0, 3], [3, 2], [4, 0]])).tolist() == [1, 2, 1, 0]


def test_k_is_chosen_as_scikit_learn_does():
    pixels, labels = load_digits(return_X_y=True)
    gallery, held = slice(0, 200), slice(200, 900)
    ks = [1, 3, 5, 11, 30]
    fold = np.r_[np.full(200, -1), np.zeros(700, int)]
    search = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": ks}, cv=PredefinedSplit(fold)).fit(
        pixels[:900], labels[:900]
    )
    k, accuracies = neighbours.choose_k(pixels[held], labels[held], pixels[gallery], labels[gallery], ks[::-1])
    assert list(accuracies) == ks
    # Ties may be decided differently for an image or so.
    assert list(accuracies.values()) == pytest.approx(list(search.cv_results_["mean_test_score"]), abs=1.5 / 700)
    assert k == search.best_params_["n_neighbors"]


def test_of_several_k_as_good_the_smallest_is_chosen():
    gallery = np.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2]])
    chosen = neighbours.choose_k(np.array([[0.05], [9.3]]), np.array([0, 1]), gallery, np.repeat([0, 1], 3), (3, 2, 6))
    assert chosen == (2, {2: 1.0, 3: 1.0, 6: 0.5})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"k": 0}, "1 to 4"),
        ({"k": 5}, "1 to 4"),
        ({"metric": "l1"}, "cosine, euclidean"),
        ({"queries": np.ones((2, 2))}, "gallery has 3"),
        ({"queries": np.ones(3)}, "images, features"),
        ({"gallery": np.array([[1, 2, np.nan]] * 4)}, "4 of 4 images"),
        ({"gallery": np.full((4, 3), np.inf, np.float32)}, "not finite"),
        ({"gallery": np.full((4, 3), "x")}, "numbers"),
        ({"labels": np.zeros(3, int)}, "each of 4 images"),
        ({"labels": np.array([0, 1, -1, 0])}, "0 or more"),
        ({"labels": np.zeros(4)}, "float64"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(change, words):
    given_ = {"queries": np.ones((2, 3)), "gallery": np.ones((4, 3)), "labels": np.zeros(4, int), "k": 2} | change
    with pytest.raises(BadInput, match=words) as caught:
        neighbours.classify(**given_)
    assert "\n" not in str(caught.value)


def test_nothing_to_choose_from_is_refused():
    for ks in ([], [0, 1], [5]):
        with pytest.raises(BadInput):
            neighbours.choose_k(np.ones((2, 3)), np.zeros(2, int), np.ones((4, 3)), np.zeros(4, int), ks)


class Encoder(nn.Module):
    """Two features that dropout and batch statistics would change, and a part that its owner froze."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop, self.frozen = nn.BatchNorm2d(3), nn.Dropout(0.5), nn.BatchNorm1d(2)
        self.frozen.eval()

    def encode(self, pixels):
        assert not torch.is_grad_enabled()
        return self.frozen(self.drop(self.norm(pixels)).mean((2, 3))[:, :2])


def pictures(count=2300, sizes=((6, 5),)):
    generator = torch.Generator().manual_seed(0)
    groups = tuple(torch.randint(0, 256, (count, 3, *size), generator=generator, dtype=torch.uint8) for size in sizes)
    total = count * len(sizes)
    return ImageSet(
        groups, torch.zeros(total, dtype=torch.long), torch.zeros(total, 2, dtype=torch.long), ("a",), "x train"
    )


@pytest.mark.parametrize("sizes", [((6, 5),), ((6, 5), (3, 4))])
def test_a_representation_is_what_encode_gives_in_evaluation_mode(sizes):
    images, model = pictures(sizes=sizes), Encoder()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = features(model, images)
    assert found.dtype == np.float32
    unit = (1 + 1e-5) ** -0.5  # both normalisations, untouched
    expected = np.concatenate(
        [group.numpy().mean((2, 3), np.float64)[:, :2] / 255 * unit * unit for group in images.groups]
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert [model.training, model.norm.training, model.drop.training, model.frozen.training] == [
        True,
        True,
        True,
        False,
    ]
    assert all((value == before[name]).all() for name, value in model.state_dict().items())


def test_pixels_are_features_between_0_and_1():
    images = pictures(20)
    np.testing.assert_array_equal(
        features(None, images, "pixels"), images.pixels.numpy().reshape(20, -1).astype(np.float32) / 255
    )


@pytest.mark.parametrize(
    ("encode", "words"),
    [
        (None, "does not have"),
        (lambda pixels: pixels, r"\(20, 3, 6, 5\)"),
        (lambda pixels: (pixels,), "tuple"),
        (lambda pixels: pixels.mean(0), "row"),
        (lambda pixels: nn.Linear(7, 2)(pixels.flatten(1)), "3x6x5"),
    ],
)
def test_models_that_cannot_encode_are_refused(encode, words):
    model = nn.Linear(1, 1)
    if encode:
        model.encode = encode
    with pytest.raises(BadInput, match=words):
        features(model, pictures(20))
    assert model.training


def test_features_that_are_none_are_refused():
    with pytest.raises(BadInput, match="representation, pixels"):
        features(None, pictures(2), "weights")
    with pytest.raises(BadInput, match="2 different sizes"):
        features(None, pictures(2, ((6, 5), (3, 4))), "pixels")
