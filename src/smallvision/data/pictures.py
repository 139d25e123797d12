"""Image files of any format that Pillow reads, as uint8 pixels.

A file is somebody's: its header is looked at before anything is decoded, and whatever a decoder makes of a damaged one
becomes one line that names it.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from smallvision.data.raw import Pixels
from smallvision.errors import BadInput, SmallvisionError

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST = 64_000_000                                  # pixels; about 200 MB once decoded to RGB
_GRAY = ("1", "L", "LA", "La", "I", "F")              # and all that begin with "I;16"
_ORIENTATION = 0x0112                                 # EXIF tag; 5 to 8 turn the picture by a quarter


def read_header(path: Path) -> tuple[bool, int, int]:
    """Whether a picture is gray, its height and its width as it is to be shown; nothing is decoded.

    Raises
    ------
    BadInput : unreadable, no picture, or too large to decode.
    """
    with _opened(path) as image:
        width, height = image.size
        if image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8):
            width, height = height, width
        return _is_gray(image), height, width


def read_image(
    path: Path, color: Literal["auto", "gray", "rgb"] = "auto", size: tuple[int, int] | None = None
) -> Pixels:
    """The pixels of a picture, upright, its first frame if there are several.

    Parameters
    ----------
    path : of any format and mode; transparent parts become white, 16 bits become 8, EXIF orientation is applied.
    color : "gray" (one channel), "rgb" (three), or "auto", as the file has it.
    size : (H, W) to resize to, bilinear and antialiased; None keeps the size.

    Returns
    -------
    ndarray : uint8 (C, H, W).

    Raises
    ------
    BadInput : unreadable, truncated, no picture, or more than 64 million pixels.
    """
    from PIL import Image, ImageOps

    with _opened(path) as opened:
        gray = _is_gray(opened) if color == "auto" else color == "gray"
        image = _eight_bits(ImageOps.exif_transpose(opened), path)
        if image.has_transparency_data:
            colors = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", colors.size, "white"), colors)
        image = image.convert("L" if gray else "RGB")
        if size is not None and image.size != (size[1], size[0]):
            image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        pixels = np.array(image, dtype=np.uint8)
    return pixels[None] if gray else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _is_gray(image: "Image") -> bool:
    return image.mode in _GRAY or image.mode.startswith("I;16")


def _eight_bits(image: "Image", path: Path) -> "Image":
    """Gray of 16 bits as 8 bits: 65535 becomes 255. Other modes as they are."""
    from PIL import Image

    if image.mode == "F":
        raise BadInput(f"{path}: its pixels are floating-point numbers; save it with 8 or 16 bits")
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise BadInput(f"{path}: its pixels go from {values.min()} to {values.max()}; save it with 8 or 16 bits")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


@contextmanager
def _opened(path: Path) -> Iterator["Image"]:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")           # Pillow's own warning about size: our limit is below it
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
    except Exception as error:                        # decoders meet damaged files with almost any exception
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadInput(f"{path}: an unreadable image ({reason[:100]}); remove it, or save it again") from None


def _too_large(path: Path, found: str) -> str:
    return f"{path}: {found} pixels; at most {LARGEST // 1_000_000} million are decoded; make the image smaller"
