"""Balanced pairs: counts in all small cases; the limit against brute force; uniformity by chi-square."""

from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest
from scipy.stats import chisquare

from smallvision.data.pairs import balanced, most_pairs
from smallvision.errors import BadInput

NAMES = tuple("abcdefghij")


def labels_of(*sizes, seed=0):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


def check(labels, pairs, same, count, most):
    assert pairs.shape == (count, 2)
    assert (pairs.dtype, same.dtype) == (np.int64, np.bool_)
    assert len(np.unique(pairs, axis=0)) == count
    assert (pairs[:, 0] < pairs[:, 1]).all()  # none with itself, and one order for each two
    assert (same == (labels[pairs[:, 0]] == labels[pairs[:, 1]])).all()
    assert same.sum() == count // 2
    uses = np.bincount(pairs.reshape(-1), minlength=len(labels))
    assert uses.max() <= most
    present = np.unique(labels)
    assert all(np.ptp(uses[labels == k]) <= 1 for k in present)
    of_class = Counter(labels[pairs[same, 0]].tolist())
    of_two = Counter(tuple(sorted(two)) for two in labels[pairs[~same]].tolist())
    assert np.ptp([of_class[k] for k in present]) <= 1
    assert np.ptp([of_two[two] for two in combinations(present.tolist(), 2)]) <= 1


@pytest.mark.parametrize("classes", [2, 3])
def test_all_small_cases_up_to_the_limit(classes):
    for sizes, most in product(product(range(2, 6), repeat=classes), (1, 2, 3, 7)):
        labels = labels_of(*sizes)
        limit = most_pairs(labels, most, NAMES)
        for count in range(2, limit + 1, 2):
            check(labels, *balanced(labels, count, most, count, NAMES), count, most)
        with pytest.raises(BadInput, match=f"{limit + 2} are more than"):
            balanced(labels, limit + 2, most, 0, NAMES)


@pytest.mark.parametrize(
    ("sizes", "most"), [((3, 3), 2), ((2, 4), 2), ((3, 2), 1), ((3, 2), 9), ((2, 2, 2), 3), ((2, 2, 3), 2)]
)
def test_the_limit_is_that_of_all_sets_of_pairs(sizes, most):
    """Among all sets of pairs that are balanced, and even over classes, none is larger: found by trying them all."""
    labels = labels_of(*sizes)
    every = list(combinations(range(len(labels)), 2))
    own = [two for two in every if labels[two[0]] == labels[two[1]]]
    cross = [two for two in every if labels[two[0]] != labels[two[1]]]

    def sets(some, half, classes, key):
        for chosen in combinations(some, half):
            kinds = Counter(map(key, chosen))
            if max(kinds.values()) - min(kinds[k] for k in classes) <= 1:
                yield Counter(image for two in chosen for image in two)

    largest = 0
    for half in range(1, len(own) + 1):
        mine = list(sets(own, half, range(len(sizes)), lambda two: labels[two[0]]))
        others = sets(
            cross,
            half,
            list(combinations(range(len(sizes)), 2)),
            lambda two: tuple(sorted((labels[two[0]], labels[two[1]]))),
        )
        if any(max((one + two).values()) <= most for two in others for one in mine):
            largest = 2 * half
    assert most_pairs(labels, most, NAMES) == largest > 0


@pytest.mark.parametrize(("count", "most"), [(20_000, 4), (100_000, 20), (7_046, 3)])
def test_many_pairs_of_ten_thousand_images(count, most):
    """10 000 images in 10 classes: as many pairs as 4 or 20 for each image allow, and uneven classes, one empty."""
    labels = labels_of(*[1000] * 10)
    check(labels, *balanced(labels, count, most, 0, NAMES), count, most)
    if count == 7_046:
        uneven = labels_of(980, 1135, 1032, 0, 982, 892, 958, 1028, 974, 1009)
        check(uneven, *balanced(uneven, count, most, 0, NAMES), count, most)
    else:
        assert most_pairs(labels, most, NAMES) == count


def test_every_two_images_are_as_likely():
    labels = np.array([0, 1, 0, 1, 0, 1, 0, 0])
    found = Counter()
    for seed in range(1500):
        pairs, same = balanced(labels, 6, 3, seed, NAMES)
        found.update((bool(s), *two) for s, two in zip(same, pairs.tolist(), strict=True))
    for class_ in (0, 1):
        own = [found[True, *two] for two in combinations(np.flatnonzero(labels == class_).tolist(), 2)]
        assert chisquare(own).pvalue > 0.01
    cross = [
        found[False, *sorted((i, j))]
        for i in np.flatnonzero(labels == 0).tolist()
        for j in np.flatnonzero(labels == 1).tolist()
    ]
    assert sum(cross) == 4500
    assert chisquare(cross).pvalue > 0.01


def test_pairs_depend_on_the_seed_alone():
    labels = labels_of(30, 30, 30)
    np.random.seed(0)
    first = balanced(labels, 60, 4, 7, NAMES)
    np.random.seed(1)
    again, other = balanced(labels, 60, 4, 7, NAMES), balanced(labels, 60, 4, 8, NAMES)
    assert all((one == two).all() for one, two in zip(first, again, strict=True))
    assert (first[0] != other[0]).any()
    assert 10 < first[1][:30].sum() < 20  # in random order, not one kind after the other
    # A test split's pairs are not to change with a version of numpy: as they were when this was written.
    assert balanced(np.array([0, 0, 0, 1, 1, 1]), 4, 2, 0, NAMES)[0].tolist() == [[2, 4], [0, 1], [1, 5], [3, 5]]


@pytest.mark.parametrize(
    ("sizes", "count", "most", "words"),
    [
        ((4, 4), 5, 3, "pairs: got 5; expected an even number"),
        ((4, 4), 0, 3, "got 0; expected an even"),
        ((4, 4), 4, 0, "pairs of an image: got 0; expected at least 1"),
        ((5,), 2, 3, "there is one class"),
        ((), 2, 3, "but there are none"),
        ((4, 1, 3), 2, 3, 'class "b" has 1 image, so that there is no pair'),
        (
            (9, 5, 9),
            40,
            4,
            (r'smallest class, "b", has 5 images\); use at most 32 pairs, or allow 5 pairs for each image'),
        ),
        ((3, 3), 14, 90, r'"b", has 3 images\); use at most 12 pairs$'),
        ((2, 2), 2, 1, r"\); allow 2 pairs for each image"),
    ],
)
def test_what_cannot_be_is_refused_with_what_could(sizes, count, most, words):
    with pytest.raises(BadInput, match=words) as caught:
        balanced(labels_of(*sizes).astype(int), count, most, 0, NAMES)
    assert "\n" not in str(caught.value)
