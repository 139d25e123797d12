"""A folder of pictures as a source: one sub-folder per class, with or without train, validation and test above them."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from smallvision.data.pictures import read_header, read_image
from smallvision.data.raw import Block, Raw, RawSplit, Rows, same_shape
from smallvision.errors import BadInput, nearest
from smallvision.experiment.data import DataSpec
from smallvision.experiment.text import expanded, writable

_VALIDATION = ("validation", "valid", "val")
_SPLITS = ("train", *_VALIDATION, "test")


def read_folder(spec: DataSpec, root: Path | None) -> Raw:
    """The pictures below `spec.path`; their headers are read now, their pixels later.

    Raises
    ------
    BadInput : no such folder, a layout that is not understood, a class without pictures, a file that is no picture.
    """
    assert spec.path is not None
    base = expanded(spec.path)
    try:
        if not base.is_dir():
            raise BadInput(f"{base}: no such folder (data.path)")
        return _read(base, spec)
    except OSError as error:                          # a folder or sub-folder that may not be looked into, a name too long
        raise BadInput(f"{error.filename or base}: {error.strerror or error} (data.path)") from None


def _read(base: Path, spec: DataSpec) -> Raw:
    parts = _parts(base)
    classes = [folder.name for folder in _folders(parts["train"])]
    unnamed = [name for name in classes if name != writable(name)]
    if unnamed:
        raise BadInput(f"{parts['train']}: the name of class {writable(unnamed[0])} is not UTF-8; rename the folder")
    if len(classes) < 2:
        raise BadInput(f"{parts['train']}: has {len(classes)} sub-folders; expected one per class, at least two")
    files = {name: _files(folder, classes) for name, folder in parts.items()}
    headers = {name: [read_header(path) for path, _ in some] for name, some in files.items()}
    gray = spec.color == "gray"
    if spec.color == "auto":
        gray = all(is_gray for some in headers.values() for is_gray, _, _ in some)
    splits = {name: _split(files[name], headers[name], gray, spec.size) for name in files}
    notes = []
    for name in ("validation", "test"):
        if name in splits:
            empty = set(range(len(classes))) - set(splits[name].labels.tolist())
            notes += [f'{parts[name]}: no image of class "{classes[label]}"' for label in sorted(empty)]
    return Raw(base.name, tuple(classes), splits["train"], splits.get("validation"), splits.get("test"), tuple(notes))


def _parts(base: Path) -> dict[str, Path]:
    """The folder that holds the class folders of each split. A class may itself be called "train"."""
    folders = {folder.name.lower(): folder for folder in _folders(base)}
    train = folders.get("train")
    if train is None:
        return {"train": base}
    others = [folder.name for name, folder in folders.items() if name not in _SPLITS]
    if not _folders(train):
        return {"train": base}                        # pictures straight inside: a class
    if others:
        raise BadInput(f'{base}: beside "train" expected only {", ".join(_SPLITS[1:])}; found "{others[0]}"')
    named = [name for name in _VALIDATION if name in folders]
    if len(named) > 1:
        raise BadInput(f'{base}: has both "{named[0]}" and "{named[1]}"; keep one')
    parts = {"train": train}
    if named:
        parts["validation"] = folders[named[0]]
    if "test" in folders:
        parts["test"] = folders["test"]
    return parts


def _files(folder: Path, classes: list[str]) -> list[tuple[Path, int]]:
    """Every picture below a split's folder with its label, class after class, in natural order."""
    unknown = [one.name for one in _folders(folder) if one.name not in classes]
    if unknown:
        raise BadInput(f"{folder / unknown[0]}: no class of the training images; {nearest(unknown[0], classes)}")
    stray = [one for one in _visible(folder) if one.is_file()]
    if stray:
        raise BadInput(f"{stray[0]}: a file beside the class folders; move it into one, or away")
    out: list[tuple[Path, int]] = []
    for label, name in enumerate(classes):
        if not (folder / name).is_dir():
            continue                                  # noted by the caller; a training folder has them all
        inside = _visible(folder / name)
        if not inside:
            raise BadInput(f'{folder / name}: class "{name}" has no image; add some, or remove the folder')
        for path in inside:
            if path.is_dir():
                raise BadInput(f"{path}: a folder inside a class; expected images only")
            out.append((path, label))
    if not out:
        raise BadInput(f"{folder}: has no images")
    return out


def _split(
    files: list[tuple[Path, int]], headers: list[tuple[bool, int, int]], gray: bool, size: tuple[int, int] | None
) -> RawSplit:
    labels = np.array([label for _, label in files], dtype=np.int64)
    channels = 1 if gray else 3
    sizes = {(height, width) for _, height, width in headers} if size is None else {size}
    if len(sizes) == 1:
        shapes = same_shape(len(files), (channels, *next(iter(sizes))))
    else:
        shapes = np.array([(channels, height, width) for _, height, width in headers], dtype=np.int64)

    def blocks(rows: Rows) -> Iterator[Block]:
        for row in rows:
            path, _ = files[row]
            pixels = read_image(path, "gray" if gray else "rgb", size)
            if pixels.shape != tuple(shapes[row]):
                said = " x ".join(map(str, shapes[row]))
                raise BadInput(f"{path}: decodes to {pixels.shape}, and its header says {said}; save it again")
            yield np.array([row]), pixels[None]

    return RawSplit(labels, shapes, blocks)


def _visible(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=_natural)


def _folders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sorts "2" before "10", and "a2" before "a10"."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]
