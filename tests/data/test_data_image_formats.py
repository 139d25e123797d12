"""Only named image formats are opened, by what a file holds and not by its extension."""

import io
import struct
import subprocess
import zlib

import made_images as made
import numpy as np
import PIL
import pytest
from allocations import peak_bytes
from PIL import EpsImagePlugin, Image, features

from smallvision.data.load import load
from smallvision.data.readers import read_image
from smallvision.data.readers.image_file import read_header
from smallvision.errors import BadInput
from smallvision.experiment.data import DataSpec

COLOR = np.random.default_rng(4).integers(0, 256, (6, 9, 3), dtype=np.uint8)
NAMES = "JPEG, PNG, GIF, BMP, TIFF, WebP, PBM, PGM, PPM, JPEG 2000, AVIF"


def saved(kind):
    out = io.BytesIO()
    Image.fromarray(COLOR).save(out, kind)
    return out.getvalue()


def refusal(reader, path):
    with pytest.raises(BadInput) as error:
        reader(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF"])
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a", "a.eps"])
def test_a_file_is_read_by_what_it_holds(tmp_path, kind, name):
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    path = tmp_path / name
    path.write_bytes(saved(kind))
    expected = np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("RGB")).transpose(2, 0, 1)
    assert read_header(path) == (False, 6, 9)
    assert np.array_equal(read_image(path), expected)


@pytest.mark.parametrize("kind", ["EPS", "PDF", "TGA", "ICO", "PCX", "SGI", "DDS"])
def test_other_formats_are_refused_by_the_names_of_those_that_are_read(tmp_path, monkeypatch, kind):
    def started(*arguments, **options):
        raise AssertionError("a program was started")

    path = tmp_path / "a.png"
    path.write_bytes(saved(kind))
    for name in ("Popen", "run", "call", "check_call", "check_output"):
        monkeypatch.setattr(subprocess, name, started)
    monkeypatch.setattr(EpsImagePlugin.EpsImageFile, "__init__", started)
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", started)
    for reader in (read_header, read_image):
        assert refusal(reader, path) == f"{path}: this is not an image in a supported format ({NAMES})"


def test_every_named_format_is_one_of_pillows_and_none_is_eps(tmp_path):
    from smallvision.data.readers import open_image

    Image.init()
    assert set(open_image.FORMATS) - {"AVIF"} <= set(Image.OPEN)
    assert not {"EPS", "PDF", "WMF", "TGA"} & set(open_image.FORMATS)
    assert all(named.replace(" ", "").upper() in NAMES.replace(" ", "").upper() for named in open_image.FORMATS)


def test_eps_among_the_images_of_a_folder_is_named(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(saved("PNG"))
    (tmp_path / "b" / "2.png").write_bytes(saved("EPS"))
    message = refusal(lambda path: load(DataSpec(source="folder", path=str(tmp_path))), tmp_path / "b" / "2.png")
    assert f"this is not an image in a supported format ({NAMES})" in message
    assert "1 of 3 files cannot be read; set data.skip_bad = true to leave out such files" in message
    data = load(DataSpec(source="folder", path=str(tmp_path), skip_bad=True))
    assert len(data.train) == 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "BMP"])
def test_a_file_that_only_begins_like_a_format_is_called_damaged(tmp_path, kind):
    path = tmp_path / "a.png"
    path.write_bytes(saved(kind)[:16] + b"\xff" * 8)
    assert (
        "the image cannot be read (" in (message := refusal(read_image, path)) or f"a {kind} that is damaged" in message
    )


def test_a_folder_of_turned_scans_is_read(tmp_path):
    """Compressed ones were refused by their size, and uncompressed ones had their rows cut at the wrong place."""
    gray = np.random.default_rng(6).integers(0, 256, (10, 14), dtype=np.uint8)
    for name, compression in (("a", made.NONE), ("b", made.LZW)):
        (tmp_path / name).mkdir()
        for orientation in (5, 6, 7, 8):
            content = made.tiff(gray, compression=compression, orientation=orientation)
            (tmp_path / name / f"{orientation}.tif").write_bytes(content)
    data = load(DataSpec(source="folder", path=str(tmp_path)))
    assert data.train.shape == (1, 14, 10)
    (pixels,) = data.train.groups
    expected = [made.turned(gray, orientation) for orientation in (5, 6, 7, 8)] * 2
    assert np.array_equal(pixels[:, 0].numpy(), np.stack(expected))


