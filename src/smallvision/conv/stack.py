"""Shape arithmetic through a whole stack of layers: sizes with their formulas, weights, multiply-adds, receptive
fields.

    shape, layers = parse("3x1024x768 conv(16, k=5, s=2, p=1) relu pool(2)")
    for step in trace(shape, layers):
        print(step.layer, step.after, step.formulas)

The same without the notation: trace((3, 1024, 768), [Conv(16, 5, stride=2, padding=1), Activation("relu"), Pool(2)]).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod

from smallvision.conv.layers import (
    Activation,
    BatchNorm,
    Dense,
    Dropout,
    Flat,
    Formulas,
    Global,
    Layer,
    Shape,
    Unflatten,
    check_count,
    shape_text,
)
from smallvision.conv.notation import parse
from smallvision.conv.receptive import View, view
from smallvision.conv.windows import Conv, Pool, Transposed, Upsample

__all__ = [
    "Activation",
    "BatchNorm",
    "Conv",
    "Dense",
    "Dropout",
    "Flat",
    "Global",
    "Layer",
    "Pool",
    "Shape",
    "Step",
    "Transposed",
    "Unflatten",
    "Upsample",
    "parse",
    "shape_text",
    "stack_text",
    "trace",
]

MOST = 2**63 - 1  # what torch can count


@dataclass(frozen=True)
class Step:
    """One layer of a stack, applied to what the layers before it make of one image."""

    layer: Layer
    before: Shape  # (C, H, W), or (N,) for values in a row
    after: Shape
    formulas: Formulas  # ("height", "⌊(7 + 2·0 − 1·(3 − 1) − 1) / 2⌋ + 1 = 3"), ...
    weights: dict[str, Shape]  # as torch has them
    multiply_adds: int  # of the weights, for one image
    view: View | None  # what the output sees of the image; None where that is not known

    @property
    def parameters(self) -> int:
        """How many numbers the layer learns, biases among them."""
        return sum(map(prod, self.weights.values()))

    @property
    def receptive_field(self) -> tuple[int, int] | None:
        """(height, width) of what one value of the output can depend on, in pixels; those in the padding count.

        After a transposed convolution, whose places do not all see equally much, of those that see the most.
        """
        return self.view.extent if self.view else None

    @property
    def stride(self) -> tuple[Fraction, Fraction] | None:
        """Pixels of the image from one place of the map to the next, 1/2 for example where it is finer; None if there
        are not places."""
        return self.view.stride if self.view and len(self.after) == 3 else None

    @property
    def start(self) -> tuple[int, int] | None:
        """The first pixel that the first place of the map sees, (row, column), negative in the padding; None if there
        are not places."""
        return self.view.start if self.view and len(self.after) == 3 else None


def trace(shape: Sequence[int], layers: Iterable[Layer]) -> list[Step]:
    """Follow an image through a stack.

    Parameters
    ----------
    shape : (C, H, W) of the image, or (N,) of values in a row.
    layers : in their order.

    Returns
    -------
    list of Step : one for each layer.

    Raises
    ------
    ValueError : a layer cannot be applied; names it, its number from 1, what it gets, and what would fit.
    """
    before = tuple(shape)
    if len(before) not in (1, 3):
        raise ValueError(f"shape: {before}; expected (C, H, W) of an image, or (N,) of a list of values")
    for n in before:
        check_count("shape", n)
    seen = view((before[1], before[2])) if len(before) == 3 else None
    steps = []
    for number, layer in enumerate(layers, 1):
        try:
            after = layer.output(before)
            seen = layer.sees(seen, before) if seen else None
            step = Step(
                layer, before, after, layer.formulas(before), layer.weights(before), layer.multiply_adds(before), seen
            )
            _check_countable(step)
        except ValueError as error:
            raise ValueError(f"{layer} (layer {number}): {error}") from None
        steps.append(step)
        before = after
    return steps


def stack_text(shape: Sequence[int], layers: Iterable[Layer]) -> str:
    """A stack in the notation that `parse` reads."""
    return " ".join([shape_text(shape), *map(str, layers)])


def _check_countable(step: Step) -> None:
    stride = step.stride or (Fraction(1), Fraction(1))
    counts = {
        "values": prod(step.after),
        "parameters": step.parameters,
        "multiply-adds": step.multiply_adds,
        "pixels in its receptive field": max(step.receptive_field or (0,)),
        "pixels of stride": max(s.numerator for s in stride),
        "pixels before the image": max(-n for n in step.start or (0,)),
    }
    for what, count in counts.items():
        if count > MOST:
            raise ValueError(
                f"output: {shape_text(step.after[:3])[:80]}: more than 2^63 - 1 {what}, which is more than torch can "
                "count"
            )
