"""Writes and reads the probes of a run: RUN/probes/<hash of the ProbeSpec>/probe.json and probe.npz. No torch.

The files come from outside, so type, size and range of each value are checked before it is used.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from smallvision.errors import BadInput
from smallvision.experiment.io import typed
from smallvision.experiment.probe import ProbeSpec
from smallvision.rendering.cards import card
from smallvision.runs import paths, probe_arrays
from smallvision.storage.files import new_directory, read_json, write_bytes, write_json
from smallvision.storage.schema import AMOUNT, NUMBER, SHARE, TEXT, WHOLE, damaged

FOLDER = "probes"
JSON, ARRAYS = "probe.json", "probe.npz"
SOURCES = ("representation", "pixels", "pca", "untrained")  # of features, in the order of results

_CLASS = {"class": TEXT, "precision": SHARE, "recall": SHARE, "f1": SHARE, "support": WHOLE}
_PROBE = {
    "kind": TEXT,
    "setting": TEXT,
    "value": AMOUNT,
    "tried": [[NUMBER, NUMBER]],
    "count": WHOLE,
    "accuracy": SHARE,
    "interval": [SHARE, SHARE],
    "macro_f1": SHARE,
    "per_class": [_CLASS],
    "notes": [TEXT],
}
_COMPARISON = {
    "probe": TEXT,
    "against": TEXT,
    "difference": NUMBER,
    "interval": [NUMBER, NUMBER],
    "p": SHARE,
    "adjusted_p": SHARE,
    "verdict": TEXT,
    "sentence": TEXT,
}
SHAPE: dict[str, Any] = {
    "format_version": WHOLE,
    "spec": {},
    "hash": TEXT,
    "name": TEXT,
    "experiment": TEXT,
    "seed": WHOLE,
    "model_sha256": TEXT,
    "command": TEXT,
    "classes": [TEXT],
    "split": TEXT,
    "chosen_on": TEXT,
    "looks": WHOLE,
    "counts": {"train": WHOLE, "chosen_on": WHOLE, "shown": WHOLE},
    "sources": [
        {
            "name": TEXT,
            "title": TEXT,
            "size": WHOLE,
            "seconds": AMOUNT,
            "probes": [_PROBE],
            "precision": {"1": SHARE, "8": SHARE},
        }
    ],
    "dimensions": {"dead": WHOLE, "duplicates": WHOLE, "effective_rank": AMOUNT},
    "comparisons": [_COMPARISON],
    "maps": [{"kind": TEXT, "source": TEXT, "images": WHOLE, "seconds": AMOUNT, "neighbours": SHARE}],
    "notes": [TEXT],
    "environment": {"packages?": {}},
}


@dataclass(frozen=True, repr=False)
class ProbeRecord:
    """A finished probe: `result` is the content of probe.json, `evidence` the arrays of probe.npz."""

    path: Path
    result: dict[str, Any] = field(repr=False)
    evidence: dict[str, np.ndarray] = field(repr=False)
    spec: ProbeSpec

    def __repr__(self) -> str:
        return f"ProbeRecord({str(self.path)!r}: {_accuracies(self.result['sources'][0])})"

    def _repr_html_(self) -> str:
        """A card for a notebook: the accuracy of every probe on each source of features."""
        result = self.result
        lines = [(source["title"], _accuracies(source)) for source in result["sources"]]
        return card(f"{result['name']}, probed on {result['counts']['shown']:,} {result['split']} images", lines)


def _accuracies(source: Mapping[str, Any]) -> str:
    """What the probes on a source of features get right, with the names of the probes."""
    return ", ".join(f"{one['kind']} {100 * one['accuracy']:.2f} %" for one in source["probes"])


def place(run_path: Path, spec: ProbeSpec) -> Path:
    """Where the probe of a run stands, or would."""
    return run_path / FOLDER / spec.hash()


def write(run_path: Path, spec: ProbeSpec, result: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Path:
    """Write a probe into a run. Its folder appears whole or not at all and replaces an older one of the same spec.

    The caller holds the run's lock (`directory.unlocked`), so temporary folders of killed processes can be removed.

    Parameters
    ----------
    run_path : the run directory.
    spec : what was asked.
    result, arrays : what probe.json and probe.npz hold; `spec` and `hash` are put into the former.

    Returns
    -------
    Path : the probe's folder.

    Raises
    ------
    RunFailed : the disk is full or refuses; an older probe stays as it was.
    """
    path = place(run_path, spec)
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]
    with new_directory(path, "probe", replace=True) as part:
        write_bytes(part / ARRAYS, packed.getvalue())
        write_json(part / JSON, {**result, "spec": spec.model_dump(mode="json"), "hash": spec.hash()})
    return path


def read(path: Path | str) -> ProbeRecord:
    """Read the folder of a probe.

    Parameters
    ----------
    path : RUN/probes/<hash>.

    Raises
    ------
    BadInput : no probe, a newer format, a damaged file, values that contradict one another.
    """
    try:
        return _read(Path(path))
    except BadInput as error:  # a run takes long, and is not what is damaged
        raise BadInput(str(error).replace("or repeat the run", f"or remove {path} and probe the run again")) from None


def standing(run_path: Path | str) -> list[ProbeRecord]:
    """The probes of a run, in the order of their folders' names; none where there is no such folder.

    Raises
    ------
    BadInput : as `read`; the folder cannot be listed.
    """
    folder = Path(run_path) / FOLDER
    if not folder.is_dir():
        return []
    try:
        paths = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise BadInput(f"{folder}: {error.strerror or error}; name a run directory that can be read") from None
    return [read(path) for path in paths]


def find(run_path: Path | str, spec: ProbeSpec) -> ProbeRecord | None:
    """The probe of a run that was asked for, if it stands and is of the weights that the run has now.

    Raises
    ------
    BadInput : as `read`; the run's result.json cannot be read; another probe stands where this one would.
    """
    path = place(Path(run_path), spec)
    if not path.is_dir():
        return None
    found = read(path)
    if found.spec != spec:
        other = "; ".join(paths.differences(found.spec, spec)[:3])
        raise BadInput(
            f"{path}: this folder holds another probe ({other}); nothing is overwritten, so remove it to probe the "
            "run anew"
        )
    weights = read_json(Path(run_path) / "result.json", {"model_sha256": TEXT})["model_sha256"]
    return found if found.result["model_sha256"] == weights else None


def _read(path: Path) -> ProbeRecord:
    file = path / JSON
    for name in (JSON, ARRAYS):
        if not (path / name).is_file():
            raise damaged(path, f"it has no {name}, so it is not a probe")
    result = read_json(file, SHAPE, "probe")
    spec = typed(ProbeSpec, result["spec"], f"{file}: spec")
    _consistent(file, result, spec)
    return ProbeRecord(path, result, probe_arrays.read(path / ARRAYS, result), spec)


def _consistent(file: Path, result: dict[str, Any], spec: ProbeSpec) -> None:
    """Raise BadInput where parts of probe.json do not fit one another."""
    sources = [source["name"] for source in result["sources"]]
    counts, classes = result["counts"], len(result["classes"])
    if result["hash"] != spec.hash():
        raise damaged(file, f"its hash is {result['hash']}, but its spec has the hash {spec.hash()}")
    if sources[:1] != ["representation"] or sources != [name for name in SOURCES if name in sources]:
        raise damaged(
            file,
            (f"its sources are {sources}; expected representation first, and only {', '.join(SOURCES)}, in this order"),
        )
    if result["split"] not in ("test", "validation"):
        raise damaged(file, f'its split is "{result["split"]}"; expected test or validation')
    if classes < 1 or min(counts.values()) < 1:
        raise damaged(file, "it has no classes, or a part without images")
    for source in result["sources"]:
        kinds = [probe["kind"] for probe in source["probes"]]
        if kinds != list(spec.probes):
            raise damaged(file, f"the probes of {source['name']} are {kinds}; expected {list(spec.probes)}")
        for probe in source["probes"]:
            if probe["count"] != counts["shown"] or len(probe["per_class"]) != classes:
                raise damaged(
                    file,
                    (f"{probe['kind']} of {source['name']} does not belong to the images or classes of this probe"),
                )
            low, high = probe["interval"]
            if not low - 1e-9 <= probe["accuracy"] <= high + 1e-9:
                raise damaged(file, f"the accuracy of {probe['kind']} of {source['name']} lies outside its interval")
    for one in result["comparisons"]:
        if one["probe"] not in spec.probes or one["against"] not in sources[1:]:
            raise damaged(file, f"it compares {one['probe']} with {one['against']}, which is missing")
    pairs = [(one["kind"], one["source"]) for one in result["maps"]]
    if len(set(pairs)) != len(pairs) or any(kind not in spec.maps or source not in sources for kind, source in pairs):
        raise damaged(file, "it has maps that were not asked for, or the same map twice")
