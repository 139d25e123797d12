"""A folder of image files: one sub-folder per class, optionally below folders "train", "validation" and "test"."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from smallvision.data.datasets.array_ranges import as_stated
from smallvision.data.datasets.base import Dataset
from smallvision.data.datasets.files import default_root
from smallvision.data.ids import content_hashes
from smallvision.data.readers.image_file import read_header, read_image, resized
from smallvision.data.readers.levels import Levels
from smallvision.data.source import Block, Pixels, Raw, RawSplit, Rows, Told, same_shape
from smallvision.errors import BadInput, nearest, shown
from smallvision.experiment.data import DataSpec
from smallvision.experiment.text import expanded, writable

_VALIDATION = ("validation", "valid", "val")
_SPLITS = ("train", *_VALIDATION, "test")
# Names of folders of splits, which are not classes where there are no others: "train", "Testing", "test1", "val_set".
_SPLIT_LIKE = re.compile(
    r"(train|training|val|valid|validation|dev|test|testing|eval|evaluation)([ _-]?(set|data|split|images?|\d))*",
    re.IGNORECASE,
)
MOST_NAMES = 2_000_000  # in one folder
MOST_CLASSES = 50_000  # twice as many as ImageNet-21k has; more are known in a moment to be no set of small images
_TOGETHER = 256  # images in a block, at most
_BLOCK_BYTES = 1_000_000  # pixels of a block, so that few images are in memory twice
_MADE_HERE = {"mnist-varres": "make it with: smallvision data make mnist-varres"}

File = tuple[Path, int]  # an image file and its label
Header = tuple[bool, int, int]  # whether it is gray, its height and width


def read(dataset: Dataset, spec: DataSpec, root: Path | None) -> Raw:
    """The images below `spec.path`, upright; their headers are read now, their pixels later.

    data/readers/open_image.py names the formats, and data/readers/orientation.py the places where a file says its turn.

    A relative path that is not in the current folder is looked up among the data sets, in `root`. With `spec.skip_bad`
    every image is decoded now as well, so that unreadable ones are left out before images are chosen; the notes say how
    many there are and name the first.

    Raises
    ------
    BadInput : no such folder, a layout that is not understood, a class without images, files that are not images (how
        many there are, and the first).
    """
    assert spec.path is not None
    base = expanded(spec.path)
    try:
        return _read(_existing(base, root), spec)
    except OSError as error:  # a folder or sub-folder that may not be entered, a name that is too long
        raise BadInput(f"{error.filename or base}: {error.strerror or error} (data.path)") from None


def class_count(spec: DataSpec, root: Path | None) -> int:
    """How many class folders there are; no other folder is looked into. Raises BadInput as `read`."""
    assert spec.path is not None
    base = expanded(spec.path)
    try:
        return len(_classes(_parts(_existing(base, root))["train"]))
    except OSError as error:
        raise BadInput(f"{error.filename or base}: {error.strerror or error} (data.path)") from None


def _existing(base: Path, root: Path | None) -> Path:
    """The folder as given, or among the data sets."""
    if base.is_dir():
        return base
    if base.is_absolute():
        raise BadInput(f"{base}: no such folder (data.path)")
    data_sets = default_root() if root is None else expanded(root)
    if not (data_sets / base).is_dir():
        cure = f"; {_MADE_HERE[base.name]}" if base.name in _MADE_HERE else ""
        raise BadInput(f"{base}: no such folder here or in {data_sets} (data.path){cure}")
    return data_sets / base


def _read(base: Path, spec: DataSpec) -> Raw:
    parts = _parts(base)
    classes = _classes(parts["train"])
    unnamed = [name for name in classes if name != writable(name)]
    if unnamed:
        raise BadInput(
            f"{parts['train']}: the name of class {writable(unnamed[0])} is not valid UTF-8; rename the folder"
        )
    if len(classes) < 2:
        raise BadInput(
            f"{parts['train']}: the folder has {len(classes)} sub-folders; expected one for each class, at least two"
        )
    files = {name: _files(folder, classes) for name, folder in parts.items()}
    files, headers, notes = _with_headers(files, spec)
    missing = set(range(len(classes))) - {label for _, label in files["train"]}
    if missing:
        name = classes[min(missing)]
        raise BadInput(f'{parts["train"] / name}: no file of class "{shown(name)}" can be read as an image')
    gray = spec.color == "gray"
    if spec.color == "auto":
        gray = all(is_gray for of_split in headers.values() for is_gray, _, _ in of_split)
    levels = _levels(spec)
    splits = {name: _split(files[name], headers[name], gray, spec.size, levels) for name in files}
    for name in ("validation", "test"):
        if name in splits:
            empty = sorted(set(range(len(classes))) - set(splits[name].labels.tolist()))
            notes += [f'{parts[name]}: there are no images of class "{shown(classes[label])}"' for label in empty[:20]]
            notes += (
                [(f"{parts[name]}: there are no images of {len(empty) - 20:,} other classes")]
                if len(empty) > 20
                else []
            )

    def told() -> Told:
        return Told(levels.range(), levels.notes())

    parts_ = splits["train"], splits.get("validation"), splits.get("test")
    return Raw(base.name, tuple(classes), *parts_, tuple(notes), told)


def _classes(folder: Path) -> list[str]:
    """The names of the class folders. Raises BadInput where there are more than `MOST_CLASSES`."""
    classes = [inner.name for inner in _folders(folder)]
    if len(classes) > MOST_CLASSES:
        raise BadInput(
            f"{folder}: the folder has {len(classes):,} class folders, and a data set may have at most "
            f"{MOST_CLASSES:,} classes; move some of the folders elsewhere, or put the images of one class into one "
            "folder"
        )
    return classes


def _levels(spec: DataSpec) -> Levels:
    """What is stated about the numbers of the files, with nothing found yet."""
    black, white = spec.stated_range or (None, None)
    return Levels(black, white, as_stated(spec))


def _parts(base: Path) -> dict[str, Path]:
    """The folder that holds the class folders of each split. A class may itself be called "train"."""
    folders = {folder.name.lower(): folder for folder in _folders(base)}
    _refuse_splits_as_classes(base, list(folders.values()))
    train = folders.get("train")
    if train is None:
        return {"train": base}
    others = [folder.name for name, folder in folders.items() if name not in _SPLITS]
    if not _folders(train):
        return {"train": base}  # image files directly inside it, so it is a class
    if others:
        raise BadInput(f'{base}: next to "train", expected only {", ".join(_SPLITS[1:])}; found "{others[0]}"')
    named = [name for name in _VALIDATION if name in folders]
    if len(named) > 1:
        raise BadInput(f'{base}: the folder has both "{named[0]}" and "{named[1]}"; keep one of them')
    parts = {"train": train}
    if named:
        parts["validation"] = folders[named[0]]
    if "test" in folders:
        parts["test"] = folders["test"]
    return parts


def _refuse_splits_as_classes(base: Path, folders: list[Path]) -> None:
    """Raise BadInput where every folder is called as a split is ("train", "test1") and none of them has classes.

    A class may be called "train" as well: it then stands beside classes with other names.
    """
    if not folders or not all(_SPLIT_LIKE.fullmatch(folder.name) for folder in folders):
        return
    nested = [folder for folder in folders if _folders(folder)]
    if any(folder.name.lower() == "train" for folder in nested):
        return
    training = [folder for folder in folders if folder.name.lower().startswith("train")]
    if training and training[0] in nested:
        raise BadInput(
            f'{training[0]}: this folder holds class folders; rename it to "train", as in '
            f"{base.name}/train/CLASS/image.png"
        )
    if not training and nested:
        raise BadInput(
            f'{base}: there is no folder "train" beside "{nested[0].name}"; expected {base.name}/train/CLASS/image.png'
        )
    first = (training or folders)[0]
    file = next(iter(_inside(first)[1]), "image.png")
    word = re.match(r"[^\W\d_]+", file)  # "cat" of cat.0.jpg and of cat_0.jpg
    label = word[0] if word and word[0] != Path(file).stem else "CLASS"
    names = ", ".join(f'"{folder.name}"' for folder in folders[:3])
    raise BadInput(
        f"{first}: the folder holds files but no class folders, and {names} cannot be names of classes; expected one "
        f"folder for each class, as in {base.name}/train/{label}/{writable(file)}"
    )


def _files(folder: Path, classes: list[str]) -> list[File]:
    """Every file below the folder of a split, with its label, class after class, in natural order."""
    folders, others = _inside(folder)
    there, known = set(folders), set(classes)
    unknown = [name for name in folders if name not in known]
    if unknown:
        raise BadInput(
            f"{folder / unknown[0]}: this is not a class of the training images; {nearest(unknown[0], classes)}"
        )
    if others:
        raise BadInput(
            f"{folder / others[0]}: this file lies next to the class folders; move it into one of them, or elsewhere"
        )
    out: list[File] = []
    for label, name in enumerate(classes):
        if name not in there:
            continue  # the caller notes it; the training folder has all classes
        inner, images = _inside(folder / name)
        if inner:
            raise BadInput(f"{folder / name / inner[0]}: this folder lies inside a class folder; expected images only")
        if not images:
            raise BadInput(f'{folder / name}: class "{shown(name)}" has no image; add some, or remove the folder')
        out += [(folder / name / image, label) for image in images]
    if not out:
        raise BadInput(f"{folder}: the folder has no images")
    return out


def _with_headers(
    files: dict[str, list[File]], spec: DataSpec
) -> tuple[dict[str, list[File]], dict[str, list[Header]], list[str]]:
    """Files with their headers, and notes. Files that are not images are left out with `spec.skip_bad`, or raise
    BadInput.
    """
    skip = spec.skip_bad
    kept: dict[str, list[File]] = {name: [] for name in files}
    headers: dict[str, list[Header]] = {name: [] for name in files}
    bad: list[tuple[Path, BadInput]] = []
    for name, of_split in files.items():
        for path, label in of_split:
            try:
                header = read_header(path)
                if skip:
                    _pixels(path, header[0], header[1:], _levels(spec))
            except BadInput as error:
                bad.append((path, error))
                continue
            kept[name].append((path, label))
            headers[name].append(header)
        if not kept[name] and skip:
            raise BadInput(
                f"{of_split[0][0].parent.parent}: none of its {len(of_split):,} files can be read as an image; "
                f"{bad[-1][1]}"
            )
    count = sum(map(len, files.values()))
    if bad and not skip:
        raise _refused([error for _, error in bad], count)
    names = ", ".join(writable("/".join(path.parts[-2:])) for path, _ in bad[:5]) + (", ..." if len(bad) > 5 else "")
    notes = (
        [f"{len(bad):,} of {count:,} files cannot be read as images and are left out (data.skip_bad): {names}"]
        if bad
        else []
    )
    return kept, headers, notes


def _refused(errors: list[BadInput], count: int) -> BadInput:
    """The first error, and how many of `count` files are bad."""
    return BadInput(
        f"{errors[0]}; {len(errors):,} of {count:,} files cannot be read; set data.skip_bad = true to leave out such "
        "files"
    )


def _pixels(path: Path, gray: bool, size: tuple[int, int], levels: Levels) -> Pixels:
    """The pixels (C, H, W) as the file has them; its header says that their (H, W) is `size`. Raises BadInput."""
    pixels = read_image(path, "gray" if gray else "rgb", levels=levels)
    if pixels.shape[1:] != size:
        decoded, declared = (" x ".join(map(str, shape)) for shape in (pixels.shape[1:], size))
        raise BadInput(f"{path}: the image is {decoded}, but its header says {declared}; save the file again")
    return pixels


def _split(
    files: list[File], headers: list[Header], gray: bool, size: tuple[int, int] | None, levels: Levels
) -> RawSplit:
    labels = np.array([label for _, label in files], dtype=np.int64)
    channels = 1 if gray else 3
    sizes = {(height, width) for _, height, width in headers} if size is None else {size}
    if len(sizes) == 1:
        shapes = same_shape(len(files), (channels, *next(iter(sizes))))
    else:
        shapes = np.array([(channels, height, width) for _, height, width in headers], dtype=np.int64)

    def block(rows: list[int], images: list[Pixels], hashes: list[int]) -> Block:
        return Block(np.array(rows), np.stack(images), None if size is None else np.array(hashes, np.int64))

    def blocks(rows: Rows) -> Iterator[Block]:
        bad: list[BadInput] = []
        together: list[int] = []  # rows of the next block, all of one shape
        images: list[Pixels] = []
        hashes: list[int] = []  # stays empty where images are not resized
        for row in rows.tolist():
            try:
                pixels = _pixels(files[row][0], gray, headers[row][1:], levels)
            except BadInput as error:  # the other files are read too, so that all bad ones are counted
                bad.append(error)
                continue
            content = None
            if size is not None:
                content = int(content_hashes(pixels[None])[0])
                pixels = resized(pixels, size)
            full = len(together) >= _TOGETHER or len(together) * pixels.size >= _BLOCK_BYTES
            if together and (full or images[0].shape != pixels.shape):
                yield block(together, images, hashes)
                together, images, hashes = [], [], []
            together.append(row)
            images.append(pixels)
            if content is not None:
                hashes.append(content)
        if bad:
            raise _refused(bad, len(rows))
        if together:
            yield block(together, images, hashes)

    return RawSplit(labels, shapes, blocks)


def _inside(folder: Path) -> tuple[list[str], list[str]]:
    """The names of the folders, and of all else, that a folder has, each in natural order; hidden ones are left out.

    The folder is listed once, and no name in it is asked for its kind unless it is a link.
    """
    folders: list[str] = []
    others: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                (folders if entry.is_dir() else others).append(entry.name)
            if len(folders) + len(others) > MOST_NAMES:
                raise BadInput(
                    f"{folder}: there are more than {MOST_NAMES:,} files and folders in it; use fewer, or an .npz file"
                )
    return sorted(folders, key=_natural), sorted(others, key=_natural)


def _folders(folder: Path) -> list[Path]:
    return [folder / name for name in _inside(folder)[0]]


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts "2" before "10", and "a2" before "a10"."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), part) if part.isdecimal() and len(part) < 100 else (1, 0, part) for part in parts if part]


FOLDER = Dataset(
    name="folder",
    about="a folder of image files, one sub-folder per class (data.path)",
    read=read,
    class_count=class_count,
)
