"""Which turn makes a stored image upright, found in its file; and that turn.

The number is that of TIFF 6.0, tag 274, and of Exif (CIPA DC-008, 4.6.4), which has the tag from there: 1 is upright, 2
mirrored left to right, 3 turned by 180 degrees, 4 mirrored top to bottom, 5 transposed; 6 is upright after a quarter
turn clockwise, 7 after transposing along the other diagonal, 8 after a quarter turn counter-clockwise.

The first of these that has a number from 1 to 8 decides, and a file without any is upright:

======  =====================================================================================================
TIFF    the tag of the first image, then XMP (tag 700)
JPEG    Exif, then XMP
WebP    Exif, then XMP
PNG     the chunk eXIf, then Exif as ImageMagick writes it (a text "Raw profile type exif" or "APP1"), then XMP
AVIF    the turn of the container alone, which Pillow gives as Exif
others  none: GIF, BMP, PPM and JPEG 2000 are read as they are stored
======  =====================================================================================================

Anything else in these places (0, 9, 65535, text, several numbers, a damaged block) counts as not being there, which is
what viewers do.

Pillow's own turns are not used. From version 11 on it exchanges width and height of a TIFF when it opens it, and
decodes an uncompressed one through a memory map with the exchanged width; earlier versions turn a TIFF twice where
libtiff converts its colours. A TIFF is therefore given to Pillow with its tag set to 1, in memory.
"""

import io
import re
import struct
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from smallvision.data.readers.png_chunks import chunks, keyword, text

if TYPE_CHECKING:
    from PIL.Image import Image

TIFF_BEGINS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"MM*\0", b"II\0*")  # Pillow opens the last two as well
ORIENTATION, XMP = 274, 700  # tags
LARGEST_TURNED_TIFF = 1_000_000_000  # bytes; it is in memory while it is read
_INTEGERS = {1: "B", 3: "H", 4: "L", 6: "b", 8: "h", 9: "l", 16: "Q", 17: "q"}  # types of a tag
_MOST_TAGS = 65535
_MOST_XMP = 16_000_000  # bytes
_IN_XMP = re.compile(rb"""\btiff:Orientation\s*(?:=\s*["']|>)\s*([1-8])\s*["'<]""")
_PNG_TEXTS = (b"xml:com.adobe.xmp", *(b"raw profile type " + kind for kind in (b"exif", b"app1", b"xmp")))

Number = TypeVar("Number", bound=np.generic)


def as_stored(upright: NDArray[Number], orientation: int) -> NDArray[Number]:
    """A view of an upright image (H, W, ...) whose rows and columns are those of its file; `orientation` is 1 to 8."""
    across = upright.swapaxes(0, 1) if orientation >= 5 else upright  # Exif 2.32, 4.6.4: what row 0 and column 0 are
    rows = -1 if orientation in (3, 4, 6, 7) else 1
    columns = -1 if orientation in (2, 3, 7, 8) else 1
    return across[::rows, ::columns]


def upright_tiff(file: BinaryIO) -> tuple[BinaryIO, int]:
    """A TIFF whose first image says that it is upright, and the orientation (1 to 8) that its file says.

    Parameters
    ----------
    file : a TIFF, opened for reading. It is given back itself if its tag is 1 or missing, else a copy in memory.

    Raises
    ------
    ValueError : more than a gigabyte, of which no copy is made.
    """
    tags = _tags(file)
    entry = tags.of.get(ORIENTATION)
    number = _number(tags, ORIENTATION) or _in_xmp(_content(file, tags, XMP)) or 1
    if entry is None or (entry.kind == 3 and entry.values == 1 and _number(tags, ORIENTATION) == 1):
        return file, number
    if file.seek(0, io.SEEK_END) > LARGEST_TURNED_TIFF:
        raise ValueError("a TIFF of more than a gigabyte that is to be turned; save its image as PNG")
    file.seek(0)
    memory = io.BytesIO(file.read())
    memory.seek(entry.at)
    memory.write(struct.pack(tags.order + ("HHQH6x" if tags.big else "HHLH2x"), ORIENTATION, 3, 1, 1))
    return memory, number


def of_png(file: BinaryIO) -> int:
    """The orientation (1 to 8) of a PNG, opened for reading; its pixels are not decoded."""
    found: dict[str, int] = {}
    for name, content in chunks(file, (b"eXIf", b"tEXt", b"zTXt", b"iTXt")):
        if name == b"eXIf":
            place, number = "exif", _of_exif(content)
        elif (key := keyword(content).lower()) in _PNG_TEXTS:
            place, number = _of_png_text(key, text(name, content))
        else:
            continue
        if number is not None:
            found.setdefault(place, number)
    return next((found[place] for place in ("exif", "profile", "xmp") if place in found), 1)


