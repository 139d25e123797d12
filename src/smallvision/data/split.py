"""Selects the images that are kept, and the split of each, from the labels alone."""

from collections.abc import Sequence

import numpy as np

from smallvision.data.seeds import mix, permutation
from smallvision.data.source import Rows
from smallvision.errors import BadInput, counted, nearest, shown

_VALIDATION, _LIMIT = 1, 2  # separate the two draws from one seed


def class_indices(
    known: Sequence[str], wanted: Sequence[int | str], source: str, key: str = "data.classes"
) -> list[int]:
    """Indices of the classes of a subset.

    Parameters
    ----------
    known : names of all classes.
    wanted : classes of the subset, by name or by index.
    source, key : name of the source, and the key of the subset, for messages.

    Raises
    ------
    BadInput : an unknown class (the nearest name is given), or a class that is given twice.
    """
    indices: dict[int, None] = {}  # in the order given
    places = {name: place for place, name in enumerate(known)}
    for item in wanted:
        if isinstance(item, str):
            if item not in places:
                raise BadInput(f'{key}: {source} has no class "{shown(item)}"; {nearest(item, known)}')
            index = places[item]
        elif 0 <= item < len(known):
            index = item
        else:
            raise BadInput(f"{key}: {source} has no class {item}; expected 0 to {len(known) - 1}")
        if index in indices:
            raise BadInput(f'{key}: "{shown(known[index])}" is given twice (by name and by number); keep one')
        indices[index] = None
    return list(indices)


def remap(labels: Rows, indices: Sequence[int], count: int) -> Rows:
    """Labels in a subset of classes.

    Parameters
    ----------
    labels : int64 (N,), 0..count-1.
    indices : the classes of the subset.
    count : how many classes there are without the subset.

    Returns
    -------
    ndarray : int64 (N,), the position of each label in `indices`, or -1 for images of other classes.
    """
    table = np.full(count, -1, dtype=np.int64)
    table[list(indices)] = np.arange(len(indices))
    return np.asarray(table[labels])


def quotas(counts: Rows, total: int) -> Rows:
    """How many images to take of each class: `total` in all, in proportion to `counts` (K,), by largest remainders."""
    share = counts * total
    whole = share // counts.sum()
    rest = share - whole * counts.sum()
    order = np.lexsort((np.arange(len(counts)), -rest))
    whole[order[: total - int(whole.sum())]] += 1
    return np.asarray(whole)


def draw(labels: Rows, rows: Rows, wanted: Rows, seed: int) -> Rows:
    """`wanted[k]` random rows of each class k from `rows`, in ascending order."""
    shuffled = rows[permutation(len(rows), seed)]
    order = np.argsort(labels[shuffled], kind="stable")  # class after class, each in its shuffled order
    counts = np.bincount(labels[shuffled], minlength=len(wanted))
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)  # of each row within its class
    return np.sort(shuffled[order][place < np.repeat(wanted, counts)])


def count_of(share: int | float, total: int) -> int:
    """The number of images that a share of `total` means: an integer is a number, a float is a fraction."""
    return round(share * total) if isinstance(share, float) else share


def split_off(labels: Rows, rows: Rows, share: int | float, classes: Sequence[str], seed: int) -> tuple[Rows, Rows]:
    """Training and validation rows; the classes have equal proportions in both.

    Parameters
    ----------
    labels : int64 (N,).
    rows : the rows to split.
    share : how many images validation takes, see `count_of`.
    classes : K names.
    seed : decides which ones.

    Raises
    ------
    BadInput : one side would have no image, or training no image of some class.
    """
    number = count_of(share, len(rows))
    if not 0 < number < len(rows):
        raise BadInput(
            f"data.validation: {share} takes {number:,} of {len(rows):,} training images; expected a value that "
            "takes at least 1 and leaves at least 1"
        )
    counts = np.bincount(labels[rows], minlength=len(classes))
    wanted = quotas(counts, number)
    cure = "; add images of this class, leave the class out (data.classes), or use fewer images for validation"
    refuse_empty(counts - wanted, classes, f"data.validation: {share} leaves", cure)
    validation = draw(labels, rows, wanted, mix(seed, _VALIDATION))
    return np.setdiff1d(rows, validation, assume_unique=True), validation


def keep(
    labels: Rows, rows: Rows, limit: int | float | None, per_class: int | None, classes: Sequence[str], seed: int
) -> tuple[Rows, tuple[str, ...]]:
    """Training rows that a limit keeps, and notes for people.

    Parameters
    ----------
    labels : int64 (N,).
    rows : the training rows.
    limit : how many images are kept in all, see `count_of`; None: all of them.
    per_class : how many images of each class are kept; None: not limited by class.
    classes : K names.
    seed : decides which ones.

    Raises
    ------
    BadInput : no image of some class would be left.
    """
    counts = np.bincount(labels[rows], minlength=len(classes))
    if per_class is not None:
        wanted = np.minimum(counts, per_class)
        few = np.flatnonzero(counts < per_class)
        short = [f'"{shown(classes[label])}" ({counts[label]:,})' for label in few[:20]]
        more = f" and {len(few) - 20:,} more" if len(few) > 20 else ""
        notes = (f"limit_per_class {per_class:,} is more than there are of {', '.join(short)}{more}",) if short else ()
    elif limit is not None:
        number = count_of(limit, len(rows))
        notes = (
            (f"limit {number:,} is more than the {counted(len(rows), 'training image')}",) if number > len(rows) else ()
        )
        wanted = quotas(counts, min(number, len(rows)))
        refuse_empty(wanted, classes, f"data.limit: {limit} keeps", "; set a larger limit, or use limit_per_class")
    else:
        return rows, ()
    return draw(labels, rows, wanted, mix(seed, _LIMIT)), notes


def refuse_empty(counts: Rows, classes: Sequence[str], what: str, cure: str = "") -> None:
    """Raise BadInput when some class has no image; `what` begins the message and `cure` ends it."""
    empty = np.flatnonzero(np.asarray(counts) == 0)
    if len(empty):
        raise BadInput(f'{what} no training images of class "{shown(classes[int(empty[0])])}"{cure}')
