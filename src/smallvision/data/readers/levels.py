"""Which numbers are black and white in image files of more than 8 bits, and what such files were found to hold.

No file format says which part of its numbers a sensor uses, and floating-point numbers have no white at all. So it can
be stated (data.white, data.range); where it is not, it is said what was found in the files and what was taken as white.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from smallvision.data.readers.open_image import Opened, decode_as, pillow_image
from smallvision.data.source import PixelRange, Pixels
from smallvision.errors import BadInput

if TYPE_CHECKING:
    from PIL.Image import Image

SENSORS = (1, 255, 1023, 4095, 16383, 32767)  # the largest numbers of 1, 8, 10, 12, 14 and 15 bits
DARK = 64  # of 255: where no file of 8 bits reaches it, that is said
EIGHT, FLOATS = "8-bit", "floating-point"
GRAY_ALPHA = "LA;16B"  # how Pillow unpacks gray with alpha of 16 bits
_SWAPPED = {";16B": ";16L", ";16L": ";16B"}


@dataclass
class Levels:
    """What is stated about the numbers of files, and what was found in those that were read.

    Attributes
    ----------
    black, white : as stated; None where nothing is.
    word : how it was stated, for messages.
    floats_only : whether that is said of files with floating-point numbers only.
    found : kind of file -> number of files, largest number.
    assumed : white of floating-point files where none is stated -> the first file, and its largest number.
    """

    black: float | None = None
    white: float | None = None
    word: str = ""
    floats_only: bool = False
    found: dict[str, tuple[int, float]] = field(default_factory=dict)
    assumed: dict[int, tuple[Path, float]] = field(default_factory=dict)
    inexact: bool = False  # of colour files with 16 bits only the upper halves of numbers were looked at

    def of(self, opened: Opened, white: int | None) -> "FileLevels":
        """The levels of one file; `white` is what its format takes as white, None for files of 8 bits."""
        raw = _raw_mode(opened)
        wide = white is None and raw.endswith(tuple(_SWAPPED))
        kind = EIGHT if white is None and not wide else FLOATS if opened.image.mode == "F" else _bits(opened, raw)
        stated = None
        if self.black is not None and self.white is not None and kind != EIGHT:
            stated = PixelRange(self.black, self.white, "files") if kind == FLOATS or not self.floats_only else None
        return FileLevels(self, opened, kind, raw if wide else None, stated)

    def white_of_floats(self, opened: Opened) -> int:
        """The number that is white in a file of floating-point numbers, as stated or assumed.

        Where nothing is stated it is taken to be 1 if no pixel is larger, else 255, else 65535. Raises BadInput for
        larger ones.
        """
        if self.white is not None:
            return round(self.white) or 1  # of no effect: what is stated is not rounded
        low, high = cast(tuple[float, float], opened.image.getextrema())
        _refuse_missing(opened)
        white = next((white for white in (1, 255, 65535) if high <= white), None)
        if white is None:
            raise out_of_range(opened.path, low, high)
        if high > 0:
            self.assumed.setdefault(white, (opened.path, high))
        return white

    def range(self) -> PixelRange | None:
        """What was read as black and white, as far as it is stated or assumed. Raises BadInput where files disagree."""
        kinds = set(self.found) - {EIGHT}
        if self.black is not None and self.white is not None and kinds:
            return PixelRange(self.black, self.white, "float files" if kinds == {FLOATS} else "files")
        if len(self.assumed) > 1:
            (small, (one, low)), *_, (large, (other, high)) = sorted(self.assumed.items())
            raise BadInput(
                f"{other}: floating-point numbers up to {high:.6g}, and {one} has them up to {low:.6g}, so it is not "
                f"known which value is white; set data.white = {large}, or {small} if that value is white"
            )
        return PixelRange(0.0, float(next(iter(self.assumed))), "float files") if self.assumed else None

    def notes(self) -> tuple[str, ...]:
        """What a person should know about the numbers that were found."""
        out = []
        for kind, (count, largest) in self.found.items():
            images = f"{count:,} {kind} image{'' if count == 1 else 's'}"
            is_ = "is at most" if self.inexact and kind == "16-bit" else "is"
            begin = f"the largest value in {images} {is_} {_figure(largest)}"
            if kind == EIGHT:
                if 0 < largest < DARK:
                    out.append(
                        f"{begin}; in files of 8 bits 255 is white, so scale the values if {largest:.0f} should be "
                        "white"
                    )
            elif self.white is not None and not (self.floats_only and kind != FLOATS):
                out.append(
                    f"{begin}; {_figure(self.black or 0)} is black and {_figure(self.white)} white ({self.word})"
                )
            elif kind == FLOATS:
                white = next(iter(self.assumed), 1)
                dark = 0 < largest <= white / 4
                hint = f"; set data.white = {_sensor(largest) if largest > 1 else f'{largest:.4g}'} if that is white"
                out.append(f"{begin}; 0 is taken as black and {_figure(white)} as white{hint if dark else ''}")
            elif 0 < largest <= (4095 if kind == "12-bit" else 65535) / 2:
                white, level = (4095 if kind == "12-bit" else 65535), _sensor(largest)
                bits = level.bit_length()
                out.append(
                    f"{begin}; white is taken as {white:,}; set data.white = {level} if the sensor has {bits} "
                    f"bit{'' if bits == 1 else 's'}"
                )
        return tuple(out)


@dataclass
class FileLevels:
    """The levels of one file, while it is read strip by strip."""

    levels: Levels
    opened: Opened
    kind: str
    wide: str | None  # how a colour file of 16 bits is unpacked, of which Pillow gives the upper bytes
    stated: PixelRange | None
    largest: float = 0.0
    low: "Image | None" = None  # the lower bytes of a wide file

    def __enter__(self) -> "FileLevels":
        if self.wide and self.stated is not None:
            self.low = _lower_bytes(self.opened, self.wide)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self.low is not None:
            self.low.close()
        if kind is None:
            count, largest = self.levels.found.get(self.kind, (0, 0.0))
            self.levels.found[self.kind] = count + 1, max(largest, self.largest)

    def eight_bits(self, values: NDArray[Any], white: int, transparent: int | None) -> Pixels:
        """Numbers of more than 8 bits as uint8, black at 0. Raises BadInput for numbers outside of the range."""
        if self.stated is not None and transparent is not None:
            values = np.where(values == transparent, int(max(self.stated.black, 0)), values)
        black, white_ = (0, white) if self.stated is None else (self.stated.black, self.stated.white)
        low, high = float(values.min()), float(values.max())  # NaN where a pixel is NaN, which no comparison passes
        if not (low >= black and high <= white_):
            _refuse_missing(self.opened)
            raise out_of_range(self.opened.path, low, high, self.levels.word if self.stated is not None else "")
        self.largest = max(self.largest, high)
        if self.stated is not None:
            return self.stated.to_uint8(values)
        if values.dtype.kind == "f":
            return np.rint(values * np.float32(255 / white)).astype(np.uint8)
        scaled = values.astype(np.int32)
        scaled *= 255
        scaled += white // 2
        scaled //= white
        return scaled.astype(np.uint8)

    def of_colors(self, strip: "Image", box: tuple[int, int, int, int]) -> "Image":
        """A strip of a file of 8 bits as it is, of a colour file of 16 bits with the stated range."""
        from PIL import Image

        if self.low is None:
            if self.wide:
                high = max(int(ends[1]) for ends in _extrema(strip)[:3])
                self.largest, self.levels.inexact = max(self.largest, 256 * high + 255), True
            return strip
        upper, lower = np.array(strip), np.asarray(self.low.crop(box))
        if self.wide == GRAY_ALPHA:  # gray and alpha: the bytes of a pixel, in the order of the file
            lower = lower[..., [1, 1, 1, 3]]
        values = 256 * upper[..., :3].astype(np.int32) + lower[..., :3]
        upper[..., :3] = self.eight_bits(values, 65535, None)
        return Image.fromarray(upper, strip.mode)

    def see(self, pixels: Pixels) -> None:
        """Take note of a strip of a file of 8 bits."""
        bright = max(self.largest, self.levels.found.get(EIGHT, (0, 0.0))[1]) >= DARK  # one bright file is enough
        if self.kind == EIGHT and not bright:
            self.largest = max(self.largest, float(pixels.max()))


def out_of_range(path: Path, low: float, high: float, word: str = "") -> BadInput:
    """The error for numbers that are not between black and white, which `word` states."""
    pixels = f"its pixels go from {low:.6g} to {high:.6g}"
    if word:
        return BadInput(f"{path}: {pixels}, outside of {word}; widen the range, or leave the file out")
    return BadInput(
        f"{path}: {pixels}; save it with unsigned numbers of 8 or 16 bits, or set data.range = [black, white]"
    )


def _refuse_missing(opened: Opened) -> None:
    """Raise BadInput where pixels are NaN or infinite."""
    values = np.asarray(opened.image)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        finite = values[np.isfinite(values)]
        if finite.size:
            missing = (
                f"its pixels go from {finite.min():.6g} to {finite.max():.6g}, and {values.size - finite.size:,} of "
                f"{values.size:,} are NaN or infinite"
            )
        else:
            missing = f"all of its {values.size:,} pixels are NaN or infinite"
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise BadInput(
            f"{opened.path}: {missing}, the first in row {row}, column {column} as stored; replace them by numbers, or "
            "save it with unsigned numbers of 8 or 16 bits"
        )


def _raw_mode(opened: Opened) -> str:
    """How Pillow unpacks the numbers of a file, such as "RGB;16B"."""
    tiles = cast(Any, opened.image).tile
    mode = tiles[0][3] if tiles else ""
    return str(mode[0] if isinstance(mode, tuple) and mode else mode).replace(";16N", ";16L")


def _lower_bytes(opened: Opened, raw: str) -> "Image":
    """The lower bytes of a colour file of 16 bits: it is decoded as if its numbers had the other byte order.

    Gray with alpha (PNG) has no such reading; it is decoded as four bytes a pixel.
    """
    opened.image.load()  # so that it needs the file no more
    image = pillow_image(opened.file)
    arguments = cast(Any, image).tile[0][3]
    first, *others = arguments if isinstance(arguments, tuple) else (arguments,)
    if first.endswith(";16N"):  # of a compressed TIFF: numbers in the byte order of this machine
        other = first[:-1] + ("B" if sys.byteorder == "little" else "L")
    else:
        other = "RGBA" if raw == GRAY_ALPHA else first[:-4] + _SWAPPED[first[-4:]]
    decode_as(image, (other, *others) if isinstance(arguments, tuple) else other)
    return image


def _extrema(strip: "Image") -> tuple[tuple[float, float], ...]:
    return cast(tuple[tuple[float, float], ...], strip.getextrema())


def _bits(opened: Opened, raw: str) -> str:
    if opened.image.mode == "I" and "16" not in raw and opened.image.format != "PPM":
        return "32-bit"
    return "12-bit" if raw.startswith("I;12") else "16-bit"


def _sensor(largest: float) -> int:
    return next((level for level in SENSORS if largest <= level), 65535)


def _figure(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:.4g}"
