"""Reads a run directory. Its files come from outside, so each one is checked before its values are used. No torch.

docs/file-formats.md describes what a run directory holds; it is made from `runs.schema` and `runs.evidence`.
An unfinished run is read as far as it got. Nothing is unpickled, and sizes are checked before unpacking.
"""

import errno
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from smallvision.errors import BadInput
from smallvision.experiment import Experiment, build
from smallvision.experiment.io import parse_toml
from smallvision.runs import evidence
from smallvision.runs.schema import shapes
from smallvision.storage.files import LARGEST_LINE, LARGEST_LOG, read_bytes, read_json
from smallvision.storage.files import lives as process_lives
from smallvision.storage.schema import check, damaged
from smallvision.tasks import Task, task_of

STALE_SECONDS = 600.0  # where no process can be asked: with an older heartbeat a run has stopped


@dataclass(frozen=True)
class RunRecord:
    """All that a run directory says. What an unfinished run has not written yet is None or empty."""

    path: Path
    experiment: Experiment
    experiment_toml: str = field(repr=False)
    state: dict[str, Any]
    environment: dict[str, Any] = field(repr=False)
    metrics: list[dict[str, Any]] = field(repr=False)  # a record per epoch
    steps: list[dict[str, Any]] = field(repr=False)  # a record per progress report
    layers: dict[str, Any] | None = field(repr=False)
    result: dict[str, Any] | None = field(repr=False)

    @cached_property
    def evidence(self) -> dict[str, np.ndarray] | None:
        """The arrays of evidence.npz, read when first asked for; None when there are none yet. Raises BadInput.

        Where a look at the test split began and did not end, they are those of the validation images, which were kept;
        None where none were. So nothing is compared or shown by a look whose scores are not in result.json.
        """
        if self.look_began and self.written_evidence is not None and str(self.written_evidence["split"]) == "test":
            return self._arrays(evidence.VALIDATION_EVIDENCE)
        return self.written_evidence

    @cached_property
    def written_evidence(self) -> dict[str, np.ndarray] | None:
        """The arrays of evidence.npz whatever split they are of; None when there are none yet. Raises BadInput."""
        return self._arrays("evidence.npz")

    @cached_property
    def look_began(self) -> bool:
        """Whether a look at the test split began, after the run, and did not end: its scores are not in result.json.

        Such a look is counted in `looks`. Earlier versions counted it at its end; evidence of the test split tells it.
        """
        if self.result is None or self.result.get("test"):
            return False
        if self.result["looks"]:
            return True
        if self.result.get("validation") and not _there(self.path / evidence.VALIDATION_EVIDENCE):
            return False  # a look keeps what was known of validation images before all else
        return self.written_evidence is not None and str(self.written_evidence["split"]) == "test"

    def _arrays(self, name: str) -> dict[str, np.ndarray] | None:
        path = self.path / name
        if not _there(path):
            return None
        classes = None if self.result is None else len(self.result["classes"])
        return evidence.read(path, classes, task_of(self.experiment))


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
    experiment = _experiment(path, text)
    own = shapes(task_of(experiment).schema)
    record = RunRecord(
        path=path,
        experiment=experiment,
        experiment_toml=text,
        state=read_json(path / "state.json", own["state.json"]),
        environment=_optional(path / "environment.json", own["environment.json"], {}),
        metrics=_lines(path / "metrics.jsonl", own["metrics.jsonl"]),
        steps=_lines(path / "steps.jsonl", own["steps.jsonl"]),
        layers=_optional(path / "layers.json", own["layers.json"], None),
        result=_optional(path / "result.json", own["result.json"], None),
    )
    if record.state["status"] == "finished" and record.result is None:
        raise damaged(path / "result.json", "missing, though state.json says finished")
    if record.result is not None:
        _refuse_cut(record, record.result["epochs"])
    return record


def _refuse_cut(record: RunRecord, epochs: int) -> None:
    """Raise BadInput where whole lines are gone from a log of a finished run, or are there twice."""
    logged = [line["epoch"] for line in record.metrics]
    if logged != [*range(1, epochs + 1)]:
        found = f"has {len(logged)} epochs" if len(logged) != epochs else "does not have the epochs in their order"
        raise damaged(record.path / "metrics.jsonl", f"{found}, where result.json says {epochs}")
    steps, whole = sum(len(line["loss"]) for line in record.steps), record.metrics[-1]["step"] if epochs else 0
    if steps != whole:
        raise damaged(record.path / "steps.jsonl", f"has the losses of {steps} steps, where metrics.jsonl says {whole}")


def read_experiment(path: Path) -> Experiment:
    """The experiment of a run directory. Raises BadInput."""
    return _experiment(path, _begin(path))


