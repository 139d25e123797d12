"""In which order an epoch goes through the images: rows of indices, one row per batch, from (seed, epoch) alone."""

from collections.abc import Callable

import torch
from torch import Tensor

from smallvision.data.seeds import mix
from smallvision.errors import BadInput

Order = Callable[[Tensor, int, bool, int, int], list[Tensor]]


def shuffled(labels: Tensor, batch_size: int, drop_last: bool, seed: int, epoch: int) -> list[Tensor]:
    """Every image once, in a random order.

    Parameters
    ----------
    labels : int64 (N,); gives the count and the device.
    batch_size : B; the last row is shorter when B does not divide N.
    drop_last : leave out a last row that is shorter.
    seed, epoch : all that the order depends on, whatever the device.

    Returns
    -------
    list of Tensor : int64 rows on the labels' device.

    Raises
    ------
    BadInput : a batch larger than the data.
    """
    generator = torch.Generator().manual_seed(mix(seed, epoch))
    order = torch.randperm(len(labels), generator=generator).to(labels.device)
    return _rows(order, batch_size, drop_last)


def sequential(labels: Tensor, batch_size: int, drop_last: bool, seed: int, epoch: int) -> list[Tensor]:
    """Every image once, in the order they are stored; parameters, result and errors as `shuffled`."""
    return _rows(torch.arange(len(labels), device=labels.device), batch_size, drop_last)


def _rows(order: Tensor, batch_size: int, drop_last: bool) -> list[Tensor]:
    if batch_size > len(order):
        raise BadInput(
            f"recipe.batch_size {batch_size:,} is larger than the data, {len(order):,} images; "
            f"give at most {len(order):,}"
        )
    rows = [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
    return rows[:-1] if drop_last and len(rows[-1]) < batch_size else rows


ORDERS: dict[str, Order] = {"shuffled": shuffled, "sequential": sequential}
