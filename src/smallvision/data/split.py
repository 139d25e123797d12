"""Which images are kept and which split they go to, decided from the labels alone."""

from collections.abc import Sequence

import numpy as np

from smallvision.data.datasets.source import Rows
from smallvision.data.seeds import mix, permutation
from smallvision.errors import BadInput, nearest

_VALIDATION, _LIMIT = 1, 2  # numbers that keep the two draws from one seed apart


def class_indices(
    known: Sequence[str], wanted: Sequence[int | str], source: str, key: str = "data.classes"
) -> list[int]:
    """Indices of the classes of a subset, given by name or index; `key` is what messages call it.

    Raises
    ------
    BadInput : a class that is not there (the nearest is named) or is named twice.
    """
    indices: list[int] = []
    for item in wanted:
        if isinstance(item, str):
            if item not in known:
                raise BadInput(f'{key}: {source} has no class "{item}"; {nearest(item, known)}')
            index = list(known).index(item)
        elif 0 <= item < len(known):
            index = item
        else:
            raise BadInput(f"{key}: {source} has no class {item}; expected 0 to {len(known) - 1}")
        if index in indices:
            raise BadInput(f'{key}: "{known[index]}" is given twice (by name and by index); keep one')
        indices.append(index)
    return indices


def remap(labels: Rows, indices: Sequence[int], count: int) -> Rows:
    """Labels of a subset: position in `indices`, or -1 for images of other classes. `count` is the old K."""
    table = np.full(count, -1, dtype=np.int64)
    table[list(indices)] = np.arange(len(indices))
    return np.asarray(table[labels])


def quotas(counts: Rows, total: int) -> Rows:
    """How many of each class make up `total` in proportion to `counts`; exact, by the largest remainder."""
    share = counts * total
    whole = share // counts.sum()
    rest = share - whole * counts.sum()
    order = np.lexsort((np.arange(len(counts)), -rest))
    whole[order[: total - int(whole.sum())]] += 1
    return np.asarray(whole)


def draw(labels: Rows, rows: Rows, wanted: Rows, seed: int) -> Rows:
    """`wanted[k]` random rows of each class k out of `rows`, ascending."""
    shuffled = rows[permutation(len(rows), seed)]
    kept = [shuffled[labels[shuffled] == label][:number] for label, number in enumerate(wanted)]
    return np.sort(np.concatenate(kept))


def count_of(share: int | float, total: int) -> int:
    """An integer counts images, a float is a fraction of them."""
    return round(share * total) if isinstance(share, float) else share


def split_off(labels: Rows, rows: Rows, share: int | float, classes: Sequence[str], seed: int) -> tuple[Rows, Rows]:
    """Training and validation rows, the latter stratified.

    Raises
    ------
    BadInput : nothing would be left on either side, or no training image of some class.
    """
    number = count_of(share, len(rows))
    if not 0 < number < len(rows):
        raise BadInput(
            f"data.validation: {share} takes {number:,} of {len(rows):,} training images; "
            f"expected to take at least 1 and to leave at least 1"
        )
    counts = np.bincount(labels[rows], minlength=len(classes))
    wanted = quotas(counts, number)
    refuse_empty(counts - wanted, classes, f"data.validation: {share} leaves")
    validation = draw(labels, rows, wanted, mix(seed, _VALIDATION))
    return np.setdiff1d(rows, validation, assume_unique=True), validation


def keep(
    labels: Rows, rows: Rows, limit: int | float | None, per_class: int | None, classes: Sequence[str], seed: int
) -> tuple[Rows, tuple[str, ...]]:
    """Training rows that a limit keeps, and what a person should know about it.

    Raises
    ------
    BadInput : no image of some class would be left.
    """
    counts = np.bincount(labels[rows], minlength=len(classes))
    if per_class is not None:
        wanted = np.minimum(counts, per_class)
        short = [f'"{name}" ({count:,})' for name, count in zip(classes, counts, strict=True) if count < per_class]
        notes = (f"limit_per_class {per_class:,} is more than there are of {', '.join(short)}",) if short else ()
    elif limit is not None:
        number = count_of(limit, len(rows))
        notes = (f"limit {number:,} is more than the {len(rows):,} training images",) if number > len(rows) else ()
        wanted = quotas(counts, min(number, len(rows)))
        refuse_empty(wanted, classes, f"data.limit: {limit} keeps", "; give a larger limit, or limit_per_class")
    else:
        return rows, ()
    return draw(labels, rows, wanted, mix(seed, _LIMIT)), notes


def refuse_empty(counts: Rows, classes: Sequence[str], what: str, cure: str = "") -> None:
    """Raise BadInput when some class has no image."""
    empty = np.flatnonzero(np.asarray(counts) == 0)
    if len(empty):
        raise BadInput(f'{what} no training image of class "{classes[int(empty[0])]}"{cure}')
