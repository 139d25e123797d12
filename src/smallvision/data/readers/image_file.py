"""Image files of any format that Pillow reads, as uint8 pixels.

Files are not trusted: the header is checked before anything is decoded, and any error of a decoder becomes one line
that names the file.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from smallvision.data.source import Pixels
from smallvision.errors import BadInput, SmallvisionError

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST = 64_000_000  # pixels; about 200 MB as RGB, and at most 700 MB while the image is read
_STRIP = 2_000_000  # pixels converted at a time
_GRAY = ("1", "L", "LA", "La", "I", "F")  # and all modes that begin with "I;16"
_ORIENTATION = 0x0112  # EXIF tag; values 5 to 8 swap height and width


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
        return _is_gray(image), height, width


def read_image(
    path: Path, color: Literal["auto", "gray", "rgb"] = "auto", size: tuple[int, int] | None = None
) -> Pixels:
    """The pixels of an image, upright; of a file with several frames the first one.

    Parameters
    ----------
    path : a file of any format and mode. Transparent parts become white, 16 bits and floating-point numbers become
        8 bits, and EXIF orientation is applied.
    color : "gray" (one channel), "rgb" (three), or "auto" (as many as the file has).
    size : (H, W) to resize to, bilinear and antialiased; None keeps the size.

    Returns
    -------
    ndarray : uint8 (C, H, W).

    Raises
    ------
    BadInput : unreadable, truncated, no image, or more than 64 million pixels.
    """
    from PIL import ImageOps

    with _opened(path) as image:
        gray = _is_gray(image) if color == "auto" else color == "gray"
        ImageOps.exif_transpose(image, in_place=True)
        width, height = image.size
        largest = _largest(image, path)
        pixels = np.empty((height, width) if gray else (height, width, 3), dtype=np.uint8)
        at_once = max(1, _STRIP // width)
        for top in range(0, height, at_once):  # in strips, so that the copies which a conversion makes are small
            strip = image if at_once >= height else image.crop((0, top, width, min(top + at_once, height)))
            pixels[top : top + at_once] = _converted(strip, "L" if gray else "RGB", largest, path)
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


def _has_exif(image: "Image", path: Path) -> bool:
    """Whether a PNG has an EXIF chunk, found without decoding, which Pillow would do. True for other formats."""
    if image.format != "PNG":
        return True  # Pillow reads their EXIF data without decoding
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:  # length and type of a chunk; its content and a checksum follow
            if head[4:] == b"eXIf":
                return True
            file.seek(int.from_bytes(head[:4], "big") + 4, 1)
    return False


def _is_gray(image: "Image") -> bool:
    return image.mode in _GRAY or image.mode.startswith("I;16")


def _largest(image: "Image", path: Path) -> int | None:
    """The value that becomes 255, for images of more than 8 bits; None for the others.

    A file of floating-point numbers does not say which value is white. It is taken to be 1 if no pixel is larger, else
    255, else 65535.
    """
    if image.mode == "I" or image.mode.startswith("I;16"):
        return 65535
    if image.mode != "F":
        return None
    low, high = cast(tuple[float, float], image.getextrema())
    white = next((white for white in (1, 255, 65535) if high <= white), None)
    if white is None:
        raise _out_of_range(path, low, high)
    return white


def _converted(image: "Image", mode: str, largest: int | None, path: Path) -> Pixels:
    """An image in mode "L" or "RGB", transparent parts on white, as uint8 (H, W) or (H, W, 3)."""
    from PIL import Image

    if largest is not None:
        image = Image.fromarray(_eight_bits(np.asarray(image), largest, path))
    if image.mode == "LAB":
        image = image.convert("RGB")  # the only conversion from LAB that Pillow has
    if image.has_transparency_data:
        colors = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", colors.size, "white"), colors)
    return np.asarray(image if image.mode == mode else image.convert(mode))


def _eight_bits(values: NDArray[Any], largest: int, path: Path) -> Pixels:
    low, high = values.min(), values.max()  # NaN where a pixel is NaN, which no comparison passes
    if not (low >= 0 and high <= largest):
        raise _out_of_range(path, low, high)
    if values.dtype.kind == "f":
        return np.rint(values * np.float32(255 / largest)).astype(np.uint8)
    return ((values.astype(np.int32) + 128) // 257).astype(np.uint8)


def _out_of_range(path: Path, low: float, high: float) -> BadInput:
    return BadInput(f"{path}: its pixels go from {low:.6g} to {high:.6g}; save it with 8 or 16 bits")


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
