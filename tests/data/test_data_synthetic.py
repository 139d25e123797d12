"""MNIST at several resolutions, as a folder: what is in it, that it is balanced and seeded, and never half there."""

import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from smallvision.cli.synthetic import make_app, spread
from smallvision.data import synthetic
from smallvision.data.load import load
from smallvision.data.synthetic import Made, Written, make, plan
from smallvision.errors import BadInput, RunFailed
from smallvision.experiment.data import DataSpec


def made(dest, root, **more):
    events = list(make(dest, root=root, **more))
    assert isinstance(events[-1], Made)
    return events


@pytest.fixture(scope="module")
def written(small_mnist, tmp_path_factory):
    """Sizes 16, 40 and 29 of all digits, and MNIST's own pixels."""
    path = tmp_path_factory.mktemp("varres") / "new"
    events = made(path, small_mnist, sizes=(16, 40, 29), seed=4)
    return path, events, np.load(small_mnist / "truth.npz")


def test_every_digit_is_an_image_of_one_of_the_sizes(written):
    path, events, truth = written
    assert [event for event in events if isinstance(event, Written)] == [Written(350, 350)]
    for split, labels in (("train", truth["labels"]), ("test", np.arange(50) % 10)):
        names = {(file.parent.name, file.stem) for file in (path / split).rglob("*.png")}
        assert names == {(str(label), f"{number:05d}") for number, label in enumerate(labels)}
        sizes = [Image.open(file).size for file in (path / split).rglob("*.png")]
        assert {*sizes} == {(16, 16), (40, 40), (29, 29)}
        assert all(Image.open(file).mode == "L" for file in (path / split).rglob("*.png"))


def test_each_image_is_the_digit_drawn_out_on_black(written):
    """By brute force: there is a side and a place at which the whole image is the resized digit, and nothing else."""
    path, _, truth = written
    for number in range(0, 300, 29):
        (file,) = (path / "train").rglob(f"{number:05d}.png")
        image, digit = np.asarray(Image.open(file)), Image.fromarray(truth["images"][number])
        rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
        tall, wide = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
        found = False
        for side in range(-(-len(image) // 2), len(image) + 1):
            if side >= max(tall, wide):  # noise has no black margin: its box is the digit's
                drawn = np.asarray(digit.resize((side, side), Image.Resampling.BILINEAR))
                part = image[rows[0] : rows[0] + side, columns[0] : columns[0] + side]
                found = found or (part.shape == drawn.shape and np.array_equal(part, drawn))
        assert found, file


def test_balanced_over_sizes_within_each_class(written):
    _, events, truth = written
    for split, labels in (("train", truth["labels"]), ("test", np.arange(50) % 10)):
        counts = events[-1].counts[split]
        table = np.array([counts[size] for size in (16, 40, 29)])
        assert np.array_equal(table.sum(0), np.bincount(labels))
        assert (table.max(0) - table.min(0) <= 1).all()
        assert np.ptp(table.sum(1)) <= 1


def test_sides_and_places_are_uniform():
    """Over 60 000 draws: mean and extremes of what is said, by the uniform distribution's own moments."""
    found = plan(np.arange(60000) % 10, (32, 48, 64), None, seed=1)
    for size in (32, 48, 64):
        mine = found.sizes == size
        sides, n = found.sides[mine], mine.sum()
        assert (sides.min(), sides.max()) == (size // 2, size)
        assert abs(sides.mean() - 0.75 * size) < 4 * size / 2 / 12**0.5 / n**0.5
        for place in (found.tops[mine], found.lefts[mine]):
            largest = size - sides
            assert (place >= 0).all()
            assert (place <= largest).all()
            share = place[largest > 5] / largest[largest > 5]
            assert abs(share.mean() - 0.5) < 4 * 0.36 / n**0.5
    assert abs(np.corrcoef(found.tops, found.lefts)[0, 1]) < 0.9


def test_the_seed_decides_and_the_folder_trains(written, small_mnist, tmp_path):
    path, _, _ = written

    def content(folder):
        return {
            str(file.relative_to(folder)): np.asarray(Image.open(file)).tobytes()
            for file in sorted(folder.rglob("*.png"))
        }

    made(tmp_path / "again", small_mnist, sizes=(16, 40, 29), seed=4)
    made(tmp_path / "other", small_mnist, sizes=(16, 40, 29), seed=5)
    assert content(tmp_path / "again") == content(path) != content(tmp_path / "other")
    splits = load(DataSpec(source="folder", path=str(path)))
    assert splits.train.sizes == ((16, 16), (29, 29), (40, 40))
    assert splits.train.classes == tuple("0123456789")
    about = json.loads((path / "about.json").read_text())
    assert (about["sizes"], about["seed"], about["train"], about["test"]) == ([16, 40, 29], 4, 300, 50)
    (tmp_path / "plain").mkdir()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode, "others may read it as they may any new folder"


def test_fewer_images_are_equally_many_of_each_digit(small_mnist, tmp_path):
    event = made(tmp_path / "few", small_mnist, train=33, test=20, sizes=(20,))[-1]
    assert event.counts == {"train": {20: [4, 4, 4] + [3] * 7}, "test": {20: [2] * 10}}
    truth = np.load(small_mnist / "truth.npz")
    least = int(np.bincount(truth["labels"]).min())
    with pytest.raises(
        BadInput,
        match=f"--train 290: equally many images .*; ask for 10 to {10 * least}, or leave this option out for all 300",
    ):
        list(make(tmp_path / "more", train=290, root=small_mnist))
    with pytest.raises(BadInput, match=r"--test 9: .*; ask for 10 to 50, or"):
        list(make(tmp_path / "more", test=9, root=small_mnist))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((), "--sizes: got none"),
        ((7, 32), "--sizes: got 7; expected sides of 8 to 512"),
        ((32, 513), "got 513"),
        ((32, 32), "32 is given twice"),
    ],
)
def test_sizes_that_cannot_be(small_mnist, tmp_path, sizes, message):
    with pytest.raises(BadInput, match=message):
        list(make(tmp_path / "new", sizes, root=small_mnist))
    assert not list(tmp_path.iterdir())


def test_what_is_there_stays(small_mnist, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "folder", "link"):
        with pytest.raises(BadInput, match=f"{name}: this folder exists already, and nothing is overwritten"):
            list(make(tmp_path / name, root=small_mnist))
    with pytest.raises(BadInput, match=r"there is no folder .*none"):
        list(make(tmp_path / "none" / "new", root=small_mnist))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "link"]


