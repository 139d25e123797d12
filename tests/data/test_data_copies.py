"""Copies of training images, against a comparison of every image with every other one."""

import numpy as np
import pytest
import torch

from smallvision.data import copies
from smallvision.data.copies import TrainingImages
from smallvision.data.ids import content_ids
from smallvision.data.imageset import ImageSet
from smallvision.data.load import load
from smallvision.experiment.data import DataSpec


def image_set(groups, labels, classes=("a", "b", "c")):
    tensors = tuple(torch.from_numpy(group) for group in groups)
    return ImageSet(tensors, torch.as_tensor(labels), content_ids(tensors), classes, "made")


def drawn(rng, count, sizes):
    """Images of two gray levels, so small that many are equal, in several sizes."""
    groups = [rng.integers(0, 2, (count, 1, height, width), dtype=np.uint8) for height, width in sizes]
    return image_set(groups, rng.integers(0, 3, count * len(sizes)))


def flat(images):
    return [image.numpy() for group in images.groups for image in group]


@pytest.mark.parametrize("seed", range(3))
def test_copies_are_those_of_a_comparison_of_all_with_all(seed):
    rng = np.random.default_rng(seed)
    train, other = drawn(rng, 20, [(2, 3), (3, 2), (3, 3)]), drawn(rng, 30, [(3, 3), (2, 3), (1, 6)])
    equal = np.array([[np.array_equal(a, b) for b in flat(train)] for a in flat(other)])  # shapes count
    alike = other.labels.numpy()[:, None] == train.labels.numpy()[None]
    found = TrainingImages(train).copies(other)
    assert found.found.tolist() == equal.any(1).tolist()
    assert 0 < found.count < len(other)
    assert found.other_label == int((equal.any(1) & ~(equal & alike).any(1)).sum()) > 0
    assert TrainingImages(train).copies(other, same_classes=False).other_label == found.count


def test_what_counts_is_the_image_as_the_network_gets_it():
    pixels = np.zeros((2, 1, 2, 2), np.uint8)
    train, test = image_set([pixels[:1]], [0]), image_set([pixels[1:]], [0])
    resized = ImageSet(test.groups, test.labels, test.ids + 5, test.classes, "of another file before resizing")
    assert TrainingImages(train).copies(resized).count == 1


def test_equal_hashes_alone_are_no_copies(monkeypatch):
    monkeypatch.setattr(copies, "content_hashes", lambda pixels: np.zeros(len(pixels), np.int64))
    train = image_set([np.full((1, 1, 2, 2), 9, np.uint8)], [0])
    test = image_set([np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2)], [0, 1])
    assert TrainingImages(train).copies(test).count == 0
    assert TrainingImages(train).copies(train).count == 1


def test_many_copies_are_compared_in_parts():
    rng = np.random.default_rng(0)
    train = image_set([rng.integers(0, 256, (2500, 1, 4, 4), dtype=np.uint8)], np.zeros(2500, np.int64))
    test = train.take(torch.arange(2499, -1, -1))
    assert TrainingImages(train).copies(test).count == 2500


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
def test_the_real_data_sets_have_no_exact_copies(real_data, name):
    splits = load(DataSpec(source=name, validation=5000), real_data)
    known = {image.tobytes() for image in splits.train.pixels.numpy()}
    for split in (splits.validation, splits.test):
        expected = sum(image.tobytes() in known for image in split.pixels.numpy())
        assert TrainingImages(splits.train).copies(split).count == expected == 0
