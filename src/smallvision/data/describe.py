"""Description of a data set: sizes, class counts, pixel statistics, duplicates; and a grid of its first images."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from smallvision.data.copies import TrainingImages, equal, hashes_of
from smallvision.data.datasets import DATASETS
from smallvision.data.imageset import ImageSet, Splits
from smallvision.data.statistics import histogram, moments
from smallvision.storage.reading import require_regular

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def describe(splits: Splits) -> dict[str, Any]:
    """A data set in numbers, ready for JSON or a table.

    Parameters
    ----------
    splits : the data set, as loaded.

    Returns
    -------
    dict : ``name``; ``shapes`` [[C, H, W]] of the training images; ``classes``; ``splits`` {split: {count,
        class_counts {class: count}}}; over the training pixels in [0, 1], per channel, ``mean``, ``std`` (over n),
        ``std_sample`` (over n - 1), ``min``, ``max``; ``duplicates`` {train, test, train_test}: images equal to an
        earlier one of the same split, and test images equal to a training image, compared pixel by pixel;
        ``license``, ``homepage`` (None where not known), ``notes``.
    """
    train = splits.train
    name = train.name.rpartition(" ")[0]
    known = DATASETS.get(splits.source)
    present = splits.named()
    counts = histogram(train.groups)
    mean, std = moments(counts)
    _, std_sample = moments(counts, ddof=1)
    values = [np.flatnonzero(channel) for channel in counts]
    duplicates = {split: inside(images) for split, images in present.items() if split != "validation"}
    if splits.test is not None:
        duplicates["train_test"] = between(train, splits.test)
    return {
        "name": name,
        "shapes": [list(group.shape[1:]) for group in train.groups],
        "classes": list(train.classes),
        "splits": {split: _counts(images) for split, images in present.items()},
        "mean": list(mean),
        "std": list(std),
        "std_sample": list(std_sample),
        "min": [int(value[0]) / 255 for value in values],
        "max": [int(value[-1]) / 255 for value in values],
        "duplicates": duplicates,
        "license": known.license if known else None,
        "homepage": known.homepage if known else None,
        "notes": list(splits.notes),
    }


def _counts(images: ImageSet) -> dict[str, Any]:
    counts = torch.bincount(images.labels, minlength=len(images.classes)).tolist()
    return {"count": len(images), "class_counts": dict(zip(images.classes, counts, strict=True))}


def inside(images: ImageSet) -> int:
    """How many images equal an earlier one of the same set."""
    _, first, own = np.unique(hashes_of(images), return_index=True, return_inverse=True)
    earliest = first[own]
    repeats = np.flatnonzero(earliest < np.arange(len(images)))
    return int(equal(images, repeats, images, earliest[repeats]).sum())


def between(train: ImageSet, test: ImageSet) -> int:
    """How many test images equal some training image."""
    return TrainingImages(train).copies(test).count


def image(images: ImageSet, row: int) -> Tensor:
    """The pixels of one row, uint8 (C, H, W); the images may have several sizes. Raises IndexError."""
    for group in images.groups:
        if row < len(group):
            return group[row]
        row -= len(group)
    raise IndexError("there is no such row")


def grid(images: ImageSet, n: int = 20, columns: int = 10) -> "Figure":
    """A figure of the first `n` images, `columns` in a row, each with its class above it."""
    from matplotlib.figure import Figure

    n = min(n, len(images))
    columns = min(columns, n)
    rows = -(-n // columns)
    figure = Figure(figsize=(1.1 * columns, 1.35 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for place, axis in enumerate(axes.flat):
        axis.set_axis_off()
        if place < n:
            pixels = image(images, place).permute(1, 2, 0).cpu().numpy()  # (H, W, C)
            gray = pixels.shape[2] == 1
            axis.imshow(pixels[:, :, 0] if gray else pixels, cmap="gray" if gray else None, vmin=0, vmax=255)
            name = images.classes[int(images.labels[place])]
            axis.set_title(name, fontsize=8, parse_math=False, usetex=False)
    title = f"{images.name}: the first {n} of {len(images):,} images"
    figure.suptitle(title, fontsize=9, parse_math=False, usetex=False)
    return figure


def is_grid(path: Path) -> bool:
    """Whether a file is a picture that smallvision wrote, so that a newer one may replace it."""
    from PIL import Image

    try:
        require_regular(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's warning about size
            with Image.open(path, formats=("PNG",)) as picture:
                return picture.info.get("Software") == "smallvision"
    except Exception:  # Pillow raises almost any exception on damaged files, and on huge ones one of its own
        return False
