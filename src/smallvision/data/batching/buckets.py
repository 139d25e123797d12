"""Which images of several sizes may share a batch: those of one size; those of a bucket where nearly each has its own.

Sizes stay apart, and nothing is ever padded, as long as there are no more than FEW of them, or a batch of images for
each on average. Else sizes are put into buckets, whose smaller images are padded below and to the right when a batch is
made of them (and the padding masked, see nn/masks.py): one bucket of all is cut in two, by height or by width, where
that saves most padding; then again the bucket with the most padding; and so on

- until padding is no more than PADDING of all pixels, or there are MOST buckets,
- never into parts of fewer images than a batch,
- but without heed of either as long as padding is more than WORST of a bucket's pixels: a few huge images must not blow
  up every batch they are in.

What comes out depends on the sizes, how many images there are of each, and the batch size alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from smallvision.data.datasets.source import Rows
from smallvision.data.load import ImageSet

FEW = 8
MOST = 64
PADDING = 1 / 8
WORST = 1 / 2


def assign(images: ImageSet, batch_size: int) -> Tensor | None:
    """The bucket of every image: int64 (N,), on the CPU, where batches are put together; None when all have one size."""
    if len(images.groups) == 1:
        return None
    counts = [len(group) for group in images.groups]
    return torch.from_numpy(np.repeat(buckets(images.sizes, counts, batch_size), counts))


def buckets(sizes: Sequence[tuple[int, int]], counts: Sequence[int], batch_size: int) -> Rows:
    """The bucket of every size, numbered from 0 in the order in which the sizes first need them.

    Parameters
    ----------
    sizes : (H, W) each, all different.
    counts : images of each size.
    batch_size : images in a batch.

    Returns
    -------
    ndarray : int64, one per size.
    """
    if len(sizes) <= FEW or sum(counts) >= len(sizes) * batch_size:
        return np.arange(len(sizes))
    parts = [_Part(np.asarray(sizes, np.int64), np.asarray(counts, np.int64), np.arange(len(sizes)))]
    pixels = parts[0].own
    whole: list[_Part] = []  # cannot or need not be cut
    while parts:
        part = max(parts, key=lambda part: part.padding)  # of equals the first
        parts.remove(part)
        free = part.padding > WORST * part.padded
        padding = part.padding + sum(one.padding for one in (*parts, *whole))
        enough = padding <= PADDING * (pixels + padding) or len(parts) + len(whole) + 1 >= MOST
        two = None if enough and not free else part.cut(1 if free else batch_size)
        if two:
            parts += two
        else:
            whole.append(part)
    out = np.empty(len(sizes), np.int64)
    for number, part in enumerate(sorted(whole, key=lambda part: int(part.which[0]))):
        out[part.which] = number
    return out


@dataclass(frozen=True, eq=False)
class _Part:
    """Sizes (n, 2) of one bucket, counts (n,) of their images, and which sizes these are, ascending (n,)."""

    sizes: Rows
    counts: Rows
    which: Rows

    @property
    def own(self) -> int:
        """Pixels of the images themselves."""
        return int((self.sizes.prod(1) * self.counts).sum())

    @property
    def padded(self) -> int:
        """Pixels when every image is padded to the largest height and width."""
        return int(self.sizes.max(0).prod() * self.counts.sum())

    @property
    def padding(self) -> int:
        return self.padded - self.own

    def cut(self, least: int) -> "tuple[_Part, _Part] | None":
        """In two with at least so many images each, where most padding is saved; None where none can be."""
        best: tuple[int, Rows, int] | None = None
        for axis in (0, 1):
            order = np.argsort(self.sizes[:, axis], kind="stable")
            sizes, counts = self.sizes[order], self.counts[order]
            up, down = np.maximum.accumulate(sizes), np.maximum.accumulate(sizes[::-1])[::-1]
            before = counts.cumsum()[:-1]
            after = counts.sum() - before
            padded = up[:-1].prod(1) * before + down[1:].prod(1) * after
            allowed = (sizes[:-1, axis] < sizes[1:, axis]) & (before >= least) & (after >= least)
            if allowed.any():
                place = int(np.where(allowed, padded, np.iinfo(np.int64).max).argmin())
                if padded[place] < self.padded and (best is None or padded[place] < best[0]):
                    best = (int(padded[place]), order, place + 1)
        if best is None:
            return None
        _, order, place = best
        first, second = np.sort(order[:place]), np.sort(order[place:])
        return self._only(first), self._only(second)

    def _only(self, some: Rows) -> "_Part":
        return _Part(self.sizes[some], self.counts[some], self.which[some])


def padding(images: ImageSet, parts: Tensor) -> float:
    """The share of pixels that is padding when every image is padded to the largest of its bucket: an upper bound."""
    of_size = parts[np.cumsum([0, *map(len, images.groups)])[:-1]].numpy()
    sizes, counts = np.asarray(images.sizes, np.int64), np.asarray([len(group) for group in images.groups])
    made = [_Part(sizes[of_size == b], counts[of_size == b], np.flatnonzero(of_size == b)) for b in np.unique(of_size)]
    return sum(part.padding for part in made) / sum(part.padded for part in made)


def note(images: ImageSet, batch_size: int) -> tuple[str, ...]:
    """What a person should know about training on images of several sizes; nothing when they have one."""
    parts = assign(images, batch_size)
    if parts is None:
        return ()
    areas = [height * width for height, width in images.sizes]
    small, large = (f"{h}x{w}" for h, w in (images.sizes[areas.index(pick(areas))] for pick in (min, max)))
    number = int(parts.max()) + 1
    if number == len(images.groups):
        return (f"{images.name}: images of {number} sizes, {small} to {large}; every batch has one size",)
    share = padding(images, parts)
    return (
        f"{images.name}: images of {len(images.groups):,} sizes, {small} to {large}, in {number} buckets; at most "
        f"{100 * share:.1f} % of a batch's pixels are padding on average, and masked",
    )


def rehearsals(images: ImageSet, batch_size: int, drop_last: bool) -> list[tuple[Tensor, int]]:
    """Batches to try before training begins, so that what cannot be trained is found out; at most three.

    They are the first two images of the smallest size; one alone, where a bucket's last batch is of one; and two of
    different sizes, where there is padding.

    Returns
    -------
    list of (rows, images in the batch that they stand for): rows int64, at most two images.
    """
    parts = assign(images, batch_size)
    counts = torch.tensor([len(images)]) if parts is None else torch.bincount(parts)
    rests = [int(n) % batch_size for n in counts]
    least = [rest if rest and not drop_last else min(batch_size, int(n)) for rest, n in zip(rests, counts, strict=True)]
    device = images.labels.device
    if parts is None:
        return [(torch.arange(min(least[0], 2), device=device), least[0])]
    starts = np.cumsum([0, *map(len, images.groups)])[:-1]
    bucket = parts[starts].tolist()  # of every size
    by_side = min(range(len(bucket)), key=lambda g: (min(images.sizes[g]), max(images.sizes[g])))
    count = least[bucket[by_side]]
    tried = [(torch.arange(min(count, 2, len(images.groups[by_side]))) + int(starts[by_side]), count)]
    alone = [g for g in range(len(bucket)) if least[bucket[g]] == 1]
    if alone:
        smallest = min(alone, key=lambda g: images.sizes[g][0] * images.sizes[g][1])
        tried.append((torch.tensor([int(starts[smallest])]), 1))
    for b in range(int(parts.max()) + 1):
        inside = [g for g in range(len(bucket)) if bucket[g] == b]
        if len(inside) > 1 and least[b] > 1:
            areas = sorted(inside, key=lambda g: images.sizes[g][0] * images.sizes[g][1])
            tried.append((torch.tensor([int(starts[areas[0]]), int(starts[areas[-1]])]), least[b]))
            break
    return tried
