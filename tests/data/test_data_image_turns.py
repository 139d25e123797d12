"""Image files that carry a turn come out upright, in every mode, compression, layout and container.

Most files are written byte by byte (tests/data/made_images.py). The expected pixels are numpy's, and each stored pixel
is put where TIFF 6.0 says that it belongs.
"""

import io

import made_images as made
import numpy as np
import PIL
import pytest
from PIL import Image, features

from smallvision.data.readers import read_image
from smallvision.data.readers.image_file import read_header
from smallvision.errors import BadInput

SIZE = (10, 14)
RANDOM = np.random.default_rng(3)
ORIENTATIONS = range(1, 9)


def random(*channels, below=256, size=SIZE, dtype=np.uint8):
    return RANDOM.integers(0, below, (*size, *channels)).astype(dtype)


def on_white(colors, alpha):
    """Colours (H, W, C), or gray (H, W), over white."""
    alpha = (alpha if colors.ndim == 2 else alpha[:, :, None]) / 255
    return colors * alpha + 255 * (1 - alpha)


def from_cmyk(ink):
    """Without a profile: 255 is full ink, and black takes away of what the other inks leave."""
    return (255 - ink[:, :, :3].astype(float)) * (255 - ink[:, :, 3:]) / 255


def from_ycbcr(samples):
    """JFIF 1.02: 256 levels, of ITU-R BT.601."""
    y, cb, cr = np.moveaxis(samples.astype(float), 2, 0)
    colors = [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)]
    return np.clip(np.stack(colors, axis=2), 0, 255)


def refused(path, *messages):
    for reader in (read_image, read_header):
        with pytest.raises(BadInput) as error:
            reader(path)
        text = str(error.value)
        assert text.startswith(f"{path}: ")
        assert "\n" not in text
        for message in messages:
            assert message in text


def upright(path, stored, orientation, tolerance=0):
    """Checks what is read of a file against the pixels that are stored in it: (H, W) gray, or (H, W, 3)."""
    expected = made.turned(stored, orientation)
    pixels = read_image(path)
    assert read_header(path) == (stored.ndim == 2, *expected.shape[:2])
    planes = expected[None] if stored.ndim == 2 else expected.transpose(2, 0, 1)
    assert pixels.shape == planes.shape
    difference = np.abs(pixels - planes.astype(float)).max()
    assert difference <= tolerance, f"orientation {orientation}: off by {difference}"


BITS, TWO, FOUR, GRAY = random(below=2), random(below=4), random(below=16), random()
SENSOR, WORDS, LONGS = (random(below=n, dtype=t) for n, t in ((4096, np.uint16), (65536, np.uint16), (65536, np.int32)))
FLOATS = RANDOM.random(SIZE).astype(np.float32)
FLOATS[0, 0] = 1
PAIR, COLOR, PLUS = random(2), random(3), random(4)
COLOR16, PLUS16 = (random(n, below=65536, dtype=np.uint16) for n in (3, 4))
PALETTE = random(3, size=(1, 256))[0]
MAP = {320: (3, (PALETTE.T.astype(int) * 257).ravel().tolist())}
SMALL_MAP = {320: (3, (PALETTE[:16].T.astype(int) * 257).ravel().tolist())}
PREMULTIPLIED = PLUS.copy()
PREMULTIPLIED[:, :, :3] = np.rint(PLUS[:, :, :3] * (PLUS[:, :, 3:] / 255))
LARGE, LARGE_COLOR = random(size=(40, 52)), random(3, size=(40, 52))
WHOLE = np.rint(FLOATS * 255).astype(np.uint8)

