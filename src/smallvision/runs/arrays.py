"""The arrays of evidence.npz, checked against each other; nothing is unpickled, nothing large is unpacked unseen."""

import math
import zipfile
from pathlib import Path

import numpy as np

from smallvision.errors import BadInput
from smallvision.experiment.text import short
from smallvision.runs.schema import damaged
from smallvision.tasks.verification.schema import GALLERIES, OF_GALLERIES, verified

LARGEST_EVIDENCE = 1024**3  # bytes of all arrays together, unpacked

SPLITS = ("train", "validation", "test")

Table = dict[str, tuple[str, tuple[str, ...]]]

# arrays of evidence.npz: kind of dtype and axes; equal letters are equal lengths, N images of K classes
_OF_ALL: Table = {
    "split": ("U", ()),
    "labels": ("i", ("N",)),
    "ids": ("iu", ("N", "2")),
    "first_index": ("i", ("first",)),
    "first_pixels": ("u", ("first", "C", "H", "W")),
    "train_labels": ("i", ("shown",)),
    "train_pixels": ("u", ("shown", "C", "train H", "train W")),
    "filters": ("f", ("F", "c", "h", "w")),
    "panel_kinds": ("U", ("kinds",)),
    "panel_pixels": ("u", ("kinds", "n", "C", "panel H", "panel W")),
}
_CLASSIFY: Table = {
    "probabilities": ("f", ("N", "K")),
    "predictions": ("i", ("N",)),
    "confusion": ("i", ("K", "K")),
    "mistake_index": ("i", ("mistakes",)),
    "mistake_pixels": ("u", ("mistakes", "C", "H", "W")),
    "confident_index": ("i", ("confident",)),
    "confident_pixels": ("u", ("confident", "C", "H", "W")),
    "sizes": ("i", ("N", "2")),
    "first_sizes": ("i", ("first", "2")),
    "mistake_sizes": ("i", ("mistakes", "2")),
    "confident_sizes": ("i", ("confident", "2")),
    "train_sizes": ("i", ("shown", "2")),
    "scales": ("f", ("scales",)),
    "scaled_index": ("i", ("scaled",)),
    "scaled_predictions": ("i", ("scales", "scaled")),
}
_RECONSTRUCT: Table = {
    "mse": ("f", ("N",)),
    "psnr": ("f", ("N",)),
    "ssim": ("f", ("N",)),
    "representation": ("f", ("N", "D")),
    "first_reconstructions": ("u", ("first", "C", "H", "W")),
    "first_noisy": ("u", ("first", "C", "H", "W")),
    "worst_index": ("i", ("worst",)),
    "worst_pixels": ("u", ("worst", "C", "H", "W")),
    "worst_reconstructions": ("u", ("worst", "C", "H", "W")),
    "worst_noisy": ("u", ("worst", "C", "H", "W")),
    "panel_reconstructions": ("u", ("kinds", "n", "C", "panel H", "panel W")),
    "pca_components": ("i", ("ladder",)),
    "pca_mse": ("f", ("ladder",)),
    "spectrum": ("f", ("directions",)),
    "traversals": ("u", ("walked", "steps", "C", "H", "W")),
    "traversal_dimensions": ("i", ("walked",)),
    "samples": ("u", ("drawn", "C", "H", "W")),
    "first_pca": ("u", ("first", "C", "H", "W")),
    "first_pca_mse": ("f", ("first",)),
    "pca_samples": ("u", ("drawn", "C", "H", "W")),
    "pca_interpolations": ("u", ("pairs", "between", "C", "H", "W")),
    "interpolations": ("u", ("pairs", "between", "C", "H", "W")),
    "interpolation_index": ("i", ("pairs", "2")),
}
_VERIFY: Table = {
    "representation": ("f", ("N", "D")),
    "pairs": ("i", ("M", "2")),
    "same": ("i", ("M",)),
    "distances": ("f", ("M",)),
    "scores": ("f", ("M",)),
    "probabilities": ("f", ("M",)),
    "reliability": ("f", ("bins", "3")),
    "unseen_labels": ("i", ("U",)),
    "unseen_pairs": ("i", ("V", "2")),
    "unseen_same": ("i", ("V",)),
    "unseen_classes": ("U", ("u",)),
    "unseen_distances": ("f", ("V",)),
    "unseen_probabilities": ("f", ("V",)),
    "alone_pairs": ("i", ("A", "2")),
    "alone_same": ("i", ("A",)),
    "alone_right": ("i", ("A",)),
    "alone_probabilities": ("f", ("A",)),
}
for _kind in GALLERIES:
    _VERIFY |= {
        f"gallery_{_kind}": ("i", (_kind,)),
        f"gallery_{_kind}_pixels": ("u", (_kind, "2", "C", "H", "W")),
        f"gallery_{_kind}_near": ("u", (_kind, "2", "near", "C", "train H", "train W")),
        f"gallery_{_kind}_near_labels": ("i", (_kind, "2", "near")),
        f"gallery_{_kind}_near_distances": ("f", (_kind, "2", "near")),
    }
