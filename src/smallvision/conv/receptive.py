"""Receptive fields through a stack: which pixels of the image each position of a map can depend on.

For convolutions and poolings this is Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural
networks", section 2: position i sees pixels i * stride + start, ..., of a fixed number. After a transposed convolution
neighbours no longer see equally much (with kernel 3 and stride 2 they see one pixel and two in turn), but what they see
repeats itself. So a view holds the pixels seen by the positions of one period, which is exact for both. Pixels outside
of the image are padding and count, as is usual: the field of a position in the middle is meant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import gcd

__all__ = ["Axis", "View", "view"]

PERIODS = 64  # longer ones are not followed
Span = tuple[int, int]  # the first and the last pixel seen


@dataclass(frozen=True)
class Axis:
    """Position i of a map sees, along one axis of the image, the pixels spans[i % n] moved by i // n * shift, n =
    len(spans).

    None is a position that sees nothing: one that no input of a transposed convolution reaches.
    """

    spans: tuple[Span | None, ...] = ((0, 0),)
    shift: int = 1

    @property
    def jump(self) -> Fraction:
        """Pixels from what one position sees to what the next sees, on average."""
        return Fraction(self.shift, len(self.spans))

    def at(self, position: int) -> Span | None:
        """The first and the last pixel that a position sees."""
        turns, i = divmod(position, len(self.spans))
        seen = self.spans[i]
        return seen and (seen[0] + turns * self.shift, seen[1] + turns * self.shift)

    def extent(self, positions: int) -> int:
        """The most pixels that any one of the first `positions` positions spans."""
        return max((seen[1] - seen[0] + 1 for seen in self.spans[:positions] if seen), default=0)

    def window(self, kernel: int, stride: int, padding: int, dilation: int) -> "Axis | None":
        """After a convolution or pooling: position o has the values o * stride - padding + dilation * t of the
        kernel."""
        n = len(self.spans)
        period = n // gcd(n, stride)
        spans = [self._join(o * stride - padding, dilation, kernel) for o in range(period)]
        return Axis(tuple(spans), self.shift * (period * stride // n))

    def spread(self, kernel: int, stride: int, padding: int, dilation: int) -> "Axis | None":
        """After a transposed convolution: value t of the kernel puts position i at i * stride - padding + dilation *
        t."""
        period = len(self.spans) * stride
        if period > PERIODS:
            return None
        common = gcd(dilation, stride)
        step = stride // common  # the t that reach one position are so far apart, and its i:
        inverse = pow(dilation // common, -1, step)
        spans: list[Span | None] = []
        for o in range(period):
            place, rest = divmod(o + padding, common)
            first = place * inverse % step  # the smallest t with dilation t = o + padding, modulo the stride
            count = -(-(kernel - first) // step) if rest == 0 else 0
            last = (o + padding - dilation * first) // stride
            spans.append(self._join(last - (count - 1) * (dilation // common), dilation // common, count))
        return Axis(tuple(spans), self.shift)

    def whole(self, positions: int, pixels: int) -> "Axis":
        """The pixels that all positions see together of an image of `pixels` pixels, as the view of every position."""
        seen = self._join(0, 1, positions)
        return Axis(((max(seen[0], 0), min(seen[1], pixels - 1)) if seen else None,), 0)

    @cached_property
    def _in_order(self) -> bool:
        """Whether every position sees something, and none begins or ends before the one before it does."""
        turn = [self.at(i) for i in range(len(self.spans) + 1)]
        return all(a and b and a[0] <= b[0] and a[1] <= b[1] for a, b in pairwise(turn))

    def _join(self, first: int, step: int, count: int) -> Span | None:
        """What `count` positions see, `step` apart. Those further in than one period see nothing beyond the outer
        ones."""
        near = min(count, 1 if self._in_order else len(self.spans) // gcd(len(self.spans), step))
        lows = [seen[0] for t in range(near) if (seen := self.at(first + t * step))]
        highs = [seen[1] for t in range(count - near, count) if (seen := self.at(first + t * step))]
        return (min(lows), max(highs)) if lows else None


@dataclass(frozen=True)
class View:
    """What the positions of a map see of the image, (height, width) each."""

    image: tuple[int, int]
    positions: tuple[int, int]
    axes: tuple[Axis, Axis]

    @property
    def extent(self) -> tuple[int, int]:
        """Pixels, the most that any position spans: the receptive field."""
        height, width = (axis.extent(n) for axis, n in zip(self.axes, self.positions, strict=True))
        return height, width

    @property
    def stride(self) -> tuple[Fraction, Fraction]:
        """Pixels from one position to the next; a fraction where a map is finer than the image; 0 where all see the
        same."""
        return self.axes[0].jump, self.axes[1].jump

    @property
    def start(self) -> tuple[int, int] | None:
        """The first pixel that the first position sees, negative in the padding; None if it sees nothing."""
        height, width = (axis.at(0) for axis in self.axes)
        return (height[0], width[0]) if height and width else None

    def window(
        self,
        kernel: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        positions: tuple[int, int],
    ) -> "View | None":
        """The view after a convolution or pooling with `positions` outputs; the padding is that before the map."""
        numbers = zip(kernel, stride, padding, dilation, strict=True)
        height, width = (axis.window(*n) for axis, n in zip(self.axes, numbers, strict=True))
        return View(self.image, positions, (height, width)) if height and width else None

    def spread(
        self,
        kernel: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        positions: tuple[int, int],
    ) -> "View | None":
        """After a transposed convolution. None where what is seen repeats itself too late to be followed."""
        numbers = zip(kernel, stride, padding, dilation, strict=True)
        height, width = (axis.spread(*n) for axis, n in zip(self.axes, numbers, strict=True))
        return View(self.image, positions, (height, width)) if height and width else None

    def whole(self) -> "View":
        """After a layer each of whose values depends on all positions."""
        height, width = (
            axis.whole(n, size) for axis, n, size in zip(self.axes, self.positions, self.image, strict=True)
        )
        return View(self.image, (1, 1), (height, width))

    def laid_out(self, positions: tuple[int, int]) -> "View | None":
        """After values without places are laid out as a map; None where they see different things and get other
        places."""
        same = positions == self.positions or all(axis.shift == 0 for axis in self.axes)
        return View(self.image, positions, self.axes) if same else None


def view(image: tuple[int, int]) -> View:
    """The view of the image itself: each pixel sees itself."""
    return View(image, image, (Axis(), Axis()))
