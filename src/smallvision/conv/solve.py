"""The inverse of shape arithmetic: which convolutions, poolings or transposed convolutions turn one size into another.

    solve((100, 60), 25, "pool").axes                   # every setting for the height and for the width, simplest first

`smallvision.conv.settings` defines which is simplest. Where there is no solution, `reason` says why.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from smallvision.conv.settings import FIND, Bounds, Setting, settings
from smallvision.conv.sizes import Pair, pair
from smallvision.conv.windows import Conv, Pool, Transposed

__all__ = ["OPS", "Setting", "Solutions", "solve"]

OPS = {"conv": "convolution", "pool": "pooling", "transposed": "transposed convolution"}
MOST = 100_000  # pixels along an axis
MOST_KERNELS = 10_000  # kernels looked at, each with every dilation
MOST_FOUND = 20_000


@dataclass(frozen=True)
class Solutions:
    """All settings for the height and for the width, simplest first; where there are none, why."""

    op: str
    source: tuple[int, int]
    target: tuple[int, int]
    axes: tuple[list[Setting], list[Setting]]
    reasons: tuple[str | None, str | None]

    @property
    def both(self) -> list[Setting]:
        """Those that serve the height and the width alike."""
        width = {one.numbers: one for one in self.axes[1]}
        alike = [(one, width[one.numbers]) for one in self.axes[0] if one.numbers in width]
        return [
            Setting(*a.numbers, ceil=_ceil(a, b), unused=max(a.unused, b.unused), gaps=a.gaps or b.gaps)
            for a, b in alike
            if _compatible(a, b)
        ]

    def pairs(self) -> Iterator[tuple[Setting, Setting]]:
        """Every setting for the height with every one for the width that goes with it, by the sum of their places in
        the two lists."""
        heights, widths = self.axes
        for total in range(len(heights) + len(widths) - 1 if heights and widths else 0):
            for i in range(max(0, total - len(widths) + 1), min(total, len(heights) - 1) + 1):
                if _compatible(heights[i], widths[total - i]):
                    yield heights[i], widths[total - i]

    def count_pairs(self) -> int:
        """How many `pairs` there are."""
        heights, widths = (Counter(one.ceil for one in axis) for axis in self.axes)
        together = len(self.axes[0]) * len(self.axes[1])
        return together - heights[True] * widths[False] - heights[False] * widths[True]

    def layer(self, height: Setting, width: Setting, channels: int = 1) -> Conv | Pool | Transposed:
        """The layer that has these settings, as `smallvision.conv.stack` takes it; of a pooling the maximum's."""
        kernel, stride, padding, dilation, more = zip(height.numbers, width.numbers, strict=True)
        if self.op == "pool":
            return Pool(kernel, stride, padding, dilation, bool(_ceil(height, width)))
        if self.op == "conv":
            return Conv(channels, kernel, stride, padding, dilation)
        return Transposed(channels, kernel, stride, padding, more, dilation)


def solve(
    source: Pair,
    target: Pair,
    op: str = "conv",
    max_kernel: int = 15,
    max_stride: int | None = None,
    max_padding: int | None = None,
    max_dilation: int | None = None,
) -> Solutions:
    """Every setting that turns `source` into `target`.

    Parameters
    ----------
    source, target : pixels, 1 to 100 000, one number or (height, width).
    op : "conv", "pool" or "transposed".
    max_kernel : the largest kernel.
    max_stride : the largest stride; None is the largest kernel, since a larger stride leaves pixels out.
    max_padding : the largest padding; None is all that leaves every window a pixel (one less than the kernel spans). A
        pooling's is never more than half its kernel, which is torch's rule.
    max_dilation : the largest dilation; None is 3 for a convolution, else 1.

    Returns
    -------
    Solutions. A dilation that changes nothing (kernel 1) is left out; ceil mode that changes nothing is marked so.

    Raises
    ------
    ValueError : an unknown `op`, or a number out of its range.
    """
    if op not in OPS:
        raise ValueError(f"op: {op!r}; expected {', '.join(OPS)}")
    before, after = pair(source, "source", 1), pair(target, "target", 1)
    for name, sizes in (("source", before), ("target", after)):
        if max(sizes) > MOST:
            raise ValueError(f"{name}: {max(sizes)} pixels; expected at most {MOST}")
    given = {
        "max_kernel": max_kernel,
        "max_stride": max_stride,
        "max_padding": max_padding,
        "max_dilation": max_dilation,
    }
    for name, value in given.items():
        least = 0 if name == "max_padding" else 1
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST):
            raise ValueError(f"{name}: {value!r}; expected an integer from {least} to {MOST}")
    dilation = (3 if op == "conv" else 1) if max_dilation is None else max_dilation
    if max_kernel * dilation > MOST_KERNELS:
        raise ValueError(
            f"max_kernel, max_dilation: {max_kernel} and {dilation}; expected a product of at most {MOST_KERNELS}"
        )
    bounds = Bounds(max_kernel, max_kernel if max_stride is None else max_stride, dilation, max_padding)
    height, width = (_simplest_first(op, a, b, bounds) for a, b in zip(before, after, strict=True))
    first, second = (
        None if found else _reason(op, a, b, bounds) for found, a, b in zip((height, width), before, after, strict=True)
    )
    return Solutions(op, before, after, (height, width), (first, second))


