"""scikit-learn's handwritten digits, 1 797 images of 8x8 pixels, which need no download."""

from pathlib import Path

import numpy as np

from smallvision.data.datasets.base import Dataset
from smallvision.data.seeds import mix
from smallvision.data.source import Block, Raw, RawSplit, Rows, same_shape
from smallvision.data.split import draw, quotas
from smallvision.experiment.data import DataSpec

TEST_IMAGES = 360  # a fifth of 1 797


def read(dataset: Dataset, spec: DataSpec, root: Path | None) -> Raw:
    """The digits; values 0 to 16 become 0 to 255. They have no test split, so a fixed fifth of them becomes one."""
    from sklearn.datasets import load_digits

    content = load_digits()
    labels = content.target.astype(np.int64)
    values = content.images.astype(np.int64)  # (1797, 8, 8), 0..16
    pixels = ((values * 255 + 8) // 16).astype(np.uint8)[:, None]
    rows = np.arange(len(labels))
    test = draw(labels, rows, quotas(np.bincount(labels), TEST_IMAGES), mix(0))
    train = np.setdiff1d(rows, test)

    def split(rows: Rows) -> RawSplit:
        images = pixels[rows]
        return RawSplit(labels[rows], same_shape(len(rows), (1, 8, 8)), lambda some: iter([Block(some, images[some])]))

    note = (
        f"digits has no test split of its own, so the same {TEST_IMAGES} of its {len(labels):,} images are always "
        "used as the test split"
    )
    return Raw(dataset.name, dataset.classes, split(train), test=split(test), notes=(note,))


DIGITS = Dataset(
    name="digits",
    about="1 797 handwritten digits, 8x8 gray, part of scikit-learn: no download",
    read=read,
    classes=tuple(str(digit) for digit in range(10)),
    shape=(1, 8, 8),
    license="CC BY 4.0 (UCI Machine Learning Repository)",
    homepage="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
)
