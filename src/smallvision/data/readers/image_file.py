"""Image files of the formats in `open_image.FORMATS`, as uint8 pixels, upright.

An image is read in this order: it is opened, and its header checked (data/readers/open_image.py); which turn its file
asks for (data/readers/orientation.py); what its numbers mean (`_numbers`); then its rows as they are stored, strip by
strip, are brought to 8 bits, put on white where they are transparent (`_converted`), and written where they belong in
the upright image.

Pillow does not use all that a header says about the numbers in a file (scripts in findings/ show it). This module reads
the rest itself: the transparent level of a PNG (PNG specification, 11.3.2.1, chunk tRNS), whether a PNG is gray with
alpha, and which numbers of a TIFF are black and white and have a sign (TIFF 6.0, tags 258, 262 and 339).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from smallvision.data.readers import orientation, png_chunks
from smallvision.data.readers.levels import FileLevels, Levels
from smallvision.data.readers.open_image import PHOTOMETRIC, Opened, decode_as, open_image, pillow_image, tiff_tag
from smallvision.data.source import Pixels
from smallvision.errors import BadInput, shown

if TYPE_CHECKING:
    from PIL.Image import Image

_STRIP = 2_000_000  # pixels converted at a time
_BITS, _SAMPLE_FORMAT = 258, 339  # TIFF tags
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
    """Whether an image is gray, its height and its width when it is upright; nothing is decoded.

    Raises
    ------
    BadInput : unreadable, no image, or too large to decode.
    """
    with open_image(path) as opened:
        return (opened.is_gray, *opened.size)


def read_image(
    path: Path,
    color: Literal["auto", "gray", "rgb"] = "auto",
    size: tuple[int, int] | None = None,
    levels: Levels | None = None,
) -> Pixels:
    """The pixels of an image, upright; of a file with several frames the first one.

    Parameters
    ----------
    path : a file of a format in FORMATS, of any mode. Transparent parts become white, 12 and 16 bits and floating-point
        numbers become 8 bits, and the turn that the file asks for is applied (data/readers/orientation.py).
    color : "gray" (one channel), "rgb" (three), or "auto" (as many as the file has).
    size : (H, W) to resize to, bilinear and antialiased; None keeps the size.
    levels : which numbers of more than 8 bits are black and white; takes note of what the file holds.

    Returns
    -------
    ndarray : uint8 (C, H, W).

    Raises
    ------
    BadInput : unreadable, truncated, no image, more than 64 million pixels, or pixels whose brightness the file does
        not tell: negative numbers, numbers above 65535, and floating-point numbers in a TIFF in which 0 is white; or
        numbers outside of the stated range.
    """
    levels = levels or Levels()
    with open_image(path) as opened:
        image = opened.image
        if image.format == "PNG" and (name := png_chunks.damaged(opened.file)):
            raise BadInput(
                f"{path}: its chunk {shown(name)} does not match its checksum; remove the file, or save it again"
            )
        gray = opened.is_gray if color == "auto" else color == "gray"
        numbers = _numbers(opened, levels)
        file = levels.of(opened, numbers.white)
        low = _low_bytes_are(numbers.transparent, opened) if isinstance(numbers.transparent, tuple) else None
        pixels = np.empty(opened.size if gray else (*opened.size, 3), dtype=np.uint8)
        stored = orientation.as_stored(pixels, opened.turn)  # the same memory, in the rows and columns of the file
        width, height = image.size
        at_once = max(1, _STRIP // width)
        with file:
            for top in range(0, height, at_once):  # in strips, so that the copies which a conversion makes are small
                box = (0, top, width, min(top + at_once, height))
                strip = image if at_once >= height else image.crop(box)
                color16 = cast(tuple[int, int, int], numbers.transparent)
                white = low[top : top + at_once] & _upper_bytes_are(color16, strip) if low is not None else None
                strip = file.of_colors(strip, box)
                if white is not None:
                    strip = _white_where(white, strip)
                stored[top : top + at_once] = _converted(strip, "L" if gray else "RGB", numbers, file)
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


def _numbers(opened: Opened, levels: Levels) -> _Numbers:
    """What the numbers of an opened image mean; raises BadInput for negative bytes.

    It also brings `image.info["transparency"]` to the numbers of the image's pixels, or, where these are not the
    file's (16 bits), takes it out.
    """
    image, path = opened.image, opened.path
    transparent = _transparent_level(image, opened.depth)
    if image.mode == "L" and tiff_tag(image, _SAMPLE_FORMAT) == _SIGNED:
        found = [level - 256 * (level > 127) for level, count in enumerate(image.histogram()) if count]
        if min(found) < 0:
            raise BadInput(
                f"{path}: its pixels are signed numbers of 8 bits, from {min(found)} to {max(found)}, and it is not "
                "known which brightness negative numbers mean; save it with unsigned numbers of 8 or 16 bits"
            )
    if image.mode.startswith("I;16"):
        white = 4095 if tiff_tag(image, _BITS) == 12 else 65535
        return _Numbers(white, negative=tiff_tag(image, PHOTOMETRIC) == 0, transparent=transparent)
    if image.mode == "I":
        unsigned = tiff_tag(image, _BITS) == 32 and tiff_tag(image, _SAMPLE_FORMAT) != _SIGNED
        return _Numbers(65535, unsigned=unsigned, transparent=transparent)  # in Pillow 10 gray PNGs of 16 bits, too
    return _Numbers(levels.white_of_floats(opened) if image.mode == "F" else None, transparent=transparent)


def _transparent_level(image: "Image", depth: int) -> int | tuple[int, int, int] | None:
    """The transparent level of a PNG of 16 bits, which is taken out of `image.info`; for fewer bits it is scaled there.

    The chunk tRNS names the level in the file's own numbers, and only the low bits count that a sample of the file has.
    Pillow leaves it so, but brings gray of 2 and 4 bits, and RGB of 16 bits, to 8 bits.
    """
    if not depth or image.mode not in ("L", "I", "I;16", "RGB") or "transparency" not in image.info:
        return None
    if depth == 16:
        return cast(int | tuple[int, int, int], image.info.pop("transparency"))
    level, largest = image.info["transparency"], 2**depth - 1
    if image.mode == "RGB":
        image.info["transparency"] = tuple(part & largest for part in level)
    else:
        image.info["transparency"] = (level & largest) * (255 // largest)
    return None


def _low_bytes_are(color: tuple[int, int, int], opened: Opened) -> NDArray[np.bool_]:
    """Where the low bytes of an RGB PNG of 16 bits are those of `color`: booleans (H, W), as stored.

    Pillow keeps the high bytes only. The file is decoded once more as if the low byte of each number were the high one.
    """
    opened.image.load()  # so that it needs the file no more
    with pillow_image(opened.file) as image:
        decode_as(image, "RGB;16L")
        width, height = image.size
        same = np.empty((height, width), dtype=np.bool_)
        at_once = max(1, _STRIP // width)
        for top in range(0, height, at_once):
            strip = np.asarray(image.crop((0, top, width, min(top + at_once, height))))
            same[top : top + at_once] = (strip == np.array(color) % 256).all(axis=2)
    return same


def _upper_bytes_are(color: tuple[int, int, int], image: "Image") -> NDArray[np.bool_]:
    """Where the pixels of an RGB image are the high bytes of `color`: booleans (H, W)."""
    return cast(NDArray[np.bool_], (np.asarray(image) == np.array(color) // 256).all(axis=2))


def _white_where(here: NDArray[np.bool_], image: "Image") -> "Image":
    """An RGB image, white where `here` is true."""
    from PIL import Image

    pixels = np.array(image)
    pixels[here] = 255
    return Image.fromarray(pixels)


def _converted(image: "Image", mode: str, numbers: _Numbers, file: FileLevels) -> Pixels:
    """An image in mode "L" or "RGB", transparent parts on white, as uint8 (H, W) or (H, W, 3)."""
    from PIL import Image

    if numbers.white is not None:
        values = np.asarray(image)
        transparent = cast(int | None, numbers.transparent)
        pixels = file.eight_bits(values.view(np.uint32) if numbers.unsigned else values, numbers.white, transparent)
        if numbers.negative:
            pixels = 255 - pixels
        if transparent is not None:
            pixels[values == transparent] = 255
        image = Image.fromarray(pixels)
    if image.mode == "LAB":
        image = image.convert("RGB")  # the only conversion from LAB that Pillow has
    if image.has_transparency_data:
        colors = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", colors.size, "white"), colors)
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    file.see(pixels)
    return pixels
