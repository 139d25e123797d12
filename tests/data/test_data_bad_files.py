"""A folder with files that are no images: named, counted, or left out; where a folder is looked up; headers."""

import shutil

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from smallvision.data.load import load
from smallvision.data.readers.image_file import read_header
from smallvision.errors import BadInput
from smallvision.experiment import load as experiment
from smallvision.experiment.data import DataSpec


def folder(path, **options):
    return load(DataSpec(source="folder", path=str(path), **options))


@pytest.fixture
def many(tmp_path):
    """300 pictures of two classes, their number as their value."""
    for number in range(300):
        path = tmp_path / "pictures" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((5, 4), number // 2, np.uint8)).save(path)
    return tmp_path / "pictures"


def cut(path):
    """It ends early."""
    path.write_bytes(path.read_bytes()[:-30])


def garble(path):
    """Its header stands, its pixels cannot be unpacked: found out when they are decoded, not before."""
    content = bytearray(path.read_bytes())
    start = content.index(b"IDAT") + 6
    content[start : start + 4] = b"\xff" * 4
    path.write_bytes(bytes(content))
    read_header(path)


SPOILT = {
    "cut": cut,
    "garbled": garble,
    "text": lambda path: path.write_text("no picture"),
    "empty": lambda path: path.write_bytes(b""),
}


@pytest.mark.slow
@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("options", [{}, {"size": 3}])
def test_one_among_many_is_named_and_counted(many, spoil, options):
    spoil(many / "b" / "77.png")
    with pytest.raises(
        BadInput,
        match=(r"b/77\.png: .*; 1 of 300 files cannot be read; set data\.skip_bad = true to leave out such files$"),
    ) as caught:
        folder(many, **options)
    assert "\n" not in str(caught.value)
    splits = folder(many, skip_bad=True, **options)
    assert len(splits.train) == 299
    assert splits.notes == ("1 of 300 files cannot be read as images and are left out (data.skip_bad): b/77.png",)
    whole = folder(many, classes=["a", "b"], skip_bad=True, **options)
    assert np.array_equal(whole.train.pixels, splits.train.pixels)
    expected = [number // 2 for number in (*range(0, 300, 2), *range(1, 300, 2)) if number != 77]
    assert splits.train.pixels[:, 0, 0, 0].tolist() == expected
    assert splits.train.labels.tolist() == [0] * 150 + [1] * 149


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_several_are_counted_and_the_first_is_named(many, spoil):
    for number in range(20, 34):
        spoil(many / "ab"[number % 2] / f"{number}.png")
    with pytest.raises(BadInput, match=r"a/20\.png: .*; 14 of 300 files cannot be read; set data\.skip_bad"):
        folder(many)
    splits = folder(many, skip_bad=True, validation=50)
    assert (len(splits.train), len(splits.validation)) == (236, 50)
    assert splits.notes[0].endswith("a/20.png, a/22.png, a/24.png, a/26.png, a/28.png, ...")
    assert splits.notes[0].startswith("14 of 300 files")


def test_all_bad_is_no_data(many):
    for path in (many / "b").iterdir():
        path.write_text("x")
    with pytest.raises(BadInput, match='b: no file of class "b" can be read as an image'):
        folder(many, skip_bad=True)
    for path in (many / "a").iterdir():
        path.write_text("x")
    with pytest.raises(BadInput, match="none of its 300 files can be read as an image"):
        folder(many, skip_bad=True)


def test_bad_files_of_a_test_split_count_too(many, tmp_path):
    whole = tmp_path / "whole"
    shutil.copytree(many, whole / "train")
    shutil.copytree(many, whole / "test")
    garble(whole / "test" / "a" / "4.png")
    (whole / "train" / "b" / "5.png").write_text("x")
    with pytest.raises(BadInput, match=r"train/b/5\.png: .* 1 of 600 files cannot be read"):
        folder(whole)
    splits = folder(whole, skip_bad=True)
    assert (len(splits.train), len(splits.test)) == (299, 299)
    assert splits.notes[0].startswith("2 of 600 files")


def test_the_key_changes_no_hash_and_belongs_to_folders():
    assert experiment("digits").hash() == experiment("digits", ["data.skip_bad=false"]).hash()
    with pytest.raises(BadInput, match='skip_bad are for the source "folder"'):
        experiment("digits", ["data.skip_bad=true"])


def test_a_relative_folder_is_looked_for_here_and_among_the_data_sets(many, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = folder("pictures").train.pixels
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    spec = DataSpec(source="folder", path="pictures")
    assert np.array_equal(load(spec, root=tmp_path).train.pixels, here)
    monkeypatch.setenv("SMALLVISION_DATA", str(tmp_path))
    assert np.array_equal(load(spec).train.pixels, here)
    with pytest.raises(BadInput, match=r"nothing: no such folder here or in .* \(data\.path\)$"):
        folder("nothing")
    with pytest.raises(BadInput, match=r"make it with: smallvision data make mnist-varres$"):
        folder("mnist-varres")


def test_a_png_is_turned_as_its_exif_says_wherever_that_stands(tmp_path):
    """EXIF before the pixels, after them, or not at all. Nothing is decoded, so a truncated image has a header."""
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    picture, path = Image.fromarray(np.zeros((7, 3), np.uint8)), tmp_path / "a.png"
    picture.save(path, exif=exif)
    assert read_header(path) == (True, 3, 7)
    content = path.read_bytes()
    start = content.index(b"eXIf") - 4
    length = int.from_bytes(content[start : start + 4], "big") + 12
    end = content.index(b"IEND") - 4
    path.write_bytes(content[:start] + content[start + length : end] + content[start : start + length] + content[end:])
    assert read_header(path) == (True, 3, 7)
    picture.save(path, pnginfo=PngInfo())
    assert read_header(path) == (True, 7, 3)
    garble(path)
    assert read_header(path) == (True, 7, 3)
