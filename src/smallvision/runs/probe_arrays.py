"""The arrays of probe.npz, checked against each other and against probe.json. No torch."""

from pathlib import Path
from typing import Any

import numpy as np

from smallvision.storage.arrays import unpacked
from smallvision.storage.schema import damaged

THUMBS = 400  # images that a map can show, at most
NEIGHBOURS = 8  # of a query that are shown
QUERIES = 10  # at most, one of each class

# kind of dtype and axes; equal letters are equal lengths: N images shown, K classes, S sources, P probes, M images on the maps,
# T of them as pictures, Q queries and how many are near each
_ALWAYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "labels": ("i", ("N",)),
    "ids": ("i", ("N", "2")),
    "predictions": ("i", ("S", "P", "N")),
    "confusion": ("i", ("S", "P", "K", "K")),
    "spectrum": ("f", ("directions",)),
    "query_index": ("i", ("Q",)),
    "query_pixels": ("u", ("Q", "C", "H", "W")),
}
_MAPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "map_index": ("i", ("M",)),
    "thumb_index": ("i", ("T",)),
    "thumbs": ("u", ("T", "C", "thumb H", "thumb W")),
}
RETRIEVED = ("representation", "pixels")  # sources whose neighbours are shown
_POINTS = {"labels": "K", "predictions": "K", "map_index": "N", "thumb_index": "M", "query_index": "N"}


def read(file: Path, result: dict[str, Any]) -> dict[str, np.ndarray]:
    """All arrays of a probe.npz that belongs to the content of a probe.json, checked already. Raises BadInput."""
    arrays = unpacked(file)
    table = _expected(result)
    sources = result["sources"]
    sizes = {
        "2": 2,
        "N": result["counts"]["shown"],
        "K": len(result["classes"]),
        "S": len(sources),
        "P": len(sources[0]["probes"]),
    }
    if result["maps"]:
        sizes["M"] = result["maps"][0]["images"]
    for name, (kinds, axes) in table.items():
        if name not in arrays:
            raise damaged(file, f"has no array {name}")
        array = arrays[name]
        if array.dtype.kind not in kinds or array.ndim != len(axes) or (kinds == "u" and array.dtype != np.uint8):
            raise damaged(file, f"{name} is {array.dtype} with {array.ndim} axes, expected {len(axes)}")
        for axis, length in zip(axes, array.shape, strict=True):
            if sizes.setdefault(axis, length) != length:
                raise damaged(file, f"{name} is {array.shape}, expected {axis} = {sizes[axis]}")
        if kinds == "f" and not np.isfinite(array).all():
            raise damaged(file, f"{name} has values that are no finite numbers")
        limit = sizes.get(_POINTS.get(name, "K" if name.endswith("_labels") else ""))
        if limit is not None and array.size and not (array.min() >= 0 and array.max() < limit):
            raise damaged(file, f"{name} has values outside 0 to {limit - 1}")
    _judged(file, arrays, result)
    for name, most in (("thumb_index", THUMBS), ("query_index", QUERIES)):
        found = arrays.get(name, np.zeros(0))
        if len(found) > most or len(np.unique(found)) != len(found):
            raise damaged(file, f"{name} has more than {most} entries, or one twice")
    if len(np.unique(arrays.get("map_index", ()))) != len(arrays.get("map_index", ())):
        raise damaged(file, "map_index has an image twice")
    return {name: arrays[name] for name in table}


def _expected(result: dict[str, Any]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """What has to be there, from what probe.json says."""
    table = dict(_ALWAYS)
    for source in result["sources"]:
        if source["name"] in RETRIEVED:
            name = f"neighbours_{source['name']}"
            table[f"{name}_pixels"] = ("u", ("Q", "near", "C", "H", "W"))
            table[f"{name}_labels"], table[f"{name}_distances"] = ("i", ("Q", "near")), ("f", ("Q", "near"))
    if result["maps"]:
        table |= _MAPS
    return table | {f"map_{one['kind']}_{one['source']}": ("f", ("M", "2")) for one in result["maps"]}


def _judged(file: Path, arrays: dict[str, np.ndarray], result: dict[str, Any]) -> None:
    """Raise BadInput unless confusions count the answers, accuracies are theirs, shares are shares and distances ascend."""
    labels, classes = arrays["labels"], len(result["classes"])
    for s, source in enumerate(result["sources"]):
        for p, probe in enumerate(source["probes"]):
            where, answers = f"{probe['kind']} of {source['name']}", arrays["predictions"][s, p]
            if not np.array_equal(
                np.bincount(labels * classes + answers, minlength=classes**2), arrays["confusion"][s, p].ravel()
            ):
                raise damaged(file, f"confusion of {where} does not count labels and predictions")
            if abs(float((answers == labels).mean()) - probe["accuracy"]) > 1e-9:
                raise damaged(file, f"predictions of {where} have another accuracy than probe.json says")
    spectrum = arrays["spectrum"]
    if (spectrum < 0).any() or spectrum.sum() > 1 + 1e-6 or (np.diff(spectrum) > 1e-9).any():
        raise damaged(file, "spectrum is no list of shares of the variance, the largest first")
    for name in [name for name in arrays if name.startswith("neighbours_") and name.endswith("_distances")]:
        if (arrays[name] < 0).any() or (np.diff(arrays[name], axis=1) < 0).any():
            raise damaged(file, f"{name} do not ascend from 0")
