"""Where the public data sets are from, where their files lie on disk, and how what is missing gets there.

Layouts are torchvision's, so that what is already on a disk is used. Checksums are those torchvision publishes.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smallvision.errors import BadInput, nearest
from smallvision.experiment.text import expanded


@dataclass(frozen=True)
class Source:
    """One public data set.

    Parameters
    ----------
    shape : (C, H, W) of every image.
    folders : where its files may lie below the root; downloads go to the first. "" is the root itself.
    layouts : alternative sets of file names, the first complete one is used.
    downloads : name and md5 of each official file to fetch.
    mirrors : base addresses, tried in order.
    proof : md5 of the last file of the layout, unzipped, where other sets name their files alike: files straight in the
        root, where no folder's name tells whose they are, are taken when that one is there and is the right one.
    """

    name: str
    about: str
    classes: tuple[str, ...]
    license: str
    homepage: str
    shape: tuple[int, int, int]
    folders: tuple[str, ...] = ()
    layouts: tuple[tuple[str, ...], ...] = ()
    downloads: tuple[tuple[str, str], ...] = ()
    mirrors: tuple[str, ...] = ()
    proof: str = ""


IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
CIFAR_BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
_LARGEST_PROOF = 1_000_000  # bytes; test labels have 10 008
_DIGITS = tuple(str(digit) for digit in range(10))

SOURCES: dict[str, Source] = {
    "digits": Source(
        name="digits",
        about="1 797 handwritten digits, 8x8 gray, part of scikit-learn: no download",
        classes=_DIGITS,
        license="CC BY 4.0 (UCI Machine Learning Repository)",
        homepage="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
        shape=(1, 8, 8),
    ),
    "mnist": Source(
        name="mnist",
        about="70 000 handwritten digits, 28x28 gray",
        classes=_DIGITS,
        license="CC BY-SA 3.0 (Yann LeCun, Corinna Cortes, Christopher Burges)",
        homepage="http://yann.lecun.com/exdb/mnist/",
        shape=(1, 28, 28),
        folders=("MNIST/raw", "MNIST", ""),
        layouts=(IDX_FILES,),
        downloads=(
            ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
            ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
            ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
        ),
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        proof="27ae3e4e09519cfbb04c329615203637",
    ),
    "fashion-mnist": Source(
        name="fashion-mnist",
        about="70 000 pieces of clothing, 28x28 gray",
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
        license="MIT (Zalando SE)",
        homepage="https://github.com/zalandoresearch/fashion-mnist",
        shape=(1, 28, 28),
        folders=("FashionMNIST/raw", "FashionMNIST", ""),
        layouts=(IDX_FILES,),
        downloads=(
            ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
            ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
            ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
        ),
        mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        proof="0e6aaa120f82bf710e9e10df8dff05af",
    ),
    "cifar10": Source(
        name="cifar10",
        about="60 000 photographs, 32x32 colour",
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        license="none stated; cite Krizhevsky 2009, Learning multiple layers of features from tiny images",
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        shape=(3, 32, 32),
        folders=("cifar-10-batches-bin", "cifar-10-batches-py", ""),
        layouts=(tuple(f"{name}.bin" for name in CIFAR_BATCHES), CIFAR_BATCHES),
        downloads=(("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"),),
        mirrors=("https://www.cs.toronto.edu/~kriz/",),
    ),
}


def default_root() -> Path:
    """$SMALLVISION_DATA, else the folder that this system keeps a program's re-creatable files in. Raises BadInput."""
    if given := os.environ.get("SMALLVISION_DATA"):
        return expanded(given)
    from platformdirs import user_cache_path

    return user_cache_path("smallvision") / "data"


def source(name: str) -> Source:
    """The entry of SOURCES. Raises BadInput, naming the nearest, for an unknown one."""
    if name not in SOURCES:
        raise BadInput(f'no data set named "{name}"; {nearest(name, SOURCES)}')
    return SOURCES[name]


def locate(name: str, root: Path | None = None, mirrors: Sequence[str] | None = None) -> dict[str, Path]:
    """Paths of a data set's files; what is missing is downloaded and verified first.

    Parameters
    ----------
    name : a key of SOURCES.
    root : the folder that holds data sets; `default_root()` if None.
    mirrors : base addresses to download from, in place of the official ones.

    Returns
    -------
    dict : file name as published, without ".gz" or ".bin" -> path. Empty for embedded data.

    Raises
    ------
    BadInput : unknown name; or a file is missing and no mirror had it, intact.
    """
    from smallvision.data.datasets.download import fetch

    entry = source(name)
    root = default_root() if root is None else expanded(root)
    found = present(entry, root)
    if missing(entry, found):
        fetch(entry, root, found, entry.mirrors if mirrors is None else mirrors)
        found = present(entry, root)
    return found


def present(entry: Source, root: Path) -> dict[str, Path]:
    """The files on disk: those of the first complete layout, else of the last. Raises BadInput for what may not be looked at."""
    found: dict[str, Path] = {}
    for layout in entry.layouts:
        found = {}
        for file in layout:
            if path := _find(entry, root, file):
                found[file.removesuffix(".bin")] = path
        if len(found) == len(layout):
            break
    return found


def missing(entry: Source, found: dict[str, Path]) -> list[str]:
    """Names of the files that are not there."""
    return [file for file in entry.layouts[-1] if file not in found] if entry.layouts else []


def _find(entry: Source, root: Path, file: str) -> Path | None:
    for folder in entry.folders:
        path = _raw_or_zipped(root / folder, file)
        if path is not None and (folder or _proven(entry, root)):
            return path
    return None


def _raw_or_zipped(folder: Path, file: str) -> Path | None:
    for candidate in (folder / file, folder / f"{file}.gz"):
        try:
            if candidate.is_file():
                return candidate
        except OSError as error:
            raise BadInput(f"{candidate}: {error.strerror or error}; give --root or set SMALLVISION_DATA") from None
    return None


def _proven(entry: Source, root: Path) -> bool:
    """Whether files straight in the root are this set's. MNIST's, Fashion-MNIST's and others' have the same names."""
    if not entry.proof:
        return True
    path = _raw_or_zipped(root, entry.layouts[-1][-1])
    if path is None:
        return False
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(_LARGEST_PROOF)
    except (OSError, EOFError, zlib.error):
        return False
    return hashlib.md5(content, usedforsecurity=False).hexdigest() == entry.proof
