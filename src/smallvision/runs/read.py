"""A run directory read back: files from outside, so that every one is checked before anything is believed.

What a run directory holds is written in `docs/architecture.md`; the shapes below are that table, for a machine.
An unfinished run is read as far as it got. Nothing is unpickled; nothing large is unpacked before its size is known.
"""

import json
import math
import os
import time
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from smallvision.errors import BadInput
from smallvision.experiment import Experiment, build

FORMAT_VERSION = 1
LARGEST_TEXT = 512 * 1024**2              # bytes of one .json, .jsonl or .toml
LARGEST_EVIDENCE = 1024**3                # bytes of all arrays together, unpacked
STALE_SECONDS = 600.0                     # a running run whose heartbeat is older has stopped without saying so

WHOLE, NUMBER, SHARE, TEXT = "a whole number >= 0", "a number", "a number from 0 to 1", "text"
_SCORES = {"loss": NUMBER, "accuracy": SHARE}
_SCORED = {**_SCORES, "count": WHOLE}
_FULL = {**_SCORED, "accuracy_interval?": [SHARE],
         "per_class?": [{"class": TEXT, "precision": SHARE, "recall": SHARE, "f1": SHARE, "support": WHOLE}]}
_SIZES = {"parameters": WHOLE, "multiply_adds": WHOLE, "parameter_bytes": WHOLE, "output_bytes": WHOLE}
# a shape: a leaf above, {key: shape} ("key?" may be absent), [shape] for a list of any length, alternatives in a tuple
SHAPES: dict[str, Any] = {
    "state.json": {"format_version": WHOLE, "status": TEXT, "pid?": (WHOLE, None), "heartbeat?": (NUMBER, None),
                   "started?": (NUMBER, TEXT, None), "finished?": (NUMBER, TEXT, None), "experiment": TEXT,
                   "seed": WHOLE, "command": TEXT, "message?": (TEXT, None)},
    "environment.json": {"format_version": WHOLE, "packages?": {}},
    "layers.json": {"format_version": WHOLE, "input": [WHOLE], "totals": _SIZES,
                    "rows": [{"name": TEXT, "type": TEXT, "output": [WHOLE], "receptive_field": (WHOLE, None),
                              **_SIZES}]},
    "result.json": {"format_version": WHOLE, "name": TEXT, "experiment": TEXT, "seed": WHOLE, "parameters": WHOLE,
                    "bytes": WHOLE, "multiply_adds": WHOLE, "epochs": WHOLE, "seconds": NUMBER,
                    "seconds_per_epoch": NUMBER, "images_per_second": NUMBER, "precision": TEXT,
                    "selected": {"epoch": WHOLE, "by": TEXT}, "classes": [TEXT], "counts": {"train": WHOLE},
                    "mean?": [NUMBER], "std?": [NUMBER], "notes": [TEXT], "model_sha256?": TEXT,
                    "looks": WHOLE, "train?": _FULL, "validation?": (_FULL, None), "test?": (_FULL, None)},
    "metrics.jsonl": {"epoch": WHOLE, "step": WHOLE, "examples": WHOLE, "learning_rate": NUMBER, "seconds": NUMBER,
                      "train": _SCORES, "validation?": (_SCORES, None), "test?": (_SCORES, None)},
    "steps.jsonl": {"epoch": WHOLE, "step": WHOLE, "examples": WHOLE, "loss": [NUMBER], "seconds": NUMBER},
}
# arrays of evidence.npz: kind of dtype and axes; equal letters are equal lengths, N images of K classes
EVIDENCE: dict[str, tuple[str, tuple[str, ...]]] = {
    "split": ("U", ()), "probabilities": ("f", ("N", "K")), "labels": ("i", ("N",)), "predictions": ("i", ("N",)),
    "confusion": ("i", ("K", "K")), "ids": ("iu", ("N", "2")),
    "first_index": ("i", ("first",)), "first_pixels": ("u", ("first", "C", "H", "W")),
    "mistake_index": ("i", ("mistakes",)), "mistake_pixels": ("u", ("mistakes", "C", "H", "W")),
    "confident_index": ("i", ("confident",)), "confident_pixels": ("u", ("confident", "C", "H", "W")),
    "train_labels": ("i", ("shown",)), "train_pixels": ("u", ("shown", "C", "H", "W")),
    "filters": ("f", ("F", "c", "h", "w")),
    "panel_kinds": ("U", ("kinds",)), "panel_pixels": ("u", ("kinds", "n", "C", "H", "W")),
}
ALWAYS = ("split", "probabilities", "labels", "predictions", "confusion")
SPLITS = ("train", "validation", "test")
INDICES = ("labels", "predictions", "train_labels")
TOGETHER = (("first_index", "first_pixels"), ("mistake_index", "mistake_pixels"), ("train_labels", "train_pixels"),
            ("confident_index", "confident_pixels"), ("panel_kinds", "panel_pixels"))


