"""Opens an image file that is not trusted: one of the named formats, its header read and checked, nothing decoded.

A file is opened as what its content is, whatever its extension. Formats are named, so that none is tried that starts
an external program (EPS starts Ghostscript), that takes any file for its own (TGA has no signature), or that nobody
has tested here. Any error of Pillow becomes one line that names the file.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from smallvision.data.readers import orientation, png_chunks
from smallvision.data.readers.standard_error import silent
from smallvision.errors import BadInput, SmallvisionError
from smallvision.storage.reading import open_regular, too_large

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "TIFF", "WEBP", "JPEG2000", "AVIF")  # as Pillow calls them
FORMATS_NAMED = "JPEG, PNG, GIF, BMP, TIFF, WebP, PBM, PGM, PPM, JPEG 2000, AVIF"
LARGEST_FILE = 1_000_000_000  # bytes; 64 million pixels take at most 16 each
LARGEST = 64_000_000  # pixels; about 200 MB as RGB, and while it is read about 700 MB, and a gigabyte of a turned TIFF
_GRAY = ("1", "L", "LA", "La", "I", "F")  # and all modes that begin with "I;16"
PHOTOMETRIC = 262  # TIFF tag
_COMPRESSION, _STRIP_BYTES, _TILE_BYTES, _SUBSAMPLING = 259, 279, 325, 530  # TIFF tags
_YCBCR = 6  # of the tag PHOTOMETRIC
_SWAPPED = {"I;16BS": "I;16NS", "I;32BS": "I;32NS", "F;32BF": "F;32NF"}  # big-endian: in the order of this machine
_BEGINNINGS = {  # of files that are what they say, when Pillow cannot open them
    **dict.fromkeys(orientation.TIFF_BEGINS, "TIFF"),
    png_chunks.SIGNATURE: "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
}


class Opened(NamedTuple):
    """An image file whose header is read.

    Attributes
    ----------
    image : the image as it is stored; Pillow turns nothing.
    turn : the orientation, 1 to 8; 5 to 8 exchange height and width.
    file : what Pillow reads from.
    depth, color : bits of a sample and colour type of a PNG, 0 in other formats.
    path : the name of the file, for errors.
    """

    image: "Image"
    turn: int
    file: BinaryIO
    depth: int
    color: int
    path: Path

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the upright image."""
        width, height = self.image.size
        return (width, height) if self.turn in (5, 6, 7, 8) else (height, width)

    @property
    def is_gray(self) -> bool:
        if self.depth and self.image.mode == "RGBA":
            return self.color == 4  # gray with alpha: Pillow opens it as RGBA if it has 16 bits
        return self.image.mode in _GRAY or self.image.mode.startswith("I;16")


def tiff_tag(image: "Image", tag: int) -> Any:
    """The value of a tag, the first one if it has several; None without the tag, and for other formats."""
    value = cast(Any, image).tag_v2.get(tag) if image.format == "TIFF" else None
    return value[0] if isinstance(value, tuple) else value


def pillow_image(file: BinaryIO) -> "Image":
    """Pillow's image of a file of one of the formats in FORMATS.

    It is given the file without its name: Pillow maps a file that it has the name of into memory, where an image
    changes, or the process dies, when the file is changed.
    """
    from PIL import Image

    Image.init()  # now Image.OPEN has all formats, which depend on Pillow's version and on how it was built
    image = Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN])
    if image.format == "TIFF":
        image.info.pop("xmp", None)  # Pillow would turn the image by it when it decodes
    return image


def decode_as(image: "Image", arguments: Any) -> None:
    """Gives Pillow's decoder other arguments (the layout of the numbers in the file first) than the header did."""
    tiles = cast(
        Any, image
    ).tile  # tuples of the codec, its place, its offset and its arguments; named from Pillow 11 on
    cast(Any, image).tile = [
        tile._replace(args=arguments) if hasattr(tile, "_replace") else (*tile[:3], arguments) for tile in tiles
    ]


