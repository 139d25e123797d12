"""Files: what is well-formed is read as its format says; everything else is refused in one line."""

import gzip
import io
import pickle
import struct
import zlib

import numpy as np
import pytest
from allocations import peak_bytes
from data_files import idx_bytes, read_or_refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from smallvision.data import memory
from smallvision.data.readers import cifar, image_file, read_cifar_binary, read_cifar_pickle, read_idx, read_image
from smallvision.data.readers.image_file import read_header
from smallvision.errors import BadInput

IMAGES = np.random.default_rng(1).integers(0, 256, (7, 5, 4), dtype=np.uint8)
GOOD = idx_bytes(IMAGES)


def refused(reader, path, *words, **options):
    with pytest.raises(BadInput) as caught:
        reader(path, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    for word in words:
        assert word in text
    return text


# IDX


def zipped(content):
    """Without the time of day, which would be in the names of the tests and differ between workers."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_is_read_raw_and_gzipped(tmp_path, pack):
    path = tmp_path / "images"
    path.write_bytes(pack(GOOD))
    assert np.array_equal(read_idx(path), IMAGES)
    path.write_bytes(pack(idx_bytes(np.arange(9, dtype=np.uint8))))
    assert np.array_equal(read_idx(path, 1), np.arange(9))


def huge(*shape):
    return b"\0\0\x08" + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "nothing"),
        (b"\0\0", "not an IDX file"),
        (b"PNG!" + GOOD, "not an IDX file"),
        (b"\0\0\x0d" + GOOD[3:], "type 13"),
        (b"\0\0\x08\x01" + GOOD[4:], "1 dimension"),
        (GOOD[:9], "within its header"),
        (GOOD[:-1], "155"),
        (GOOD + b"x", "157"),
        (huge(2**32 - 1, 2**32 - 1, 2**32 - 1), "4,294,967,295"),
        (huge(0, 28, 28), "no images"),
        (zipped(GOOD)[:-12], "gzip"),
        (zipped(GOOD)[:20], "gzip"),
        (zipped(GOOD[:-3]), "truncated"),
        (zipped(GOOD + b"x"), "longer"),
        (zipped(GOOD)[:-8] + b"\1\2\3\4" + zipped(GOOD)[-4:], "CRC"),
        (zipped(huge(2**31, 2**10, 2**10)), "gzipped bytes"),
        (zipped(huge(10, 28, 28)), "truncated"),
        (b"\x1f\x8b\x08" + bytes(40), "gzip"),
    ],
)
def test_bad_idx_is_refused(tmp_path, content, word):
    path = tmp_path / "images"
    path.write_bytes(content)
    refused(read_idx, path, word)


def test_missing_files_are_named(tmp_path):
    for reader in (read_idx, read_cifar_binary, read_cifar_pickle, read_image):
        refused(reader, tmp_path / "nothing", "No such file")
    for reader in (read_idx, read_cifar_binary, read_cifar_pickle, read_image):
        refused(reader, tmp_path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_idx_is_refused_or_still_means_what_it_says(tmp_path, data):
    zipped = data.draw(st.booleans())
    content = bytearray(gzip.compress(GOOD, mtime=0) if zipped else GOOD)
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))] + data.draw(st.binary(max_size=3))
    path = tmp_path / "images"
    path.write_bytes(content)
    array = read_or_refused(read_idx, path)
    if array is not None:
        plain = gzip.decompress(bytes(content)) if zipped else bytes(content)
        assert idx_bytes(array) == plain


# CIFAR

PIXELS = np.random.default_rng(2).integers(0, 256, (4, 3072), dtype=np.uint8)
LABELS = [3, 0, 9, 3]
RECORD = {b"batch_label": b"one", b"labels": LABELS, b"data": PIXELS}


def python2_pickle(pixels, labels):
    """What Python 2 wrote for the original files: text as byte strings, numpy under its old name."""

    def text(value):
        return b"T" + struct.pack("<i", len(value)) + value

    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R("
    array += (
        b"K\x01J" + struct.pack("<i", len(pixels)) + b"M\x00\x0c\x86cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
    )
    array += (
        b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89" + text(pixels.tobytes()) + b"tb"
    )
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + numbers + b"u."


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(RECORD, protocol=2),
        pickle.dumps(RECORD, protocol=2).replace(b"numpy._core", b"numpy.core"),
        python2_pickle(PIXELS, LABELS),
    ],
    ids=["numpy 2", "numpy 1", "python 2"],
)
def test_cifar_pickles_are_read(tmp_path, content):
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    pixels, labels = read_cifar_pickle(path)
    assert np.array_equal(pixels, PIXELS.reshape(4, 3, 32, 32))
    assert labels.tolist() == LABELS


def test_what_a_pickle_may_name_is_exactly_this():
    assert set(cifar._ALLOWED) == {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    }


class Evil:
    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


def test_other_pickles_are_refused_by_name_and_run_nothing(tmp_path):
    path, mark = tmp_path / "data_batch_1", tmp_path / "mark"
    for evil, name in [
        (Evil(open, str(mark), "w"), "open"),
        (Evil(eval, f"open({str(mark)!r}, 'w')"), "__builtin__.eval"),
        (Evil(getattr, "text", "upper"), "getattr"),
        (np.float64(1.0), "scalar"),
        (bytearray, "bytearray"),
    ]:
        path.write_bytes(pickle.dumps({b"data": evil}, protocol=2))
        refused(read_cifar_pickle, path, "it names", name)
    assert not mark.exists()


def test_allowed_names_are_not_lent_to_other_ends(tmp_path):
    path = tmp_path / "data_batch_1"
    for content in [
        b"\x80\x02cnumpy\nndarray\n(J\xff\xff\xff\x7f\x85tR.",  # ndarray called
        b"\x80\x02c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00punyctR.",
        b"\x80\x02cnumpy\ndtype\n(X\x01\x00\x00\x00OtR.",
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85U\x01btR.",
        pickle.dumps({b"data": np.array([object()], dtype=object)}, protocol=2),
    ]:
        path.write_bytes(content)
        refused(read_cifar_pickle, path)
    assert np.dtype("u1") == np.uint8


@pytest.mark.parametrize(
    ("record", "word"),
    [
        ([1, 2], "pickled list"),
        ({b"labels": LABELS}, '"data"'),
        ({b"data": PIXELS}, '"labels"'),
        ({b"data": PIXELS, b"labels": LABELS[:3]}, '"labels"'),
        ({b"data": PIXELS, b"labels": [3, 0, 10, 3]}, "label 10"),
        ({b"data": PIXELS, b"labels": [3, 0, -1, 3]}, "label -1"),
        ({b"data": PIXELS, b"labels": [3, 0, "9", 3]}, '"labels"'),
        ({b"data": PIXELS[:, :-1].copy(), b"labels": LABELS}, '"data"'),
        ({b"data": PIXELS.tolist(), b"labels": LABELS}, '"data"'),
    ],
)
def test_a_pickle_of_something_else_is_refused(tmp_path, record, word):
    path = tmp_path / "data_batch_1"
    path.write_bytes(pickle.dumps(record, protocol=2))
    refused(read_cifar_pickle, path, word)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_pickles_are_refused_or_harmless(tmp_path, data):
    content = bytearray(pickle.dumps(RECORD, protocol=2))
    head = data.draw(st.integers(0, 400))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, head))] = data.draw(st.integers(0, 255))
    path = tmp_path / "data_batch_1"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    found = read_or_refused(read_cifar_pickle, path)
    if found is not None:
        assert found[0].shape == (4, 3, 32, 32)
        assert found[1].shape == (4,)


def test_cifar_binary(tmp_path):
    path = tmp_path / "data_batch_1.bin"
    records = np.hstack([np.array(LABELS, np.uint8)[:, None], PIXELS])
    path.write_bytes(records.tobytes())
    pixels, labels = read_cifar_binary(path)
    assert np.array_equal(pixels.reshape(4, -1), PIXELS)
    assert labels.tolist() == LABELS
    path.write_bytes(records.tobytes()[:-1])
    refused(read_cifar_binary, path, "12,291", "3,073")
    path.write_bytes(b"")
    refused(read_cifar_binary, path, "0 bytes")
    records[1, 0] = 10
    path.write_bytes(records.tobytes())
    refused(read_cifar_binary, path, "label 10")


# Pictures

GRAY = np.random.default_rng(3).integers(0, 256, (6, 9), dtype=np.uint8)
COLOR = np.random.default_rng(4).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def test_gray_and_color_pictures(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(GRAY).save(path)
    assert np.array_equal(read_image(path), GRAY[None])
    assert np.array_equal(read_image(path, "rgb"), np.stack([GRAY] * 3))
    assert read_header(path) == (True, 6, 9)
    Image.fromarray(COLOR).save(path)
    assert np.array_equal(read_image(path), COLOR.transpose(2, 0, 1))
    assert np.array_equal(read_image(path, "gray")[0], np.asarray(Image.fromarray(COLOR).convert("L")))
    assert read_header(path) == (False, 6, 9)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I"])
@pytest.mark.parametrize("color", ["gray", "rgb"])
def test_every_common_mode_is_read(tmp_path, mode, color):
    path = tmp_path / ("a.tif" if mode in ("CMYK", "I") else "a.png")
    if mode == "I;16":
        image = Image.fromarray(GRAY.astype(np.uint16) * 257)
    elif mode == "I":
        image = Image.fromarray(GRAY.astype(np.int32) * 257)
    else:
        image = Image.fromarray(COLOR).convert(mode)
    image.save(path)
    pixels = read_image(path, color)
    assert pixels.dtype == np.uint8
    assert pixels.shape == ((1, 6, 9) if color == "gray" else (3, 6, 9))
    if mode.startswith("I"):
        assert np.array_equal(pixels[0], GRAY)
    elif mode in ("1", "L", "CMYK"):
        converted = np.asarray(image.convert("L" if color == "gray" else "RGB"))
        assert np.array_equal(pixels, converted[None] if color == "gray" else converted.transpose(2, 0, 1))


def test_what_is_transparent_is_white(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((2, 2, 4), np.uint8)).save(path)
    assert (read_image(path, "rgb") == 255).all()
    half = np.full((2, 2, 4), [200, 0, 0, 128], np.uint8)
    Image.fromarray(half).save(path)
    expected = [round(200 * 128 / 255 + 255 * 127 / 255), round(255 * 127 / 255), round(255 * 127 / 255)]
    assert np.abs(read_image(path)[:, 0, 0].astype(int) - expected).max() <= 1


def test_orientation_is_applied(tmp_path):
    path = tmp_path / "a.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    Image.fromarray(GRAY).save(path, exif=exif)
    assert np.array_equal(read_image(path)[0], np.rot90(GRAY, -1))
    assert read_header(path) == (True, 9, 6)


def test_resizing_is_pillows(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(COLOR).save(path)
    expected = np.asarray(Image.fromarray(COLOR).resize((4, 3), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(read_image(path, size=(3, 4)), expected)


def png_that_claims(width, height):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8001, 10_000, 30_000, 2**31 - 1])
def test_a_picture_that_would_decode_to_gigabytes_is_refused_undecoded(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_that_claims(side, side))
    refused(read_image, path, "64 million")
    refused(read_header, path, "64 million")


def test_unreadable_pictures_are_refused(tmp_path):
    path = tmp_path / "a.jpg"
    out = io.BytesIO()
    Image.fromarray(np.tile(COLOR, (20, 20, 1))).save(out, "JPEG")
    path.write_bytes(out.getvalue()[: len(out.getvalue()) // 2])
    refused(read_image, path, "truncated")
    path.write_bytes(b"not a picture")
    refused(read_image, path, "not an image")
    path.write_bytes(b"")
    refused(read_image, path, "not an image")
    for values in (np.nan, np.inf, -0.1, 65536.0):
        Image.fromarray(np.array([[0, values], [values, 0]], np.float32)).save(tmp_path / "a.tif")
        refused(read_image, tmp_path / "a.tif", "its pixels go from", "8 or 16 bits")
    for values in (-1, 65536):
        Image.fromarray(np.array([[0, values]], np.int32)).save(tmp_path / "a.tif")
        refused(read_image, tmp_path / "a.tif", "its pixels go from")


@pytest.mark.parametrize("white", [1, 255, 65535])
def test_floating_point_pictures_are_read_by_what_is_white_in_them(tmp_path, white):
    path = tmp_path / "a.tif"
    gray = GRAY.copy()
    gray[0, 0] = 255
    Image.fromarray((gray * (white / 255)).astype(np.float32)).save(path)
    assert np.array_equal(read_image(path)[0], gray)
    assert read_header(path) == (True, 6, 9)


def test_big_endian_and_lab_pictures_are_read(tmp_path):
    Image.frombytes("I;16B", (9, 6), (GRAY.astype(">u2") * 257).tobytes()).save(tmp_path / "a.tif")
    assert Image.open(tmp_path / "a.tif").mode == "I;16B"
    assert np.array_equal(read_image(tmp_path / "a.tif")[0], GRAY)
    Image.fromarray(COLOR).convert("LAB").save(tmp_path / "b.tif")
    expected = Image.open(tmp_path / "b.tif").convert("RGB")
    assert np.array_equal(read_image(tmp_path / "b.tif"), np.asarray(expected).transpose(2, 0, 1))
    assert np.array_equal(read_image(tmp_path / "b.tif", "gray")[0], np.asarray(expected.convert("L")))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_picture_read_in_strips_is_the_same(tmp_path, monkeypatch, mode, orientation):
    path = tmp_path / "a.png"
    exif = Image.Exif()
    exif[0x0112] = orientation
    alpha = np.dstack([COLOR, COLOR[..., :1]])
    image = Image.fromarray(GRAY.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(alpha).convert(mode)
    image.save(path, exif=exif, **({"transparency": 3} if mode == "P" else {}))
    whole = [read_image(path, color, size) for color in ("gray", "rgb") for size in (None, (4, 4))]
    monkeypatch.setattr(image_file, "_STRIP", 20)
    strips = [read_image(path, color, size) for color in ("gray", "rgb") for size in (None, (4, 4))]
    assert all(np.array_equal(one, other) for one, other in zip(whole, strips, strict=True))


def zeros_of_16_bits(path, height, width):
    """A TIFF picture of zeros that takes no space on the disk."""
    size = 2 * height * width
    tags = [(256, width), (257, height), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, height), (279, size)]
    with path.open("wb") as file:
        file.write(struct.pack("<2sHI", b"II", 42, 8 + size))
        file.seek(8 + size)
        file.write(
            struct.pack("<H", len(tags))
            + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
            + bytes(4)
        )
    return path


def test_a_picture_of_16_bits_is_converted_in_strips(tmp_path, monkeypatch):
    height, width, strip = 1000, 800, 20_000
    converted, strips = image_file._converted, []
    monkeypatch.setattr(image_file, "_STRIP", strip)
    monkeypatch.setattr(
        image_file, "_converted", lambda image, *rest: (strips.append(image.size), converted(image, *rest))[1]
    )
    path = zeros_of_16_bits(tmp_path / "a.tif", height, width)
    read_image(path)  # what is imported or built once is not the picture's
    strips.clear()
    pixels, most = peak_bytes(lambda: read_image(path))
    assert pixels.shape == (1, height, width)
    assert strips == [(width, strip // width)] * (height * width // strip)
    # Beyond the pixels there is a strip as integers of 32 bits, three times at most, and a little more.
    assert pixels.nbytes <= most < pixels.nbytes + 16 * strip


@pytest.mark.slow
def test_a_picture_of_64_million_pixels_is_read(tmp_path):
    assert read_image(zeros_of_16_bits(tmp_path / "a.tif", 8000, 8000)).shape == (1, 8000, 8000)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_pictures_are_refused_or_read(tmp_path, data):
    out = io.BytesIO()
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"]))
    Image.fromarray(COLOR).save(out, kind)
    content = bytearray(out.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(len(content), 120) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "picture"
    path.write_bytes(content)
    pixels = read_or_refused(read_image, path, "rgb")
    assert pixels is None or pixels.dtype == np.uint8


def test_more_labels_than_fit_into_memory_are_refused_before_they_are_read(tmp_path, monkeypatch):
    path = tmp_path / "labels"
    path.write_bytes(zipped(b"\0\0\x08\1" + struct.pack(">L", 5000) + bytes(5000)))
    assert len(read_idx(path, 1)) == 5000
    monkeypatch.setattr(memory, "available_bytes", lambda: 4999)
    with pytest.raises(
        BadInput, match=(r"this needs 5\.0 kB of memory, but only 5\.0 kB are available; use a file with")
    ):
        read_idx(path, 1)
