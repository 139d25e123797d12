"""The number that is white in image files of more than 8 bits: what is stated, what is assumed, and what is said.

The files are written byte by byte; what is expected is numpy's arithmetic on the numbers in them.
"""

import struct
import zlib

import numpy as np
import pytest

from smallvision.data.load import load
from smallvision.data.readers import read_image
from smallvision.data.readers.levels import Levels
from smallvision.errors import BadInput
from smallvision.experiment.data import DataSpec

RANDOM = np.random.default_rng(12)
SENSOR = RANDOM.integers(0, 4096, (5, 7), dtype=np.uint16)
SENSOR.flat[:2] = 0, 4095
COLORS = RANDOM.integers(0, 4096, (5, 7, 3), dtype=np.uint16)
ROTATED = 6  # an orientation: the upright image is numpy's rot90(a, -1)


def png(path, values, transparent=None):
    """A PNG of 16 bits, of (H, W) or (H, W, C) with 2 (gray and alpha), 3 or 4 channels."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width, channels = np.atleast_3d(values).shape
    color = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0))]
    parts += [] if transparent is None else [chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent))]
    parts += [chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def tiff(path, values, order="<", deflated=False, photometric=None, orientation=1):
    """A TIFF of one strip of an array (H, W) or (H, W, C) of any type of number."""
    height, width, channels = np.atleast_3d(values).shape
    content = values.astype(values.dtype.newbyteorder(order)).tobytes()
    content = zlib.compress(content) if deflated else content
    content += b"\0" * (len(content) % 2)
    bits, sample = 8 * values.itemsize, {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    many = 8 + len(content)  # where the bits of each channel stand, if they are several
    photometric = (2 if channels > 1 else 1) if photometric is None else photometric
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, channels, bits if channels == 1 else many)]
    tags += [(259, 3, 1, 8 if deflated else 1), (262, 3, 1, photometric), (273, 4, 1, 8), (274, 3, 1, orientation)]
    tags += [(277, 3, 1, channels), (278, 4, 1, height), (279, 4, 1, len(content)), (284, 3, 1, 1)]
    tags += [(338, 3, 1, 2)] if channels == 4 else []
    tags += [(339, 3, channels, sample if channels == 1 else many + 8)]
    extra = b"" if channels == 1 else b"".join(struct.pack(f"{order}4H", *[number] * 4) for number in (bits, sample))
    if channels == 4:
        extra = struct.pack(f"{order}8H", *[bits] * 4, *[sample] * 4)
    rows = b""
    for tag, kind, count, value in tags:
        short = kind == 3 and count == 1
        rows += struct.pack(f"{order}HHI", tag, kind, count) + struct.pack(
            f"{order}{'HH' if short else 'I'}", *([value, 0] if short else [value])
        )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", many + len(extra))
    path.write_bytes(head + content + extra + struct.pack(f"{order}H", len(tags)) + rows + bytes(4))
    return path


def scaled(values, black, white):
    return np.rint((values.astype(np.float64) - black) / (white - black) * 255).astype(np.uint8)


def read(path, black, white, color="auto"):
    return read_image(path, color, levels=Levels(black, white, "data.white"))


@pytest.mark.parametrize("white", [4095, 5000, 65535])
def test_gray_files_of_every_kind(tmp_path, white):
    expected = scaled(SENSOR, 0, white)
    assert np.array_equal(read(png(tmp_path / "a.png", SENSOR), 0, white)[0], expected)
    for number, dtype in enumerate([np.uint16, np.int16, np.uint32, np.int32, np.float32]):
        for order in "<>" if dtype != np.uint32 else "<":  # Pillow opens no such big-endian file
            for deflated in (False, True):
                path = tiff(tmp_path / f"{number}.tif", SENSOR.astype(dtype), order, deflated)
                assert np.array_equal(read(path, 0, white)[0], expected), (dtype, order, deflated)
    negative = tiff(tmp_path / "n.tif", SENSOR, photometric=0)
    assert np.array_equal(read(negative, 0, white)[0], 255 - expected)
    turned = tiff(tmp_path / "t.tif", SENSOR, orientation=ROTATED)
    assert np.array_equal(read(turned, 0, white)[0], np.rot90(expected, -1))


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
@pytest.mark.parametrize("order", ["<", ">"])
def test_compressed_files_of_either_byte_order(tmp_path, dtype, order):
    values = np.array([[0, 1, 255, 256, 770, 65535 if np.dtype(dtype).itemsize > 2 else 32767]]).astype(dtype)
    path = tiff(tmp_path / "a.tif", values, order, deflated=True)
    assert np.array_equal(read(path, 0, 65535)[0], scaled(values, 0, 65535))
    if np.dtype(dtype).itemsize > 2:
        assert read_image(path)[0].tolist() == [[0, 0, 1, 1, 3, 255]]


def test_a_range_that_begins_below_zero(tmp_path):
    scan = RANDOM.integers(-1024, 3072, (5, 7)).astype(np.int16)
    expected = scaled(scan, -1024, 3071)
    for dtype in (np.int16, np.int32, np.float32):
        path = tiff(tmp_path / "a.tif", scan.astype(dtype))
        assert np.array_equal(read(path, -1024, 3071)[0], expected)
        with pytest.raises(BadInput, match=r"data\.range = \[black, white\]"):
            read_image(path)
    unit = RANDOM.uniform(-1, 1, (5, 7)).astype(np.float32)
    assert np.array_equal(read(tiff(tmp_path / "b.tif", unit), -1, 1)[0], scaled(unit, -1, 1))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("deflated", [False, True])
def test_colour_tiffs_of_16_bits(tmp_path, order, deflated):
    path = tiff(tmp_path / "a.tif", COLORS, order, deflated)
    assert np.array_equal(read(path, 0, 4095), scaled(COLORS, 0, 4095).transpose(2, 0, 1))
    opaque = np.dstack([COLORS, np.full((5, 7), 65535, np.uint16)])
    path = tiff(tmp_path / "b.tif", opaque, order, deflated)
    assert np.array_equal(read(path, 0, 4095), scaled(COLORS, 0, 4095).transpose(2, 0, 1))
    turned = tiff(tmp_path / "c.tif", COLORS, order, deflated, orientation=ROTATED)
    assert np.array_equal(read(turned, 0, 4095), np.rot90(scaled(COLORS, 0, 4095), -1).transpose(2, 0, 1))


def test_colour_and_alpha_pngs_of_16_bits(tmp_path):
    expected = scaled(COLORS, 0, 4095)
    assert np.array_equal(read(png(tmp_path / "a.png", COLORS), 0, 4095), expected.transpose(2, 0, 1))
    alpha = np.full((5, 7), 65535, np.uint16)
    alpha[0] = 0  # transparent, and so white
    white = np.where(alpha[..., None] > 0, expected, 255)
    found = read(png(tmp_path / "b.png", np.dstack([COLORS, alpha])), 0, 4095)
    assert np.array_equal(found, white.transpose(2, 0, 1))
    found = read(png(tmp_path / "c.png", np.dstack([SENSOR, alpha])), 0, 4095)
    assert np.array_equal(found[0], np.where(alpha > 0, scaled(SENSOR, 0, 4095), 255))


def test_a_transparent_level_may_lie_outside_of_the_range(tmp_path):
    nothing = SENSOR.copy()
    nothing[2, 3] = 65535
    path = png(tmp_path / "a.png", nothing, transparent=[65535])
    expected = scaled(SENSOR, 0, 4095)
    expected[2, 3] = 255
    assert np.array_equal(read(path, 0, 4095)[0], expected)
    colors = COLORS.copy()
    colors[2, 3] = 4000, 4001, 4002
    expected = scaled(colors, 0, 4095)
    expected[2, 3] = 255
    path = png(tmp_path / "b.png", colors, transparent=[4000, 4001, 4002])
    assert np.array_equal(read(path, 0, 4095), expected.transpose(2, 0, 1))


def test_strips_are_put_together(tmp_path, monkeypatch):
    from smallvision.data.readers import image_file

    monkeypatch.setattr(image_file, "_STRIP", 14)
    assert np.array_equal(read(png(tmp_path / "a.png", SENSOR), 0, 4095)[0], scaled(SENSOR, 0, 4095))
    found = read(png(tmp_path / "b.png", COLORS), 0, 4095)
    assert np.array_equal(found, scaled(COLORS, 0, 4095).transpose(2, 0, 1))


@pytest.mark.parametrize("values", [SENSOR, COLORS, SENSOR.astype(np.float32), SENSOR.astype(np.int32)])
def test_values_above_white_are_refused_with_file_and_value(tmp_path, values):
    write = tiff if values.dtype.kind != "u" else png
    path = write(tmp_path / "a.bin", values)
    with pytest.raises(BadInput) as caught:
        read(path, 0, 1000)
    assert str(caught.value).startswith(f"{path}: its pixels go from {values.min()} to {values.max()}".split(".0")[0])
    assert "outside of data.white" in str(caught.value)
    assert "\n" not in str(caught.value)


def folder(path, write, images):
    """A folder of two classes with these images in turn, and its path."""
    for number, values in enumerate(images):
        place = path / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        write(place / f"{number}{'.png' if write is png else '.tif'}", values)
    return str(path)


@pytest.mark.parametrize(
    ("largest", "says"),
    [
        (1, "is 1; white is taken as 65,535; set data.white = 1 if the sensor has 1 bit"),
        (200, "is 200; white is taken as 65,535; set data.white = 255 if the sensor has 8 bits"),
        (1000, "is 1,000; white is taken as 65,535; set data.white = 1023 if the sensor has 10 bits"),
        (4093, "is 4,093; white is taken as 65,535; set data.white = 4095 if the sensor has 12 bits"),
        (16000, "is 16,000; white is taken as 65,535; set data.white = 16383 if the sensor has 14 bits"),
        (32768, None),
        (0, None),
    ],
)
def test_few_bits_are_said(tmp_path, largest, says):
    images = [np.full((3, 4), value, np.uint16) for value in (0, largest // 2, largest, 0, 0)]
    path = folder(tmp_path, png, images)
    notes = load(DataSpec(source="folder", path=path)).notes
    expected = [] if says is None else [f"the largest value in 5 16-bit images {says}"]
    assert [note for note in notes if "the largest" in note] == expected


def test_few_bits_of_other_files_are_said(tmp_path):
    ints = [np.full((3, 4), 4093, np.int32)] * 2
    notes = load(DataSpec(source="folder", path=folder(tmp_path / "i", tiff, ints))).notes
    assert notes[0] == (
        "the largest value in 2 32-bit images is 4,093; white is taken as 65,535; set data.white = 4095 if the sensor "
        "has 12 bits"
    )
    notes = load(DataSpec(source="folder", path=folder(tmp_path / "c", png, [COLORS] * 2))).notes
    assert notes[0].startswith("the largest value in 2 16-bit images is at most 4,095; white is taken as 65,535")
    from PIL import Image

    for name in "ab":
        (tmp_path / "e" / name).mkdir(parents=True)
        Image.fromarray(np.full((3, 4), 16, np.uint8)).save(tmp_path / "e" / name / "1.png")
    notes = load(DataSpec(source="folder", path=str(tmp_path / "e"))).notes
    assert notes[0].startswith("the largest value in 2 8-bit images is 16; in files of 8 bits 255 is white")


def test_a_folder_with_a_stated_white(tmp_path):
    path = folder(tmp_path, png, [SENSOR, SENSOR[::-1], SENSOR])
    splits = load(DataSpec(source="folder", path=path, white=4095.0))
    rows = {image.numpy().tobytes() for image in splits.train.pixels[:, 0]}
    assert rows == {scaled(SENSOR, 0, 4095).tobytes(), scaled(SENSOR[::-1], 0, 4095).tobytes()}
    assert (splits.range.black, splits.range.white, splits.range.type) == (0, 4095, "files")
    assert "0 is black and 4,095 white (data.white = 4095)" in splits.notes[0]
    same = load(DataSpec(source="folder", path=path, range=(0, 4095)))
    assert np.array_equal(same.train.pixels, splits.train.pixels)
    with pytest.raises(BadInput, match=r"outside of data\.white = 4000; .*; 3 of 3 files cannot be read"):
        load(DataSpec(source="folder", path=path, white=4000.0))


def test_floating_point_files_have_one_white(tmp_path):
    dark, bright = np.full((3, 4), 0.5, np.float32), np.full((3, 4), 200, np.float32)
    splits = load(DataSpec(source="folder", path=folder(tmp_path / "a", tiff, [dark] * 2)))
    assert (splits.train.pixels == 128).all()
    assert (splits.range.white, splits.range.type) == (1, "float files")
    assert splits.notes[0] == (
        "the largest value in 2 floating-point images is 0.5; 0 is taken as black and 1 as white"
    )
    path = folder(tmp_path / "b", tiff, [dark, bright, dark * 0])
    with pytest.raises(BadInput) as caught:
        load(DataSpec(source="folder", path=path))
    assert "1.tif: floating-point numbers up to 200, and " in str(caught.value)
    assert "set data.white = 255, or 1 if that value is white" in str(caught.value)
    splits = load(DataSpec(source="folder", path=path, white=255.0))
    assert sorted({int(value) for value in splits.train.pixels.unique()}) == [0, 200]
    assert splits.range.type == "float files"


def test_missing_numbers_of_a_file_are_counted(tmp_path):
    values = np.ones((3, 4), np.float32)
    values[1, 2] = values[2, 0] = np.nan
    path = tiff(tmp_path / "a.tif", values)
    for options in ({}, {"levels": Levels(0, 1, "data.white = 1")}):
        with pytest.raises(BadInput, match="2 of 12 are NaN or infinite, the first in row 1, column 2"):
            read_image(path, **options)
