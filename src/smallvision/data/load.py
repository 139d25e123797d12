"""From a data spec to images in memory: the one way through which every run gets its data."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from smallvision.data import memory, split
from smallvision.data.datasets import DATASETS, check_source
from smallvision.data.datasets.arrays import from_mapping
from smallvision.data.expand import expand, kinds
from smallvision.data.ids import content_ids, ids_of
from smallvision.data.imageset import ImageSet, Splits
from smallvision.data.source import Raw, RawSplit, Rows, by_shape, read, size_bytes
from smallvision.data.statistics import statistics
from smallvision.errors import BadInput, shown
from smallvision.experiment.data import DataSpec

_LISTED = 100  # classes in a note


def load(spec: DataSpec, root: Path | None = None, device: str | torch.device = "cpu") -> Splits:
    """Images as a spec describes them, uint8, on the device.

    Parameters
    ----------
    spec : the data of an experiment. ``augment`` is not applied here but to each batch.
    root : the folder of the data sets; $SMALLVISION_DATA or the user's cache folder if None.
    device : where pixels, labels and ids are put, once.

    Raises
    ------
    BadInput : an unknown source, a file that is missing or damaged, an unknown class, a class without images, more data
        than memory.
    """
    check_source(spec)
    dataset = DATASETS[spec.source]
    if dataset.shape is not None and spec.stated_range is not None:  # arrays may take the place of this source
        raise BadInput(
            f"data.{'range' if spec.white is None else 'white'}: this key is for images of your own (folder, npz, "
            f'arrays), not for "{spec.source}"; leave it out'
        )
    return prepare(dataset.read(dataset, spec, root), spec, device)


def class_count(spec: DataSpec, root: Path | None = None) -> int:
    """How many classes of training images there are, as far as that is known before images are listed; else 0.

    Parameters
    ----------
    spec, root : as for `load`.

    Raises
    ------
    BadInput : as `load`, for a source that is unknown or not there.
    """
    check_source(spec)
    if spec.classes is not None:
        return len(spec.classes)
    count = DATASETS[spec.source].class_count
    return 0 if count is None else count(spec, root) - len(spec.unseen_classes)


def from_arrays(spec: DataSpec, arrays: Mapping[str, Any], device: str | torch.device = "cpu") -> Splits:
    """Splits from arrays in memory, under the same options and checks as from files.

    Parameters
    ----------
    spec : its source is "arrays".
    arrays : x_train and y_train, and optionally x_val, y_val, x_test, y_test and classes. Images are (N, H, W),
        (N, H, W, C) or (N, C, H, W), of numbers as `datasets.array_ranges.pixel_ranges` takes them; labels are integers
        (N,). They are copied.
    device : where pixels, labels and ids are put, once.

    Raises
    ------
    BadInput : a name, shape, type or label that does not fit; otherwise as `load`.
    """
    return prepare(from_mapping(arrays, spec), spec, device)


def prepare(raw: Raw, spec: DataSpec, device: str | torch.device = "cpu") -> Splits:
    """Splits from a source whose pixels are not read yet: choose by label, check the memory, read, expand, measure.

    The training images are chosen in this order: the subset of classes, then the validation images are split off, then
    the limit applies to the rest. The test split has the images of the subset of classes.

    Parameters
    ----------
    raw : the source.
    spec : the data of an experiment.
    device : where pixels, labels and ids are put, once.

    Raises
    ------
    BadInput : as `load`.
    """
    unseen = _unseen(raw, spec)
    raw, notes = _subset(raw, spec)
    rows = np.flatnonzero(raw.train.labels >= 0)
    counts = np.bincount(raw.train.labels[rows], minlength=len(raw.classes))
    split.refuse_empty(counts, raw.classes, f"{raw.name}: has")
    validation: Rows | None = None
    if spec.validation:
        if raw.validation is not None:
            raise BadInput(f"data.validation: {raw.name} has a validation split of its own; set data.validation = 0")
        rows, validation = split.split_off(raw.train.labels, rows, spec.validation, raw.classes, spec.seed)
    rows, limited = split.keep(raw.train.labels, rows, spec.limit, spec.limit_per_class, raw.classes, spec.seed)

    copies = 1 + len(kinds(spec.expand)) if spec.expand else 1
    needed = size_bytes(raw.train, rows) * copies + (size_bytes(raw.train, validation) if validation is not None else 0)
    for part in (raw.validation, raw.test, unseen and unseen.test):
        needed += size_bytes(part, np.flatnonzero(part.labels >= 0)) if part else 0
    memory.require(needed, raw.name, "set a smaller data.limit" + (" or data.size" if spec.source == "folder" else ""))

    parts = [("train", rows)] + ([("validation", validation)] if validation is not None else [])
    sets = _read(raw, raw.train, parts)
    for name, part in (("validation", raw.validation), ("test", raw.test)):
        if part is not None:
            sets.update(_read(raw, part, [(name, np.flatnonzero(part.labels >= 0))]))
    if unseen is not None and unseen.test is not None:
        sets.update(_read(unseen, unseen.test, [("unseen", np.flatnonzero(unseen.test.labels >= 0))]))
    if spec.expand:
        sets["train"] = expand(sets["train"], spec.expand, spec.seed)
    told = raw.told()
    mean, std, measured = statistics(spec.normalize, sets["train"].groups)
    on_device = {name: images.to(device) for name, images in sets.items()}
    return Splits(
        train=on_device["train"],
        validation=on_device.get("validation"),
        test=on_device.get("test"),
        mean=mean,
        std=std,
        notes=(*raw.notes, *told.notes, *notes, *limited, *measured),
        unseen=on_device.get("unseen"),
        source=spec.source,
        range=told.range,
    )


def _subset(raw: Raw, spec: DataSpec) -> tuple[Raw, tuple[str, ...]]:
    """The source with labels of the chosen classes only (-1: left out), and a note with the old labels."""
    hidden = split.class_indices(raw.classes, spec.unseen_classes, raw.name, "data.unseen_classes")
    if spec.classes is None and not hidden:
        return raw, ()
    others = tuple(index for index in range(len(raw.classes)) if index not in hidden)
    indices = split.class_indices(raw.classes, spec.classes if spec.classes is not None else others, raw.name)
    pairs = ", ".join(f"{new} is {old} ({shown(raw.classes[old])})" for new, old in enumerate(indices[:_LISTED]))
    pairs += f" and {len(indices) - _LISTED:,} more" if len(indices) > _LISTED else ""
    return _of_classes(raw, indices), (f"{len(indices)} of {len(raw.classes)} classes; label {pairs}",)


def _unseen(raw: Raw, spec: DataSpec) -> Raw | None:
    """The source with labels of the classes that are left out of training; None without any. Raises BadInput."""
    if not spec.unseen_classes:
        return None
    indices = split.class_indices(raw.classes, spec.unseen_classes, raw.name, "data.unseen_classes")
    seen = split.class_indices(raw.classes, spec.classes or (), raw.name)
    both = [raw.classes[index] for index in indices if index in seen]
    if both:
        raise BadInput(f'data.unseen_classes: "{both[0]}" is in data.classes as well; remove it from one of the two')
    if len(raw.classes) - len(indices) < 2:
        raise BadInput(
            f"data.unseen_classes: only {len(raw.classes) - len(indices)} of {len(raw.classes)} classes would be "
            "left to train on; leave at least two"
        )
    unseen = _of_classes(raw, indices)
    if unseen.test is None:
        raise BadInput(
            f"data.unseen_classes: {raw.name} has no test split, and unseen classes are scored on test images; leave "
            "this key out"
        )
    return unseen


def _of_classes(raw: Raw, indices: list[int]) -> Raw:
    """The source with labels of these classes only, in this order; -1 for images of other classes."""

    def chosen(part: RawSplit | None) -> RawSplit | None:
        return part and replace(part, labels=split.remap(part.labels, indices, len(raw.classes)))

    train = chosen(raw.train)
    assert train is not None
    classes = tuple(raw.classes[index] for index in indices)
    return replace(raw, classes=classes, train=train, validation=chosen(raw.validation), test=chosen(raw.test))


def _read(raw: Raw, part: RawSplit, wanted: list[tuple[str, Rows]]) -> dict[str, ImageSet]:
    """Named image sets from one split of a source, each with the rows that it takes; the split is read once."""
    grouped = [by_shape(part, rows) for _, rows in wanted]
    images = iter(read(part, [rows for groups in grouped for rows in groups]))
    sets = {}
    for (name, _), groups in zip(wanted, grouped, strict=True):
        of_set = [next(images) for _ in groups]
        pixels = tuple(group.pixels for group in of_set)
        rows = np.concatenate(groups) if groups else np.empty(0, np.int64)
        hashes = [group.hashes for group in of_set if group.hashes is not None]
        ids = ids_of(np.concatenate(hashes)) if hashes else content_ids(pixels)
        sets[name] = ImageSet(pixels, torch.from_numpy(part.labels[rows]), ids, raw.classes, f"{raw.name} {name}")
    return sets
