"""Images in memory as the rest of smallvision sees them, and the one way to get there from a spec."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smallvision.data import memory, split
from smallvision.data.datasets import check_source
from smallvision.data.datasets.arrays import from_mapping
from smallvision.data.datasets.folder import read_folder
from smallvision.data.datasets.npz import read_npz
from smallvision.data.datasets.published import read_cifar10, read_digits, read_mnist
from smallvision.data.datasets.source import Raw, RawSplit, Rows, by_shape, read, size_bytes
from smallvision.data.ids import content_ids, ids_of
from smallvision.data.statistics import statistics
from smallvision.errors import BadInput
from smallvision.experiment.data import DataSpec


@dataclass(frozen=True, eq=False)
class ImageSet:
    """One split: uint8 images, their labels and identities.

    Parameters
    ----------
    groups : uint8 (n_g, C, H_g, W_g), one per image size.
    labels : int64 (N,), 0..K-1, in the groups' concatenated order.
    ids : int64 (N, 2): content hash, and how many equal images of the split came before; pairs two runs image by image.
        Of images that were resized, the content is that before it.
    classes : K names, the same for all splits.
    name : for people, "mnist test".
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
        """uint8 (N, C, H, W). Raises BadInput when the images have several sizes."""
        if len(self.groups) != 1:
            sizes = ", ".join(f"{group.shape[2]}x{group.shape[3]}" for group in self.groups[:4])
            more = ", ..." if len(self.groups) > 4 else ""
            raise BadInput(
                f"{self.name}: its images have {len(self.groups)} sizes ({sizes}{more}); "
                f"give data.size = [height, width] to resize them to one"
            )
        return self.groups[0]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image. Raises BadInput when there are several sizes."""
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(H, W) of each group, in their order."""
        return tuple((group.shape[2], group.shape[3]) for group in self.groups)

    @property
    def largest(self) -> tuple[int, int, int]:
        """(C, H, W) of the size of most pixels: what a network for all sizes is built and counted for."""
        _, channels, height, width = max((group.shape for group in self.groups), key=lambda shape: shape[2] * shape[3])
        return channels, height, width

    def take(self, rows: Tensor) -> "ImageSet":
        """The images of these rows, in this order; with several sizes group by group, in this order within each."""
        starts = [0]
        for group in self.groups:
            starts.append(starts[-1] + len(group))
        rows = rows.to(self.labels.device)
        inside = [rows[(rows >= start) & (rows < end)] for start, end in pairwise(starts)]
        groups = tuple(
            group[some - start] for group, some, start in zip(self.groups, inside, starts, strict=False) if len(some)
        )
        order = torch.cat(inside)
        return replace(self, groups=groups, labels=self.labels[order], ids=self.ids[order])

    def to(self, device: str | torch.device) -> "ImageSet":
        """The same images on a device."""
        groups = tuple(group.to(device) for group in self.groups)
        return replace(self, groups=groups, labels=self.labels.to(device), ids=self.ids.to(device))


@dataclass(frozen=True, eq=False)
class Splits:
    """What a run works on: its splits, what the first layer subtracts and divides by, and what a person should know."""

    train: ImageSet
    validation: ImageSet | None
    test: ImageSet | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    notes: tuple[str, ...]
    unseen: ImageSet | None = None  # test images of classes that no other split has; `classes` are theirs
    source: str = ""  # of the spec; a person's own folder may be called "mnist" too

    def to(self, device: str | torch.device) -> "Splits":
        """The same splits with their images on a device."""
        return replace(self, **{name: split.to(device) for name, split in self.named().items()})  # type: ignore[arg-type]

    def named(self) -> dict[str, ImageSet]:
        """The splits that there are, by name: train, validation, test, unseen."""
        every = {"train": self.train, "validation": self.validation, "test": self.test, "unseen": self.unseen}
        return {name: split for name, split in every.items() if split is not None}


READ: dict[str, Callable[[DataSpec, Path | None], Raw]] = {
    "digits": read_digits,
    "mnist": read_mnist,
    "fashion-mnist": read_mnist,
    "cifar10": read_cifar10,
    "folder": read_folder,
    "npz": read_npz,
}


def load(spec: DataSpec, root: Path | None = None, device: str | torch.device = "cpu") -> Splits:
    """Images as a spec describes them, uint8, on the device.

    Parameters
    ----------
    spec : what is asked; ``augment`` is left to the batches.
    root : folder of the data sets; $SMALLVISION_DATA or the user's cache folder if None.
    device : where pixels, labels and ids go, once.

    Raises
    ------
    BadInput : a file that is missing or damaged, an unknown class, a class without images, more data than memory.
    """
    check_source(spec)
    if spec.source not in READ:
        raise BadInput(f'data.source "{spec.source}" has no files to load; pass the arrays themselves in Python')
    return prepare(READ[spec.source](spec, root), spec, device)


def from_arrays(spec: DataSpec, arrays: Mapping[str, Any], device: str | torch.device = "cpu") -> Splits:
    """Splits from arrays in memory, under the same options and checks as from files.

    Parameters
    ----------
    spec : with source "arrays".
    arrays : x_train, y_train, and x_val, y_val, x_test, y_test, classes where there are. Images are uint8 (N, H, W),
        (N, H, W, C) or (N, C, H, W); labels integers (N,). They are copied.

    Raises
    ------
    BadInput : a name, shape, type or label that does not fit; otherwise as `load`.
    """
    return prepare(from_mapping(arrays), spec, device)


