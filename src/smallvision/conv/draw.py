"""Random configurations of a convolution: small ones of every kind, and those that people's code gets wrong. No
torch."""

import random
from collections.abc import Iterator

from smallvision.conv.geometry import Geometry

__all__ = ["EDGES", "configurations"]

EDGES = (
    Geometry(1, 1, 1, (1, 1), (1, 1)),  # a product of two numbers
    Geometry(1, 1, 1, (4, 5), (4, 5)),  # the kernel covers all: one output
    Geometry(2, 3, 4, (6, 7), (3, 3), padding=(1, 1)),
    Geometry(2, 4, 6, (7, 5), (1, 1)),  # a matrix product
    Geometry(2, 6, 6, (5, 6), (3, 3), padding=(1, 1), groups=6),  # depthwise
    Geometry(1, 2, 3, (9, 8), (2, 2), stride=(3, 4)),  # pixels between windows, and some at the end
    Geometry(1, 2, 2, (3, 2), (2, 3), padding=(3, 4)),  # windows that see padding only
    Geometry(2, 4, 2, (8, 9), (3, 2), (2, 1), (0, 2), (2, 3), 2),  # everything, different along the axes
    Geometry(0, 2, 3, (5, 5), (3, 3)),  # no image at all
    Geometry(5, 24, 20, (40, 37), (3, 3), padding=(1, 1)),  # too large for one go of a method in goes
)


def configurations(seed: int) -> Iterator[Geometry]:
    """Without end: up to 3 images, 12 channels and kernels, kernels up to 4x4, a third of them 3x3 with stride and
    dilation 1.

    Parameters
    ----------
    seed : decides them.
    """
    rng = random.Random(seed)
    while True:
        plain = rng.random() < 1 / 3  # what the fast methods are made for
        groups = rng.choice((1, 1, 1, 2, 3))
        kernel = (3, 3) if plain else (rng.randint(1, 4), rng.randint(1, 4))
        stride = (1, 1) if plain else (rng.choice((1, 1, 2, 3)), rng.choice((1, 1, 2, 3)))
        dilation = (1, 1) if plain else (rng.choice((1, 1, 2, 3)), rng.choice((1, 1, 2, 3)))
        padding = rng.choice((0, 0, 1, 2, 3)), rng.choice((0, 0, 1, 2, 3))
        least = [max(1, dilation[i] * (kernel[i] - 1) + 1 - 2 * padding[i]) for i in (0, 1)]
        yield Geometry(
            rng.choice((1, 1, 2, 2, 3)),
            groups * rng.randint(1, 4),
            groups * rng.randint(1, 4),
            (least[0] + rng.randrange(8), least[1] + rng.randrange(8)),
            kernel,
            stride,
            padding,
            dilation,
            groups,
        )