@contextmanager
def open_image(path: Path) -> Iterator[Opened]:
    """The image, its header read; any error while it is open becomes a BadInput of one line."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings(), open_regular(path) as file:
            warnings.simplefilter("ignore")  # Pillow's warning about size, whose limit is above ours
            size = os.fstat(file.fileno()).st_size
            if size > LARGEST_FILE:
                raise too_large(path, size, LARGEST_FILE, "an image file")
            begins = file.read(16)
            source, turn = _turned_off(file, begins)
            with pillow_image(source) as image, silent() if image.format == "TIFF" else nullcontext():
                if image.format == "TIFF":
                    _correct_tiff(image, path)
                depth, color = png_chunks.depth_and_color(source) if image.format == "PNG" else (0, 0)
                opened = Opened(image, turn or orientation.of_opened(image), source, depth, color, path)
                _check(opened)
                yield opened
    except SmallvisionError:
        raise
    except Image.DecompressionBombError:
        raise BadInput(_too_large(path, "far more")) from None
    except UnidentifiedImageError:
        raise BadInput(f"{path}: {_unidentified(begins)}") from None
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except Exception as error:  # decoders raise almost any exception on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadInput(
            f"{path}: the image cannot be read ({reason[:100]}); remove the file, or save it again"
        ) from None


def _turned_off(file: BinaryIO, begins: bytes) -> tuple[BinaryIO, int]:
    """What Pillow shall read, and the orientation of a PNG or TIFF (1 to 8); 0 of other formats."""
    if begins.startswith(png_chunks.SIGNATURE):
        return file, orientation.of_png(file)
    if begins.startswith(orientation.TIFF_BEGINS):
        return orientation.upright_tiff(file)
    return file, 0


def _correct_tiff(image: "Image", path: Path) -> None:
    """Sees to it that a TIFF is decoded as its file says, and not turned; raises BadInput where Pillow would not do so.

    libtiff gives numbers in the order of this machine, and Pillow exchanges the bytes of big-endian ones again.
    """
    if tiff_tag(image, orientation.ORIENTATION) not in (None, 1):
        raise BadInput(f"{path}: the tags of this TIFF cannot be read clearly; save it again")
    tiles = cast(Any, image).tile
    if tiles and tiles[0][0] == "libtiff" and tiles[0][3][0] in _SWAPPED:
        raw, *rest = tiles[0][3]
        decode_as(image, (_SWAPPED[raw], *rest))
    if tiff_tag(image, PHOTOMETRIC) == _YCBCR and tiff_tag(image, _COMPRESSION) in (None, 1):
        tags = cast(Any, image).tag_v2
        content = sum(tags.get(_STRIP_BYTES) or tags.get(_TILE_BYTES) or ())
        whole = tuple(tags.get(_SUBSAMPLING, (1, 1))) == (1, 1) and content >= 3 * image.size[0] * image.size[1]
        if image.mode != "YCbCr" or not whole:  # Pillow before 13 takes it for RGB with a fourth number
            raise BadInput(
                f"{path}: this is a TIFF of uncompressed YCbCr, which is not supported; save it as RGB, or as PNG"
            )


def _check(opened: Opened) -> None:
    """Raises BadInput for an image that is too large, or whose pixels would be wrong."""
    image, path = opened.image, opened.path
    width, height = image.size
    if width * height > LARGEST:
        raise BadInput(_too_large(path, f"{width:,} x {height:,}"))
    if image.mode == "F" and tiff_tag(image, PHOTOMETRIC) == 0:
        raise BadInput(
            f"{path}: this is a TIFF of floating-point numbers in which 0 is white, but it does not say which number "
            "is black; save it with 0 as black, or with unsigned numbers of 8 or 16 bits"
        )


def _unidentified(begins: bytes) -> str:
    """What a file is that Pillow opens as none of the formats; `begins` are its first bytes."""
    name = next((name for beginning, name in _BEGINNINGS.items() if begins.startswith(beginning)), None)
    if name is not None:
        return f"a {name} that is damaged or of a rare kind; save it again, as PNG"
    return f"this is not an image in a supported format ({FORMATS_NAMED})"


def _too_large(path: Path, size: str) -> str:
    return f"{path}: {size} pixels, and at most {LARGEST // 1_000_000} million are decoded; make the image smaller"