# What is written, how, the stored pixels as they are to be read, and how far off a conversion of colours may be.
MODES = {
    "1": (BITS, {"bits": 1}, BITS * 255, 0),
    "1, 0 is white": (BITS, {"bits": 1, "photometric": 0}, 255 - BITS * 255, 0),
    "gray, 2 bits": (TWO, {"bits": 2}, TWO * 85, 0),
    "gray, 4 bits": (FOUR, {"bits": 4}, FOUR * 17, 0),
    "L": (GRAY, {}, GRAY, 0),
    "L, 0 is white": (GRAY, {"photometric": 0}, 255 - GRAY, 0),
    "LA": (PAIR, {"extra": [2]}, on_white(PAIR[:, :, 0], PAIR[:, :, 1]), 1),
    "P": (GRAY, {"photometric": 3, "tags": MAP}, PALETTE[GRAY], 0),
    "P, 4 bits": (FOUR, {"bits": 4, "photometric": 3, "tags": SMALL_MAP}, PALETTE[FOUR], 0),
    "PA": (
        PAIR,
        {"photometric": 3, "extra": [2], "tags": MAP},
        on_white(PALETTE[PAIR[:, :, 0]], PAIR[:, :, 1]),
        1,
    ),
    "RGB": (COLOR, {"photometric": 2}, COLOR, 0),
    "RGBX": (PLUS, {"photometric": 2, "extra": [0]}, PLUS[:, :, :3], 0),
    "RGBa": (PREMULTIPLIED, {"photometric": 2, "extra": [1]}, on_white(PLUS[:, :, :3], PLUS[:, :, 3]), 2),
    "RGBA": (PLUS, {"photometric": 2, "extra": [2]}, on_white(PLUS[:, :, :3], PLUS[:, :, 3]), 1),
    "CMYK": (PLUS, {"photometric": 5}, from_cmyk(PLUS), 1),
    "YCbCr": (COLOR, {"photometric": 6, "tags": {530: (3, [1, 1])}}, from_ycbcr(COLOR), 2),
    "gray, 12 bits": (SENSOR, {"bits": 12}, np.rint(SENSOR * (255 / 4095)), 0),
    "I;16": (WORDS, {"bits": 16}, np.rint(WORDS / 257), 0),
    "I;16, 0 is white": (WORDS, {"bits": 16, "photometric": 0}, 255 - np.rint(WORDS / 257), 0),
    "I": (LONGS, {"bits": 32, "sample_format": made.SIGNED}, np.rint(LONGS / 257), 0),
    "I, no sign": (LONGS, {"bits": 32}, np.rint(LONGS / 257), 0),
    "F": (FLOATS, {"bits": 32, "sample_format": made.FLOAT}, WHOLE, 0),
    "RGB, 16 bits": (COLOR16, {"bits": 16, "photometric": 2}, COLOR16 // 256, 0),
    "RGBA, 16 bits": (
        PLUS16,
        {"bits": 16, "photometric": 2, "extra": [2]},
        on_white(PLUS16[:, :, :3] / 257, PLUS16[:, :, 3] / 257),
        2,
    ),
}
LAYOUTS = {
    "one strip": {},
    "strips": {"rows": 3},
    "big-endian": {"order": ">", "rows": 4},
    "LZW": {"compression": made.LZW},
    "deflate, strips": {"compression": made.DEFLATE, "rows": 4},
    "PackBits, big-endian": {"compression": made.PACKBITS, "order": ">", "rows": 5},
    "tiles": {"tile": (16, 16)},
    "BigTIFF": {"big": True},
}


NOT_BIG_ENDIAN = ("gray, 12 bits", "I;16, 0 is white", "I, no sign")  # Pillow has no such modes
OLD = int(PIL.__version__.split(".")[0]) < 13  # reads uncompressed YCbCr as if it were RGB with a fourth number


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", MODES)
def test_tiff(tmp_path, mode, layout):
    samples, how, expected, tolerance = MODES[mode]
    how = how | LAYOUTS[layout]
    path = tmp_path / "a.tif"
    message = None
    if mode in NOT_BIG_ENDIAN and how.get("order") == ">":
        message = "a TIFF that is damaged or of a rare kind; save it again, as PNG"
    if mode == "YCbCr" and OLD and "compression" not in how:
        message = "a TIFF of uncompressed YCbCr"
    for orientation in ORIENTATIONS:
        path.write_bytes(made.tiff(samples, **how, orientation=orientation))
        if message is None:
            upright(path, expected, orientation, tolerance)
        else:
            refused(path, message)


@pytest.mark.parametrize("layout", ["strips", "LZW", "tiles", "PackBits, big-endian"])
@pytest.mark.parametrize(
    ("samples", "how"),
    [
        (LARGE, {}),
        (LARGE_COLOR, {"photometric": 2}),
        (LARGE_COLOR, {"photometric": 2, "planar": True}),
    ],
)
def test_tiff_of_several_tiles_and_planes(tmp_path, samples, how, layout):
    path = tmp_path / "a.tif"
    for orientation in ORIENTATIONS:
        path.write_bytes(made.tiff(samples, **how, **LAYOUTS[layout], orientation=orientation))
        upright(path, samples, orientation)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("samples", "bits"), [(GRAY, 8), (COLOR, 8), (COLOR16, 16)])