@dataclass(frozen=True)
class RunRecord:
    """All that a run directory says. What an unfinished run has not written yet is None or empty."""

    path: Path
    experiment: Experiment
    experiment_toml: str = field(repr=False)
    state: dict[str, Any]
    environment: dict[str, Any] = field(repr=False)
    metrics: list[dict[str, Any]] = field(repr=False)         # a record per epoch
    steps: list[dict[str, Any]] = field(repr=False)           # a record per progress report
    layers: dict[str, Any] | None = field(repr=False)
    result: dict[str, Any] | None = field(repr=False)

    @cached_property
    def evidence(self) -> dict[str, np.ndarray] | None:
        """The arrays of evidence.npz, read when first asked for; None when there are none yet. Raises BadInput."""
        path = self.path / "evidence.npz"
        if not path.exists():
            return None
        classes = None if self.result is None else len(self.result["classes"])
        return _checked(path, _arrays(path), classes)


def read_run(path: str | Path) -> RunRecord:
    """Read a run directory, finished or not.

    Parameters
    ----------
    path : the directory that `smallvision run` wrote.

    Returns
    -------
    RunRecord : its files, checked; the arrays of `evidence` are read when first asked for.

    Raises
    ------
    BadInput : no run directory, a newer format, a damaged file, a value of the wrong type.
    """
    path = Path(path)
    text = _begin(path)
    record = RunRecord(
        path=path, experiment=_experiment(path, text), experiment_toml=text, state=_json(path / "state.json"),
        environment=_json(path / "environment.json", missing={}), metrics=_lines(path / "metrics.jsonl"),
        steps=_lines(path / "steps.jsonl"), layers=_json(path / "layers.json", missing=None),
        result=_json(path / "result.json", missing=None))
    if record.state["status"] == "finished" and record.result is None:
        raise _damaged(path / "result.json", "missing, though state.json says finished")
    return record


def list_runs(folder: str | Path) -> list[dict[str, Any]]:
    """The runs directly inside a folder, in the order of their folders' names; other folders are passed over.

    Returns
    -------
    list of dict : `name`, `hash`, `seed`, `status`, `epochs` (finished), `test_accuracy` (0 to 1), `seconds`, `path`,
        `problem`. What is not known yet is None. A run that cannot be read has the status "broken", and its `problem`
        says why; it is "" otherwise.

    Raises
    ------
    BadInput : the folder cannot be listed.
    """
    try:
        paths = sorted(entry for entry in Path(folder).iterdir() if entry.is_dir())
    except OSError as error:
        raise BadInput(f"{folder}: {error.strerror or error}; give the folder that holds the runs") from None
    rows = []
    for path in paths:
        if not path.name.startswith(".") and ((path / "state.json").exists() or (path / "experiment.toml").exists()):
            try:
                rows.append(_row(path))
            except BadInput as error:
                unknown = dict.fromkeys(("hash", "seed", "epochs", "test_accuracy", "seconds"))
                rows.append({"name": path.name, **unknown, "status": "broken", "path": path, "problem": str(error)})
    return rows


