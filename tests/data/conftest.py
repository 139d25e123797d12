"""Small data sets in the published layouts, and the real ones where they are at hand."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from data_files import idx_bytes


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder that has MNIST, FashionMNIST and CIFAR-10."""
    root = os.environ.get("SMALLVISION_DATA")
    if not root or not (Path(root) / "MNIST/raw/train-images-idx3-ubyte").exists():
        pytest.skip("needs real data: set SMALLVISION_DATA to a folder with MNIST/raw, FashionMNIST/raw and CIFAR-10")
    return Path(root)


@pytest.fixture(scope="session")
def small_mnist(tmp_path_factory) -> Path:
    """A root with MNIST's files, 300 training images of unequal classes and 50 test images, half of them gzipped."""
    root = tmp_path_factory.mktemp("data")
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    labels = np.concatenate([np.arange(10), random.choice(10, 290, p=np.arange(1, 11) / 55)]).astype(np.uint8)
    images = random.integers(0, 256, (300, 28, 28), dtype=np.uint8)
    images[7] = images[3]
    images[9] = images[3]
    test = random.integers(0, 256, (50, 28, 28), dtype=np.uint8)
    test[5] = images[3]
    (folder / "train-images-idx3-ubyte").write_bytes(idx_bytes(images))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(test)))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes((np.arange(50) % 10).astype(np.uint8))))
    np.savez(root / "truth.npz", images=images, labels=labels, test=test)
    return root
