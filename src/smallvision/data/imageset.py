"""Images in memory: one split (`ImageSet`), the splits of a run (`Splits`), and how to find single images by id."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smallvision.data.ids import Id
from smallvision.data.source import PixelRange
from smallvision.errors import BadInput


@dataclass(frozen=True, eq=False)
class ImageSet:
    """One split: uint8 images, their labels and identities.

    Parameters
    ----------
    groups : uint8 (n_g, C, H_g, W_g), one tensor per image size.
    labels : int64 (N,), 0..K-1, in the concatenated order of the groups.
    ids : int64 (N, 2): the hash of the image's content, and how many equal images of the split come before it. Two runs
        are paired image by image through them. The content of a resized image is the image before it was resized.
    classes : K names, the same for all splits.
    name : the name shown to people, such as "mnist test".
    """

    groups: tuple[Tensor, ...]
    labels: Tensor
    ids: Tensor
    classes: tuple[str, ...]
    name: str

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def pixels(self) -> Tensor:
        """All images as uint8 (N, C, H, W). Raises BadInput when the images have several sizes."""
        if len(self.groups) != 1:
            sizes = ", ".join(f"{group.shape[2]}x{group.shape[3]}" for group in self.groups[:4])
            more = ", ..." if len(self.groups) > 4 else ""
            raise BadInput(
                f"{self.name}: its images have {len(self.groups)} different sizes ({sizes}{more}); set data.size = "
                "[height, width] to resize them to one"
            )
        return self.groups[0]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image. Raises BadInput when the images have several sizes."""
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(H, W) of each group, in the order of the groups."""
        return tuple((group.shape[2], group.shape[3]) for group in self.groups)

    @property
    def largest(self) -> tuple[int, int, int]:
        """(C, H, W) of the size with the most pixels; a network that accepts all sizes is built and counted for it."""
        _, channels, height, width = max((group.shape for group in self.groups), key=lambda shape: shape[2] * shape[3])
        return channels, height, width

    def take(self, rows: Tensor) -> "ImageSet":
        """The images of these rows, in the order given; images of several sizes come group by group, in that order."""
        starts = [0]
        for group in self.groups:
            starts.append(starts[-1] + len(group))
        rows = rows.to(self.labels.device)
        inside = [rows[(rows >= start) & (rows < end)] for start, end in pairwise(starts)]
        groups = tuple(
            group[chosen - start]
            for group, chosen, start in zip(self.groups, inside, starts, strict=False)
            if len(chosen)
        )
        order = torch.cat(inside)
        return replace(self, groups=groups, labels=self.labels[order], ids=self.ids[order])

    def to(self, device: str | torch.device) -> "ImageSet":
        """The same images, with pixels, labels and ids on a device."""
        groups = tuple(group.to(device) for group in self.groups)
        return replace(self, groups=groups, labels=self.labels.to(device), ids=self.ids.to(device))


@dataclass(frozen=True, eq=False)
class Splits:
    """The data of a run.

    Parameters
    ----------
    train, validation, test : the splits; None where the data has no such split.
    mean, std : per channel, for pixels in [0, 1]; the first layer subtracts the mean and divides by the std.
    notes : sentences about the data that are shown to people.
    unseen : test images of classes that no other split has, with its own `classes`.
    source : `DataSpec.source`. A name alone does not tell: somebody's own folder may also be called "mnist".
    range : which numbers of the original images became black and white; None where they were 0 to 255.
    """

    train: ImageSet
    validation: ImageSet | None
    test: ImageSet | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    notes: tuple[str, ...]
    unseen: ImageSet | None = None
    source: str = ""
    range: PixelRange | None = None

    def to(self, device: str | torch.device) -> "Splits":
        """The same splits with their images on a device."""
        moved: dict[str, Any] = {name: split.to(device) for name, split in self.named().items()}
        return replace(self, **moved)

    def named(self) -> dict[str, ImageSet]:
        """The splits that are not None, by name: train, validation, test, unseen."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test, "unseen": self.unseen}
        return {name: split for name, split in splits.items() if split is not None}


def by_id(images: ImageSet, ids: Iterable[Id]) -> dict[Id, np.ndarray]:
    """The pixels of the images with these ids.

    Parameters
    ----------
    images : where the ids are looked up.
    ids : (content hash, occurrence) of each image, as in a row of `images.ids`.

    Returns
    -------
    dict : id -> uint8 (C, H, W). An id that `images` does not have is left out.
    """
    rows = {(content, occurrence): row for row, (content, occurrence) in enumerate(images.ids.tolist())}
    pixels: dict[Id, np.ndarray] = {}
    for wanted in ids:
        if wanted in rows:
            image = images.take(torch.tensor([rows[wanted]]))
            pixels[wanted] = image.pixels[0].cpu().numpy()
    return pixels
