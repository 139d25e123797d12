"""What is told about a data set, on small ones built to be known and on the real ones."""

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from smallvision.data.describe import describe, grid, is_grid
from smallvision.data.load import load
from smallvision.experiment.data import DataSpec


def test_a_small_set_is_described(small_mnist):
    truth = np.load(small_mnist / "truth.npz")
    found = describe(load(DataSpec(source="mnist"), small_mnist))
    pixels = truth["images"] / 255
    assert found["name"] == "mnist"
    assert found["shapes"] == [[1, 28, 28]]
    assert found["splits"]["train"]["count"] == 300
    assert list(found["splits"]["train"]["class_counts"].values()) == np.bincount(truth["labels"]).tolist()
    assert found["mean"] == pytest.approx([pixels.mean()])
    assert found["std"] == pytest.approx([pixels.std()], rel=1e-12)
    assert found["std_sample"] == pytest.approx([pixels.std(ddof=1)], rel=1e-12)
    assert (found["min"], found["max"]) == ([0.0], [1.0])
    assert found["duplicates"] == {"train": 2, "test": 0, "train_test": 1}
    assert "CC BY-SA" in found["license"]


def test_equal_hashes_of_unequal_images_are_no_duplicates(small_mnist, monkeypatch):
    splits = load(DataSpec(source="mnist"), small_mnist)
    pixels = splits.train.pixels.numpy()
    monkeypatch.setattr("smallvision.data.describe.hashes_of", lambda images: np.full(len(images), 7))
    assert describe(splits)["duplicates"]["train"] == (pixels[1:] == pixels[0]).all((1, 2, 3)).sum() < 3


def test_a_grid_shows_the_first_images_with_their_classes(small_mnist):
    images = load(DataSpec(source="mnist", classes=["3", "8"]), small_mnist).train
    figure = grid(images, n=7, columns=4)
    shown = [axis for axis in figure.axes if axis.images]
    assert len(shown) == 7
    for axis, pixels, label in zip(shown, images.pixels, images.labels, strict=False):
        assert np.array_equal(axis.images[0].get_array(), pixels[0])
        assert axis.get_title() == images.classes[label]


def test_a_grid_of_several_sizes_and_colors(tmp_path):
    from PIL import Image

    for number, size in enumerate([(4, 4), (6, 5), (4, 4)]):
        (tmp_path / "ab"[number % 2]).mkdir(exist_ok=True)
        pixels = np.full((*size, 3), number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "ab"[number % 2] / f"{number}.png")
    splits = load(DataSpec(source="folder", path=str(tmp_path)))
    assert len([axis for axis in grid(splits.train).axes if axis.images]) == 3
    found = describe(splits)
    assert found["shapes"] == [[3, 4, 4], [3, 6, 5]]
    assert found["license"] is None


def test_a_folder_that_is_called_mnist_is_not_mnist(tmp_path):
    from PIL import Image

    for name in "ab":
        (tmp_path / "mnist" / name).mkdir(parents=True)
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "mnist" / name / "1.png")
    found = describe(load(DataSpec(source="folder", path=str(tmp_path / "mnist"))))
    assert (found["name"], found["license"], found["homepage"]) == ("mnist", None, None)


def test_real_mnist(real_data):
    found = describe(load(DataSpec(source="mnist"), real_data))
    assert found["mean"] == pytest.approx([0.1306604762738429], abs=1e-13)
    assert found["std_sample"] == pytest.approx([0.3081078071444696], abs=1e-10)
    assert found["std"] == pytest.approx([0.3081078039], abs=1e-10)
    assert found["splits"]["train"]["class_counts"]["5"] == 5421
    assert found["splits"]["test"]["count"] == 10_000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fashion-mnist", "cifar10"])
def test_real_data_against_numpy(real_data, name):
    splits = load(DataSpec(source=name), real_data)
    found = describe(splits)
    train = splits.train.pixels
    assert list(found["splits"]["train"]["class_counts"].values()) == [len(train) // 10] * 10
    for channel in range(train.shape[1]):
        values = train[:, channel].numpy()
        assert found["mean"][channel] == pytest.approx(values.mean(dtype=np.float64) / 255, rel=1e-10)
        assert found["std"][channel] == pytest.approx(values.std(dtype=np.float64) / 255, rel=1e-10)
    distinct = {image.tobytes() for image in train.numpy()}
    assert found["duplicates"]["train"] == len(train) - len(distinct)
    assert found["duplicates"]["train_test"] == sum(image.tobytes() in distinct for image in splits.test.pixels.numpy())


@pytest.mark.slow
def test_the_real_cifar10_is_the_same_in_both_layouts(real_data, tmp_path):
    (tmp_path / "cifar-10-batches-py").symlink_to(real_data / "cifar-10-batches-py")
    one, two = (load(DataSpec(source="cifar10", limit=1000, normalize="none"), root) for root in (real_data, tmp_path))
    assert torch.equal(one.train.pixels, two.train.pixels)
    assert torch.equal(one.test.labels, two.test.labels)


def test_the_fashion_training_set_of_r2(real_data):
    spec = DataSpec(source="fashion-mnist", classes=[1, 3, 5, 7, 9], expand={}, normalize="none")
    splits = load(spec, real_data)
    assert (len(splits.train), len(splits.test)) == (120_000, 5_000)
    assert splits.train.classes == ("Trouser", "Dress", "Sandal", "Sneaker", "Ankle boot")
    assert torch.bincount(splits.train.labels).tolist() == [24_000] * 5


def test_a_picture_that_cannot_be_read_is_none_of_ours(tmp_path):
    ours, path = tmp_path / "ours.png", tmp_path / "other.png"
    info = PngInfo()
    info.add_text("Software", "smallvision")
    Image.new("L", (4, 4)).save(ours, pnginfo=info)
    whole = ours.read_bytes()
    assert is_grid(ours)
    for damaged in (b"", whole[:20], whole[:12] + b"XXXX" + whole[16:], whole[:16] + b"\xff" * 8 + whole[24:]):
        path.write_bytes(damaged)
        assert is_grid(path) is False
