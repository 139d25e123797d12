"""In which order an epoch goes through the images: rows of indices, one row per batch, from (seed, epoch) alone.

Images of several sizes come with the bucket of each (see data/batching/buckets.py). A row then holds images of one bucket, so
that each bucket may have a last row that is shorter; rows of all buckets are mixed across the epoch.
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
    labels : int64 (N,); gives the count and the device.
    batch_size : B; the last row (of each bucket) is shorter when B does not divide its images.
    drop_last : leave out last rows that are shorter.
    seed, epoch : all that the order depends on, whatever the device.
    parts : int64 (N,) on the CPU, the bucket of each image, from 0; None: all may share a batch.

    Returns
    -------
    list of Tensor : int64 rows on the labels' device; with several buckets on the CPU, where their batches are put
        together.

    Raises
    ------
    BadInput : a batch larger than the data, or, with `drop_last`, than a bucket.
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
    """Every image once, in the order they are stored, bucket after bucket; otherwise as `shuffled`."""
    if parts is None:
        return _rows(torch.arange(len(labels), device=labels.device), batch_size, drop_last)
    return _rows_of_parts(torch.arange(len(labels)), parts, batch_size, drop_last)


def steps(count: int, batch_size: int, drop_last: bool, parts: Tensor | None = None) -> int:
    """How many rows an epoch over `count` images has; the other arguments and errors as `shuffled`."""
    _refuse_large(batch_size, count)
    whole = [
        divmod(number, batch_size)
        for number in (_counts(parts, batch_size, drop_last) if parts is not None else [count])
    ]
    return sum(full if drop_last else full + bool(rest) for full, rest in whole)


def _rows(order: Tensor, batch_size: int, drop_last: bool) -> list[Tensor]:
    _refuse_large(batch_size, len(order))
    rows = [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
    return rows[:-1] if drop_last and len(rows[-1]) < batch_size else rows


def _rows_of_parts(order: Tensor, parts: Tensor, batch_size: int, drop_last: bool) -> list[Tensor]:
    _refuse_large(batch_size, len(order))
    counts = _counts(parts, batch_size, drop_last)
    by_part = order[parts[order].argsort(stable=True)]  # of each bucket in the order given
    rows = [row for some in torch.split(by_part, counts) for row in torch.split(some, batch_size)]
    return [row for row in rows if len(row) == batch_size] if drop_last else rows


def _counts(parts: Tensor, batch_size: int, drop_last: bool) -> list[int]:
    counts: list[int] = torch.bincount(parts).tolist()
    least = min(counts)
    if drop_last and least < batch_size:
        raise BadInput(
            f"recipe.drop_last: would leave out every image of a size of which there are {least:,}, fewer than a batch "
            f"of {batch_size:,}; give batch_size <= {least:,}, or drop_last = false"
        )
    return counts


def _refuse_large(batch_size: int, count: int) -> None:
    if batch_size > count:
        raise BadInput(
            f"recipe.batch_size {batch_size:,} is larger than the data, {count:,} images; give at most {count:,}"
        )


ORDERS: dict[str, Order] = {"shuffled": shuffled, "sequential": sequential}