def prepare(raw: Raw, spec: DataSpec, device: str | torch.device = "cpu") -> Splits:
    """Splits from a source whose pixels are not read yet: choose by label, check the memory, read, expand, measure.

    The order is: class subset, validation split off, limit on what is left for training. Tests see the subset only.

    Raises
    ------
    BadInput : as `load`.
    """
    from smallvision.data.expand import expand, kinds

    unseen = _unseen(raw, spec)
    raw, notes = _subset(raw, spec)
    rows = np.flatnonzero(raw.train.labels >= 0)
    counts = np.bincount(raw.train.labels[rows], minlength=len(raw.classes))
    split.refuse_empty(counts, raw.classes, f"{raw.name}: has")
    validation: Rows | None = None
    if spec.validation:
        if raw.validation is not None:
            raise BadInput(f"data.validation: {raw.name} brings its own validation split; set it to 0")
        rows, validation = split.split_off(raw.train.labels, rows, spec.validation, raw.classes, spec.seed)
    rows, limited = split.keep(raw.train.labels, rows, spec.limit, spec.limit_per_class, raw.classes, spec.seed)

    copies = 1 + len(kinds(spec.expand)) if spec.expand else 1
    needed = size_bytes(raw.train, rows) * copies + (size_bytes(raw.train, validation) if validation is not None else 0)
    for part in (raw.validation, raw.test, unseen and unseen.test):
        needed += size_bytes(part, np.flatnonzero(part.labels >= 0)) if part else 0
    memory.require(needed, raw.name, "give a smaller data.limit" + (" or data.size" if spec.source == "folder" else ""))

    parts = [("train", rows)] + ([("validation", validation)] if validation is not None else [])
    sets = _read(raw, raw.train, parts)
    for name, part in (("validation", raw.validation), ("test", raw.test)):
        if part is not None:
            sets.update(_read(raw, part, [(name, np.flatnonzero(part.labels >= 0))]))
    if unseen is not None and unseen.test is not None:
        sets.update(_read(unseen, unseen.test, [("unseen", np.flatnonzero(unseen.test.labels >= 0))]))
    if spec.expand:
        sets["train"] = expand(sets["train"], spec.expand, spec.seed)
    mean, std, measured = statistics(spec.normalize, sets["train"].groups)
    on_device = {name: images.to(device) for name, images in sets.items()}
    return Splits(
        train=on_device["train"],
        validation=on_device.get("validation"),
        test=on_device.get("test"),
        mean=mean,
        std=std,
        notes=(*raw.notes, *notes, *limited, *measured),
        unseen=on_device.get("unseen"),
        source=spec.source,
    )


def _subset(raw: Raw, spec: DataSpec) -> tuple[Raw, tuple[str, ...]]:
    """The source with labels of the chosen classes only (-1: left out), and a note that remembers the old labels."""
    hidden = split.class_indices(raw.classes, spec.unseen_classes, raw.name, "data.unseen_classes")
    if spec.classes is None and not hidden:
        return raw, ()
    others = tuple(index for index in range(len(raw.classes)) if index not in hidden)
    indices = split.class_indices(raw.classes, spec.classes if spec.classes is not None else others, raw.name)
    pairs = ", ".join(f"{new} is {old} ({raw.classes[old]})" for new, old in enumerate(indices))
    return _of_classes(raw, indices), (f"{len(indices)} of {len(raw.classes)} classes; label {pairs}",)


def _unseen(raw: Raw, spec: DataSpec) -> Raw | None:
    """The source with labels of the classes that training never sees, None where there are none. Raises BadInput."""
    if not spec.unseen_classes:
        return None
    indices = split.class_indices(raw.classes, spec.unseen_classes, raw.name, "data.unseen_classes")
    seen = split.class_indices(raw.classes, spec.classes or (), raw.name)
    both = [raw.classes[index] for index in indices if index in seen]
    if both:
        raise BadInput(f'data.unseen_classes: "{both[0]}" is among data.classes, too; a class is either seen or not')
    if len(raw.classes) - len(indices) < 2:
        raise BadInput(
            f"data.unseen_classes: leaves {len(raw.classes) - len(indices)} of {len(raw.classes)} classes to train on; "
            "leave at least two"
        )
    unseen = _of_classes(raw, indices)
    if unseen.test is None:
        raise BadInput(
            f"data.unseen_classes: {raw.name} has no test split, whose images of these classes would be scored"
        )
    return unseen


def _of_classes(raw: Raw, indices: list[int]) -> Raw:
    """The source with labels of these classes only, in this order; -1 for images of others."""

    def chosen(part: RawSplit | None) -> RawSplit | None:
        return part and replace(part, labels=split.remap(part.labels, indices, len(raw.classes)))

    train = chosen(raw.train)
    assert train is not None
    classes = tuple(raw.classes[index] for index in indices)
    return replace(raw, classes=classes, train=train, validation=chosen(raw.validation), test=chosen(raw.test))


def _read(raw: Raw, part: RawSplit, wanted: list[tuple[str, Rows]]) -> dict[str, ImageSet]:
    """Named image sets out of one part of a source, which is gone through once."""
    grouped = [by_shape(part, rows) for _, rows in wanted]
    tensors = iter(read(part, [rows for groups in grouped for rows in groups]))
    out = {}
    for (name, _), groups in zip(wanted, grouped, strict=True):
        pixels = tuple(next(tensors) for _ in groups)
        rows = np.concatenate(groups) if groups else np.empty(0, np.int64)
        ids = content_ids(pixels) if part.hashes is None else ids_of(part.hashes[rows])
        out[name] = ImageSet(pixels, torch.from_numpy(part.labels[rows]), ids, raw.classes, f"{raw.name} {name}")
    return out