def read_begun(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a run that is resumed says of its beginning: the content of state.json and of environment.json.

    Its other files may be damaged, if its checkpoint has them.

    Raises
    ------
    BadInput : no run directory, or one of the two is missing or damaged.
    """
    own = shapes(task_of(read_experiment(path)).schema)
    state = read_json(path / "state.json", own["state.json"])
    return state, read_json(path / "environment.json", own["environment.json"])


def list_runs(folder: str | Path) -> list[dict[str, Any]]:
    """The runs directly inside a folder, in the order of their folders' names; other folders are passed over.

    Returns
    -------
    list of dict : `name`, `hash`, `seed`, `status`, `epochs` (finished), `test_accuracy` (0 to 1; of a classification),
        `test_score` (as text, with what it is), `seconds`, `path`, `problem`. What is not known yet is None. A run that
        cannot be read has the status "broken", and its `problem` says why; it is "" otherwise.

    Raises
    ------
    BadInput : the folder cannot be listed.
    """
    try:
        paths = sorted(entry for entry in Path(folder).iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise BadInput(f"{folder}: {error.strerror or error}; give the folder that holds the runs") from None
    rows = []
    for path in paths:
        try:
            if _there(path / "state.json") or _there(path / "experiment.toml"):
                rows.append(_row(path))
        except BadInput as error:
            unknown = dict.fromkeys(("hash", "seed", "epochs", "test_accuracy", "test_score", "seconds"))
            rows.append({"name": path.name, **unknown, "status": "broken", "path": path, "problem": str(error)})
    return rows


def _row(path: Path) -> dict[str, Any]:
    experiment = _experiment(path, _begin(path))
    own = shapes(task_of(experiment).schema)
    state = read_json(path / "state.json", own["state.json"])
    result = _optional(path / "result.json", own["result.json"], None)
    metrics = [] if result else _lines(path / "metrics.jsonl", own["metrics.jsonl"])
    last: dict[str, Any] = metrics[-1] if metrics else {"epoch": 0}
    test = (result or last).get("test") or {}
    return {
        "name": experiment.name,
        "hash": state["experiment"],
        "seed": state["seed"],
        "status": status(state),
        "epochs": result["epochs"] if result else last["epoch"],
        "test_accuracy": test.get("accuracy"),
        "test_score": _score(task_of(experiment), test) if test else None,
        "seconds": result["seconds"] if result else last.get("seconds"),
        "path": path,
        "problem": "",
    }


def _score(task: Task, scores: Mapping[str, Any]) -> str:
    """The task's score as text, with what has to stand beside it."""
    beside = [f", {name} {task.metric.text(value)}" for name, value in task.beside(scores).items()]
    return "".join([f"{task.metric.key} {task.metric.text(scores[task.metric.key])}", *beside])


def status(state: Mapping[str, Any]) -> str:
    """A run's status as it is now: "running" only if its process still lives, else "stopped, resumable".

    A process that lives is believed however old its heartbeat: a long epoch or scoring has none. Where processes cannot
    be asked, a heartbeat is believed for STALE_SECONDS.
    """
    if state["status"] != "running":
        return str(state["status"])
    pid, heartbeat = state.get("pid"), state.get("heartbeat")
    lives = heartbeat is not None and abs(time.time() - heartbeat) < STALE_SECONDS
    if os.name == "posix" and pid:  # elsewhere os.kill(pid, 0) would end the process
        lives = process_lives(pid)
    return "running" if lives else "stopped, resumable"


def _begin(path: Path) -> str:
    """The text of experiment.toml, after making sure that this is a run directory at all."""
    for name in ("experiment.toml", "state.json"):
        if not _there(path / name):
            found = f"has no {name}" if path.is_dir() else "is no directory" if path.exists() else "no such directory"
            raise BadInput(f"{path}: {found}, so it is no run directory; give one that `smallvision run` wrote")
    file = path / "experiment.toml"
    try:
        return read_bytes(file).decode()
    except UnicodeDecodeError as error:
        raise damaged(file, f"not UTF-8 text at byte {error.start}") from None


def _experiment(path: Path, text: str) -> Experiment:
    file = path / "experiment.toml"
    try:
        table = parse_toml(text)
    except (RecursionError, ValueError) as error:
        raise damaged(file, f"not valid TOML: {error}") from None
    return build(table, str(file))


def _there(file: Path) -> bool:
    """Whether there is such a file, or a link of that name. Raises BadInput where that cannot be found out."""
    try:
        file.lstat()
        return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link that leads to itself, in place of a run
            return False
        raise BadInput(f"{file.parent}: {error.strerror or error}; give a run directory that may be read") from None


def _optional(file: Path, shape: Any, default: Any) -> Any:
    """The value of a JSON file; `default` where there is no such file."""
    return read_json(file, shape) if _there(file) else default


def _lines(file: Path, shape: Any) -> list[dict[str, Any]]:
    """The records of a .jsonl; a last line that was cut off while it was written is left out."""
    *whole, torn = read_bytes(file, limit=LARGEST_LOG).split(b"\n") if _there(file) else [b""]
    records = []
    for number, line in enumerate([*whole, torn] if torn else whole, start=1):
        if len(line) > LARGEST_LINE:
            raise damaged(file, f"line {number} has {len(line):,} bytes, more than {LARGEST_LINE:,}")
        try:
            value = json.loads(line)
            check(value, shape, file, f"line {number}")
            records.append(value)
        except (RecursionError, ValueError) as error:
            if number > len(whole):
                break
            raise error if isinstance(error, BadInput) else damaged(file, f"line {number}: {error}") from None
    return records
