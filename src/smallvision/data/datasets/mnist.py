"""MNIST and Fashion-MNIST, four IDX files each, raw or gzipped. The checksums are those of torchvision."""

from pathlib import Path

import numpy as np

from smallvision.data.datasets.base import Dataset
from smallvision.data.datasets.files import locate
from smallvision.data.readers import idx
from smallvision.data.source import Raw, RawSplit, same_shape
from smallvision.errors import BadInput, counted
from smallvision.experiment.data import DataSpec

IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def read(dataset: Dataset, spec: DataSpec, root: Path | None) -> Raw:
    """MNIST or Fashion-MNIST. Raises BadInput for files that are missing or damaged."""
    paths = locate(dataset, root)
    train_images, train_labels, test_images, test_labels = (paths[name] for name in IDX_FILES)
    return Raw(
        name=dataset.name,
        classes=dataset.classes,
        train=_split(train_images, train_labels),
        test=_split(test_images, test_labels),
    )


def _split(images: Path, labels: Path) -> RawSplit:
    header = idx.read_header(images, dimensions=3)
    (count,) = idx.read_header(labels, dimensions=1).shape
    if count != header.shape[0]:
        raise BadInput(
            f"{labels}: {counted(count, 'label')} for {counted(header.shape[0], 'image')} in {images.name}; delete "
            f"both files and "
            "download them again"
        )
    numbers = idx.read_idx(labels, dimensions=1).astype(np.int64)
    if numbers.max() > 9:
        raise BadInput(f"{labels}: label {numbers.max()} is out of range (0 to 9)")
    _, height, width = header.shape
    shapes = same_shape(len(numbers), (1, height, width))
    return RawSplit(numbers, shapes, lambda rows: idx.blocks(images, header, rows))


MNIST = Dataset(
    name="mnist",
    about="70 000 handwritten digits, 28x28 gray",
    read=read,
    classes=tuple(str(digit) for digit in range(10)),
    shape=(1, 28, 28),
    license="CC BY-SA 3.0 (Yann LeCun, Corinna Cortes, Christopher Burges)",
    homepage="http://yann.lecun.com/exdb/mnist/",
    folders=("MNIST/raw", "MNIST", ""),
    layouts=(IDX_FILES,),
    downloads=(
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ),
    download_folder="MNIST/raw",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    proof="27ae3e4e09519cfbb04c329615203637",
)

FASHION_MNIST = Dataset(
    name="fashion-mnist",
    about="70 000 pieces of clothing, 28x28 gray",
    read=read,
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    shape=(1, 28, 28),
    license="MIT (Zalando SE)",
    homepage="https://github.com/zalandoresearch/fashion-mnist",
    folders=("FashionMNIST/raw", "FashionMNIST", ""),
    layouts=(IDX_FILES,),
    downloads=(
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ),
    download_folder="FashionMNIST/raw",
    mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    proof="0e6aaa120f82bf710e9e10df8dff05af",
)