def _row(path: Path) -> dict[str, Any]:
    experiment = _experiment(path, _begin(path))
    state, result = _json(path / "state.json"), _json(path / "result.json", missing=None)
    metrics = [] if result else _lines(path / "metrics.jsonl")
    last: dict[str, Any] = metrics[-1] if metrics else {"epoch": 0}
    return {
        "name": experiment.name, "hash": state["experiment"], "seed": state["seed"], "status": status(state),
        "epochs": result["epochs"] if result else last["epoch"],
        "test_accuracy": ((result or last).get("test") or {}).get("accuracy"),
        "seconds": result["seconds"] if result else last.get("seconds"),
        "path": path, "problem": "",
    }


def status(state: Mapping[str, Any]) -> str:
    """A run's status as it is now: "running" only if its process still lives, else "stopped, resumable"."""
    if state["status"] != "running":
        return str(state["status"])
    pid, heartbeat = state.get("pid"), state.get("heartbeat")
    if heartbeat is None or not abs(time.time() - heartbeat) < STALE_SECONDS:
        return "stopped, resumable"
    if os.name == "posix" and pid is not None:          # elsewhere os.kill(pid, 0) would end the process
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, OverflowError):
            return "stopped, resumable"
        except PermissionError:
            pass                                        # alive, and somebody else's
    return "running"


def _begin(path: Path) -> str:
    """The text of experiment.toml, after making sure that this is a run directory at all."""
    for name in ("experiment.toml", "state.json"):
        if not (path / name).is_file():
            found = f"has no {name}" if path.is_dir() else "is no directory" if path.exists() else "no such directory"
            raise BadInput(f"{path}: {found}, so it is no run directory; give one that `smallvision run` wrote")
    file = path / "experiment.toml"
    try:
        return _bytes(file).decode()
    except UnicodeDecodeError as error:
        raise _damaged(file, f"not UTF-8 text at byte {error.start}") from None


def _experiment(path: Path, text: str) -> Experiment:
    file = path / "experiment.toml"
    try:
        table = tomllib.loads(text)
    except (RecursionError, ValueError) as error:
        raise _damaged(file, f"not valid TOML: {error}") from None
    return build(table, str(file))


def _bytes(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > LARGEST_TEXT:
            raise BadInput(f"{file}: {size:,} bytes, more than {LARGEST_TEXT:,}; no run writes such a file")
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror or error}); restore it from a copy") from None


def _json(file: Path, **default: Any) -> Any:
    """A checked JSON file; what `missing` says when it is not there."""
    if default and not file.exists():
        return default["missing"]
    try:
        value = json.loads(_bytes(file))
    except BadInput:
        raise
    except (RecursionError, ValueError) as error:
        raise _damaged(file, f"not valid JSON: {error}") from None
    found = value.get("format_version") if isinstance(value, dict) else None
    if type(found) is int and found > FORMAT_VERSION:
        what = f"format {found}, of a newer smallvision; this one reads up to {FORMAT_VERSION}"
        raise BadInput(f"{file}: {what}; update smallvision")
    _check(value, SHAPES[file.name], file)
    return value


def _lines(file: Path) -> list[dict[str, Any]]:
    """The records of a .jsonl; a last line that was cut off while it was written is left out."""
    *whole, torn = _bytes(file).split(b"\n") if file.exists() else [b""]
    records = []
    for number, line in enumerate([*whole, torn] if torn else whole, start=1):
        try:
            value = json.loads(line)
            _check(value, SHAPES[file.name], file, f"line {number}")
            records.append(value)
        except (RecursionError, ValueError) as error:
            if number > len(whole):
                break
            raise error if isinstance(error, BadInput) else _damaged(file, f"line {number}: {error}") from None
    return records


def _damaged(file: Path, what: str) -> BadInput:
    return BadInput(f"{file}: {what}; restore the file from a copy, or repeat the run")


