"""Batches of P classes with K images: counts in every batch; how often images come, against shares and chi-square."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from smallvision.data.batching.pk_sampler import by_class, steps
from smallvision.errors import BadInput

NAMES = tuple("abcdefghij")


def labels_of(*counts):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(len(labels)))]


def uses(rows, labels):
    return torch.bincount(torch.cat(rows), minlength=len(labels))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_batch_has_p_classes_with_k_images(data):
    size = data.draw(st.integers(2, 5))
    counts = data.draw(
        st.lists(st.integers(size, 40) | st.just(0), min_size=2, max_size=8).filter(lambda c: sum(map(bool, c)) > 1)
    )
    per_batch = data.draw(st.integers(2, sum(map(bool, counts))))
    labels = labels_of(*counts)
    rows = by_class(labels, per_batch, size, data.draw(st.integers(0, 99)), data.draw(st.integers(0, 99)), NAMES)
    assert len(rows) == steps(len(labels), per_batch, size) >= 1
    for row in rows:
        assert row.dtype == torch.int64
        assert len(row.unique()) == per_batch * size
        of_class = labels[row].reshape(per_batch, size)
        assert (of_class == of_class[:, :1]).all()
        assert len(of_class[:, 0].unique()) == per_batch
    times = uses(rows, labels)
    for k in labels.unique():
        assert times[labels == k].max() - times[labels == k].min() <= 1  # all have their turn before one has two
        share = len(rows) * per_batch * counts[k] / sum(counts)
        if max(counts) * per_batch <= sum(counts):  # no class is more than its share
            assert abs(int(times[labels == k].sum()) - share * size) < size


@pytest.mark.parametrize(
    ("counts", "per_batch", "size"), [((40,) * 5, 5, 8), ((40,) * 10, 4, 10), ((24, 12, 12), 2, 4)]
)
def test_where_it_comes_out_even_every_image_comes_once(counts, per_batch, size):
    labels = labels_of(*counts)
    for epoch in range(5):
        assert (uses(by_class(labels, per_batch, size, 3, epoch, NAMES), labels) == 1).all()


def test_over_many_epochs_every_image_comes_as_often():
    """Classes of 7 to 61 images, none a multiple of K: over 600 epochs, counts are as even as chance allows."""
    labels = labels_of(61, 7, 30, 19, 44)
    rows = [row for epoch in range(600) for row in by_class(labels, 2, 4, 5, epoch, NAMES)]
    times = uses(rows, labels).numpy()
    assert times.sum() == 600 * steps(161, 2, 4) * 8
    assert chisquare(times).pvalue > 0.5  # images that wait for their turn are more even than chance
    of_class = np.bincount(labels.numpy(), weights=times)
    np.testing.assert_allclose(of_class, times.sum() * np.bincount(labels.numpy()) / 161, rtol=0.02)


def test_classes_meet_one_another_equally_often():
    labels = labels_of(*[30] * 6)
    together = np.zeros((6, 6))
    for epoch in range(60):
        for row in by_class(labels, 2, 5, 1, epoch, NAMES):
            one, other = sorted(labels[row].unique().tolist())
            together[one, other] += 1
    met = together[np.triu_indices(6, 1)]
    assert met.sum() == 60 * 18
    assert chisquare(met).pvalue > 0.01


def test_a_class_larger_than_its_share_is_in_every_batch():
    labels = labels_of(50, 10, 10)
    rows = by_class(labels, 2, 5, 0, 0, NAMES)
    assert [int((labels[row] == 0).sum()) for row in rows] == [5] * 7
    assert sorted(int((labels[torch.cat(rows)] == k).sum()) for k in (1, 2)) == [15, 20]


def test_rows_depend_on_seed_and_epoch_alone():
    labels = labels_of(20, 20, 20)

    def order(seed, epoch):
        return torch.stack(by_class(labels, 3, 4, seed, epoch, NAMES))

    torch.manual_seed(1)
    first = order(3, 4)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(first, order(3, 4))
    assert len({tuple(order(seed, epoch).flatten().tolist()) for seed in range(4) for epoch in range(4)}) == 16
    torch.manual_seed(1)
    order(3, 4)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("counts", "per_batch", "size", "words"),
    [
        (
            (5, 3, 9),
            2,
            4,
            'images_per_class: class "b" has 3 images, fewer than 4; set at most 3, or leave the class out '
            r"\(data\.classes\)",
        ),
        ((5, 1, 9), 2, 2, 'class "b" has 1 image, so that there is no pair'),
        ((5, 0, 9), 3, 2, "3 is more than the 2 classes that have"),
        ((5, 5), 4, 2, "batch: 4 is more than the 2 .*; set at most 2"),
        ((5, 5), 2, 1, "images_per_class: got 1; .* at least 2"),
        ((5, 5), 1, 2, "classes_per_batch: got 1; expected at least 2"),
        ((), 2, 2, "found 0"),
        ((0, 8), 2, 2, "2 classes; found 1"),
    ],
)
def test_what_cannot_be_is_refused(counts, per_batch, size, words):
    labels = labels_of(*counts) if counts else torch.empty(0, dtype=torch.int64)
    with pytest.raises(BadInput, match=words) as caught:
        by_class(labels, per_batch, size, 0, 0, NAMES)
    assert "\n" not in str(caught.value)
