"""MNIST at several resolutions, as a folder of images: each digit is scaled and placed at random in its image.

Source: REFERENCE R4.12, whose data have images of 32, 48 and 64 pixels. How large the digits are in them is not
published. Here the 28x28 pixels of MNIST are resized to a square whose side is uniform between half the side of the
image and all of it.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smallvision.data.datasets import lookup
from smallvision.data.datasets.files import default_root, locate
from smallvision.data.readers import idx
from smallvision.data.seeds import mix, permutation
from smallvision.data.source import Pixels, Rows
from smallvision.errors import BadInput, RunFailed, short

NAME = "mnist-varres"
SIZES = (32, 48, 64)
SMALLEST, LARGEST = 8, 512  # pixels of a side
EVERY = 500  # images between two events
_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


@dataclass(frozen=True, eq=False)
class Plan:
    """Which digits become which images. All arrays are int64 (N,), in the order of MNIST.

    Parameters
    ----------
    rows : places in MNIST, ascending.
    labels : 0 to 9.
    sizes : side of the image in pixels.
    sides : side of the square that the digit fills.
    tops, lefts : the upper left corner of that square.
    """

    rows: Rows
    labels: Rows
    sizes: Rows
    sides: Rows
    tops: Rows
    lefts: Rows


@dataclass(frozen=True)
class Written:
    """An event: `done` of `total` images are written."""

    done: int
    total: int


@dataclass(frozen=True)
class Made:
    """The last event: the folder is complete. `counts`: split -> size -> images of each class, 0 to 9."""

    path: Path
    counts: dict[str, dict[int, list[int]]]


def make(
    dest: Path | str | None = None,
    sizes: Sequence[int] = SIZES,
    train: int | None = None,
    test: int | None = None,
    seed: int = 0,
    root: Path | None = None,
) -> Iterator[Written | Made]:
    """Write train/<class>/<number>.png and test/<class>/<number>.png; the folder appears whole or not at all.

    `<number>` is the place of the digit in MNIST. Each split has equally many images of every size, up to one, and so
    has each class. A file about.json next to the splits says how the folder was made.

    Parameters
    ----------
    dest : the new folder; None: mnist-varres among the data sets.
    sizes : sides of the images in pixels, 8 to 512 each.
    train, test : images of each split, equally many of each class; None: all images of MNIST.
    seed : decides which digits are taken, and their sizes and places.
    root : the folder of the data sets.

    Yields
    ------
    Written after every EVERY images; then Made. A generator that is closed before that leaves nothing behind.

    Raises
    ------
    BadInput : `dest` exists already or its parent does not, or a size or count is out of range.
    RunFailed : the disk is full or refuses; nothing is left behind.
    """
    _check(sizes, seed)
    folder = (default_root() if root is None else root) / NAME if dest is None else Path(dest)
    _refuse_taken(folder, make_parent=dest is None)
    paths = locate(lookup("mnist"), root)
    digits = {
        split: [idx.read_idx(paths[file], n) for file, n in zip(files, (3, 1), strict=True)]
        for split, files in _FILES.items()
    }
    wanted = {"train": train, "test": test}
    if not 0 <= seed < 2**63:
        raise BadInput(f"--seed: got {seed}; expected 0 to 2**63 - 1")
    plans = {
        split: plan(labels.astype(np.int64), sizes, wanted[split], mix(seed, number), split)
        for number, (split, (_, labels)) in enumerate(digits.items())
    }
    total = sum(len(of_split.rows) for of_split in plans.values())
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        done = 0
        for split, (pixels, _) in digits.items():
            for label in range(10):
                (temporary / split / str(label)).mkdir(parents=True)
            for number, image in enumerate(images(pixels, plans[split])):
                row, label = plans[split].rows[number], plans[split].labels[number]
                _save(image, temporary / split / str(label) / f"{row:05d}.png")
                done += 1
                if done % EVERY == 0 or done == total:
                    yield Written(done, total)
        counts = {split: _counts(plans[split], sizes) for split in plans}
        numbers = {split: len(of_split.rows) for split, of_split in plans.items()}
        about = {"format_version": 1, "name": NAME, "of": "mnist", "sizes": list(sizes), "seed": seed, **numbers}
        (temporary / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="ascii")
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)  # mkdtemp makes folders that only their owner may enter
        _refuse_taken(folder)
        temporary.rename(folder)
    except OSError as error:
        raise RunFailed(
            f"{folder}: the folder cannot be written ({error.strerror or error}); nothing was kept"
        ) from None
    finally:
        with suppress(OSError):
            shutil.rmtree(temporary)  # there is nothing to remove after it was renamed
    yield Made(folder, counts)


def plan(labels: Rows, sizes: Sequence[int], count: int | None, seed: int, split: str = "train") -> Plan:
    """Which digits become images of which size, and where they lie in them.

    Parameters
    ----------
    labels : int64 (M,), those of MNIST.
    sizes : sides of the images in pixels.
    count : images in all, equally many of each class (the first classes may have one more); None: all digits.
    seed : decides everything that is random.
    split : for messages.

    Raises
    ------
    BadInput : a class has too few digits.
    """
    available = np.bincount(labels, minlength=10)
    within = count is None or 10 <= count <= len(labels)  # larger ones may have more bits than numpy's
    wanted = available if count is None or not within else count // 10 + (np.arange(10) < count % 10)
    if not within or (wanted > available).any():
        most = 10 * int(available.min())
        raise BadInput(
            f"--{split} {short(count)}: equally many images of each of 10 digits are used; ask for 10 to {most:,}, "
            f"or leave this option out for all {len(labels):,}"
        )
    shuffled = permutation(len(labels), mix(seed, 1))
    rows = np.concatenate([shuffled[labels[shuffled] == k][:number] for k, number in enumerate(wanted)])
    chosen = np.asarray(sizes, np.int64)[np.arange(len(rows)) % len(sizes)]  # class after class, the sizes in turn
    order = np.argsort(rows)
    rows, chosen = rows[order], chosen[order]
    draws = np.random.PCG64(mix(seed, 2)).random_raw(3 * len(rows)).reshape(3, -1) >> np.uint64(1)
    smallest = (chosen + 1) // 2
    sides = smallest + draws[0].astype(np.int64) % (chosen - smallest + 1)
    tops, lefts = (draw.astype(np.int64) % (chosen - sides + 1) for draw in draws[1:])
    return Plan(rows, labels[rows], chosen, sides, tops, lefts)


def images(digits: Pixels, plan: Plan) -> Iterator[Pixels]:
    """Yields uint8 (H, W) for each row of a plan: the digit (28, 28) resized, bilinear and antialiased, on black."""
    from PIL import Image

    for row, size, side, top, left in zip(plan.rows, plan.sizes, plan.sides, plan.tops, plan.lefts, strict=True):
        image = np.zeros((size, size), np.uint8)
        scaled = Image.fromarray(digits[row]).resize((int(side), int(side)), Image.Resampling.BILINEAR)
        image[top : top + side, left : left + side] = np.asarray(scaled)
        yield image


def _check(sizes: Sequence[int], seed: int) -> None:
    wrong = [size for size in sizes if not SMALLEST <= size <= LARGEST]
    if wrong or not sizes:
        raise BadInput(
            f"--sizes: got {wrong[0] if wrong else 'none'}; "
            f"expected sides of {SMALLEST} to {LARGEST} pixels, such as 32 48 64"
        )
    if len(set(sizes)) < len(sizes):
        twice = next(size for size in sizes if list(sizes).count(size) > 1)
        raise BadInput(f"--sizes: {twice} is given twice; keep one")
    if not 0 <= seed < 2**63:
        raise BadInput(f"--seed: got {seed}; expected 0 to 2**63 - 1")


def _refuse_taken(folder: Path, make_parent: bool = False) -> None:
    """Raise BadInput unless the folder can be made there. Its parent is made with `make_parent`."""
    try:
        if folder.exists() or folder.is_symlink():
            raise BadInput(
                f"{folder}: this folder exists already, and nothing is overwritten; remove it, or choose another DEST"
            )
        if make_parent:
            folder.parent.mkdir(parents=True, exist_ok=True)
        if not folder.parent.is_dir():
            raise BadInput(f"{folder}: there is no folder {folder.parent}; make it, or choose another DEST")
    except OSError as error:
        raise BadInput(
            f"{folder}: a folder cannot be made here ({error.strerror or error}); choose another DEST"
        ) from None


def _save(image: Pixels, path: Path) -> None:
    from PIL import Image

    Image.fromarray(image).save(path, "PNG")


def _counts(plan: Plan, sizes: Sequence[int]) -> dict[int, list[int]]:
    return {size: np.bincount(plan.labels[plan.sizes == size], minlength=10).tolist() for size in sizes}
