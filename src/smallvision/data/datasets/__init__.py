"""The data sets. A new one is one file here, with its `Dataset`, and one line in DATASETS.

Importing this package does not import torch.
"""

from smallvision.data.datasets.arrays import ARRAYS
from smallvision.data.datasets.base import Dataset
from smallvision.data.datasets.cifar10 import CIFAR10
from smallvision.data.datasets.digits import DIGITS
from smallvision.data.datasets.folder import FOLDER
from smallvision.data.datasets.mnist import FASHION_MNIST, MNIST
from smallvision.data.datasets.npz import NPZ
from smallvision.errors import BadInput, nearest
from smallvision.experiment.data import DataSpec, refuse_unknown_source

DATASETS: dict[str, Dataset] = {
    "digits": DIGITS,
    "mnist": MNIST,
    "fashion-mnist": FASHION_MNIST,
    "cifar10": CIFAR10,
    "folder": FOLDER,
    "npz": NPZ,
    "arrays": ARRAYS,
}


def check_source(spec: DataSpec) -> None:
    """Raise BadInput, naming the nearest known name, when `data.source` is not a key of DATASETS."""
    refuse_unknown_source(spec.source, DATASETS)


def published() -> dict[str, Dataset]:
    """The entries whose images are known beforehand, by name; the others are formats for people's own images."""
    return {name: dataset for name, dataset in DATASETS.items() if dataset.shape is not None}


def lookup(name: str) -> Dataset:
    """The published data set of this name. Raises BadInput, naming the nearest known name."""
    known = published()
    if name not in known:
        raise BadInput(f'no data set named "{name}"; {nearest(name, known)}')
    return known[name]
