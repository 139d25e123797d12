"""The published data sets as raw sources: digits, MNIST, Fashion-MNIST, CIFAR-10."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from smallvision.data.datasets import base
from smallvision.data.datasets.source import Block, Raw, RawSplit, Rows, same_shape
from smallvision.data.readers import cifar, idx
from smallvision.data.seeds import mix
from smallvision.data.split import draw, quotas
from smallvision.errors import BadInput
from smallvision.experiment.data import DataSpec

_DIGITS_TEST = 360  # a fifth of 1 797


def read_mnist(spec: DataSpec, root: Path | None) -> Raw:
    """MNIST or Fashion-MNIST, whichever the spec names. Raises BadInput."""
    paths = base.locate(spec.source, root)
    return Raw(
        name=spec.source,
        classes=base.source(spec.source).classes,
        train=_idx(paths["train-images-idx3-ubyte"], paths["train-labels-idx1-ubyte"]),
        test=_idx(paths["t10k-images-idx3-ubyte"], paths["t10k-labels-idx1-ubyte"]),
    )


def _idx(images: Path, labels: Path) -> RawSplit:
    header = idx.read_header(images, dimensions=3)
    (count,) = idx.read_header(labels, dimensions=1).shape
    if count != header.shape[0]:
        raise BadInput(f"{labels}: {count:,} labels for {header.shape[0]:,} images in {images.name}; fetch both again")
    numbers = idx.read_idx(labels, dimensions=1).astype(np.int64)
    if numbers.max() > 9:
        raise BadInput(f"{labels}: label {numbers.max()} is out of range (0 to 9)")
    _, height, width = header.shape
    shapes = same_shape(len(numbers), (1, height, width))
    return RawSplit(numbers, shapes, lambda rows: idx.blocks(images, header, rows))


def read_cifar10(spec: DataSpec, root: Path | None) -> Raw:
    """CIFAR-10 from binary or pickled batches. Raises BadInput."""
    paths = base.locate("cifar10", root)
    return Raw(
        name="cifar10",
        classes=base.source("cifar10").classes,
        train=_batches([paths[name] for name in base.CIFAR_BATCHES[:-1]]),
        test=_batches([paths[base.CIFAR_BATCHES[-1]]]),
    )


def _batches(paths: list[Path]) -> RawSplit:
    """Batches end to end. Labels are read now, pixels later, a file at a time."""
    binary = paths[0].suffix == ".bin"
    labels = [cifar.binary_labels(path) if binary else cifar.read_cifar_pickle(path)[1] for path in paths]
    starts = np.cumsum([0, *map(len, labels)])

    def blocks(rows: Rows) -> Iterator[Block]:
        for path, start, end in zip(paths, starts, starts[1:], strict=False):
            inside = rows[np.searchsorted(rows, start) : np.searchsorted(rows, end)] - start
            if len(inside):
                for some, pixels in (cifar.binary_blocks if binary else cifar.pickle_blocks)(path, inside):
                    yield some + start, pixels

    every = np.concatenate(labels)
    return RawSplit(every, same_shape(len(every), cifar.SHAPE), blocks)


def read_digits(spec: DataSpec, root: Path | None) -> Raw:
    """scikit-learn's digits: values 0 to 16 become 0 to 255. It has no test split, so a fixed fifth is made one."""
    from sklearn.datasets import load_digits

    content = load_digits()
    labels = content.target.astype(np.int64)
    values = content.images.astype(np.int64)  # (1797, 8, 8), 0..16
    pixels = ((values * 255 + 8) // 16).astype(np.uint8)[:, None]
    everything = np.arange(len(labels))
    test = draw(labels, everything, quotas(np.bincount(labels), _DIGITS_TEST), mix(0))
    train = np.setdiff1d(everything, test)

    def split(rows: Rows) -> RawSplit:
        images = pixels[rows]
        return RawSplit(labels[rows], same_shape(len(rows), (1, 8, 8)), lambda some: iter([(some, images[some])]))

    note = f"digits has no test split of its own; the same {_DIGITS_TEST} of {len(labels):,} images are always it"
    return Raw("digits", base.source("digits").classes, split(train), test=split(test), notes=(note,))
