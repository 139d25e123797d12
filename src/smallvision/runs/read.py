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

from smallvision.errors import BadInput, counted
from smallvision.experiment import Experiment, build
from smallvision.experiment.io import parse_toml
from smallvision.runs import evidence
from smallvision.runs.schema import shapes
from smallvision.storage.files import LARGEST_LINE, LARGEST_LOG, read_bytes, read_json
from smallvision.storage.files import lives as process_lives
from smallvision.storage.schema import check, damaged
from smallvision.tasks import task_of

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
        if self.result.get("validation") and not there(self.path / evidence.VALIDATION_EVIDENCE):
            return False  # a look keeps what was known of validation images before all else
        return self.written_evidence is not None and str(self.written_evidence["split"]) == "test"

    def _arrays(self, name: str) -> dict[str, np.ndarray] | None:
        path = self.path / name
        if not there(path):
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
    text = experiment_text(path)
    experiment = experiment_from(path, text)
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
        raise damaged(path / "result.json", "the file is missing, but state.json says that the run is finished")
    if record.result is not None:
        _refuse_cut(record, record.result["epochs"])
    return record


def _refuse_cut(record: RunRecord, epochs: int) -> None:
    """Raise BadInput where whole lines are gone from a log of a finished run, or are there twice."""
    logged = [line["epoch"] for line in record.metrics]
    if logged != [*range(1, epochs + 1)]:
        found = f"it has {counted(len(logged), 'epoch')}" if len(logged) != epochs else "the epochs are not in order"
        raise damaged(record.path / "metrics.jsonl", f"{found}, but result.json says {epochs}")
    steps, whole = sum(len(line["loss"]) for line in record.steps), record.metrics[-1]["step"] if epochs else 0
    if steps != whole:
        raise damaged(
            record.path / "steps.jsonl",
            (f"it has the losses of {counted(steps, 'step')}, but metrics.jsonl says {whole}"),
        )


def read_experiment(path: Path) -> Experiment:
    """The experiment of a run directory. Raises BadInput."""
    return experiment_from(path, experiment_text(path))


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


def experiment_text(path: Path) -> str:
    """The text of experiment.toml, after making sure that this is a run directory at all."""
    for name in ("experiment.toml", "state.json"):
        if not there(path / name):
            found = (
                f"there is no {name} in it"
                if path.is_dir()
                else ("this is not a directory")
                if path.exists()
                else "there is no such directory"
            )
            raise BadInput(f"{path}: {found}, so it is not a run directory; name one that `smallvision run` wrote")
    file = path / "experiment.toml"
    try:
        return read_bytes(file).decode()
    except UnicodeDecodeError as error:
        raise damaged(file, f"the file is not UTF-8 text at byte {error.start}") from None


def experiment_from(path: Path, text: str) -> Experiment:
    """The experiment of a run directory from the text of its experiment.toml. Raises BadInput."""
    file = path / "experiment.toml"
    try:
        table = parse_toml(text)
    except (RecursionError, ValueError) as error:
        raise damaged(file, f"the file is not valid TOML: {error}") from None
    return build(table, str(file))


def there(file: Path) -> bool:
    """Whether there is such a file, or a link of that name. Raises BadInput where that cannot be found out."""
    try:
        file.lstat()
        return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link that leads to itself, in place of a run
            return False
        raise BadInput(f"{file.parent}: {error.strerror or error}; name a run directory that can be read") from None


def _optional(file: Path, shape: Any, default: Any) -> Any:
    """The value of a JSON file; `default` where there is no such file."""
    return read_json(file, shape) if there(file) else default


def _lines(file: Path, shape: Any) -> list[dict[str, Any]]:
    """The records of a .jsonl; a last line that was cut off while it was written is left out."""
    *whole, torn = read_bytes(file, limit=LARGEST_LOG).split(b"\n") if there(file) else [b""]
    records = []
    for number, line in enumerate([*whole, torn] if torn else whole, start=1):
        if len(line) > LARGEST_LINE:
            raise damaged(file, f"line {number} has {len(line):,} bytes, and a line may have at most {LARGEST_LINE:,}")
        try:
            value = json.loads(line)
            check(value, shape, file, f"line {number}")
            records.append(value)
        except (RecursionError, ValueError) as error:
            if number > len(whole):
                break
            raise error if isinstance(error, BadInput) else damaged(file, f"line {number}: {error}") from None
    return records