EVIDENCE: dict[str, Table] = {
    "classify": _CLASSIFY | _OF_ALL,
    "reconstruct": _RECONSTRUCT | _OF_ALL,
    "verify": _VERIFY | _OF_ALL,
}
ALWAYS = {
    "classify": ("split", "probabilities", "labels", "predictions", "confusion"),
    "reconstruct": ("split", "labels", "mse", "psnr", "ssim", "representation"),
    "verify": ("split", "labels", "representation", "pairs", "same", "distances", "scores", "probabilities"),
}
# arrays whose values are indices, and the axis that they point into; a class where K is not known is any number from 0
POINTS = {
    **dict.fromkeys(("labels", "predictions", "train_labels", "scaled_predictions"), "K"),
    **dict.fromkeys(
        ("first_index", "mistake_index", "confident_index", "scaled_index", "worst_index", "interpolation_index"), "N"
    ),
    "traversal_dimensions": "D",
    **dict.fromkeys((f"gallery_{kind}" for kind in GALLERIES), "M"),
    **dict.fromkeys((f"gallery_{kind}_near_labels" for kind in GALLERIES), "K"),
    "pairs": "N",
    "alone_pairs": "N",
    "unseen_labels": "u",
    "unseen_pairs": "U",
}
TOGETHER = (
    ("first_index", "first_pixels"),
    ("mistake_index", "mistake_pixels"),
    ("train_labels", "train_pixels"),
    ("confident_index", "confident_pixels"),
    ("panel_kinds", "panel_pixels"),
    ("scales", "scaled_index"),
    ("scales", "scaled_predictions"),
    ("first_reconstructions", "worst_reconstructions"),
    ("worst_index", "worst_pixels"),
    ("worst_index", "worst_reconstructions"),
    ("first_noisy", "worst_noisy"),
    ("pca_components", "pca_mse"),
    ("traversals", "traversal_dimensions"),
    ("interpolations", "interpolation_index"),
    ("first_pca", "first_pca_mse"),
    ("first_pca", "pca_samples"),
    ("alone_pairs", "alone_same"),
    ("alone_pairs", "alone_right"),
    ("alone_pairs", "alone_probabilities"),
    *((f"gallery_{kind}", f"gallery_{kind}_{part}") for kind in GALLERIES for part in OF_GALLERIES),
    *(("unseen_pairs", f"unseen_{part}") for part in ("labels", "same", "distances", "probabilities", "classes")),
)
NEEDS = (("first_pca", "first_index"), ("pca_interpolations", "interpolations"))  # the first not without the second


def read(file: Path, classes: int | None, task: str = "classify") -> dict[str, np.ndarray]:
    """All arrays of an evidence.npz of so many classes (None: not known) and of a task. Raises BadInput."""
    arrays = unpacked(file)
    sizes = _consistent(file, arrays, classes, task)
    CHECKS[task](file, arrays, sizes)
    if str(arrays["split"]) not in SPLITS:
        raise damaged(file, f"split is {short(str(arrays['split']))}, expected one of {', '.join(SPLITS)}")
    return arrays


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
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds for damaged bytes
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise damaged(file, f"not a readable .npz: {reason}") from None


def _consistent(file: Path, arrays: dict[str, np.ndarray], classes: int | None, task: str) -> dict[str, int]:
    """The length of each axis, once kinds, lengths and ranges agree with each other and with the number of classes."""
    sizes = {"2": 2, "3": 3} if classes is None else {"2": 2, "3": 3, "K": classes}
    table = EVIDENCE[task]
    missing = [name for name in ALWAYS[task] if name not in arrays]
    missing += [
        b
        for pair in TOGETHER
        for a, b in (pair, pair[::-1])
        if {a, b} <= set(table) and a in arrays and b not in arrays
    ]
    missing += [b for a, b in NEEDS if a in arrays and a in table and b not in arrays]
    if missing:
        raise damaged(file, f"has no array {missing[0]}")
    known = {name: one for name, one in table.items() if name in arrays}
    for name, (kinds, axes) in known.items():
        array = arrays[name]
        if array.dtype.kind not in kinds or array.ndim != len(axes) or (kinds == "u" and array.dtype != np.uint8):
            raise damaged(file, f"{name} is {array.dtype} with {array.ndim} axes, expected {len(axes)}")
        for axis, length in zip(axes, array.shape, strict=True):
            if sizes.setdefault(axis, length) != length:
                raise damaged(file, f"{name} is {array.shape}, expected {axis} = {sizes[axis]}")
        if kinds == "f" and not np.isfinite(array).all():
            raise damaged(file, f"{name} has values that are no finite numbers")
    for name in [name for name in known if name in POINTS]:
        array, limit = arrays[name], sizes.get(POINTS[name], np.iinfo(np.int64).max)
        if array.size and not (array.min() >= 0 and array.max() < limit):
            raise damaged(file, f"{name} has values outside 0 to {limit - 1}")
    return sizes


def _classified(file: Path, arrays: dict[str, np.ndarray], sizes: dict[str, int]) -> None:
    """Sizes lie within their pixels, the confusion matrix counts the answers, mistakes are mistakes."""
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


def _reconstructed(file: Path, arrays: dict[str, np.ndarray], sizes: dict[str, int]) -> None:
    """Errors are no less than 0, the worst are the worst, more components leave no more error."""
    error, worst = arrays["mse"], arrays.get("worst_index", np.zeros(0, np.int64))
    for name in ("mse", "pca_mse", "first_pca_mse", "spectrum"):
        if (arrays.get(name, error) < 0).any():
            raise damaged(file, f"{name} has values below 0")
    if len(np.unique(worst)) != len(worst) or not np.array_equal(error[worst], np.sort(error)[::-1][: len(worst)]):
        raise damaged(file, "worst_index does not point at the images of highest mse")
    counts, left = (arrays.get(name, np.zeros(0)) for name in ("pca_components", "pca_mse"))
    if (np.diff(counts, prepend=0) < 1).any() or (np.diff(left) > 0).any():
        raise damaged(file, "pca_components do not grow from 1 on, or pca_mse grows with them")
    if len(arrays.get("spectrum", ())) > sizes["D"]:
        raise damaged(file, f"spectrum has {len(arrays['spectrum'])} values, more than D = {sizes['D']}")


CHECKS = {"classify": _classified, "reconstruct": _reconstructed, "verify": verified}
