"""Along one axis: every kernel, stride, padding and dilation that turns one size into another.

A kernel, a stride and a dilation leave an interval of paddings (the relations of `smallvision.conv.sizes`, solved for
the padding), so nothing is tried in vain. Of several settings the simplest come first; simplest means, in this order:

1. no dilation;
2. windows without gaps between them (transposed: no output that no input reaches between others);
3. without ceil mode, without output padding;
4. little padding;
5. few pixels unused at the end (transposed: few that no input reaches);
6. a small kernel, then a small stride.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import gcd

from smallvision.conv.sizes import pool_size, span

__all__ = ["FIND", "Bounds", "Setting", "settings"]


@dataclass(frozen=True)
class Bounds:
    """Between which numbers is searched."""

    kernel: int  # at most
    stride: int
    dilation: int
    padding: int | None  # None: less than the kernel spans; of a pooling always at most half its kernel

    def paddings(self, op: str, kernel: int, dilation: int) -> int:
        """The largest padding for a kernel."""
        most = span(kernel, dilation) - 1 if self.padding is None else self.padding
        return min(most, kernel // 2) if op == "pool" else most


@dataclass(frozen=True)
class Setting:
    """Numbers along one axis that make the size asked for."""

    kernel: int
    stride: int
    padding: int
    dilation: int = 1
    output_padding: int = 0
    ceil: bool | None = False  # of a pooling: True needs ceil mode, False needs to be without, None is both
    unused: int = field(
        default=0, compare=False
    )  # pixels in no window; transposed: pixels of the output that no input reaches
    gaps: bool = field(default=False, compare=False)  # whether such pixels lie between windows

    @property
    def numbers(self) -> tuple[int, int, int, int, int]:
        """Kernel, stride, padding, dilation, output padding."""
        return self.kernel, self.stride, self.padding, self.dilation, self.output_padding

    @property
    def simplicity(self) -> tuple[int, ...]:
        """The simpler, the smaller."""
        more = self.output_padding + (self.ceil is True)
        return self.dilation, self.gaps, more, self.padding, self.unused, self.kernel, self.stride


def settings(op: str, a: int, b: int, bounds: Bounds, least_kernel: int = 1) -> Iterator[Setting]:
    """All that turn a into b, in no order worth mentioning."""
    for dilation in range(1, bounds.dilation + 1):
        for kernel in range(least_kernel, bounds.kernel + 1):
            if kernel > 1 or dilation == 1 or op == "transposed":
                yield from FIND[op](a, b, kernel, dilation, bounds.paddings(op, kernel, dilation), 1, bounds.stride)


def _conv(
    a: int, b: int, kernel: int, dilation: int, most: int, least_stride: int, most_stride: int
) -> Iterator[Setting]:
    """(b - 1) s <= a + 2 p - e <= b s - 1, with e what the kernel spans and 0 <= p <= most."""
    e = span(kernel, dilation)
    slack = a + 2 * most - e
    most_stride = min(most_stride, slack // (b - 1)) if b > 1 else most_stride if slack >= 0 else 0
    for stride in range(max(least_stride, -(-(a - e + 1) // b)), most_stride + 1):
        low, high = -(-((b - 1) * stride + e - a) // 2), (b * stride - 1 + e - a) // 2
        for padding in range(max(low, 0), min(high, most) + 1):
            yield Setting(
                kernel, stride, padding, dilation, 0, False, *_left_out(b, a, kernel, stride, padding, dilation)
            )


def _pool(
    a: int, b: int, kernel: int, dilation: int, most: int, least_stride: int, most_stride: int
) -> Iterator[Setting]:
    """As a convolution's; ceil mode first makes b or b + 1 of it, and takes a window back that begins after the
    image."""
    e = span(kernel, dilation)
    if b > 1:
        most_stride = min(most_stride, (a + most - 1) // (b - 1))
    for stride in range(max(least_stride, -(-(a - e) // b)), most_stride + 1):
        low, high = -(-((b - 2) * stride + e - a + 1) // 2), (b * stride + e - a) // 2
        for padding in range(max(low, 0), min(high, most) + 1):
            down, up = (
                e <= a + 2 * padding + (stride - 1) * ceil
                and pool_size(a, kernel, stride, padding, dilation, ceil) == b
                for ceil in (False, True)
            )
            if down or up:
                ceil = None if down and up else up
                yield Setting(
                    kernel, stride, padding, dilation, 0, ceil, *_left_out(b, a, kernel, stride, padding, dilation)
                )


def _transposed(
    a: int, b: int, kernel: int, dilation: int, most: int, least_stride: int, most_stride: int
) -> Iterator[Setting]:
    """(a - 1) s + e - 2 p + o = b, with 0 <= o < max(s, d) the output padding."""
    e = span(kernel, dilation)
    slack = b + 2 * most - e
    most_stride = min(most_stride, slack // (a - 1)) if a > 1 else most_stride if slack >= 0 else 0
    if kernel == 1 and dilation > 1:  # else it is a setting without dilation
        most_stride = min(most_stride, dilation - 1)
    for stride in range(max(least_stride, -(-(b - e + 1 - dilation) // a)), most_stride + 1):
        over = (a - 1) * stride + e - b
        for padding in range(max(-(-over // 2), 0), min((over + max(stride, dilation) - 1) // 2, most) + 1):
            more = 2 * padding - over
            if kernel > 1 or dilation == 1 or more >= stride:
                yield Setting(
                    kernel, stride, padding, dilation, more, False, *_left_out(a, b, kernel, stride, padding, dilation)
                )


FIND = {"conv": _conv, "pool": _pool, "transposed": _transposed}


def _left_out(windows: int, size: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[int, bool]:
    """How many of `size` pixels lie in none of the windows, and whether some do between windows."""
    gaps = windows > 1 and (kernel < stride or gcd(dilation, stride) > 1)
    if dilation == 1 and not gaps:
        return max(0, size - ((windows - 1) * stride - padding + kernel)), False
    if dilation == 1:  # windows apart from one another; counted from the first pixel of the padding
        before, until = (
            min(windows, x // stride) * kernel + (min(kernel, x % stride) if x // stride < windows else 0)
            for x in (padding, padding + size)
        )
        return size - (until - before), True
    covered = _repeated(_repeated(1, kernel, dilation), windows, stride)  # a bit for each pixel
    return size - (covered >> padding & (1 << size) - 1).bit_count(), gaps


def _repeated(bits: int, times: int, apart: int) -> int:
    done = 1
    while done < times:
        more = min(done, times - done)
        bits |= bits << more * apart
        done += more
    return bits