def test_nothing_is_left_of_what_was_stopped_or_failed(small_mnist, tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic, "EVERY", 20)
    events = make(tmp_path / "new", root=small_mnist)
    assert next(events) == Written(20, 350)
    assert [path.name[:5] for path in tmp_path.iterdir()] == [".new."]
    events.close()
    assert not list(tmp_path.iterdir())

    def full(image, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(synthetic, "_save", full)
    with pytest.raises(RunFailed, match=r"folder cannot be written \(No space left on device\); nothing was kept"):
        list(make(tmp_path / "new", root=small_mnist))
    assert not list(tmp_path.iterdir())


def test_by_default_it_goes_among_the_data_sets(small_mnist, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(small_mnist, root)
    made(None, root, train=20, test=10)
    assert len(load(DataSpec(source="folder", path="mnist-varres"), root=root).train) == 20


def test_numbers_after_sizes():
    expected = ["new", "--sizes", "32", "--sizes", "48", "--sizes", "64", "--seed", "3"]
    for numbers in (" 32 48 64", " 32,48,64", "=32,48 64", " 32, 48 64"):
        assert spread(f"new --sizes{numbers} --seed 3".split()) == expected
    assert spread(["--sizes", "32", "48", "new"]) == ["--sizes", "32", "--sizes", "48", "new"]
    assert spread(["--sizes"]) == ["--sizes"]
    assert spread(["--sizes", "x", "3"]) == ["--sizes", "x", "--sizes", "3"]


def test_the_command_writes_and_says_what(small_mnist, tmp_path):
    words = [
        "mnist-varres",
        str(tmp_path / "new"),
        "--sizes",
        "32",
        "20",
        "--train",
        "20",
        "--test",
        "10",
        "--root",
        str(small_mnist),
    ]
    done = CliRunner().invoke(make_app, words)
    assert done.exit_code == 0
    assert "train 32 x 32 10 1" in " ".join(done.stdout.split())
    assert "30 images in" in done.stdout
    assert str(tmp_path / "new") in done.stdout
    again = CliRunner().invoke(make_app, words)
    assert isinstance(again.exception, BadInput)


@pytest.mark.slow
def test_a_signal_stops_it_and_nothing_is_left(small_mnist, tmp_path):
    script = (
        "import sys, time, smallvision.data.synthetic as varres\n"
        "from smallvision.cli.synthetic import make_app\n"
        "from smallvision.errors import SmallvisionError\n"
        "varres.EVERY, save = 1, varres._save\n"
        # 350 images: it is never done before the signal
        "varres._save = lambda *words: (save(*words), time.sleep(0.5))\n"
        "try: make_app(sys.argv[1:], standalone_mode=False)\n"
        "except SmallvisionError as error: print(error, file=sys.stderr); sys.exit(error.exit_status)\n"
    )
    words = [sys.executable, "-c", script, "mnist-varres", str(tmp_path / "new"), "--root", str(small_mnist)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while process.poll() is None and not any(tmp_path.rglob("*.png")):
        pass
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 143
    assert "of 350 images; nothing was kept" in said
    assert not list(tmp_path.iterdir())