def test_tiff_of_differences(tmp_path, samples, bits, order):
    """TIFF 6.0, section 14: each sample is stored as what it has more than its neighbour on the left."""
    stored = samples.reshape(*SIZE, -1)
    differences = np.diff(stored, axis=1, prepend=np.zeros_like(stored[:, :1]))
    how = {"bits": bits, "photometric": 1 if samples.ndim == 2 else 2, "compression": made.LZW, "order": order}
    path = tmp_path / "a.tif"
    for orientation in ORIENTATIONS:
        path.write_bytes(made.tiff(differences, **how, tags={317: (3, [2])}, orientation=orientation))
        upright(path, samples if bits == 8 else samples // 256, orientation)


@pytest.mark.parametrize(
    ("mode", "compression"),
    [
        ("1", "group3"),
        ("1", "group4"),
        ("L", "jpeg"),
        ("RGB", "jpeg"),
        ("YCbCr", "jpeg"),
        ("YCbCr", "tiff_lzw"),
        ("CMYK", "jpeg"),
        ("CMYK", "tiff_adobe_deflate"),
        ("LAB", "tiff_lzw"),
        ("LAB", "raw"),
        ("RGB", "lzma"),
    ],
)
def test_tiff_that_libtiff_compressed(tmp_path, mode, compression):
    """Against the same file without a turn, which has the colours of what was saved."""
    smooth = np.kron(random(3, size=(3, 4)), np.ones((8, 8, 1), np.uint8))
    image = Image.fromarray(smooth)
    image = Image.merge("LAB", image.split()) if mode == "LAB" else image.convert(mode)
    path = tmp_path / "a.tif"
    image.save(path, compression=compression)
    stored = read_image(path).transpose(1, 2, 0)
    stored = stored[:, :, 0] if len(stored.shape) == 3 and stored.shape[2] == 1 else stored
    assert np.abs(stored.astype(int) - np.asarray(image.convert("L" if mode in ("1", "L") else "RGB"))).max() <= 12
    for orientation in ORIENTATIONS:
        image.save(path, compression=compression, tiffinfo={274: orientation})
        upright(path, stored, orientation)


def test_tiff_of_several_pages_is_turned_by_its_first_page(tmp_path):
    pages = [Image.fromarray(page) for page in (GRAY, 255 - GRAY)]
    path = tmp_path / "a.tif"
    for compression in ("raw", "tiff_lzw"):
        pages[0].save(path, compression=compression, tiffinfo={274: 6}, save_all=True, append_images=pages[1:])
        upright(path, GRAY, 6)


# Other containers, and where they say it

TEXT = made.raw_profile
PNG_PLACES = {
    "eXIf": lambda n: {"before": [made.png_chunk(b"eXIf", made.exif(n))]},
    "eXIf, big-endian": lambda n: {"before": [made.png_chunk(b"eXIf", made.exif(n, ">"))]},
    "eXIf after the pixels": lambda n: {"after": [made.png_chunk(b"eXIf", made.exif(n))]},
    "profile exif": lambda n: {"before": [TEXT(b"exif", made.exif(n, prefix=b"Exif\0\0"))]},
    "profile exif, compressed": lambda n: {"before": [TEXT(b"exif", made.exif(n, prefix=b"Exif\0\0"), b"zTXt")]},
    "profile exif after the pixels": lambda n: {"after": [TEXT(b"exif", made.exif(n))]},
    "profile APP1": lambda n: {"before": [TEXT(b"APP1", made.exif(n, ">", b"Exif\0\0"), b"zTXt")]},
    "profile xmp": lambda n: {"after": [TEXT(b"xmp", made.xmp(n), b"zTXt")]},
    "profile APP1 of XMP": lambda n: {"after": [TEXT(b"APP1", b"http://ns.adobe.com/xap/1.0/\0" + made.xmp(n))]},
    "XMP": lambda n: {"before": [made.xmp_chunk(made.xmp(n))]},
    "XMP, an element": lambda n: {"before": [made.xmp_chunk(made.xmp(n, "element"))]},
    "XMP, single quotes": lambda n: {"before": [made.xmp_chunk(made.xmp(n, "quoted once"))]},
    "XMP, compressed, after the pixels": lambda n: {"after": [made.xmp_chunk(made.xmp(n), compressed=True)]},
}
PNG_MODES = {
    "gray, 1 bit": (BITS, 1, 0, BITS * 255, 0),
    "gray, 4 bits": (FOUR, 4, 0, FOUR * 17, 0),
    "gray": (GRAY, 8, 0, GRAY, 0),
    "gray, 16 bits": (WORDS, 16, 0, np.rint(WORDS / 257), 0),
    "RGB": (COLOR, 8, 2, COLOR, 0),
    "RGB, 16 bits": (COLOR16, 16, 2, COLOR16 // 256, 0),
    "palette": (FOUR, 4, 3, PALETTE[FOUR], 0),
    "gray and alpha": (PAIR, 8, 4, on_white(PAIR[:, :, 0], PAIR[:, :, 1]), 1),
    "RGBA": (PLUS, 8, 6, on_white(PLUS[:, :, :3], PLUS[:, :, 3]), 1),
    "RGBA, 16 bits": (PLUS16, 16, 6, on_white(PLUS16[:, :, :3] / 257, PLUS16[:, :, 3] / 257), 2),
}


def png(mode, turn, interlaced=False):
    samples, bits, color, _, _ = PNG_MODES[mode]
    if mode == "palette":
        turn = turn | {"before": [made.png_chunk(b"PLTE", PALETTE[:16].tobytes()), *turn.get("before", ())]}
    return made.png(samples, bits, color, interlaced=interlaced, **turn)


@pytest.mark.parametrize("place", PNG_PLACES)
def test_png_says_it_in_many_places(tmp_path, place):
    path = tmp_path / "a.png"
    for orientation in ORIENTATIONS:
        path.write_bytes(png("RGB", PNG_PLACES[place](orientation)))
        upright(path, COLOR, orientation)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("mode", PNG_MODES)
def test_png(tmp_path, mode, interlaced):
    *_, expected, tolerance = PNG_MODES[mode]
    path = tmp_path / "a.png"
    for orientation in ORIENTATIONS:
        path.write_bytes(png(mode, PNG_PLACES["eXIf"](orientation), interlaced))
        upright(path, expected, orientation, tolerance)


SEGMENTS = {
    "Exif": lambda n: [made.exif(n, prefix=b"Exif\0\0")],
    "Exif, big-endian": lambda n: [made.exif(n, ">", b"Exif\0\0")],
    "XMP": lambda n: [b"http://ns.adobe.com/xap/1.0/\0" + made.xmp(n)],
    "XMP, an element": lambda n: [b"http://ns.adobe.com/xap/1.0/\0" + made.xmp(n, "element")],
}


@pytest.mark.parametrize("place", SEGMENTS)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg(tmp_path, mode, place):
    image = Image.fromarray(np.kron(random(3, size=(2, 3)), np.ones((8, 8, 1), np.uint8))).convert(mode)
    saved = io.BytesIO()
    image.save(saved, "JPEG", quality=95)
    stored = np.asarray(Image.open(saved).convert("L" if mode == "L" else "RGB"))
    path = tmp_path / "a.jpg"
    for orientation in ORIENTATIONS:
        path.write_bytes(made.jpeg_with(saved.getvalue(), *SEGMENTS[place](orientation)))
        upright(path, stored, orientation)


@pytest.mark.parametrize("place", ["exif", "xmp"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_webp(tmp_path, mode, place):
    samples = COLOR if mode == "RGB" else PLUS
    path = tmp_path / "a.webp"
    for orientation in ORIENTATIONS:
        content = made.exif(orientation) if place == "exif" else made.xmp(orientation)
        Image.fromarray(samples).save(path, lossless=True, exact=True, **{place: content})
        upright(path, samples if mode == "RGB" else on_white(PLUS[:, :, :3], PLUS[:, :, 3]), orientation, len(mode) - 3)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif(tmp_path):
    """The turn of the container counts, and neither Exif, from which Pillow takes it when it writes, nor XMP."""
    image = Image.fromarray(np.kron(random(3, size=(2, 3)), np.ones((16, 16, 1), np.uint8)))
    path = tmp_path / "a.avif"
    image.save(path, quality=90, xmp=made.xmp(6))
    stored = read_image(path).transpose(1, 2, 0)
    assert stored.shape[:2] == (32, 48)
    assert np.abs(stored.astype(int) - np.asarray(image)).mean() < 12
    for orientation in ORIENTATIONS:
        image.save(path, quality=90, exif=made.exif(orientation))
        upright(path, stored, orientation)


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("a.bmp", "L", {}),
        ("a.bmp", "RGB", {}),
        ("a.gif", "L", {}),
        ("a.pgm", "L", {}),
        ("a.ppm", "RGB", {}),
        ("a.jp2", "RGB", {}),
    ],
)
def test_formats_without_a_turn_are_read_as_they_are_stored(tmp_path, name, mode, options):
    stored = GRAY if mode == "L" else COLOR
    Image.fromarray(stored).save(tmp_path / name, **options)
    pixels = read_image(tmp_path / name, "gray" if mode == "L" else "rgb")
    assert np.array_equal(pixels[0] if mode == "L" else pixels.transpose(1, 2, 0), stored)


# Values that mean nothing, and places that contradict one another

GARBAGE = {
    "0": 0,
    "9": 9,
    "65535": 65535,
    "text": (2, b"6\0"),
    "long text": (2, b"Rotate 90 CW\0"),
    "two numbers": (3, [6, 6]),
    "a fraction": (5, [6, 1]),
    "a float": (12, [6.0]),
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_turn_that_is_none_is_no_turn(tmp_path, garbage):
    value = GARBAGE[garbage]
    tif, jpg, file = tmp_path / "a.tif", tmp_path / "a.jpg", tmp_path / "a.png"
    for compression in (made.NONE, made.LZW):
        tif.write_bytes(made.tiff(GRAY, compression=compression, orientation=value))
        upright(tif, GRAY, 1)
    file.write_bytes(made.png(GRAY, before=[made.png_chunk(b"eXIf", made.exif(value))]))
    upright(file, GRAY, 1)
    Image.fromarray(GRAY).save(jpg)
    stored = read_image(jpg)[0]
    jpg.write_bytes(made.jpeg_with(jpg.read_bytes(), made.exif(value, prefix=b"Exif\0\0")))
    upright(jpg, stored, 1)


@pytest.mark.parametrize("kind", [1, 3, 4])
def test_any_integer_type_of_the_tag_counts(tmp_path, kind):
    path = tmp_path / "a.tif"
    for order in "<>":
        path.write_bytes(made.tiff(GRAY, order=order, orientation=(kind, [6])))
        upright(path, GRAY, 6)


@pytest.mark.parametrize("damage", [b"", b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"\xff" * 40])
def test_damaged_exif_is_no_turn(tmp_path, damage):
    path = tmp_path / "a.png"
    path.write_bytes(made.png(GRAY, before=[made.png_chunk(b"eXIf", damage)]))
    upright(path, GRAY, 1)
    for kind in (b"exif", b"APP1", b"xmp"):
        path.write_bytes(made.png(GRAY, before=[TEXT(kind, damage), made.png_chunk(b"tEXt", b"Raw profile type exif")]))
        upright(path, GRAY, 1)


def test_the_first_place_that_has_a_turn_decides(tmp_path):
    exif, profile, xmp = (
        made.png_chunk(b"eXIf", made.exif(6)),
        TEXT(b"exif", made.exif(3)),
        made.xmp_chunk(made.xmp(8)),
    )
    nothing = made.png_chunk(b"eXIf", made.exif(9))
    path = tmp_path / "a.png"
    for chunks, orientation in (
        ([xmp, profile, exif], 6),
        ([xmp, profile], 3),
        ([nothing, xmp, profile], 3),
        ([nothing, xmp], 8),
        ([made.png_chunk(b"eXIf", made.exif(1)), xmp], 1),
    ):
        for place in ("before", "after"):
            path.write_bytes(made.png(GRAY, **{place: chunks}))
            upright(path, GRAY, orientation)
    path = tmp_path / "a.tif"
    packet = {700: (1, made.xmp(8))}
    for orientation, expected in ((6, 6), (1, 1), (9, 8), (None, 8)):
        for compression in (made.NONE, made.LZW):
            how = {"compression": compression, "orientation": orientation, "tags": packet}
            path.write_bytes(made.tiff(GRAY, **how))
            upright(path, GRAY, expected)
            path.write_bytes(made.tiff(COLOR16, bits=16, photometric=2, **how))
            upright(path, COLOR16 // 256, expected, tolerance=1)
