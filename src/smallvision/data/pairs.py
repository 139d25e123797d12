"""Pairs of images to be scored: half of them of one class, half of two, the same pairs for every network.

Pairs that share an image are not independent. So each image is in few pairs, and images of a class differ by at most
one pair. All classes have equally many pairs within them, and all two classes have equally many pairs between them (up
to one where the number cannot be divided evenly). A score then weighs all classes alike, however many images each has.

Drawing pairs one by one until enough of them fit becomes slow and can get stuck near the limit. Instead, the images of
a class are put on a circle in random order. Images of one class are paired with those a fixed number of places further
on; for pairs of two classes, both circles are walked around together. No pair comes twice, and the limit can be reached
exactly.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import lcm

import numpy as np

from smallvision.data.seeds import mix, permutation
from smallvision.data.source import Rows
from smallvision.errors import BadInput, counted

_PAIRS = 4  # separates this draw from other draws with the same seed


def balanced(labels: Rows, count: int, most: int, seed: int, classes: Sequence[str]) -> tuple[Rows, np.ndarray]:
    """Random pairs, half of one class and half of two, in random order. No pair comes twice.

    Parameters
    ----------
    labels : int64 (N,), 0..C-1. Classes without an image take no part.
    count : how many pairs, an even number. No image is paired with itself.
    most : how many pairs an image may be in, at least 1.
    seed : the pairs depend on it and on the labels only, not on the version of numpy.
    classes : C names, for messages.

    Returns
    -------
    tuple of np.ndarray : int64 (count, 2), the lower index first; bool (count,), whether both are of one class.

    Raises
    ------
    BadInput : an odd count or none, fewer than two classes, a class with one image, more pairs than there can be.
    """
    labels = np.asarray(labels, np.int64)
    sizes = np.bincount(labels, minlength=len(classes))
    present = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]  # the largest first
    _refuse(sizes[present], count, most, [classes[k] for k in present])
    own, between = _quotas(len(present), count)
    pairs, circles = [], []
    for label, number in zip(present.tolist(), own.tolist(), strict=True):
        circle = np.flatnonzero(labels == label)[permutation(sizes[label], mix(seed, _PAIRS, 0, label))]
        together = _regular(len(circle), number, mix(seed, _PAIRS, 1, label))
        taken = np.bincount(together.reshape(-1), minlength=len(circle))
        pairs.append(circle[together])
        circles.append(circle[np.argsort(taken, kind="stable")])  # the images with fewest pairs come first
    starts = [0] * len(present)
    for a, b in zip(*between.nonzero(), strict=True):
        left, right, number = circles[a], circles[b], between[a, b]
        steps, turn = _walk(len(left), len(right), number)
        pairs.append(
            np.stack([left[(starts[a] + steps) % len(left)], right[(starts[b] + steps + turn) % len(right)]], axis=1)
        )
        starts[a] += number
        starts[b] += number
    ordered = np.sort(np.concatenate(pairs), axis=1)[permutation(count, mix(seed, _PAIRS, 2))]
    return ordered, labels[ordered[:, 0]] == labels[ordered[:, 1]]


def most_pairs(labels: Rows, most: int, classes: Sequence[str]) -> int:
    """The largest number of pairs that `balanced` can make, an even number.

    It is 0 with fewer than two classes, or where a class has one image. Parameters as in `balanced`.
    """
    sizes = np.bincount(np.asarray(labels, np.int64), minlength=len(classes))
    return _most(np.sort(sizes[sizes > 0])[::-1], most)


def _quotas(classes: int, count: int) -> tuple[Rows, Rows]:
    """Pairs within each class, (C,), and between two classes, (C, C) above the diagonal, remainders spread evenly."""
    whole, rest = divmod(count // 2, classes)
    own = whole + (np.arange(classes) < rest)
    whole, rest = divmod(count // 2, classes * (classes - 1) // 2)
    between = np.triu(np.full((classes, classes), whole), 1)
    first, second = np.sort(_regular(classes, rest), axis=1).T
    between[first, second] += 1
    return own, between


def _regular(count: int, number: int, seed: int | None = None) -> Rows:
    """`number` different pairs (number, 2) of places on a circle of `count`; places differ by at most one pair.

    All pairs that are d places apart form a round, in which each place is in two pairs; d is 2, 3, ..., in an order
    drawn from the seed if there is one. Pairs that do not fill a round are neighbours: first every second pair of
    neighbours, in which each place is once, then the others. Where these are not enough, pairs of opposite places come
    last.
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
    """Steps (number,) around two circles together, and extra places (number,) on the right one; none meet twice.

    After `lcm` steps, places begin to meet again, so the right circle is turned by one place. Only whole walks of `lcm`
    steps are turned. The incomplete walk comes first and is not turned, so that the places which are visited once more
    than others are the first ones of each circle.
    """
    whole, rest = divmod(number, lcm(left, right))
    lengths = [rest, *[lcm(left, right)] * whole]
    return np.concatenate([np.arange(n) for n in lengths]), np.repeat(np.arange(whole + 1), lengths)


def _needed(sizes: Rows, count: int) -> int | None:
    """How many pairs an image must be in, for classes of these sizes (C,), none 0; None where pairs do not suffice."""
    own, between = _quotas(len(sizes), count)
    if (2 * own > sizes * (sizes - 1)).any() or (between > np.outer(sizes, sizes)).any():
        return None
    in_pairs = 2 * own + between.sum(0) + between.sum(1)  # (C,)
    return int((-(-in_pairs // sizes)).max())


def _fits(sizes: Rows, count: int, most: int) -> bool:
    """Whether `count` pairs can be made with at most `most` pairs an image."""
    needed = _needed(sizes, count)
    return needed is not None and needed <= most


def _most(sizes: Rows, most: int) -> int:
    """The largest number of pairs for classes of these sizes (C,), the largest class first."""
    if len(sizes) < 2:
        return 0
    beyond = int(sizes.sum()) * most  # 2 * beyond pairs have four times as many places as there are
    return 2 * bisect_left(range(1, beyond), True, key=lambda half: not _fits(sizes, 2 * half, most))


def _refuse(sizes: Rows, count: int, most: int, classes: Sequence[str]) -> None:
    """Raise BadInput when the pairs cannot be made. `sizes` and `classes`: classes with images, the largest first."""
    if count < 2 or count % 2:
        raise BadInput(f"pairs: got {count:,}; expected an even number, half of which are of one class")
    if most < 1:
        raise BadInput(f"pairs of an image: got {most}; expected at least 1")
    if len(sizes) < 2:
        raise BadInput(
            f"pairs: half of them need images of two classes, but there {'is one class' if len(sizes) else 'are none'};"
            " add images of at least two classes"
        )
    if sizes[-1] == 1:
        raise BadInput(
            f'pairs: class "{classes[-1]}" has 1 image, so that there is no pair of this class; leave the class out '
            "(data.classes)"
        )
    if not _fits(sizes, count, most):
        needed, best = _needed(sizes, count), _most(sizes, most)
        cures = []
        if best > 0:
            cures.append(f"use at most {best:,} pairs")
        if needed is not None:
            cures.append(f"allow {needed} pairs for each image")
        raise BadInput(
            f"pairs: {count:,} are more than possible with at most {most} pairs for each image and equally many "
            f'pairs of every class (the smallest class, "{classes[-1]}", has {counted(sizes[-1], "image")}); '
            f"{', or '.join(cures)}"
        )
