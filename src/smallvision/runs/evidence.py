"""The arrays of evidence.npz, checked against each other; nothing is unpickled, nothing large is unpacked unseen."""

import math
import zipfile
from pathlib import Path

import numpy as np

from smallvision.errors import BadInput
from smallvision.experiment.text import short
from smallvision.runs.shapes import damaged

LARGEST_EVIDENCE = 1024**3                # bytes of all arrays together, unpacked

# arrays of evidence.npz: kind of dtype and axes; equal letters are equal lengths, N images of K classes
EVIDENCE: dict[str, tuple[str, tuple[str, ...]]] = {
    "split": ("U", ()), "probabilities": ("f", ("N", "K")), "labels": ("i", ("N",)), "predictions": ("i", ("N",)),
    "confusion": ("i", ("K", "K")), "ids": ("iu", ("N", "2")),
    "first_index": ("i", ("first",)), "first_pixels": ("u", ("first", "C", "H", "W")),
    "mistake_index": ("i", ("mistakes",)), "mistake_pixels": ("u", ("mistakes", "C", "H", "W")),
    "confident_index": ("i", ("confident",)), "confident_pixels": ("u", ("confident", "C", "H", "W")),
    "train_labels": ("i", ("shown",)), "train_pixels": ("u", ("shown", "C", "train H", "train W")),
    "filters": ("f", ("F", "c", "h", "w")),
    "panel_kinds": ("U", ("kinds",)), "panel_pixels": ("u", ("kinds", "n", "C", "panel H", "panel W")),
    "sizes": ("i", ("N", "2")), "first_sizes": ("i", ("first", "2")), "mistake_sizes": ("i", ("mistakes", "2")),
    "confident_sizes": ("i", ("confident", "2")), "train_sizes": ("i", ("shown", "2")),
    "scales": ("f", ("scales",)), "scaled_index": ("i", ("scaled",)), "scaled_predictions": ("i", ("scales", "scaled")),
}
ALWAYS = ("split", "probabilities", "labels", "predictions", "confusion")
SPLITS = ("train", "validation", "test")
INDICES = ("labels", "predictions", "train_labels", "scaled_predictions")
TOGETHER = (("first_index", "first_pixels"), ("mistake_index", "mistake_pixels"), ("train_labels", "train_pixels"),
            ("confident_index", "confident_pixels"), ("panel_kinds", "panel_pixels"),
            ("scales", "scaled_index"), ("scales", "scaled_predictions"))


def read(file: Path, classes: int | None) -> dict[str, np.ndarray]:
    """All arrays of an evidence.npz of so many classes (None: not known). Raises BadInput."""
    return _consistent(file, unpacked(file), classes)


def unpacked(file: Path) -> dict[str, np.ndarray]:
    """Every array of an .npz, after comparing each header with what the archive says is there. Raises BadInput."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > LARGEST_EVIDENCE:
                raise BadInput(f"{file}: unpacks to {total:,} bytes, more than {LARGEST_EVIDENCE:,}; not read")
            for member in members:
                with archive.open(member) as stream:
                    major = np.lib.format.read_magic(stream)[0]
                    header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
                    shape, _, dtype = header(stream)
                    size = math.prod(shape) * dtype.itemsize
                    if dtype.hasobject or min(shape, default=0) < 0 or stream.tell() + size != member.file_size:
                        raise damaged(file, f"{member.filename} is no plain array of the size it says")
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except BadInput:
        raise
    except Exception as error:                          # zipfile, zlib and numpy raise a dozen kinds for damaged bytes
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise damaged(file, f"not a readable .npz: {reason}") from None


def _consistent(file: Path, arrays: dict[str, np.ndarray], classes: int | None) -> dict[str, np.ndarray]:
    """The arrays, once kinds, lengths and ranges agree with each other and with the number of classes."""
    sizes = {"2": 2} if classes is None else {"2": 2, "K": classes}
    missing = [name for name in ALWAYS if name not in arrays]
    missing += [b for pair in TOGETHER for a, b in (pair, pair[::-1]) if a in arrays and b not in arrays]
    if missing:
        raise damaged(file, f"has no array {missing[0]}")
    for name, (kinds, axes) in EVIDENCE.items():
        if name not in arrays:
            continue
        array = arrays[name]
        if array.dtype.kind not in kinds or array.ndim != len(axes) or (kinds == "u" and array.dtype != np.uint8):
            raise damaged(file, f"{name} is {array.dtype} with {array.ndim} axes, expected {len(axes)}")
        for axis, length in zip(axes, array.shape, strict=True):
            if sizes.setdefault(axis, length) != length:
                raise damaged(file, f"{name} is {array.shape}, expected {axis} = {sizes[axis]}")
        limit = sizes["N"] if name.endswith("_index") else sizes["K"] if name in INDICES else None
        if limit is not None and array.size and not (array.min() >= 0 and array.max() < limit):
            raise damaged(file, f"{name} has values outside 0 to {limit - 1}")
        if kinds == "f" and not np.isfinite(array).all():
            raise damaged(file, f"{name} has values that are no finite numbers")
    for name in ("first", "mistake", "confident", "train"):
        shown, pixels = arrays.get(f"{name}_sizes"), arrays.get(f"{name}_pixels")
        if shown is not None and (pixels is None or (shown < 1).any() or (shown > pixels.shape[2:]).any()):
            raise damaged(file, f"{name}_sizes are not those of {name}_pixels")
    labels, predictions, count = arrays["labels"], arrays["predictions"], sizes["K"]
    if not np.array_equal(np.bincount(labels * count + predictions, minlength=count**2), arrays["confusion"].ravel()):
        raise damaged(file, "confusion does not count labels and predictions")
    for name in ("mistake_index", "confident_index"):
        index = arrays.get(name, np.zeros(0, np.int64))
        if (labels[index] == predictions[index]).any():
            raise damaged(file, f"{name} points at images that are no mistakes")
    if str(arrays["split"]) not in SPLITS:
        raise damaged(file, f"split is {short(str(arrays['split']))}, expected one of {', '.join(SPLITS)}")
    return arrays