@pytest.mark.parametrize("subsampling", [(2, 2), (2, 1)])
def test_uncompressed_ycbcr_with_fewer_colours_than_pixels_is_refused(tmp_path, subsampling):
    path = tmp_path / "a.tif"
    samples = np.zeros((8, 8, 3), np.uint8)
    path.write_bytes(made.tiff(samples, photometric=6, tags={530: (3, list(subsampling))}))
    for reader in (read_header, read_image):
        assert "a TIFF of uncompressed YCbCr" in refusal(reader, path)
    path.write_bytes(made.tiff(samples, photometric=6, tags={279: (4, [96])}))  # half the bytes, and no word of it
    assert "a TIFF of uncompressed YCbCr" in refusal(read_header, path)


@pytest.mark.parametrize("compression", [made.NONE, made.LZW, made.DEFLATE, made.PACKBITS])
@pytest.mark.parametrize("order", "<>")
def test_numbers_of_a_tiff_keep_their_bytes_in_order(tmp_path, order, compression):
    """A mask of 0 and 1 in floating-point numbers is black where the bytes of each number are exchanged."""
    path = tmp_path / "a.tif"
    mask = np.eye(5, 7)
    for samples, bits, kind, white in (
        (mask.astype(np.float32), 32, made.FLOAT, 1),
        ((mask * 65535).astype(np.int32), 32, made.SIGNED, 65535),
        ((mask * 32767).astype(np.int16), 16, made.SIGNED, 65535),
        ((mask * 65535).astype(np.uint16), 16, made.UNSIGNED, 65535),
    ):
        content = made.tiff(samples, bits=bits, sample_format=kind, order=order, compression=compression)
        path.write_bytes(content)
        assert np.array_equal(read_image(path)[0], np.rint(samples * 255.0 / white)), (bits, kind)


def bmp(rows, bits, palette=b"", upside_down=True):
    """A BMP of bytes of rows, the lowest row first as is usual, or the highest first with a negative height."""
    height, width = len(rows), len(rows[0]) * 8 // bits
    rows = [row + b"\0" * (-len(row) % 4) for row in (rows[::-1] if upside_down else rows)]
    start = 14 + 40 + len(palette)
    info = struct.pack("<LllHHLLllLL", 40, width, height if upside_down else -height, 1, bits, 0, *[0] * 5)
    return struct.pack("<2sLLL", b"BM", start + len(b"".join(rows)), 0, start) + info + palette + b"".join(rows)


