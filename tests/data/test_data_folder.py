"""A folder of pictures, in the layouts people have."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from smallvision.data import memory, source
from smallvision.data.datasets import DATASETS
from smallvision.data.load import load
from smallvision.errors import BadInput
from smallvision.experiment.data import DataSpec

RANDOM = np.random.default_rng(5)


def picture(path, size=(6, 5), color=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RANDOM.integers(0, 256, (*size, 3) if color else size, dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def folder(path, **options):
    return load(DataSpec(source="folder", path=str(path), **options))


def test_one_sub_folder_per_class_in_natural_order(tmp_path):
    expected = {}
    for name in ("10", "9", "b2", "b10", "Zebra"):
        for file in ("10.png", "9.png", "1.bmp"):
            expected[name, file] = picture(tmp_path / name / file)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "9" / ".DS_Store").write_text("x")
    splits = folder(tmp_path)
    classes = ("9", "10", "Zebra", "b2", "b10")
    assert splits.train.classes == classes
    assert splits.test is None
    assert splits.validation is None
    in_order = [expected[name, file] for name in classes for file in ("1.bmp", "9.png", "10.png")]
    assert np.array_equal(splits.train.pixels[:, 0], np.stack(in_order))
    assert splits.train.labels.tolist() == [label for label in range(5) for _ in range(3)]


@pytest.mark.parametrize("validation", ["val", "valid", "validation", None])
def test_with_splits_above_the_classes(tmp_path, validation):
    names = ["train", "test", *([validation] if validation else [])]
    for split in names:
        for name in ("cat", "dog"):
            picture(tmp_path / split / name / "a.png")
    splits = folder(tmp_path)
    assert len(splits.train) == len(splits.test) == 2
    assert (splits.validation is None) == (validation is None)
    if validation:
        with pytest.raises(BadInput, match=r"data\.validation: .* has a validation split of its own"):
            folder(tmp_path, validation=0.5)


def test_a_class_may_be_called_train(tmp_path):
    for name in ("train", "bus", "test"):
        picture(tmp_path / name / "a.png")
    assert folder(tmp_path).train.classes == ("bus", "test", "train")


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        (["train/cat.0.jpg", "train/dog.0.jpg", "test1/1.jpg"], "pets/train/cat/cat.0.jpg"),  # of Kaggle's competition
        (["train/cat.0.jpg", "test/1.jpg", "val/dog.1.jpg"], "pets/train/cat/cat.0.jpg"),
        (["train/0001.png"], "pets/train/CLASS/0001.png"),
        (["Training/a_1.png", "Testing/b_2.png"], "pets/train/a/a_1.png"),
        (["Training/a/1.png", "Training/b/1.png", "Testing/a/1.png"], "pets/train/CLASS/image.png"),
        (["val/a/1.png", "test/a/1.png"], "pets/train/CLASS/image.png"),
        (["train/1.png", "test/a/1.png", "test/b/1.png"], "pets/train/CLASS/1.png"),
    ],
)
def test_folders_called_as_splits_are_no_classes(tmp_path, files, layout):
    for file in files:
        picture(tmp_path / "pets" / file)
    with pytest.raises(BadInput, match=f"as in {layout}|expected {layout}") as caught:
        folder(tmp_path / "pets")
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "pets") in str(caught.value)


@pytest.mark.parametrize("name", ["train", "Test", "val", "testing"])
def test_beside_another_class_such_a_name_is_a_class(tmp_path, name):
    for folder_name in (name, "car"):
        picture(tmp_path / folder_name / "1.png")
    assert set(folder(tmp_path).train.classes) == {name, "car"}


def test_classes_below_train_may_be_called_so(tmp_path):
    for name in ("train", "test"):
        picture(tmp_path / "train" / name / "1.png")
    assert folder(tmp_path).train.classes == ("test", "train")


def test_color_size_and_options(tmp_path):
    for name in ("a", "b"):
        for number in range(4):
            picture(tmp_path / name / f"{number}.png", color=name == "b")
    assert folder(tmp_path).train.shape == (3, 6, 5)
    assert folder(tmp_path, color="gray").train.shape == (1, 6, 5)
    assert folder(tmp_path, size=8).train.shape == (3, 8, 8)
    expected = np.asarray(Image.open(tmp_path / "a" / "0.png").resize((7, 3), Image.Resampling.BILINEAR))
    assert np.array_equal(folder(tmp_path, size=[3, 7]).train.pixels[0, 0], expected)
    splits = folder(tmp_path, validation=2, limit_per_class=2)
    assert (len(splits.train), len(splits.validation)) == (4, 2)


def test_several_sizes_are_groups_of_one_set(tmp_path):
    sizes = [(8, 8), (4, 6), (8, 8), (6, 4), (4, 6), (8, 8)]
    expected = [picture(tmp_path / "ab"[n % 2] / f"{n}.png", size) for n, size in enumerate(sizes)]
    splits = folder(tmp_path)
    train = splits.train
    assert [tuple(group.shape) for group in train.groups] == [(2, 1, 4, 6), (1, 1, 6, 4), (3, 1, 8, 8)]
    assert train.labels.tolist() == [0, 1, 1, 0, 0, 1]
    assert np.array_equal(train.groups[0][:, 0], [expected[4], expected[1]])
    assert splits.mean == pytest.approx((np.concatenate([one.ravel() for one in expected]).mean() / 255,), rel=1e-12)
    with pytest.raises(BadInput, match=r"its images have 3 different sizes \(4x6, 6x4, 8x8\); set data\.size"):
        train.pixels.sum()
    taken = train.take(torch.tensor([5, 0, 2]))
    assert [len(group) for group in taken.groups] == [1, 1, 1]
    assert taken.labels.tolist() == [0, 1, 1]
    assert torch.equal(taken.ids, train.ids[[0, 2, 5]])
    assert len(folder(tmp_path, validation=2).train) == 4
    larger = folder(tmp_path, expand={"noise": 0.0})
    assert [len(group) for group in larger.train.groups] == [4, 2, 6]
    assert larger.train.labels.tolist() == [0, 1, 0, 1, 1, 1, 0, 0, 1, 0, 0, 1]


def two_classes(path):
    for name in ("a", "b"):
        picture(path / name / "1.png")


def empty_class(path):
    (path / "c").mkdir()
    (path / "c" / ".hidden").write_text("")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (empty_class, 'class "c" has no image'),
        (
            lambda path: (path / "a" / "notes.txt").write_text("hello"),
            "notes.txt: this is not an image in a supported format",
        ),
        (lambda path: (path / "README.md").write_text("hello"), "README.md: this file lies next to the class folders"),
        (lambda path: (path / "a" / "more").mkdir(), "more: this folder lies inside a class"),
        (lambda path: picture(path / "train" / "a" / "1.png"), 'next to "train", expected only'),
        (lambda path: (path / "b" / "2.png").write_bytes((path / "a" / "1.png").read_bytes()[:50]), "2.png: "),
    ],
)
def test_what_is_wrong_is_named(tmp_path, change, message):
    two_classes(tmp_path)
    change(tmp_path)
    with pytest.raises(BadInput) as caught:
        folder(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("where", [".", "b"])
def test_folders_that_may_not_be_looked_into_are_named(tmp_path, monkeypatch, where):
    two_classes(tmp_path)
    real, closed = os.scandir, tmp_path / where

    def asked(path):
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", asked)
    with pytest.raises(BadInput, match=r"Permission denied \(data\.path\)$") as caught:
        folder(tmp_path)
    assert str(closed) in str(caught.value)


def test_names_that_cannot_be(tmp_path):
    for path in ("~nosuchuser/x", tmp_path / ("x" * 300), "a\0b"):
        with pytest.raises(BadInput) as caught:
            folder(path)
        assert "\n" not in str(caught.value)
    two_classes(tmp_path)
    (tmp_path / "a").rename(tmp_path / "\udcff")
    with pytest.raises(BadInput, match=r"the name of class \\udcff is not valid"):
        folder(tmp_path)


def test_layouts_that_are_not_understood(tmp_path):
    with pytest.raises(BadInput, match="nothing: no such folder"):
        folder(tmp_path / "nothing")
    with pytest.raises(BadInput, match="has 0 sub-folders"):
        folder(tmp_path)
    picture(tmp_path / "a" / "1.png")
    with pytest.raises(BadInput, match="has 1 sub-folders"):
        folder(tmp_path)


def test_classes_of_other_splits(tmp_path):
    two_classes(tmp_path / "train")
    picture(tmp_path / "test" / "a" / "1.png")
    splits = folder(tmp_path)
    assert 'there are no images of class "b"' in splits.notes[0]
    picture(tmp_path / "test" / "A" / "1.png")
    with pytest.raises(BadInput, match="this is not a class of the training images; known: a, b"):
        folder(tmp_path)


def test_memory_is_asked_for_before_pictures_are_decoded(tmp_path, monkeypatch):
    two_classes(tmp_path)
    monkeypatch.setattr(memory, "available_bytes", lambda: 59)
    with pytest.raises(BadInput, match=r"needs 60 bytes of memory, .*data\.limit or data\.size"):
        folder(tmp_path)
    assert len(folder(tmp_path, size=3).train) == 2


def test_a_resized_image_keeps_the_id_of_the_image_in_its_file(tmp_path):
    """Whatever is read together: a source that is read twice, in parts, or unresized gives an image the same id."""
    expected = {}
    for number in range(30):
        name = f"{'ab'[number % 2]}/{number}.png"
        pixels = picture(tmp_path / name, size=(6 + number % 3, 5))
        shape = f"1,{pixels.shape[0]},5,".encode()
        expected[
            int.from_bytes(hashlib.blake2b(shape + pixels.tobytes(), digest_size=8).digest(), "little", signed=True)
        ] = np.asarray(Image.fromarray(pixels).resize((4, 4), Image.Resampling.BILINEAR))
    spec = DataSpec(source="folder", path=str(tmp_path), size=4)
    dataset = DATASETS["folder"]
    raw = dataset.read(dataset, spec, None)
    halves = source.read(raw.train, [np.arange(0, 30, 2), np.arange(1, 30, 2)])
    again = source.read(raw.train, [np.arange(30)])[0]
    for part in (*halves, again):
        for image, content in zip(part.pixels, part.hashes.tolist(), strict=True):
            assert np.array_equal(image[0], expected[content])
    splits = folder(tmp_path, size=4, validation=10)
    whole = folder(tmp_path)
    parts = {tuple(row) for split in splits.named().values() for row in split.ids.tolist()}
    assert parts == {tuple(row) for row in whole.train.ids.tolist()} == {(content, 0) for content in expected}
    assert (
        source.read(dataset.read(dataset, spec.model_copy(update={"size": None}), None).train, [np.arange(1)])[0].hashes
        is None
    )
