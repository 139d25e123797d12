"""Batches of P classes with K images each, so that every image shares its batch with its class and with others.

Losses on pairs and triplets need such batches (Hermans, Beyer & Leibe 2017, "In defense of the triplet loss for person
re-identification", section 2, "PK batches"). Here, in addition, all images come equally often. A class has groups of K
images in proportion to its size, rounded at random and right on average. No image of a class comes again before all the
others of the class have come. A class can be in a batch only once, so a class with more images than one group in every
batch can hold is in every batch, and its images then come less often than others.
"""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from smallvision.data.seeds import mix
from smallvision.errors import BadInput, counted


def by_class(
    labels: Tensor, classes_per_batch: int, images_per_class: int, seed: int, epoch: int, classes: Sequence[str]
) -> list[Tensor]:
    """The rows of one epoch: each has P different classes, and of each class K different images next to each other.

    Parameters
    ----------
    labels : int64 (N,), 0..C-1. Classes without an image take no part.
    classes_per_batch : P, at least 2.
    images_per_class : K, at least 2.
    seed, epoch : the order depends on them and on the labels only, and not on the device.
    classes : C names, for messages.

    Returns
    -------
    list of Tensor : `steps` int64 rows of P * K indices, on the device of the labels.

    Raises
    ------
    BadInput : fewer than P classes, a class with fewer than K images, a P or K below 2.
    """
    generator = torch.Generator().manual_seed(mix(seed, epoch))
    counts = torch.bincount(labels.cpu(), minlength=len(classes))
    _refuse(counts, classes_per_batch, images_per_class, classes)
    present = counts.nonzero()[:, 0]  # (C,), classes with images
    number = steps(len(labels), classes_per_batch, images_per_class)
    groups = _groups(counts[present], number, classes_per_batch, generator)  # (C,), each at most `number`
    chosen = _together(groups, number, classes_per_batch, generator)  # (number, P) places in `present`
    rows = torch.empty((number, classes_per_batch, images_per_class), dtype=torch.int64)
    of_class = labels.cpu().argsort(stable=True).split(counts.tolist())  # type: ignore[no-untyped-call]
    for place, name in enumerate(present.tolist()):
        turns = _turns(len(of_class[name]), int(groups[place]), images_per_class, generator)
        rows[chosen == place] = of_class[name][turns]
    return list(rows.reshape(number, -1).to(labels.device))


def steps(count: int, classes_per_batch: int, images_per_class: int) -> int:
    """How many rows an epoch over `count` images has: the number of whole batches."""
    return count // (classes_per_batch * images_per_class)


def _groups(counts: Tensor, number: int, per_batch: int, generator: Generator) -> Tensor:
    """How many groups each class has, (C,): in proportion to its images, at most `number`; `number * per_batch` in all.

    Shares are rounded up or down with one random offset (systematic sampling, Madow & Madow 1944, Ann. Math. Stat. 15):
    each is right on average, and their sum is always right. All numbers are integers, so that no rounding of floats can
    lose a group.
    """
    groups = torch.zeros_like(counts)
    while True:
        free = groups < number
        left, images = number * per_batch - int(groups[~free].sum()), counts * free
        total = int(images.sum())
        too_large = free & (images * left > number * total)
        if not too_large.any():
            break
        groups[too_large] = number
    if total:
        offset = torch.randint(total, (), generator=generator)
        ends = (images.cumsum(0) * left + offset) // total
        groups += ends - torch.cat([ends.new_zeros(1), ends[:-1]])
    return groups


def _together(groups: Tensor, number: int, per_batch: int, generator: Generator) -> Tensor:
    """Which classes are in each batch, (number, per_batch): class k is in `groups[k]` batches, and never twice in one.

    Systematic sampling is applied again, batch after batch, each with its own random order of classes: a class with g
    groups left for n batches is taken with probability g / n. A class with as many groups as batches left is therefore
    always taken, and at the end no group is left.
    """
    left = groups.clone()
    order = torch.rand((number, len(groups)), generator=generator).argsort(1)
    starts = torch.rand(number, generator=generator)
    chosen = torch.empty((number, per_batch), dtype=torch.int64)
    for batch in range(number):
        remaining = number - batch
        ends = left[order[batch]].cumsum(0)  # (C,), the last is remaining * P
        points = int(starts[batch] * remaining) + remaining * torch.arange(per_batch)
        chosen[batch] = order[batch][torch.searchsorted(ends, points, right=True)]
        left[chosen[batch]] -= 1
    return chosen


def _turns(count: int, groups: int, size: int, generator: Generator) -> Tensor:
    """Which images of a class each of its groups has, (groups, size): one random order of all images after another.

    A group that begins in one order and ends in the next has no image twice: images that it has already are moved to
    the end of the next order.
    """
    turns: list[Tensor] = []
    for first in range(0, groups * size, count):
        order = torch.randperm(count, generator=generator)
        begun = first % size
        if begun:
            again = torch.isin(order, turns[-1][count - begun :])
            order = torch.cat([order[~again], order[again]])
        turns.append(order)
    return torch.cat([*turns, torch.empty(0, dtype=torch.int64)])[: groups * size].reshape(groups, size)


def _refuse(counts: Tensor, per_batch: int, size: int, classes: Sequence[str]) -> None:
    """Raise BadInput when classes of these counts (C,) make no batch of `per_batch` classes with `size` images each."""
    for key, value, why in (("classes_per_batch", per_batch, "different"), ("images_per_class", size, "equal")):
        if value < 2:
            raise BadInput(f"{key}: got {value}; expected at least 2, so that a batch has pairs of {why} classes")
    present = counts.nonzero()[:, 0].tolist()
    if len(present) < 2:
        raise BadInput(
            f"classes_per_batch: batches of this order need images of at least 2 classes; found {len(present)}"
        )
    if per_batch > len(present):
        raise BadInput(
            f"classes_per_batch: {per_batch} is more than the {len(present)} classes that have images; set at most "
            f"{len(present)}"
        )
    least = min(present, key=lambda k: int(counts[k]))
    few = int(counts[least])
    if few == 1:
        raise BadInput(
            f'images_per_class: class "{classes[least]}" has 1 image, so that there is no pair of this class; leave '
            "the class out (data.classes)"
        )
    if few < size:
        raise BadInput(
            f'images_per_class: class "{classes[least]}" has {counted(few, "image")}, fewer than {size}; set at '
            f"most {few}, or "
            "leave the class out (data.classes)"
        )