WORDS = np.random.default_rng(5).integers(0, 65536, (6, 9)).astype(np.uint16)
GRAY = COLOR[:, :, 0]
BITS = GRAY > 127
PALETTE = np.arange(256, dtype=np.uint8)[:, None] ^ np.array([1, 2, 4, 0], np.uint8)  # blue, green, red, nothing
FIVES = COLOR >> 3  # five bits a colour
PFM = tuple(map(int, PIL.__version__.split(".")[:2])) >= (10, 3)
PLAIN = {  # files of formats that have no turn, and what is to be read
    "PBM, text": (
        b"P1\n9 6\n" + b"\n".join(b" ".join(b"0" if bit else b"1" for bit in row) for row in BITS),
        BITS * 255,
    ),
    "PBM": (b"P4\n9 6\n" + np.packbits(~BITS, axis=1).tobytes(), BITS * 255),
    "PGM, text": (b"P2\n9 6\n255\n" + b" ".join(b"%d" % level for level in GRAY.ravel()), GRAY),
    "PGM, with a comment": (b"P5\n# a comment\n9 6\n255\n" + GRAY.tobytes(), GRAY),
    "PGM of 16 bits": (b"P5\n9 6\n65535\n" + WORDS.astype(">u2").tobytes(), np.rint(WORDS / 257)),
    "PPM, text": (b"P3\n9 6\n255\n" + b" ".join(b"%d" % level for level in COLOR.ravel()), COLOR),
    "PFM": (b"Pf\n9 6\n-1.0\n" + (GRAY[::-1] / np.float32(255)).astype("<f4").tobytes(), GRAY),
    "PFM, big-endian": (b"Pf\n9 6\n1.0\n" + (GRAY[::-1] / np.float32(255)).astype(">f4").tobytes(), GRAY),
    "BMP": (bmp([row[:, ::-1].tobytes() for row in COLOR], 24), COLOR),
    "BMP, highest row first": (bmp([row[:, ::-1].tobytes() for row in COLOR], 24, upside_down=False), COLOR),
    "BMP with a palette": (
        bmp([row.tobytes() for row in GRAY], 8, PALETTE.tobytes()),
        GRAY[:, :, None] ^ np.array([4, 2, 1], np.uint8),
    ),
    "BMP of 15 bits": (
        bmp([(row.astype("<u2") @ np.array([1024, 32, 1], "<u2")).astype("<u2").tobytes() for row in FIVES], 16),
        FIVES.astype(int) * 255 // 31,
    ),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_pixels_of_formats_that_have_no_turn(tmp_path, kind):
    if kind.startswith("PFM") and not PFM:
        pytest.skip("Pillow reads PFM from version 10.3 on")
    content, expected = PLAIN[kind]
    path = tmp_path / "a"
    path.write_bytes(content)
    assert read_header(path) == (expected.ndim == 2, 6, 9)
    pixels = read_image(path)
    assert np.array_equal(pixels[0] if expected.ndim == 2 else pixels.transpose(1, 2, 0), expected)


@pytest.mark.parametrize("keyword", [b"Raw profile type exif", b"Comment"])
def test_a_text_that_inflates_to_megabytes_takes_little_memory(tmp_path, keyword):
    path = tmp_path / "a.png"
    bomb = made.png_chunk(b"zTXt", keyword + b"\0\0" + zlib.compress(bytes(20_000_000)))
    path.write_bytes(made.png(GRAY, after=[bomb]))
    read_header(path)  # what is imported once is not the file's
    header, most = peak_bytes(lambda: read_header(path))
    assert header == (True, 6, 9)
    assert most < 5_000_000


def with_chunks(path, change):
    """The chunks of a PNG, each as [name, content, checksum], changed and written again."""
    data, chunks, at = path.read_bytes(), [], 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        chunks.append([data[at + 4 : at + 8], data[at + 8 : at + 8 + length], data[at + 8 + length : at + 12 + length]])
        at += 12 + length
    change({name: chunk for name, *_ in chunks for chunk in chunks if chunk[0] == name})
    parts = (len(content).to_bytes(4, "big") + name + content + checksum for name, content, checksum in chunks)
    path.write_bytes(data[:8] + b"".join(parts))


@pytest.mark.parametrize("name", [b"IHDR", b"PLTE", b"tRNS", b"IDAT"])
def test_a_png_whose_chunk_does_not_match_its_checksum_is_refused(tmp_path, name):
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) % 7).convert("P")
    image.save(tmp_path / "a.png", transparency=3, compress_level=0)
    expected = read_image(tmp_path / "a.png")

    def other_checksum(chunks):
        chunks[name][2] = (zlib.crc32(name + chunks[name][1]) ^ 1).to_bytes(4, "big")

    with_chunks(tmp_path / "a.png", lambda chunks: None)
    assert np.array_equal(read_image(tmp_path / "a.png"), expected)
    with_chunks(tmp_path / "a.png", other_checksum)
    with pytest.raises(BadInput):
        read_image(tmp_path / "a.png")


def test_a_png_whose_pixels_were_changed_is_refused(tmp_path):
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    Image.fromarray(pixels).save(tmp_path / "a.png", compress_level=0)

    def other_pixels(chunks):  # stored as they are: two bytes of zlib, five of the block, then a filter for each row
        content = bytearray(chunks[b"IDAT"][1])
        content[9] ^= 0x40
        chunks[b"IDAT"][1] = bytes(content)

    assert np.array_equal(read_image(tmp_path / "a.png"), pixels[None])
    with_chunks(tmp_path / "a.png", other_pixels)
    with pytest.raises(BadInput, match=r"a.png: its chunk IDAT does not match its checksum; remove the file, or save"):
        read_image(tmp_path / "a.png")
