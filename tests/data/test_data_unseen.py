"""Classes that training never sees: which images go where, by brute force over the labels of the files."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from smallvision.data.load import load
from smallvision.errors import BadInput
from smallvision.experiment.data import DataSpec


def mnist(root, **options):
    return load(DataSpec(source="mnist", **options), root)


@pytest.fixture(scope="module")
def truth(small_mnist):
    return np.load(small_mnist / "truth.npz")


def test_unseen_classes_are_in_no_other_split_and_their_test_images_are_one_of_its_own(small_mnist, truth):
    splits = mnist(small_mnist, unseen_classes=[8, "3"], validation=40)
    others = ("0", "1", "2", "4", "5", "6", "7", "9")
    test = np.arange(50) % 10  # as the fixture labels them
    assert list(splits.named()) == ["train", "validation", "test", "unseen"]
    for name in ("train", "validation", "test"):
        assert splits.named()[name].classes == others
    assert len(splits.train) + len(splits.validation) == (~np.isin(truth["labels"], [3, 8])).sum()
    seen = ~np.isin(test, [3, 8])
    assert np.array_equal(splits.test.pixels[:, 0], truth["test"][seen])
    assert [splits.test.classes[label] for label in splits.test.labels] == [str(label) for label in test[seen]]
    unseen = splits.unseen
    assert unseen.classes == ("8", "3")
    assert unseen.name == "mnist unseen"
    assert np.array_equal(unseen.pixels[:, 0], truth["test"][~seen])
    assert [unseen.classes[label] for label in unseen.labels] == [str(label) for label in test[~seen]]
    pixels = splits.train.pixels.numpy() / 255
    assert splits.mean == pytest.approx((pixels.mean(),), rel=1e-12), (
        "unseen images are no part of what pixels are standardised with"
    )
    assert splits.notes[0].startswith("8 of 10 classes; label 0 is 0 (0), ")


def test_beside_a_choice_of_classes_only_those_are_seen(small_mnist, truth):
    splits = mnist(small_mnist, classes=[4, 1, 9], unseen_classes=[0, 2])
    assert splits.train.classes == ("4", "1", "9")
    assert len(splits.train) == np.isin(truth["labels"], [1, 4, 9]).sum()
    assert splits.unseen.classes == ("0", "2")
    assert len(splits.unseen) == 10


def test_without_them_there_is_no_such_split(small_mnist):
    assert mnist(small_mnist).unseen is None
    assert "unseen" not in mnist(small_mnist).named()


def test_their_images_are_known_by_the_same_ids(small_mnist):
    every, part = mnist(small_mnist), mnist(small_mnist, unseen_classes=[5, 6])
    known = {tuple(one): label for one, label in zip(every.test.ids.tolist(), every.test.labels.tolist(), strict=True)}
    assert {known[one[0], one[1]] for one in part.unseen.ids.tolist()} == {5, 6}


def test_digits_too():
    splits = load(DataSpec(source="digits", unseen_classes=[1, 2, 3], validation=0.2), None)
    count = np.bincount(load_digits().target)
    # The training images of classes 1, 2 and 3 are left out.
    assert len(splits.train) + len(splits.validation) + len(splits.test) + len(splits.unseen) < count.sum()
    assert len(splits.train) + len(splits.validation) + len(splits.test) == count.sum() - count[1:4].sum()
    assert splits.to("cpu").unseen.classes == ("1", "2", "3")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"unseen_classes": [1, 10]}, "data.unseen_classes: mnist has no class 10; expected 0 to 9"),
        ({"unseen_classes": [1, "tree"]}, 'data.unseen_classes: mnist has no class "tree"'),
        ({"unseen_classes": [1, "1"]}, 'data.unseen_classes: "1" is given twice'),
        ({"unseen_classes": [1, 2], "classes": [2, 3]}, 'data.unseen_classes: "2" is in data.classes as'),
        (
            {"unseen_classes": list(range(9))},
            "data.unseen_classes: only 1 of 10 classes would be left to train on; leave at least two",
        ),
        ({"unseen_classes": list(range(10))}, "only 0 of 10 classes"),
    ],
)
def test_what_cannot_be_left_out_is_refused_in_one_line(small_mnist, options, said):
    with pytest.raises(BadInput) as caught:
        mnist(small_mnist, **options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_data_without_a_test_split_has_none_to_ask_about(tmp_path):
    file = tmp_path / "few.npz"
    np.savez(file, x_train=np.zeros((40, 6, 6), np.uint8), y_train=np.arange(40) % 4)
    with pytest.raises(
        BadInput,
        match=(
            r"^data\.unseen_classes: .* has no test split, and unseen classes are scored on test images; leave this "
            "key out"
        ),
    ):
        load(DataSpec(source="npz", path=str(file), unseen_classes=[0, 1]))
