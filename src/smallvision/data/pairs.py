"""Pairs of images to be scored: half of one class, half not, the same ones for every network.

Pairs that share an image are not independent, so each image is in few of them, and as evenly as can be: images of a class differ by at
most one pair. Classes have equally many pairs of their own, and so has every pair of classes (up to one where the number does not come
out even): a figure is then about classes alike, however many images each has.

Pairs are not drawn one by one until enough fit, which slows down and may get stuck near the limit. Images of a class are put on a circle
in random order. Those of one class are paired with others a fixed number of places on; those of two classes walk round both circles
together. So nothing is met twice, and the limit can be reached exactly.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import lcm

import numpy as np

from smallvision.data.datasets.source import Rows
from smallvision.data.seeds import mix, permutation
from smallvision.errors import BadInput

_PAIRS = 4  # keeps this draw apart from others of the same seed


def balanced(labels: Rows, count: int, most: int, seed: int, classes: Sequence[str]) -> tuple[Rows, np.ndarray]:
    """Random pairs, half of one class and half of two, in random order; no image with itself, no two images twice.

    Parameters
    ----------
    labels : int64 (N,), 0..C-1. Classes without an image take no part.
    count : how many pairs, even.
    most : in how many pairs an image may be, at least 1.
    seed : all that the pairs depend on beside the labels; they stay the same in later versions of numpy.
    classes : C names, for messages.

    Returns
    -------
    tuple of np.ndarray : int64 (count, 2), the lower index first; bool (count,), whether both are of one class.

    Raises
    ------
    BadInput : an odd count or none, fewer than two classes, a class with one image, more pairs than there can be.
    """
    found = np.asarray(labels, np.int64)
    sizes = np.bincount(found, minlength=len(classes))
    present = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]  # the largest first
    _refuse(sizes[present], count, most, [classes[k] for k in present])
    own, between = _quotas(len(present), count)
    pairs, circles = [], []
    for label, number in zip(present.tolist(), own.tolist(), strict=True):
        circle = np.flatnonzero(found == label)[permutation(sizes[label], mix(seed, _PAIRS, 0, label))]
        together = _regular(len(circle), number, mix(seed, _PAIRS, 1, label))
        taken = np.bincount(together.reshape(-1), minlength=len(circle))
        pairs.append(circle[together])
        circles.append(circle[np.argsort(taken, kind="stable")])  # the first shall be the first to have another pair
    starts = [0] * len(present)
    for one, other in zip(*between.nonzero(), strict=True):
        left, right, number = circles[one], circles[other], between[one, other]
        steps, turn = _walk(len(left), len(right), number)
        pairs.append(
            np.stack(
                [left[(starts[one] + steps) % len(left)], right[(starts[other] + steps + turn) % len(right)]], axis=1
            )
        )
        starts[one] += number
        starts[other] += number
    every = np.sort(np.concatenate(pairs), axis=1)[permutation(count, mix(seed, _PAIRS, 2))]
    return every, found[every[:, 0]] == found[every[:, 1]]


def most_pairs(labels: Rows, most: int, classes: Sequence[str]) -> int:
    """How many pairs `balanced` can make at most, an even number; 0 with fewer than two classes, or a class with one image."""
    sizes = np.bincount(np.asarray(labels, np.int64), minlength=len(classes))
    return _most(np.sort(sizes[sizes > 0])[::-1], most)


def _quotas(classes: int, count: int) -> tuple[Rows, Rows]:
    """Pairs of each class, (C,), and of each two classes, (C, C) above the diagonal; what does not come out even is spread evenly."""
    whole, rest = divmod(count // 2, classes)
    own = whole + (np.arange(classes) < rest)
    whole, rest = divmod(count // 2, classes * (classes - 1) // 2)
    between = np.triu(np.full((classes, classes), whole), 1)
    one, other = np.sort(_regular(classes, rest), axis=1).T
    between[one, other] += 1
    return own, between


def _regular(count: int, number: int, seed: int | None = None) -> Rows:
    """`number` different pairs (number, 2) of places on a circle of `count`, each place in equally many, up to one.

    All pairs that are so many places apart (2, 3, ..., in an order drawn from the seed if there is one) are a round, in which each place
    is twice. What does not fill a round are neighbours: every second two of them, in which each place is once, then the others. Where
    that is not enough, places that face each other come last, each of them once.
    """
    places = np.arange(count)
    apart = np.arange(2, (count + 1) // 2)
    apart = apart if seed is None else apart[permutation(len(apart), seed)]
    whole = apart[: number // count, None]
    rounds = np.stack(np.broadcast_arrays(places, (places + whole) % count), axis=-1).reshape(-1, 2)
    by_turns = np.concatenate([places[::2], places[1::2]])[: count if count > 2 else 0]
    neighbours = np.stack([by_turns, (by_turns + 1) % count], axis=1)
    opposite = places[: count // 2 if count % 2 == 0 else 0]
    facing = np.stack([opposite, opposite + count // 2], axis=1)
    return np.concatenate([rounds, neighbours, facing])[:number]


def _walk(left: int, right: int, number: int) -> tuple[Rows, Rows]:
    """Steps (number,) round two circles together, and by how many places more on the right one, so that no two places meet twice.

    They have met all they can after `lcm` steps; then the right circle is turned by one place. Turned walks are whole ones: what is
    left over comes first, unturned, so that the places that were visited once more than others are the first `number` of each circle.
    """
    whole, rest = divmod(number, lcm(left, right))
    lengths = [rest, *[lcm(left, right)] * whole]
    return np.concatenate([np.arange(n) for n in lengths]), np.repeat(np.arange(whole + 1), lengths)


def _needed(sizes: Rows, count: int) -> int | None:
    """In how many pairs an image has to be, of classes (C,) of these sizes, none 0; None when there are not so many pairs."""
    own, between = _quotas(len(sizes), count)
    if (2 * own > sizes * (sizes - 1)).any() or (between > np.outer(sizes, sizes)).any():
        return None
    in_pairs = 2 * own + between.sum(0) + between.sum(1)  # (C,)
    return int((-(-in_pairs // sizes)).max())


def _fits(sizes: Rows, count: int, most: int) -> bool:
    needed = _needed(sizes, count)
    return needed is not None and needed <= most


def _most(sizes: Rows, most: int) -> int:
    if len(sizes) < 2:
        return 0
    beyond = int(sizes.sum()) * most  # twice as many pairs have four times as many places
    return 2 * bisect_left(range(1, beyond), True, key=lambda half: not _fits(sizes, 2 * half, most))


def _refuse(sizes: Rows, count: int, most: int, classes: Sequence[str]) -> None:
    if count < 2 or count % 2:
        raise BadInput(f"pairs: got {count:,}; expected an even number, half of which are of one class")
    if most < 1:
        raise BadInput(f"pairs of an image: got {most}; expected at least 1")
    if len(sizes) < 2:
        raise BadInput(
            f"pairs: half of them are of two classes, and there {'is one class' if len(sizes) else 'are no images'}"
        )
    if sizes[-1] == 1:
        raise BadInput(
            f'pairs: class "{classes[-1]}" has 1 image, which makes no pair of one class; leave the class out (data.classes)'
        )
    if not _fits(sizes, count, most):
        needed, best = _needed(sizes, count), _most(sizes, most)
        cures = [f"ask for at most {best:,}"] * (best > 0) + [f"allow {needed} pairs an image"] * (needed is not None)
        raise BadInput(
            f"pairs: {count:,} are more than there can be with {most} an image and classes alike (the smallest, "
            f'"{classes[-1]}", has {sizes[-1]:,} images); {", or ".join(cures)}'
        )
