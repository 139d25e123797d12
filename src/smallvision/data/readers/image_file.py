"""Image files of any format that Pillow reads, as uint8 pixels.

Files are not trusted: the header is checked before anything is decoded, and any error of a decoder becomes one line
that names the file.

Pillow does not use all that a header says about the numbers in a file (scripts in findings/ show it). This module reads
the rest itself: the transparent level of a PNG (PNG specification, 11.3.2.1, chunk tRNS), whether a PNG is gray with
alpha, and which numbers of a TIFF are black and white and have a sign (TIFF 6.0, tags 258, 262 and 339).
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from smallvision.data.source import Pixels
from smallvision.errors import BadInput, SmallvisionError

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST = 64_000_000  # pixels; about 200 MB as RGB, and about 700 MB at most while the image is read
_STRIP = 2_000_000  # pixels converted at a time
_GRAY = ("1", "L", "LA", "La", "I", "F")  # and all modes that begin with "I;16"
_ORIENTATION = 0x0112  # EXIF tag; values 5 to 8 swap height and width
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # TIFF tags
_SIGNED = 2  # of the tag _SAMPLE_FORMAT


class _Numbers(NamedTuple):
    """What the numbers of an image mean, as far as Pillow's mode does not say it.

    Attributes
    ----------
    white : the number that becomes 255, of images that Pillow does not bring to 8 bits; None for the others.
    negative : whether 0 is white, and `white` black.
    unsigned : whether numbers of 32 bits, which Pillow takes for signed ones, have no sign.
    transparent : the transparent gray level or colour of a PNG of 16 bits, in numbers of 16 bits.
    """

    white: int | None = None
    negative: bool = False
    unsigned: bool = False
    transparent: int | tuple[int, int, int] | None = None


def read_header(path: Path) -> tuple[bool, int, int]:
    """Whether an image is gray, its height and its width after EXIF orientation; nothing is decoded.

    Raises
    ------
    BadInput : unreadable, no image, or too large to decode.
    """
    with _opened(path) as image:
        width, height = image.size
        if _has_exif(image, path) and image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8):
            width, height = height, width
        return _is_gray(image, path), height, width


def read_image(
    path: Path, color: Literal["auto", "gray", "rgb"] = "auto", size: tuple[int, int] | None = None
) -> Pixels:
    """The pixels of an image, upright; of a file with several frames the first one.

    Parameters
    ----------
    path : a file of any format and mode. Transparent parts become white, 12 and 16 bits and floating-point numbers
        become 8 bits, and EXIF orientation is applied.
    color : "gray" (one channel), "rgb" (three), or "auto" (as many as the file has).
    size : (H, W) to resize to, bilinear and antialiased; None keeps the size.

    Returns
    -------
    ndarray : uint8 (C, H, W).

    Raises
    ------
    BadInput : unreadable, truncated, no image, more than 64 million pixels, or pixels whose brightness the file does
        not tell: negative numbers, numbers above 65535, and floating-point numbers in a TIFF in which 0 is white.
    """
    from PIL import ImageOps

    with _opened(path) as image:
        gray = _is_gray(image, path) if color == "auto" else color == "gray"
        numbers = _numbers(image, path)
        low = _low_bytes_are(numbers.transparent, path) if isinstance(numbers.transparent, tuple) else None
        ImageOps.exif_transpose(image, in_place=True)
        width, height = image.size
        pixels = np.empty((height, width) if gray else (height, width, 3), dtype=np.uint8)
        at_once = max(1, _STRIP // width)
        for top in range(0, height, at_once):  # in strips, so that the copies which a conversion makes are small
            strip = image if at_once >= height else image.crop((0, top, width, min(top + at_once, height)))
            if low is not None:
                strip = _white_where(low[top : top + at_once], strip, cast(tuple[int, int, int], numbers.transparent))
            pixels[top : top + at_once] = _converted(strip, "L" if gray else "RGB", numbers, path)
    planes = pixels[None] if gray else np.ascontiguousarray(pixels.transpose(2, 0, 1))
    return planes if size is None else resized(planes, size)


def resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """uint8 (C, H, W), C 1 or 3, resized to `size` (H, W), bilinear and antialiased; `pixels` itself if it has it."""
    from PIL import Image

    if pixels.shape[1:] == size:
        return pixels
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    small = np.array(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    return small[None] if len(pixels) == 1 else np.ascontiguousarray(small.transpose(2, 0, 1))


def _png_chunk(path: Path, name: bytes) -> bytes | None:
    """The first bytes of a chunk of a PNG, found without decoding anything; None if the file has no such chunk."""
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:  # length and name of a chunk; its content and a checksum follow
            length = int.from_bytes(head[:4], "big")
            if head[4:] == name:
                return file.read(min(length, 32))
            file.seek(length + 4, 1)
    return None


def _png_depth_and_color(path: Path) -> tuple[int, int]:
    """Bits of a sample and colour type of a PNG that Pillow has opened (PNG specification, 11.2.1, chunk IHDR)."""
    header = _png_chunk(path, b"IHDR")
    assert header is not None, "Pillow opens no PNG without it"
    return header[8], header[9]


def _has_exif(image: "Image", path: Path) -> bool:
    """Whether a PNG has an EXIF chunk, found without decoding, which Pillow would do. True for other formats."""
    return image.format != "PNG" or _png_chunk(path, b"eXIf") is not None  # Pillow reads the others' without decoding


def _tiff_tag(image: "Image", tag: int) -> Any:
    """The value of a tag, the first one if it has several; None without the tag, and for other formats."""
    value = cast(Any, image).tag_v2.get(tag) if image.format == "TIFF" else None
    return value[0] if isinstance(value, tuple) else value


def _is_gray(image: "Image", path: Path) -> bool:
    if image.format == "PNG" and image.mode == "RGBA":
        return _png_depth_and_color(path)[1] == 4  # gray with alpha: Pillow opens it as RGBA if it has 16 bits
    return image.mode in _GRAY or image.mode.startswith("I;16")


def _numbers(image: "Image", path: Path) -> _Numbers:
    """What the numbers of an opened image mean, before it is turned upright; raises BadInput for negative bytes.

    It also brings `image.info["transparency"]` to the numbers of the image's pixels, or, where these are not the
    file's (16 bits), takes it out.
    """
    transparent = _transparent_level(image, path)
    if image.mode == "L" and _tiff_tag(image, _SAMPLE_FORMAT) == _SIGNED:
        levels = [level - 256 * (level > 127) for level, count in enumerate(image.histogram()) if count]
        if min(levels) < 0:
            raise BadInput(
                f"{path}: its pixels are signed numbers of 8 bits, from {min(levels)} to {max(levels)}, and negative "
                "ones have no brightness; save it with unsigned numbers of 8 or 16 bits"
            )
    if image.mode.startswith("I;16"):
        white = 4095 if _tiff_tag(image, _BITS) == 12 else 65535
        return _Numbers(white, negative=_tiff_tag(image, _PHOTOMETRIC) == 0, transparent=transparent)
    if image.mode == "I":
        unsigned = _tiff_tag(image, _BITS) == 32 and _tiff_tag(image, _SAMPLE_FORMAT) != _SIGNED
        return _Numbers(65535, unsigned=unsigned, transparent=transparent)  # in Pillow 10 gray PNGs of 16 bits, too
    return _Numbers(_white_of_floats(image, path) if image.mode == "F" else None, transparent=transparent)


def _transparent_level(image: "Image", path: Path) -> int | tuple[int, int, int] | None:
    """The transparent level of a PNG of 16 bits, which is taken out of `image.info`; for fewer bits it is scaled there.

    The chunk tRNS names the level in the file's own numbers, and only the low bits count that a sample of the file has.
    Pillow leaves it so, but brings gray of 2 and 4 bits, and RGB of 16 bits, to 8 bits.
    """
    if image.format != "PNG" or image.mode not in ("L", "I", "I;16", "RGB") or "transparency" not in image.info:
        return None
    depth = _png_depth_and_color(path)[0]
    if depth == 16:
        return cast(int | tuple[int, int, int], image.info.pop("transparency"))
    level, largest = image.info["transparency"], 2**depth - 1
    if image.mode == "RGB":
        image.info["transparency"] = tuple(part & largest for part in level)
    else:
        image.info["transparency"] = (level & largest) * (255 // largest)
    return None


def _low_bytes_are(color: tuple[int, int, int], path: Path) -> NDArray[np.bool_]:
    """Where the low bytes of an RGB PNG of 16 bits are those of `color`: booleans (H, W), upright.

    Pillow keeps the high bytes only. The file is decoded once more as if the low byte of each number were the high one.
    """
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        cast(Any, image).tile = [(*tile[:3], "RGB;16L") for tile in cast(Any, image).tile]
        ImageOps.exif_transpose(image, in_place=True)
        width, height = image.size
        same = np.empty((height, width), dtype=np.bool_)
        at_once = max(1, _STRIP // width)
        for top in range(0, height, at_once):
            strip = np.asarray(image.crop((0, top, width, min(top + at_once, height))))
            same[top : top + at_once] = (strip == np.array(color) % 256).all(axis=2)
    return same


def _white_where(low: NDArray[np.bool_], image: "Image", color: tuple[int, int, int]) -> "Image":
    """An RGB image, white where its pixels have the high bytes of `color` and `low` says the same of the low ones."""
    from PIL import Image

    pixels = np.array(image)
    pixels[low & (pixels == np.array(color) // 256).all(axis=2)] = 255
    return Image.fromarray(pixels)


def _white_of_floats(image: "Image", path: Path) -> int:
    """The number that is white in an image of floating-point numbers.

    The file does not say it. It is taken to be 1 if no pixel is larger, else 255, else 65535.
    """
    low, high = cast(tuple[float, float], image.getextrema())
    white = next((white for white in (1, 255, 65535) if high <= white), None)
    if white is None:
        raise _out_of_range(path, low, high)
    return white


def _converted(image: "Image", mode: str, numbers: _Numbers, path: Path) -> Pixels:
    """An image in mode "L" or "RGB", transparent parts on white, as uint8 (H, W) or (H, W, 3)."""
    from PIL import Image

    if numbers.white is not None:
        values = np.asarray(image)
        pixels = _eight_bits(values.view(np.uint32) if numbers.unsigned else values, numbers.white, path)
        if numbers.negative:
            pixels = 255 - pixels
        if numbers.transparent is not None:
            pixels[values == numbers.transparent] = 255
        image = Image.fromarray(pixels)
    if image.mode == "LAB":
        image = image.convert("RGB")  # the only conversion from LAB that Pillow has
    if image.has_transparency_data:
        colors = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", colors.size, "white"), colors)
    return np.asarray(image if image.mode == mode else image.convert(mode))


def _eight_bits(values: NDArray[Any], white: int, path: Path) -> Pixels:
    low, high = values.min(), values.max()  # NaN where a pixel is NaN, which no comparison passes
    if not (low >= 0 and high <= white):
        raise _out_of_range(path, low, high)
    if values.dtype.kind == "f":
        return np.rint(values * np.float32(255 / white)).astype(np.uint8)
    scaled = values.astype(np.int32)
    scaled *= 255
    scaled += white // 2
    scaled //= white
    return scaled.astype(np.uint8)


def _out_of_range(path: Path, low: float, high: float) -> BadInput:
    pixels = f"its pixels go from {low:.6g} to {high:.6g}"
    return BadInput(f"{path}: {pixels}; save it with unsigned numbers of 8 or 16 bits")


@contextmanager
def _opened(path: Path) -> Iterator["Image"]:
    """The image, its header read; any error while it is open becomes a BadInput of one line."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's warning about size, whose limit is above ours
            with Image.open(path) as image:
                width, height = image.size
                if width * height > LARGEST:
                    raise BadInput(_too_large(path, f"{width:,} x {height:,}"))
                if image.mode == "F" and _tiff_tag(image, _PHOTOMETRIC) == 0:
                    raise BadInput(
                        f"{path}: a TIFF of floating-point numbers in which 0 is white, and it does not say which "
                        "number is black; save it with 0 as black, or with unsigned numbers of 8 or 16 bits"
                    )
                yield image
    except SmallvisionError:
        raise
    except Image.DecompressionBombError:
        raise BadInput(_too_large(path, "far more")) from None
    except UnidentifiedImageError:
        raise BadInput(f"{path}: not an image that Pillow can read; remove it, or save it as PNG") from None
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except Exception as error:  # decoders raise almost any exception on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadInput(f"{path}: an unreadable image ({reason[:100]}); remove it, or save it again") from None


def _too_large(path: Path, size: str) -> str:
    return f"{path}: {size} pixels; at most {LARGEST // 1_000_000} million are decoded; make the image smaller"
