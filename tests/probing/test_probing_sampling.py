"""Which images are drawn, on hand-made sets whose counts are known, and what is said where they cannot be."""

import numpy as np
import pytest
import torch

from smallvision.data.ids import content_ids
from smallvision.data.imageset import ImageSet, Splits
from smallvision.errors import BadInput
from smallvision.experiment import ProbeSpec
from smallvision.experiment.data import Expand
from smallvision.probing.neighbours import Nearest, pictures, precision, queries, shrunk
from smallvision.probing.sampling import HELD_OUT, originals, sample

CLASSES = ("cat", "dog", "owl")


def images(counts, name="train", seed=0, classes=CLASSES):
    """So many images of each class, all different, in a random order."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    pixels = torch.arange(len(labels))[:, None, None, None].expand(-1, 1, 2, 2)
    pixels = (pixels // torch.tensor([[1, 256], [65536, 1]]) % 256).to(torch.uint8).contiguous()
    return ImageSet((pixels,), labels, content_ids((pixels,)), classes, f"pets {name}")


def splits(train, validation=None, test=None):
    return Splits(train, validation, test, (0.0,), (1.0,), ())


def counts(part):
    return np.bincount(part.labels.numpy(), minlength=3).tolist()


def ids(part):
    return set(map(tuple, part.ids.tolist()))


FULL = splits(images([60, 50, 70]), images([9, 4, 5], "validation", 1), images([20, 12, 30], "test", 2))


def test_a_number_is_equally_many_of_every_class_and_with_another_seed_others():
    first, again, other = (sample(FULL, ProbeSpec(train=30, test=12, seed=seed)) for seed in (1, 1, 2))
    assert (counts(first.train), counts(first.shown)) == ([10, 10, 10], [4, 4, 4])
    assert ids(first.chosen_on) == ids(FULL.validation)
    assert (first.split, first.chosen, first.notes) == ("test", "validation", ())
    assert torch.equal(first.train.ids, again.train.ids)
    assert ids(first.train) != ids(other.train)


def test_without_a_number_as_many_as_can_be_and_a_note():
    drawn = sample(FULL, ProbeSpec())
    assert (counts(drawn.train), counts(drawn.shown)) == ([50, 50, 50], [12, 12, 12])
    assert [note.split(" images")[0] for note in drawn.notes] == ["test: 36", "train: 150"]


def test_all_is_every_image():
    drawn = sample(FULL, ProbeSpec(train="all", test="all"))
    assert (counts(drawn.train), counts(drawn.shown), drawn.notes) == ([60, 50, 70], [20, 12, 30], ())


def test_without_a_test_split_validation_is_shown_and_training_images_are_held_out():
    whole = splits(FULL.train, FULL.validation)
    drawn = sample(whole, ProbeSpec(train=90, test=6))
    assert (drawn.split, drawn.chosen) == ("validation", HELD_OUT)
    assert counts(drawn.chosen_on) == [2, 2, 2]  # as many as are shown
    assert not ids(drawn.train) & ids(drawn.chosen_on)
    everything = sample(whole, ProbeSpec(train="all", test="all"))
    assert counts(everything.train) == [54, 44, 64]  # six of each class are as many as are shown
    assert not ids(everything.train) & ids(everything.chosen_on)


def test_without_validation_images_at_most_a_fifth_is_held_out():
    drawn = sample(splits(images([10, 20, 20]), None, FULL.test), ProbeSpec(train=24, test=36))
    assert (drawn.split, drawn.chosen, counts(drawn.chosen_on)) == ("test", HELD_OUT, [2, 2, 2])
    assert not ids(drawn.train) & ids(drawn.chosen_on)


def test_many_validation_images_are_capped_evenly():
    many = splits(FULL.train, images([4000, 1000, 3000], "validation", 3), FULL.test)
    assert counts(sample(many, ProbeSpec()).chosen_on) == [1666, 1000, 1666]


@pytest.mark.parametrize(
    ("whole", "asked", "said"),
    [
        (
            FULL,
            {"train": 151},
            'train: 151 images are too many .* pets train has 180, and 50 of "dog"; use at most 150, or "all"',
        ),
        (FULL, {"test": 39}, 'test: 39 images are too many .* pets test has 62, and 12 of "dog"; use at most 36'),
        (FULL, {"train": 100}, "train: 100 images cannot be divided equally among 3 classes; use 99"),
        (FULL, {"test": 1}, "test: 1 images cannot be divided equally among 3 classes; use 3"),
        (splits(FULL.train), {}, "pets train: there are no test or validation images"),
        (
            splits(FULL.train, None, images([9, 0, 9], "test")),
            {},
            'test: pets test has no images of class "dog"',
        ),
        (
            splits(images([9, 4, 9]), None, FULL.test),
            {"test": 3},
            'class "dog" has only 4 training images, too few for that',
        ),
        (
            splits(images([9, 9, 9]), None, FULL.test),
            {"test": 3, "train": 27},
            'train: 27 .* pets train has 24, and 8 of "cat"',
        ),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(whole, asked, said):
    with pytest.raises(BadInput, match=said) as caught:
        sample(whole, ProbeSpec(**asked))
    assert "\n" not in str(caught.value)


def test_originals_are_the_images_before_the_set_was_expanded():
    from smallvision.data import expand

    small, large = images([5, 4, 3]), images([2, 2, 2], seed=4)
    wide = torch.nn.functional.pad(large.groups[0], (0, 3))
    groups = (small.groups[0], wide)
    both = ImageSet(groups, torch.cat([small.labels, large.labels]), content_ids(groups), CLASSES, "pets train")
    spec = Expand(noise=0.2)
    kept = originals(expand.expand(both, spec, 0), len(expand.kinds(spec)))
    assert all(torch.equal(a, b) for a, b in zip(kept.groups, groups, strict=True))
    assert torch.equal(kept.labels, both.labels)
    assert (kept.ids[:, 0] == both.ids[:, 0]).all()


def test_queries_are_the_first_of_ten_classes_at_most():
    assert queries(np.array([2, 0, 0, 2, 4]), 5).tolist() == [1, 0, 4]
    assert queries(np.arange(30)[::-1], 30).tolist() == list(range(29, 19, -1))


def test_precision_counts_the_neighbours_of_the_own_class():
    near = np.array([[0, 1, 2], [3, 2, 1]])
    found = precision(Nearest(near * 0.1, near), np.array([0, 1]), np.array([0, 0, 1, 0]))
    assert found == pytest.approx({"1": 1 / 2, "8": (2 + 1) / 6})


def test_pictures_of_several_sizes_have_one_size_and_lie_in_the_upper_left_corner():
    groups = (torch.full((2, 1, 2, 3), 7, dtype=torch.uint8), torch.full((1, 1, 5, 4), 9, dtype=torch.uint8))
    train = ImageSet(groups, torch.tensor([0, 1, 1]), content_ids(groups), CLASSES, "pets train")
    near = np.array([[2, 0]])
    out = pictures(np.array([0]), {"representation": Nearest(near * 0.5, near)}, images([1, 0, 0], "test"), train)
    assert out["query_pixels"].shape == (1, 1, 5, 4)
    assert out["neighbours_representation_pixels"].shape == (1, 2, 1, 5, 4)
    assert (out["neighbours_representation_pixels"][0, 0] == 9).all()
    assert out["neighbours_representation_pixels"][0, 1].sum() == 7 * 6
    assert out["neighbours_representation_labels"].tolist() == [[1, 0]]


def test_pictures_that_are_too_large_are_made_smaller():
    flat = np.full((2, 3, 40, 80), 200, np.uint8)
    assert shrunk(flat, 80) is flat
    assert shrunk(flat, 20).shape == (2, 3, 10, 20)
    assert (shrunk(flat, 20) == 200).all()
