"""The order in which an epoch goes through the images: rows of indices, one row per batch, from (seed, epoch) alone.

For images of several sizes, the bucket of each image is given (see data/batching/buckets.py). A row then holds images
of one bucket, so each bucket may have a last row that is shorter; the rows of all buckets are mixed across the epoch.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from smallvision.data.seeds import mix
from smallvision.errors import BadInput

Order = Callable[..., list[Tensor]]


def shuffled(
    labels: Tensor, batch_size: int, drop_last: bool, seed: int, epoch: int, parts: Tensor | None = None
) -> list[Tensor]:
    """Every image once, in a random order.

    Parameters
    ----------
    labels : int64 (N,); only their number and device are used.
    batch_size : B. The last row (of each bucket) is shorter where B does not divide the number of images.
    drop_last : leave out last rows that are shorter.
    seed, epoch : the order depends on them only, and not on the device.
    parts : int64 (N,) on the CPU, the bucket of each image, from 0; None: all images may share a batch.

    Returns
    -------
    list of Tensor : int64 rows on the device of the labels; with several buckets on the CPU, where their batches are
        put together.

    Raises
    ------
    BadInput : a batch is larger than the data, or, with `drop_last`, than a bucket.
    """
    generator = torch.Generator().manual_seed(mix(seed, epoch))
    order = torch.randperm(len(labels), generator=generator)
    if parts is None:
        return _rows(order.to(labels.device), batch_size, drop_last)
    rows = _rows_of_parts(order, parts, batch_size, drop_last)
    return [rows[place] for place in torch.randperm(len(rows), generator=generator).tolist()]


def sequential(
    labels: Tensor, batch_size: int, drop_last: bool, seed: int, epoch: int, parts: Tensor | None = None
) -> list[Tensor]:
    """Every image once, in the order in which they are stored, bucket after bucket; otherwise as `shuffled`."""
    if parts is None:
        return _rows(torch.arange(len(labels), device=labels.device), batch_size, drop_last)
    return _rows_of_parts(torch.arange(len(labels)), parts, batch_size, drop_last)


def steps(count: int, batch_size: int, drop_last: bool, parts: Tensor | None = None) -> int:
    """How many rows an epoch over `count` images has; other parameters and errors as in `shuffled`."""
    _refuse_large(batch_size, count)
    counts = [count] if parts is None else _counts(parts, batch_size, drop_last)
    return sum(number // batch_size if drop_last else -(-number // batch_size) for number in counts)


def _rows(order: Tensor, batch_size: int, drop_last: bool) -> list[Tensor]:
    _refuse_large(batch_size, len(order))
    rows = [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
    return rows[:-1] if drop_last and len(rows[-1]) < batch_size else rows


def _rows_of_parts(order: Tensor, parts: Tensor, batch_size: int, drop_last: bool) -> list[Tensor]:
    """The rows of all buckets, bucket after bucket, the images of each in the order given."""
    _refuse_large(batch_size, len(order))
    counts = _counts(parts, batch_size, drop_last)
    by_part = order[parts[order].argsort(stable=True)]
    rows = [row for part in torch.split(by_part, counts) for row in torch.split(part, batch_size)]
    return [row for row in rows if len(row) == batch_size] if drop_last else rows


def _counts(parts: Tensor, batch_size: int, drop_last: bool) -> list[int]:
    """Images of each bucket. Raises BadInput where `drop_last` would leave out a whole bucket."""
    counts: list[int] = torch.bincount(parts).tolist()
    least = min(counts)
    if drop_last and least < batch_size:
        raise BadInput(
            f"recipe.drop_last: this would leave out all images of a size that has only {least:,} images, fewer than "
            f"a batch of {batch_size:,}; set batch_size <= {least:,}, or drop_last = false"
        )
    return counts


def _refuse_large(batch_size: int, count: int) -> None:
    if batch_size > count:
        raise BadInput(
            f"recipe.batch_size {batch_size:,} is larger than the number of training images, {count:,}; set at most "
            f"{count:,}"
        )


ORDERS: dict[str, Order] = {"shuffled": shuffled, "sequential": sequential}
