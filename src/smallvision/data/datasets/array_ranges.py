"""Which numbers of arrays are black and white: recognised from all images together, or stated by the experiment.

Arrays do not say which of their numbers are black and white, and a wrong guess makes images black or noise without an
error. So numbers are used only if they have one likely meaning; for others the message names the setting to make.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallvision.data.datasets.array_survey import (
    BRIGHT,
    Survey,
    ends,
    kind_of,
    number,
    outward,
    refuse_outside,
    survey,
)
from smallvision.data.datasets.members import Member
from smallvision.data.readers.levels import SENSORS
from smallvision.data.source import PixelRange, Told
from smallvision.errors import BadInput
from smallvision.experiment.data import LARGEST_LEVEL, DataSpec

FEW_LEVELS = 16  # whole numbers from 0 to at most this are asked about: scikit-learn's digits go from 0 to 16


def pixel_ranges(
    images: Mapping[str, Member], spec: DataSpec
) -> tuple[Callable[[NDArray[Any]], NDArray[np.uint8]], Told]:
    """How the images of all splits become uint8, and what a person should know about it.

    The decision is made on all images together, those of classes and images that are left out included, so that equal
    numbers become equal pixels whatever the split.

    Parameters
    ----------
    images : split -> array, in the order train, val, test.
    spec : `white` and `range` state which numbers are black and white.

    Returns
    -------
    function : from an array of any of the splits to uint8.
    Told : the range and notes, see `Raw.told`.

    Raises
    ------
    BadInput : numbers outside of what is stated, NaN or infinite; without a statement, numbers whose meaning is not
        told by their range. The message has the setting that keeps the images.
    """
    first = next(iter(images.values()))
    stated = spec.stated_range
    if stated is not None:
        word = as_stated(spec)
        for member in images.values():
            refuse_outside(member, *stated, word)
        kind = kind_of(first.dtype)
        own = PixelRange(float(stated[0]), float(stated[1]), str(kind))
        if kind == "uint8" and stated == (0, 255):
            return lambda block: own.to_uint8(block), Told()
        return lambda block: own.to_uint8(block), Told(own, (said(own, word),))

    bools = [member for member in images.values() if member.dtype.kind == "b"]
    if bools:
        raise BadInput(
            f"{bools[0].name}: the array has type bool; set data.range = [0, 1] if True is white, or pass uint8 (0 to "
            "255)"
        )
    integers = survey(images, "iu")
    floats = survey(images, "f")
    notes: list[str] = []
    if integers is not None:
        notes += _integers(integers)
    found, more = _floats(floats) if floats is not None else (None, [])
    notes += more

    def to_uint8(block: NDArray[Any]) -> NDArray[np.uint8]:
        return found.to_uint8(block) if found is not None and block.dtype.kind == "f" else block.astype(np.uint8)

    return to_uint8, Told(found, tuple(notes))


def as_stated(spec: DataSpec) -> str:
    """What an experiment states about black and white, as it is written there; "" where it states nothing."""
    if spec.white is not None:
        return f"data.white = {number(spec.white)}"
    return "" if spec.range is None else f"data.range = {ends(*spec.range)}"


def said(taken: PixelRange, because: str = "") -> str:
    """The note on which numbers were taken for black and white."""
    return f"{number(taken.black)} is black and {number(taken.white)} is white{f' ({because})' if because else ''}"


def _integers(found: Survey) -> list[str]:
    """Notes on integers that are taken as they are; raises BadInput for others."""
    low, high = int(found.low), int(found.high)
    if low < 0:
        bytes_ = (
            "; pass x.view(numpy.uint8) if these are bytes from 0 to 255 that were read as signed numbers"
            if found.dtype == "int8"
            else ""
        )
        raise BadInput(
            f"{found.name}: {found.dtype} from {low:,} to {high:,}, and it is not known which brightness negative "
            f"numbers mean; set data.range = {ends(low, high)} if {low:,} is black and {high:,} is white{bytes_}"
        )
    if high > 255:
        raise BadInput(
            f"{found.name}: {found.dtype}, values from {low:,} to {high:,}, and it is not known which value is "
            f"white; set {white_of(high)}"
        )
    if high == 1:
        raise BadInput(
            f"{found.name}: {found.dtype} with the values 0 and 1 only; set data.range = [0, 1] if 1 is white, or "
            "data.range = [0, 255] if the images are meant to be nearly black"
        )
    if 0 < high < BRIGHT:
        return [
            f"the largest value of the images is {high}; white is taken as 255; set data.range = {ends(0, high)} if "
            f"{high} is white"
        ]
    return []


def _floats(found: Survey) -> tuple[PixelRange, list[str]]:
    """The range that floats have, and notes; raises BadInput where it is not told by their numbers."""
    low, high = found.low, found.high
    begin = f"{found.name}: floats ({number(low)} to {number(high)})"
    if max(-low, high) > LARGEST_LEVEL:
        raise BadInput(
            f"{begin}; divide them by the largest of them, x / abs(x).max(), and set data.range for the result"
        )
    if low >= 0 and high <= 1:
        if not found.over_255:
            raise BadInput(
                f"{begin} that are not multiples of 1/255; set data.range = [0, 1], which rounds them to 8 bits as "
                "(255 * x).round().astype(numpy.uint8) does"
            )
        return _taken(PixelRange(0.0, 1.0, "floats"), found)
    if low >= 0 and high <= 255:
        if found.whole and high > FEW_LEVELS:
            return _taken(PixelRange(0.0, 255.0, "floats"), found)
        if found.whole:
            raise BadInput(
                f"{begin}, whole numbers{', as in the digits of scikit-learn' if high == 16 else ''}; set data.range "
                f"= {ends(0, high)} if {number(high)} is white, or data.range = [0, 255] to use them as they are"
            )
        likely = 255.0 if high > FEW_LEVELS else 16.0 if high > FEW_LEVELS / 2 else outward(low, high)[1]
        clipped = ", or pass x.clip(0, 1) if 1 is white" if high < 1.5 else ""
        raise BadInput(
            f"{begin} that are not whole numbers; set data.range = {ends(0, likely)} if {number(likely)} is white, "
            f"which rounds them to 8 bits{clipped}"
        )
    if low >= 0 and high <= 65535:
        raise BadInput(f"{begin}, and it is not known which value is white; set {white_of(high)}")
    if low >= -1 and high <= 1 and ((found.over_127 and low == -1) or (low < -0.5 and high - low > 1.02)):
        return _taken(PixelRange(-1.0, 1.0, "floats"), found)
    widest = ends(*outward(low, high))
    if low < 0 and abs(found.mean) <= 0.1 and 0.9 <= found.deviation <= 1.1:
        raise BadInput(
            f"{begin}, standardised (mean {found.mean:.2f}, standard deviation {found.deviation:.2f}); undo this (x "
            f"* deviation + mean), or set data.range = {widest}, which changes only the contrast of the images "
            "(data.normalize standardises them)"
        )
    hints = ""
    if low >= -0.25 and high <= 1.25:
        hints = ", or pass x.clip(0, 1) if 0 is black and 1 is white"
    elif low >= -1 and high <= 1:
        hints = ", or data.range = [-1, 1] if -1 is black and 1 is white"
    raise BadInput(
        f"{begin}, and it is not known which values are black and white; set data.range = {widest}, which changes "
        f"only the contrast of the images{hints}"
    )


def _taken(taken: PixelRange, found: Survey) -> tuple[PixelRange, list[str]]:
    """A range that was recognised, with notes."""
    notes = [f"floats from {number(found.low)} to {number(found.high)}; {said(taken)}"]
    if taken.black == 0 and 0 < found.high < taken.white * BRIGHT / 255:
        notes.append(
            f"the largest value of the images is {number(found.high)}; white is taken as {number(taken.white)}; set "
            f"data.range = {ends(0, outward(0, found.high)[1])} if it is white"
        )
    return taken, notes


def white_of(high: float) -> str:
    """Which white level to set for a largest number above 255: that of the sensor, or of the file format."""
    if high > 65535:
        return f"data.white = {number(outward(0, high)[1])} if the largest number is white"
    level = next((level for level in SENSORS if high <= level), None)
    if level is None:
        return "data.white = 65535 if they have 16 bits"
    return f"data.white = {level} if they have {level.bit_length()} bits, or data.white = 65535 if they have 16"
