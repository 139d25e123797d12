"""Which image is which, whatever run or order it appears in: a hash of its content, and a count among equal ones."""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from smallvision.data.datasets.source import Rows


def content_ids(groups: Sequence[Tensor]) -> Tensor:
    """Identities of the images of one split.

    Parameters
    ----------
    groups : uint8 (n, C, H, W) on the CPU, one per image size.

    Returns
    -------
    Tensor : int64 (N, 2): BLAKE2b (8 bytes) of shape and pixels; and how many equal images came before it.
    """
    return ids_of(np.concatenate([content_hashes(group) for group in groups]) if groups else np.empty(0, np.int64))


def ids_of(hashes: Rows) -> Tensor:
    """int64 (N, 2): each hash, and how many equal ones came before it."""
    return torch.from_numpy(np.stack([hashes, occurrences(hashes)], axis=1))


def content_hashes(pixels: Tensor) -> Rows:
    """BLAKE2b with an 8-byte digest of "C,H,W," and the pixels of each image: (n,) int64, little-endian."""
    start = hashlib.blake2b("{},{},{},".format(*pixels.shape[1:]).encode(), digest_size=8)
    digests = bytearray()
    for image in pixels.contiguous().reshape(len(pixels), -1).numpy():
        this = start.copy()
        this.update(image)
        digests += this.digest()
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