def _simplest_first(op: str, a: int, b: int, bounds: Bounds) -> list[Setting]:
    found = list(islice(settings(op, a, b, bounds), MOST_FOUND + 1))
    if len(found) > MOST_FOUND:
        raise ValueError(
            f"max_kernel, max_stride: {bounds.kernel} and {bounds.stride} allow more than {MOST_FOUND} ways to turn "
            f"{a} into {b}; use smaller ones, or set max_padding"
        )
    return sorted(found, key=lambda one: one.simplicity)


def _compatible(one: Setting, other: Setting) -> bool:
    """Ceil mode is of a whole layer: not the one axis with it and the other without."""
    return None in (one.ceil, other.ceil) or one.ceil == other.ceil


def _ceil(one: Setting, other: Setting) -> bool | None:
    return other.ceil if one.ceil is None else one.ceil


def _reason(op: str, a: int, b: int, bounds: Bounds) -> str:
    """Why nothing within the bounds turns a into b, and what would."""
    if op == "pool" and b > a + 1:
        return (
            f"no pooling turns {a} into {b}: with a padding of at most half its kernel, a map grows by one pixel at "
            "most; "
            "a transposed convolution can do it"
        )
    limits = f"kernel <= {bounds.kernel}, stride <= {bounds.stride}, dilation <= {bounds.dilation}"
    limits += "" if bounds.padding is None else f", padding <= {bounds.padding}"
    near = _nearest(op, a, b, bounds)
    nearest = f"; nearest to it: {' and '.join(map(str, near))}" if near else ""
    cures = list(_cures(op, a, b, bounds))
    if not cures and (bounds.padding is None or (a > b) == (op != "transposed")):
        cures.append(
            f"kernel {abs(a - b) + 1} and stride 1"
        )  # beyond what is searched; with all the padding if it must
    if (op == "conv" and b > a) or (op == "transposed" and b < a):
        cures.append(f"a {OPS['transposed' if op == 'conv' else 'conv']}")
    return f"no {OPS[op]} turns {a} into {b} with {limits}{nearest}" + (f"; use {' or '.join(cures)}" if cures else "")


def _nearest(op: str, a: int, b: int, bounds: Bounds) -> list[int]:
    """The two sizes nearest to b that can be had, if they are near."""
    steps = min(100, 100 * MOST_KERNELS // (bounds.kernel * bounds.dilation))
    sizes = (size for step in range(1, steps) for size in (b - step, b + step) if size >= 1)
    return sorted(islice((size for size in sizes if next(settings(op, a, size, bounds), None)), 2))


def _cures(op: str, a: int, b: int, bounds: Bounds) -> Iterator[str]:
    """For each bound, the least to which it must be raised, the others staying, if that helps at all."""
    most = min(abs(a - b) + 1, MOST_KERNELS // bounds.dilation)  # a larger one is not needed, or not looked at
    for kernel in range(bounds.kernel + 1, most + 1):
        if next(settings(op, a, b, replace(bounds, kernel=kernel), least_kernel=kernel), None):
            yield f"max_kernel >= {kernel}"
            break
    grid = [(kernel, dilation) for kernel in range(1, bounds.kernel + 1) for dilation in range(1, bounds.dilation + 1)]
    higher = (FIND[op](a, b, k, d, bounds.paddings(op, k, d), bounds.stride + 1, 2 * MOST) for k, d in grid)
    strides = [found.stride for one in higher if (found := next(one, None))]
    if strides:
        yield f"max_stride >= {min(strides)}"
    if bounds.padding is not None:
        paddings = [one.padding for one in islice(settings(op, a, b, replace(bounds, padding=MOST)), MOST_FOUND)]
        if paddings:
            yield f"max_padding >= {min(paddings)}"