def of_opened(image: "Image") -> int:
    """The orientation (1 to 8) of an image that Pillow has opened and that is neither PNG nor TIFF."""
    if image.format not in ("JPEG", "MPO", "WEBP", "AVIF"):
        return 1
    number = _of_exif(image.info.get("exif", b""))
    if number is None and image.format != "AVIF":
        number = _in_xmp(image.info.get("xmp") or _xmp_segment(image))
    return number or 1


def _xmp_segment(image: "Image") -> bytes:
    """XMP of a JPEG, which Pillow gives as `info["xmp"]` from version 11 on."""
    begins = b"http://ns.adobe.com/xap/1.0/\0"
    segments = [content for name, content in getattr(image, "applist", ()) if name == "APP1"]
    return next((content[len(begins) :] for content in segments if content.startswith(begins)), b"")


def _of_png_text(key: bytes, content: bytes) -> tuple[str, int | None]:
    """Where in a PNG a text stands ("profile" or "xmp"), and the orientation in it; `key` is one of _PNG_TEXTS."""
    if key == b"xml:com.adobe.xmp":
        return "xmp", _in_xmp(content)
    try:  # an empty line, the kind, the number of bytes, and these as hexadecimal digits in lines
        profile = bytes.fromhex(b"".join(content.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return "profile", None
    if key == b"raw profile type xmp" or profile.startswith(b"http://ns.adobe.com/xap/"):
        return "xmp", _in_xmp(profile)
    return "profile", _of_exif(profile)


def _of_exif(content: bytes) -> int | None:
    return _number(_tags(io.BytesIO(content.removeprefix(b"Exif\0\0"))), ORIENTATION)


def _in_xmp(content: bytes | str) -> int | None:
    found = _IN_XMP.search(content.encode() if isinstance(content, str) else content)
    return int(found[1]) if found else None


class _Tag(NamedTuple):
    """An entry of a directory: where it stands in the file, the type of its values, how many, and its last bytes."""

    at: int
    kind: int
    values: int
    value: bytes


class _Tags(NamedTuple):
    """The directory of the first image of a TIFF: "<" or ">", whether it is a BigTIFF, and its tags."""

    order: str
    big: bool
    of: dict[int, _Tag]


def _tags(file: BinaryIO) -> _Tags:
    """The tags of the first image; none where the file is damaged."""
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    tags = _Tags(order, big, {})
    if head[:4] not in TIFF_BEGINS or len(head) < (16 if big else 8):
        return tags
    entry = struct.Struct(order + ("HHQ8s" if big else "HHL4s"))
    try:
        start = file.seek(struct.unpack_from(order + ("Q" if big else "L"), head, 8 if big else 4)[0])
        count = int.from_bytes(file.read(8 if big else 2), "little" if order == "<" else "big")
        content = file.read(min(count, _MOST_TAGS) * entry.size)
    except (OSError, ValueError, OverflowError):  # a place that no file has
        return tags
    start += 8 if big else 2
    for place in range(len(content) // entry.size):
        number, *fields = entry.unpack_from(content, place * entry.size)
        tags.of.setdefault(number, _Tag(start + place * entry.size, *fields))
    return tags


def _number(tags: _Tags, name: int) -> int | None:
    """The value of a tag, if it is a single integer from 1 to 8."""
    tag = tags.of.get(name)
    form = None if tag is None or tag.values != 1 else _INTEGERS.get(tag.kind)
    if tag is None or form is None or struct.calcsize("=" + form) > len(tag.value):
        return None
    value = int(struct.unpack_from(tags.order + form, tag.value)[0])
    return value if 1 <= value <= 8 else None


def _content(file: BinaryIO, tags: _Tags, name: int) -> bytes:
    """The bytes of a tag whose values are bytes; empty without it."""
    tag = tags.of.get(name)
    if tag is None or tag.kind not in (1, 2, 6, 7):
        return b""
    if tag.values <= len(tag.value):
        return tag.value[: tag.values]
    try:
        file.seek(struct.unpack(tags.order + ("Q" if tags.big else "L"), tag.value)[0])
        return file.read(min(tag.values, _MOST_XMP))
    except (OSError, ValueError, OverflowError):
        return b""
