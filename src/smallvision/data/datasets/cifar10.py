"""CIFAR-10, from the binary or the Python (pickled) files. The checksum is that of torchvision."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from smallvision.data.datasets.base import Dataset
from smallvision.data.datasets.files import locate
from smallvision.data.readers import cifar
from smallvision.data.source import Block, Raw, RawSplit, Rows, same_shape
from smallvision.experiment.data import DataSpec

TRAIN_BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5")
CIFAR_BATCHES = (*TRAIN_BATCHES, "test_batch")


def read(dataset: Dataset, spec: DataSpec, root: Path | None) -> Raw:
    """CIFAR-10. Raises BadInput for files that are missing or damaged."""
    paths = locate(dataset, root)
    return Raw(
        name=dataset.name,
        classes=dataset.classes,
        train=_split([paths[name] for name in TRAIN_BATCHES]),
        test=_split([paths["test_batch"]]),
    )


def _split(paths: list[Path]) -> RawSplit:
    """Batches end to end. The labels are read now; the pixels are read later, one file at a time."""
    binary = paths[0].suffix == ".bin"
    labels = [cifar.binary_labels(path) if binary else cifar.read_cifar_pickle(path)[1] for path in paths]
    starts = np.cumsum([0, *map(len, labels)])

    def blocks(rows: Rows) -> Iterator[Block]:
        for path, start, end in zip(paths, starts, starts[1:], strict=False):
            inside = rows[np.searchsorted(rows, start) : np.searchsorted(rows, end)] - start
            if len(inside):
                for block in (cifar.binary_blocks if binary else cifar.pickle_blocks)(path, inside):
                    yield Block(block.rows + start, block.pixels)

    all_labels = np.concatenate(labels)
    return RawSplit(all_labels, same_shape(len(all_labels), cifar.SHAPE), blocks)


CIFAR10 = Dataset(
    name="cifar10",
    about="60 000 photographs, 32x32 colour",
    read=read,
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    shape=(3, 32, 32),
    license="none stated; cite Krizhevsky 2009, Learning multiple layers of features from tiny images",
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
    folders=("cifar-10-batches-bin", "cifar-10-batches-py", ""),
    layouts=(tuple(f"{name}.bin" for name in CIFAR_BATCHES), CIFAR_BATCHES),
    downloads=(("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"),),
    download_folder="cifar-10-batches-py",
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
)