def _check(value: Any, shape: Any, file: Path, at: str = "") -> None:
    """Compare a JSON value with a shape. Raises BadInput naming the first place that differs."""
    for option in shape if isinstance(shape, tuple) else (shape,):
        if isinstance(option, dict) and isinstance(value, dict):
            for key, inner in option.items():
                name = key.removesuffix("?")
                if name in value:
                    _check(value[name], inner, file, f"{at}.{name}" if at else name)
                elif name == key:
                    raise _damaged(file, f'{at or "its table"} has no "{name}"')
            return
        if isinstance(option, list) and isinstance(value, list):
            for position, item in enumerate(value):
                _check(item, option[0], file, f"{at}[{position}]")
            return
        if _fits(value, option):
            return
    names = {dict: "a table", list: "a list", type(None): "null"}
    words = [str(names.get(type(option), option)) for option in (shape if isinstance(shape, tuple) else (shape,))]
    raise _damaged(file, f"{at or 'the file'} is {_short(value)}, expected {' or '.join(words)}")


def _fits(value: Any, leaf: Any) -> bool:
    if leaf is None or leaf == TEXT:
        return value is None if leaf is None else isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**63:      # nor NaN
        return False
    whole = isinstance(value, int) and value >= 0
    return leaf == NUMBER or (leaf == SHARE and 0 <= value <= 1) or (leaf == WHOLE and whole)


def _arrays(file: Path) -> dict[str, np.ndarray]:
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
                        raise _damaged(file, f"{member.filename} is no plain array of the size it says")
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except BadInput:
        raise
    except Exception as error:                          # zipfile, zlib and numpy raise a dozen kinds for damaged bytes
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise _damaged(file, f"not a readable .npz: {reason}") from None


def _checked(file: Path, arrays: dict[str, np.ndarray], classes: int | None) -> dict[str, np.ndarray]:
    """The arrays, once kinds, lengths and ranges agree with each other and with the number of classes."""
    sizes = {"2": 2} if classes is None else {"2": 2, "K": classes}
    missing = [name for name in ALWAYS if name not in arrays]
    missing += [b for pair in TOGETHER for a, b in (pair, pair[::-1]) if a in arrays and b not in arrays]
    if missing:
        raise _damaged(file, f"has no array {missing[0]}")
    for name, (kinds, axes) in EVIDENCE.items():
        if name not in arrays:
            continue
        array = arrays[name]
        if array.dtype.kind not in kinds or array.ndim != len(axes) or (kinds == "u" and array.dtype != np.uint8):
            raise _damaged(file, f"{name} is {array.dtype} with {array.ndim} axes, expected {len(axes)}")
        for axis, length in zip(axes, array.shape, strict=True):
            if sizes.setdefault(axis, length) != length:
                raise _damaged(file, f"{name} is {array.shape}, expected {axis} = {sizes[axis]}")
        limit = sizes["N"] if name.endswith("_index") else sizes["K"] if name in INDICES else None
        if limit is not None and array.size and not (array.min() >= 0 and array.max() < limit):
            raise _damaged(file, f"{name} has values outside 0 to {limit - 1}")
        if kinds == "f" and not np.isfinite(array).all():
            raise _damaged(file, f"{name} has values that are no finite numbers")
    labels, predictions, count = arrays["labels"], arrays["predictions"], sizes["K"]
    if not np.array_equal(np.bincount(labels * count + predictions, minlength=count**2), arrays["confusion"].ravel()):
        raise _damaged(file, "confusion does not count labels and predictions")
    for name in ("mistake_index", "confident_index"):
        index = arrays.get(name, np.zeros(0, np.int64))
        if (labels[index] == predictions[index]).any():
            raise _damaged(file, f"{name} points at images that are no mistakes")
    if str(arrays["split"]) not in SPLITS:
        raise _damaged(file, f"split is {_short(str(arrays['split']))}, expected one of {', '.join(SPLITS)}")
    return arrays


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
