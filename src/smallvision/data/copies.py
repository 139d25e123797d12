"""Images of a split that are copies of training images: equal in size and in every pixel, as the network gets them.

A score on such images says how well the network remembers, not what it makes of new images. A copy that was cropped,
resampled or compressed again is not found.
"""

from dataclasses import dataclass

import numpy as np
import torch

from smallvision.data.ids import content_hashes
from smallvision.data.imageset import ImageSet
from smallvision.data.source import Rows


@dataclass(frozen=True)
class Copies:
    """Which images of a split are copies of training images.

    Attributes
    ----------
    found : bool (N,), for each image of the split, in its order.
    other_label : how many of them have a label that no training image equal to them has.
    """

    found: np.ndarray
    other_label: int

    @property
    def count(self) -> int:
        """How many images of the split are copies."""
        return int(self.found.sum())


class TrainingImages:
    """The training images of a run, by their content: made once, and asked about each other split.

    Parameters
    ----------
    train : uint8 images of one size or of several, on any device.
    """

    def __init__(self, train: ImageSet) -> None:
        self._train = train
        hashes = hashes_of(train)
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]
        self._labels = train.labels.cpu().numpy()

    def copies(self, images: ImageSet, same_classes: bool = True) -> Copies:
        """Which images of a split are copies of training images.

        Parameters
        ----------
        images : the split.
        same_classes : whether its labels are of the same classes as those of the training images; else every copy has
            another label.
        """
        hashes = hashes_of(images)
        first = np.searchsorted(self._hashes, hashes, "left")
        last = np.searchsorted(self._hashes, hashes, "right")
        found = np.zeros(len(hashes), bool)
        rows = np.flatnonzero(last > first)
        found[rows] = equal(images, rows, self._train, self._order[first[rows]])
        labels, other = images.labels.cpu().numpy(), 0
        for row in np.flatnonzero(found):
            known = self._labels[self._order[first[row] : last[row]]]
            other += not (same_classes and (known == labels[row]).any())
        return Copies(found, int(other))


def hashes_of(images: ImageSet) -> Rows:
    """The content hash of each image as it is in memory, int64 (N,); those of `ids` are of images before resizing."""
    return np.concatenate(
        [np.empty(0, np.int64), *(content_hashes(group.cpu().numpy()) for group in images.groups)], dtype=np.int64
    )


def equal(a: ImageSet, rows_a: Rows, b: ImageSet, rows_b: Rows) -> np.ndarray:
    """Whether pairs of images are equal pixel by pixel, bool (n,); equal hashes of eight bytes do not prove it.

    Parameters
    ----------
    rows_a, rows_b : int64 (n,), a row of `a` and a row of `b` for each pair.
    """
    out = np.zeros(len(rows_a), bool)
    (group_a, place_a), (group_b, place_b) = _places(a, rows_a), _places(b, rows_b)
    for one, other in {*zip(group_a.tolist(), group_b.tolist(), strict=True)}:
        pairs = np.flatnonzero((group_a == one) & (group_b == other))
        if a.groups[one].shape[1:] != b.groups[other].shape[1:]:
            continue
        for some in np.array_split(pairs, -(-len(pairs) // 1024)):
            left = a.groups[one][torch.from_numpy(place_a[some]).to(a.groups[one].device)]
            right = b.groups[other][torch.from_numpy(place_b[some]).to(b.groups[other].device)]
            out[some] = (left.cpu() == right.cpu()).flatten(1).all(1).numpy()
    return out


def _places(images: ImageSet, rows: Rows) -> tuple[Rows, Rows]:
    """The group of each row, and its place there."""
    ends = np.cumsum([len(group) for group in images.groups])
    group = np.searchsorted(ends, rows, "right")
    return group, rows - np.concatenate([[0], ends])[group]
