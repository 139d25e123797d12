"""The arrays of probe.npz, checked against each other and against probe.json. No torch."""

from pathlib import Path
from typing import Any

import numpy as np

from smallvision.storage.arrays import ArraySchema, check_arrays, unpacked
from smallvision.storage.schema import damaged

THUMBS = 400  # images that a map can show, at most
NEIGHBOURS = 8  # of a query that are shown
QUERIES = 10  # at most, one of each class

# Kind of dtype, and axes. Equal names are equal lengths: N images that are judged, K classes, S sources, P probes,
# M images on the maps, T of them as thumbnails, Q queries, `near` neighbours of each query.
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
    """All arrays of a probe.npz. `result` is the content of its probe.json, already checked. Raises BadInput."""
    arrays, schema = unpacked(file), _schema(result)
    sources = result["sources"]
    lengths = {
        "N": result["counts"]["shown"],
        "K": len(result["classes"]),
        "S": len(sources),
        "P": len(sources[0]["probes"]),
    }
    if result["maps"]:
        lengths["M"] = result["maps"][0]["images"]
    check_arrays(file, arrays, schema, lengths)
    _check_values(file, arrays, result)
    for name, most in (("thumb_index", THUMBS), ("query_index", QUERIES)):
        index = arrays.get(name, np.zeros(0))
        if len(index) > most or len(np.unique(index)) != len(index):
            raise damaged(file, f"{name} has more than {most} entries, or the same entry twice")
    if len(np.unique(arrays.get("map_index", ()))) != len(arrays.get("map_index", ())):
        raise damaged(file, "map_index has the same image twice")
    return {name: arrays[name] for name in schema.table}


def _schema(result: dict[str, Any]) -> ArraySchema:
    """The arrays that the content of a probe.json asks for; each of them has to be there."""
    table, points = dict(_ALWAYS), dict(_POINTS)
    for source in result["sources"]:
        if source["name"] in RETRIEVED:
            name = f"neighbours_{source['name']}"
            table[f"{name}_pixels"] = ("u", ("Q", "near", "C", "H", "W"))
            table[f"{name}_labels"], table[f"{name}_distances"] = ("i", ("Q", "near")), ("f", ("Q", "near"))
            points[f"{name}_labels"] = "K"
    if result["maps"]:
        table |= _MAPS
    table |= {f"map_{projection['kind']}_{projection['source']}": ("f", ("M", "2")) for projection in result["maps"]}
    return ArraySchema(table, always=tuple(table), points=points)


def _check_values(file: Path, arrays: dict[str, np.ndarray], result: dict[str, Any]) -> None:
    """Raise BadInput where confusions, accuracies, shares of variance or distances contradict the other arrays."""
    labels, classes = arrays["labels"], len(result["classes"])
    for s, source in enumerate(result["sources"]):
        for p, probe in enumerate(source["probes"]):
            where, answers = f"{probe['kind']} of {source['name']}", arrays["predictions"][s, p]
            if not np.array_equal(
                np.bincount(labels * classes + answers, minlength=classes**2), arrays["confusion"][s, p].ravel()
            ):
                raise damaged(file, f"confusion of {where} does not count labels and predictions")
            if abs(float((answers == labels).mean()) - probe["accuracy"]) > 1e-9:
                raise damaged(file, f"predictions of {where} have a different accuracy from the one in probe.json")
    spectrum = arrays["spectrum"]
    if (spectrum < 0).any() or spectrum.sum() > 1 + 1e-6 or (np.diff(spectrum) > 1e-9).any():
        raise damaged(file, "spectrum is not a list of shares of the variance in descending order")
    for name in [name for name in arrays if name.startswith("neighbours_") and name.endswith("_distances")]:
        if (arrays[name] < 0).any() or (np.diff(arrays[name], axis=1) < 0).any():
            raise damaged(file, f"{name} are not in ascending order from 0")
