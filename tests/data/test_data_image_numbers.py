"""What the numbers in a PNG or TIFF file mean: transparent levels, 0 as white, signs, 12 bits.

The files are written byte by byte, and the expected pixels follow from the PNG specification and from TIFF 6.0.
"""

import struct
import zlib

import made_images as made
import numpy as np
import pytest

from smallvision.data.load import load
from smallvision.data.readers import image_file, read_image
from smallvision.data.readers.image_file import read_header
from smallvision.errors import BadInput
from smallvision.experiment.data import DataSpec

GRAY, RGB, GRAY_ALPHA, RGBA = 0, 2, 4, 6  # colour types of a PNG
UNSIGNED, SIGNED, FLOAT = 1, 2, 3  # sample formats of a TIFF
WHITE_IS_ZERO, BLACK_IS_ZERO = 0, 1


def png(path, width, depth, color, rows, transparent=None, orientation=None, interlaced=False):
    """A PNG whose `rows` are the bytes of each row (of each pass, if interlaced), without a filter."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height = 1 if interlaced else len(rows)
    chunks = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced))]
    if transparent is not None:
        chunks.append(chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent)))
    if orientation is not None:
        exif = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 1, orientation, 0)
        chunks.append(chunk(b"eXIf", exif))
    chunks += [chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


def tiff(path, size, bits, content, photometric=BLACK_IS_ZERO, sample_format=UNSIGNED, deflated=False):
    """A little-endian TIFF of one gray strip; `size` is (H, W)."""
    content = zlib.compress(content) if deflated else content
    tags = [(256, size[1]), (257, size[0]), (258, bits), (259, 8 if deflated else 1), (262, photometric), (273, 8)]
    tags += [(277, 1), (278, size[0]), (279, len(content)), (339, sample_format)]
    content += b"\0" * (len(content) % 2)
    entries = b"".join(struct.pack("<HHII", tag, 3, 1, value) for tag, value in tags)
    head = b"II*\0" + struct.pack("<I", 8 + len(content))
    path.write_bytes(head + content + struct.pack("<H", len(tags)) + entries + bytes(4))
    return path


def pixels(path, color="auto"):
    return read_image(path, color).tolist()


def refusal(reader, path):
    with pytest.raises(BadInput) as error:
        reader(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


# Transparent levels (PNG specification, 11.3.2.1: samples are compared in the file's own depth)


@pytest.mark.parametrize(
    ("depth", "row", "level", "expected"),
    [
        (1, [0b01_000000], 0, [255, 255]),
        (2, [0b00_01_10_11], 1, [0, 255, 170, 255]),
        (2, [0b00_01_10_11], 2, [0, 85, 255, 255]),
        (4, [0x07, 0x8F], 7, [0, 255, 8 * 17, 255]),
        (4, [0x07, 0x8F], 8, [0, 7 * 17, 255, 255]),
        (8, [0, 7, 119, 200], 7, [0, 255, 119, 200]),
    ],
)
@pytest.mark.parametrize("color", ["gray", "rgb"])
def test_the_transparent_level_of_a_gray_png_is_white_at_every_depth(tmp_path, depth, row, level, expected, color):
    path = png(tmp_path / "a.png", len(expected), depth, GRAY, [bytes(row)], transparent=[level])
    assert pixels(path, color) == [[expected]] * (1 if color == "gray" else 3)
    assert read_header(path) == (True, 1, len(expected))


@pytest.mark.parametrize(
    ("depth", "row", "level", "expected"),
    [(2, 0b00_01_10_11, 1, [0, 255, 170, 255]), (4, 0x37, 3, [255, 119]), (8, 7, 7, [255])],
)
def test_the_high_bits_of_a_transparent_level_do_not_count(tmp_path, depth, row, level, expected):
    path = png(tmp_path / "a.png", len(expected), depth, GRAY, [bytes([row])], transparent=[level + 2**depth])
    assert pixels(path) == [[expected]]


def test_the_high_bits_of_a_transparent_colour_do_not_count(tmp_path):
    row = bytes([1, 2, 3, 4, 5, 6])
    path = png(tmp_path / "a.png", 2, 8, RGB, [row], transparent=[0x101, 0x102, 0x103])
    assert pixels(path) == [[[255, 4]], [[255, 5]], [[255, 6]]]


@pytest.mark.parametrize("color", ["gray", "rgb"])
def test_the_transparent_level_of_16_bits_is_compared_in_all_bits(tmp_path, color):
    row = struct.pack(">4H", 700, 701, 257 * 50, 257 * 200)
    path = png(tmp_path / "a.png", 4, 16, GRAY, [row], transparent=[700])
    assert pixels(path, color) == [[[255, 3, 50, 200]]] * (1 if color == "gray" else 3)


COLORS = [(1000, 2000, 3000), (1001, 2000, 3000), (1000, 2001, 3000), (1000, 2000, 3001), (744, 2000, 3000), (0, 0, 0)]
HIGH = [(255, 255, 255), (3, 7, 11), (3, 7, 11), (3, 7, 11), (2, 7, 11), (0, 0, 0)]  # only the first is transparent


@pytest.mark.parametrize("strip", [None, 2])
def test_the_transparent_colour_of_16_bits_is_compared_in_all_bits(tmp_path, monkeypatch, strip):
    if strip is not None:
        monkeypatch.setattr(image_file, "_STRIP", strip)
    data = struct.pack(">18H", *np.ravel(COLORS))
    path = png(tmp_path / "a.png", 2, 16, RGB, [data[:12], data[12:24], data[24:]], transparent=COLORS[0])
    assert pixels(path) == np.transpose(np.reshape(HIGH, (3, 2, 3)), (2, 0, 1)).tolist()
    assert pixels(path, "gray")[0][0][0] == 255
    turned = png(tmp_path / "b.png", 2, 16, RGB, [data[:12], data[12:24], data[24:]], COLORS[0], orientation=6)
    upright = np.rot90(np.reshape(HIGH, (3, 2, 3)), -1)  # 6: a quarter turn clockwise makes it upright
    assert pixels(turned) == np.transpose(upright, (2, 0, 1)).tolist()


def test_the_transparent_colour_of_an_interlaced_png_of_16_bits_is_white(tmp_path):
    rows = [struct.pack(">3H", *color) for color in COLORS[:2]]  # Adam7: pass 1 has column 0, pass 6 has column 1
    path = png(tmp_path / "a.png", 2, 16, RGB, rows, transparent=COLORS[0], interlaced=True)
    assert pixels(path) == [[[255, 3]], [[255, 7]], [[255, 11]]]


def test_a_png_of_16_bits_without_a_transparent_level_is_read_as_it_stands(tmp_path):
    data = struct.pack(">18H", *np.ravel(COLORS))
    path = png(tmp_path / "a.png", 6, 16, RGB, [data])
    assert [plane[0][0] for plane in pixels(path)] == [3, 7, 11]


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("color", [GRAY, RGB, GRAY_ALPHA, RGBA])
def test_transparency_is_the_same_in_8_and_in_16_bits(tmp_path, color, orientation, interlaced):
    """Each level v of 8 bits is 257 x v in 16 bits; what is transparent is white, and alpha mixes with white."""
    random = np.random.default_rng(7)
    channels = {GRAY: 1, RGB: 3, GRAY_ALPHA: 2, RGBA: 4}[color]
    levels = random.integers(0, 4, (9, 12, channels))  # few, so that many pixels have the transparent one
    if color in (GRAY, RGB):
        transparent = levels[4, 5]
        expected = np.where((levels == transparent).all(axis=2, keepdims=True), 255, levels)
    else:
        transparent = None
        levels[:, :, -1] = random.choice([0, 51, 128, 255], (9, 12))
        alpha = levels[:, :, -1:] / 255
        expected = np.rint(levels[:, :, :-1] * alpha + 255 * (1 - alpha))
    expected = made.turned(expected, orientation).transpose(2, 0, 1)
    found = []
    for bits, factor, form in ((8, 1, np.uint8), (16, 257, np.uint16)):
        chunks = [made.png_chunk(b"eXIf", made.exif(orientation))]
        if transparent is not None:
            chunks.append(made.png_chunk(b"tRNS", struct.pack(f">{channels}H", *(transparent * factor))))
        path = tmp_path / f"{bits}.png"
        path.write_bytes(made.png((levels * factor).astype(form), bits, color, chunks, interlaced=interlaced))
        assert read_header(path) == (color in (GRAY, GRAY_ALPHA), *expected.shape[1:])
        found.append(read_image(path))
    assert np.array_equal(found[0], found[1])
    assert np.abs(found[0] - expected).max() <= (0 if transparent is not None else 1)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_transparent_colours_of_a_palette_are_white(tmp_path, bits):
    palette = np.random.default_rng(8).integers(0, 256, (2**bits, 3), dtype=np.uint8)
    alpha = np.array([0, 128] + [255] * (2**bits - 2))  # those that the file leaves out are opaque
    rows = np.random.default_rng(9).integers(0, 2**bits, (5, 9)).astype(np.uint8)
    rows[0, :2] = 0, 1
    path = tmp_path / "a.png"
    chunks = [made.png_chunk(b"PLTE", palette.tobytes()), made.png_chunk(b"tRNS", bytes([0, 128]))]
    path.write_bytes(made.png(rows, bits, 3, chunks))
    share = alpha[rows][:, :, None] / 255
    expected = palette[rows] * share + 255 * (1 - share)
    assert np.abs(read_image(path).transpose(1, 2, 0) - expected).max() <= 1


# Gray with alpha


def gray_alpha(path):
    """Opaque 128, a transparent pixel, and black of which 128 / 255 is opaque."""
    row = struct.pack(">6H", 128 * 257, 65535, 20000, 0, 0, 128 * 257)
    return png(path, 3, 16, GRAY_ALPHA, [row])


def test_gray_with_alpha_of_16_bits_is_gray(tmp_path):
    path = gray_alpha(tmp_path / "a.png")
    assert read_header(path) == (True, 1, 3)
    assert pixels(path) == [[[128, 255, 127]]]
    assert pixels(path, "rgb") == [[[128, 255, 127]]] * 3


@pytest.mark.parametrize("depth", [8, 16])
def test_colour_with_alpha_stays_colour(tmp_path, depth):
    path = png(tmp_path / "a.png", 1, depth, RGBA, [bytes([9, 9, 9, 255] if depth == 8 else [9, 9] * 3 + [255, 255])])
    assert read_header(path) == (False, 1, 1)
    assert pixels(path) == [[[9]], [[9]], [[9]]]


def test_a_folder_with_gray_and_alpha_of_16_bits_is_a_gray_folder(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        png(tmp_path / name / "1.png", 3, 8, GRAY, [bytes([1, 2, 3])])
        gray_alpha(tmp_path / name / "2.png")
    data = load(DataSpec(source="folder", path=str(tmp_path)))
    assert data.train.shape == (1, 1, 3)


# TIFF: which number is white (tag 262), how many bits (258), and whether numbers have a sign (339)


@pytest.mark.parametrize("deflated", [False, True])
def test_a_tiff_of_16_bits_in_which_0_is_white_is_no_negative(tmp_path, deflated):
    content = struct.pack("<3H", 0, 257 * 5, 65535)
    path = tiff(tmp_path / "a.tif", (1, 3), 16, content, WHITE_IS_ZERO, deflated=deflated)
    assert pixels(path) == [[[255, 250, 0]]]
    path = tiff(tmp_path / "a.tif", (1, 3), 16, content, BLACK_IS_ZERO, deflated=deflated)
    assert pixels(path) == [[[0, 5, 255]]]


def test_a_tiff_of_8_bits_in_which_0_is_white_stays_right(tmp_path):
    assert pixels(tiff(tmp_path / "a.tif", (1, 3), 8, bytes([0, 10, 255]), WHITE_IS_ZERO)) == [[[255, 245, 0]]]


def test_a_tiff_of_floats_in_which_0_is_white_is_refused(tmp_path):
    content = struct.pack("<3f", 0, 0.2, 1)
    path = tiff(tmp_path / "a.tif", (1, 3), 32, content, WHITE_IS_ZERO, FLOAT)
    for reader in (read_image, read_header):
        message = refusal(reader, path)
        assert "floating-point numbers in which 0 is white" in message
        assert "save it with 0 as black" in message
    assert pixels(tiff(tmp_path / "a.tif", (1, 3), 32, content, BLACK_IS_ZERO, FLOAT)) == [[[0, 51, 255]]]


def test_a_tiff_of_negative_bytes_is_refused(tmp_path):
    path = tiff(tmp_path / "a.tif", (1, 4), 8, struct.pack("<4b", -128, -1, 0, 126), sample_format=SIGNED)
    message = refusal(read_image, path)
    assert "signed numbers of 8 bits, from -128 to 126" in message
    assert "save it with unsigned numbers of 8 or 16 bits" in message


def test_signed_bytes_that_are_not_negative_are_read_as_they_stand(tmp_path):
    path = tiff(tmp_path / "a.tif", (1, 3), 8, bytes([0, 10, 127]), sample_format=SIGNED)
    assert pixels(path) == [[[0, 10, 127]]]


def test_a_tiff_of_unsigned_32_bits_is_refused_with_its_own_numbers(tmp_path):
    path = tiff(tmp_path / "a.tif", (1, 2), 32, struct.pack("<2I", 7, 4_000_000_000))
    assert "its pixels go from 7 to 4e+09" in refusal(read_image, path)
    path = tiff(tmp_path / "a.tif", (1, 2), 32, struct.pack("<2i", -5, 7), sample_format=SIGNED)
    assert "its pixels go from -5 to 7" in refusal(read_image, path)
    assert pixels(tiff(tmp_path / "a.tif", (1, 2), 32, struct.pack("<2I", 0, 65535))) == [[[0, 255]]]


def test_4095_is_white_in_a_tiff_of_12_bits(tmp_path):
    """A row of three numbers takes four and a half bytes and begins at a whole byte (TIFF 6.0, section 3)."""
    content = bytes([0x00, 0x00, 0x01, 0x80, 0x00, 0xFF, 0xF0, 0x10, 0x64, 0x00])  # 000 001 800, FFF 010 640
    path = tiff(tmp_path / "a.tif", (2, 3), 12, content)
    assert pixels(path) == [[[0, 0, 128], [255, 1, 100]]]  # v x 255 / 4095, rounded
    assert read_header(path) == (True, 2, 3)
