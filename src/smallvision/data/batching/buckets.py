"""Buckets: which images of several sizes may share a batch.

A bucket is one size, and nothing is padded, if there are at most FEW sizes, or on average a batch of images of each
size. Otherwise a bucket holds several sizes, and its smaller images are padded at the bottom and at the right when a
batch is made of them (the padding is masked, see nn/masks.py). Buckets are made by cutting: one bucket of all sizes is
cut in two, by height or by width, where that saves most padding; then the bucket with the most padding is cut, and so
on

- until padding is at most PADDING of all pixels, or there are MOST buckets,
- never into parts with fewer images than a batch,
- except that both rules are suspended while padding is more than WORST of the pixels of a bucket, because a few huge
  images would otherwise enlarge every batch that they are in.

The buckets depend only on the sizes, on how many images there are of each, and on the batch size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from smallvision.data.imageset import ImageSet
from smallvision.data.source import Rows

FEW = 8  # sizes
MOST = 64  # buckets
PADDING = 1 / 8  # share of all pixels
WORST = 1 / 2  # share of the pixels of a bucket


def assign(images: ImageSet, batch_size: int) -> Tensor | None:
    """The bucket of every image, int64 (N,) on the CPU, where batches are put together; None when all have one size."""
    if len(images.groups) == 1:
        return None
    counts = [len(group) for group in images.groups]
    return torch.from_numpy(np.repeat(buckets(images.sizes, counts, batch_size), counts))


def buckets(sizes: Sequence[tuple[int, int]], counts: Sequence[int], batch_size: int) -> Rows:
    """The bucket of every size; buckets are numbered from 0 in the order of their first sizes.

    Parameters
    ----------
    sizes : (H, W) each, all different.
    counts : number of images of each size.
    batch_size : images in a batch.

    Returns
    -------
    ndarray : int64, one number per size.
    """
    if len(sizes) <= FEW or sum(counts) >= len(sizes) * batch_size:
        return np.arange(len(sizes))
    parts = [_Part(np.asarray(sizes, np.int64), np.asarray(counts, np.int64), np.arange(len(sizes)))]
    pixels = parts[0].own
    whole: list[_Part] = []  # buckets that cannot or need not be cut
    while parts:
        part = max(parts, key=lambda part: part.padding)  # the first one of equals
        parts.remove(part)
        free = part.padding > WORST * part.padded
        padding = part.padding + sum(other.padding for other in (*parts, *whole))
        enough = padding <= PADDING * (pixels + padding) or len(parts) + len(whole) + 1 >= MOST
        halves = None if enough and not free else part.cut(1 if free else batch_size)
        if halves:
            parts += halves
        else:
            whole.append(part)
    out = np.empty(len(sizes), np.int64)
    for number, part in enumerate(sorted(whole, key=lambda part: int(part.which[0]))):
        out[part.which] = number
    return out


@dataclass(frozen=True, eq=False)
class _Part:
    """One bucket: its sizes (n, 2), the number of images of each (n,), and the indices of the sizes, ascending (n,)."""

    sizes: Rows
    counts: Rows
    which: Rows

    @property
    def own(self) -> int:
        """Pixels of the images without padding."""
        return int((self.sizes.prod(1) * self.counts).sum())

    @property
    def padded(self) -> int:
        """Pixels when every image is padded to the largest height and width of the bucket."""
        return int(self.sizes.max(0).prod() * self.counts.sum())

    @property
    def padding(self) -> int:
        """Pixels of padding when every image is padded to the largest height and width of the bucket."""
        return self.padded - self.own

    def cut(self, least: int) -> "tuple[_Part, _Part] | None":
        """Two buckets of at least `least` images each, cut where most padding is saved; None if none can be saved."""
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

    def _only(self, places: Rows) -> "_Part":
        return _Part(self.sizes[places], self.counts[places], self.which[places])


def padding(images: ImageSet, parts: Tensor) -> float:
    """The share of pixels that is padding when every image is padded to the largest of its bucket: an upper bound.

    Parameters
    ----------
    images : images of several sizes.
    parts : int64 (N,), the bucket of every image, as from `assign`.
    """
    of_size = parts[np.cumsum([0, *map(len, images.groups)])[:-1]].numpy()
    sizes, counts = np.asarray(images.sizes, np.int64), np.asarray([len(group) for group in images.groups])
    cut = [_Part(sizes[of_size == b], counts[of_size == b], np.flatnonzero(of_size == b)) for b in np.unique(of_size)]
    return sum(part.padding for part in cut) / sum(part.padded for part in cut)


def note(images: ImageSet, batch_size: int) -> tuple[str, ...]:
    """Notes for people about training on images of several sizes; empty when all images have one size."""
    parts = assign(images, batch_size)
    if parts is None:
        return ()
    areas = [height * width for height, width in images.sizes]
    small, large = (f"{h}x{w}" for h, w in (images.sizes[areas.index(pick(areas))] for pick in (min, max)))
    number = int(parts.max()) + 1
    if number == len(images.groups):
        return (f"{images.name}: images of {number} sizes, {small} to {large}; all images of a batch have one size",)
    share = padding(images, parts)
    return (
        f"{images.name}: images of {len(images.groups):,} sizes, {small} to {large}, in {number} groups of similar "
        f"size; on average at most {100 * share:.1f} % of the pixels of a batch are padding, which is masked",
    )


def rehearsals(images: ImageSet, batch_size: int, drop_last: bool) -> list[tuple[Tensor, int]]:
    """Batches that are tried before training begins, to find data that cannot be trained on; at most three.

    They are the first two images of the narrowest size; a single image, where the last batch of a bucket has one; and
    two images of different sizes, where images are padded.

    Parameters
    ----------
    images : the training images.
    batch_size, drop_last : as in `samplers.shuffled`.

    Returns
    -------
    list of (rows, count) : int64 rows of at most two images, and the number of images in the batch that they stand for.
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
