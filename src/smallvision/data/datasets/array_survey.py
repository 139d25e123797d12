"""What the numbers of arrays are: their ends, whether they are whole, where some are missing."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallvision.data.datasets.members import Member
from smallvision.errors import BadInput

EXACT = 1e-4  # of 255: floats that are whole numbers over 255 are this close to them
BRIGHT = 64  # of 255: bytes are looked at until one is as large
_AT_ONCE = 4_000_000  # bytes looked at at a time
_KINDS = {"b": "bool", "u": "integers", "i": "integers", "f": "floats"}


@dataclass
class Survey:
    """What the numbers of some arrays of one kind are.

    Attributes
    ----------
    name : of the first array, in messages.
    low, high : the smallest and largest finite number.
    whole : whether all are whole numbers.
    over_255, over_127 : whether all are whole numbers over 255, and whole numbers over 127.5 less 1.
    mean, deviation : of the training images.
    """

    name: str
    dtype: str
    low: float = math.inf
    high: float = -math.inf
    whole: bool = True
    over_255: bool = True
    over_127: bool = True
    count: int = 0
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))

    @property
    def mean(self) -> float:
        return float(self.sums[0]) / max(self.count, 1)

    @property
    def deviation(self) -> float:
        return math.sqrt(max(float(self.sums[1]) / max(self.count, 1) - self.mean**2, 0.0))

    def take(self, block: NDArray[Any], train: bool) -> None:
        """Add the numbers of a block, which are finite."""
        if block.dtype.kind != "f":
            self.low, self.high = min(self.low, int(block.min())), max(self.high, int(block.max()))
            return
        values = block.astype(np.float64)
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        exact = max(EXACT, 255 * float(np.finfo(block.dtype).eps) / 2)
        self.whole = self.whole and bool((values == np.rint(values)).all())
        self.over_255 = self.over_255 and _near(255 * values, exact)
        self.over_127 = self.over_127 and _near(127.5 * (values + 1), exact)
        if train:
            self.count += values.size
            self.sums += [values.sum(), np.square(values).sum()]


def kind_of(dtype: np.dtype[Any]) -> str | None:
    """The kind of numbers: "uint8", "integers", "floats" or "bool"; None where they are not numbers of pixels."""
    return "uint8" if dtype == np.uint8 else _KINDS.get(dtype.kind)


def survey(images: Mapping[str, Member], kinds: str) -> Survey | None:
    """The numbers of those arrays whose dtype is of one of the kinds, None without any. Raises BadInput for NaN.

    Bytes are looked at only until one is bright, from which they are taken as they are.
    """
    found: Survey | None = None
    for split, member in images.items():
        if member.dtype.kind not in kinds:
            continue
        if found is None:
            found = Survey(member.name, str(member.dtype))
        for _, block in _blocks(member):
            if member.dtype.kind == "f" and not np.isfinite(block).all():
                _refuse_missing(member)
            plain = found.low >= 0 and found.high <= 255
            found.take(block, split == "train")
            if plain and not (found.low >= 0 and found.high <= 255):  # messages name the first array that has such
                found.name, found.dtype = member.name, str(member.dtype)
            if member.dtype == np.uint8 and found.high >= BRIGHT:
                break
    return found


def refuse_outside(member: Member, low: float, high: float, word: str) -> None:
    """Raise BadInput for numbers outside of the stated range."""
    outside, least, most = 0, math.inf, -math.inf
    for _, block in _blocks(member):
        if member.dtype.kind == "f" and not np.isfinite(block).all():
            _refuse_missing(member)
        beyond = block[(block < low) | (block > high)]
        if beyond.size:
            outside += beyond.size
            least, most = min(least, beyond.min()), max(most, beyond.max())
    if outside:
        total = math.prod(member.shape)
        raise BadInput(
            f"{member.name}: {outside:,} of {total:,} values lie outside of {word}, from {number(least)} to "
            f"{number(most)}; widen the range, or clip the values: x.clip({number(low)}, {number(high)})"
        )


def _refuse_missing(member: Member) -> None:
    """Raise BadInput with how many numbers are NaN or infinite, and where the first one is."""
    missing, infinite, first = 0, 0, ""
    for start, block in _blocks(member):
        nan = np.isnan(block)
        bad = ~np.isfinite(block)
        if bad.any() and not first:
            place = [int(part) for part in np.argwhere(bad)[0]]
            first = f"[{', '.join(map(str, [start + place[0], *place[1:]]))}]"
        missing += int(nan.sum())
        infinite += int(bad.sum()) - int(nan.sum())
    total = math.prod(member.shape)
    parts = [f"{count:,} {word}" for count, word in ((missing, "NaN"), (infinite, "infinite")) if count]
    raise BadInput(
        f"{member.name}: floats, {' and '.join(parts)} of {total:,} values, the first at index {first}; replace them "
        "by numbers, for example with numpy.nan_to_num(x), or leave these images out"
    )


def _blocks(member: Member) -> Iterator[tuple[int, NDArray[Any]]]:
    """(first row, block of rows) of a whole array."""
    row_bytes = max(1, math.prod(member.shape[1:]) * member.dtype.itemsize)
    first = 0
    for block in member.parts(max(1, _AT_ONCE // row_bytes)):
        yield first, block
        first += len(block)


def _near(values: NDArray[np.float64], exact: float) -> bool:
    return float(np.abs(values - np.rint(values)).max()) <= exact


def outward(low: float, high: float) -> tuple[float, float]:
    """The numbers, rounded to 4 digits so that the range between them only grows."""
    return _rounded(low, math.floor), _rounded(high, math.ceil)


def _rounded(value: float, to: Callable[[float], int]) -> float:
    if value == 0 or value == int(value):
        return value
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 3)
    out = float(f"{to(value / unit) * unit:.6g}")
    return out if (out >= value if to is math.ceil else out <= value) else value


def number(value: float) -> str:
    """A number as it is written in an experiment, whole ones without a point."""
    if not math.isfinite(value):
        return str(value)
    return f"{int(value)}" if value == int(value) and abs(value) < 1e18 else f"{value:.6g}"


def ends(low: float, high: float) -> str:
    """A range as it is written in an experiment."""
    return f"[{number(low)}, {number(high)}]"
