"""Identities of images, the same in every run and order: a hash of the content, and a count among equal images.

torch is imported only by the functions that return tensors.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from smallvision.data.source import Pixels, Rows

if TYPE_CHECKING:
    from torch import Tensor

Id = tuple[int, int]  # content hash, occurrence: a row of `ImageSet.ids`


def content_ids(groups: "Sequence[Tensor]") -> "Tensor":
    """Identities of the images of one split.

    Parameters
    ----------
    groups : uint8 (n, C, H, W) on the CPU, one per image size.

    Returns
    -------
    Tensor : int64 (N, 2): BLAKE2b (8 bytes) of shape and pixels; and how many equal images come before it.
    """
    return ids_of(
        np.concatenate([content_hashes(group.numpy()) for group in groups]) if groups else np.empty(0, np.int64)
    )


def ids_of(hashes: Rows) -> "Tensor":
    """Identities int64 (N, 2) from content hashes (N,): each hash, and how many equal hashes come before it."""
    import torch

    return torch.from_numpy(np.stack([hashes, occurrences(hashes)], axis=1))


def content_hashes(pixels: Pixels) -> Rows:
    """BLAKE2b with an 8-byte digest of "C,H,W," and the pixels of each image: (n,) int64, little-endian.

    Parameters
    ----------
    pixels : uint8 (n, C, H, W).
    """
    start = hashlib.blake2b("{},{},{},".format(*pixels.shape[1:]).encode(), digest_size=8)
    digests = bytearray()
    for image in np.ascontiguousarray(pixels).reshape(len(pixels), -1):
        image_hash = start.copy()
        image_hash.update(image.data)
        digests += image_hash.digest()
    return np.frombuffer(digests, dtype="<i8").astype(np.int64)


def occurrences(hashes: Rows) -> Rows:
    """For each value, how many equal values come before it: [7, 9, 7, 7] -> [0, 0, 1, 2]."""
    order = np.argsort(hashes, kind="stable")
    ranks = np.arange(len(hashes))
    ordered = hashes[order]
    first = np.ones(len(hashes), dtype=bool)
    first[1:] = ordered[1:] != ordered[:-1]
    starts = np.maximum.accumulate(np.where(first, ranks, 0))
    out = np.empty(len(hashes), dtype=np.int64)
    out[order] = ranks - starts
    return out
