"""Writes the files of a run while it trains. docs/file-formats.md describes what each file holds. No torch.

Checkpoints (`training/checkpoint.py`), the later scoring of the test split (`training/evaluate_on_test.py`), probes
(`runs/probes.py`) and report.html (`report/run/page.py`) have writers of their own.
"""

import io
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from smallvision.errors import BadInput
from smallvision.experiment import Experiment, to_toml
from smallvision.runs.logs import LOGS, Log, LogMark, cut
from smallvision.runs.read import read_experiment, read_run
from smallvision.runs.schema import shapes
from smallvision.storage.files import LARGEST_TEXT, new_directory, write_bytes, write_json
from smallvision.storage.lock import RENAMED, take_lock
from smallvision.storage.reading import read_limited
from smallvision.tasks import task_of

RUNNING = "another process is writing this run; wait until it has ended, or choose another --out"
ELSEWHERE = "choose another --out"
KEPT = ("layers.json",)  # written at the start, and put back on resume; a damaged experiment.toml is refused before


class RunDirectory:
    """A run being written, locked by this process until `close` (or until the process ends, however it ends)."""

    def __init__(self, path: Path, lock: int, state: dict[str, Any]) -> None:
        self.path = path
        self._lock = lock
        self._state = state
        self._logs = {name: Log(path / name) for name in LOGS}
        self._files = {name: (path / name).read_bytes() for name in KEPT if (path / name).exists()}
        self.mended: tuple[str, ...] = ()

    @classmethod
    def create(
        cls,
        path: Path,
        experiment: Experiment,
        state: dict[str, Any],
        environment: dict[str, Any],
        layers: dict[str, Any],
    ) -> "RunDirectory":
        """A new run: all its first files appear at once, under the final name, or none does.

        Raises
        ------
        BadInput : something is at `path` already, or no directory can be made there.
        """
        with new_directory(path, "run directory") as part:
            lock = take_lock(part, path, RUNNING, ELSEWHERE) if RENAMED else None
            first = {**state, "status": "running", "pid": os.getpid(), "started": time.time(), "heartbeat": time.time()}
            write_bytes(part / "experiment.toml", to_toml(experiment).encode())
            write_json(part / "environment.json", environment)
            write_json(part / "layers.json", layers)
            write_json(part / "state.json", first)
        return cls(path, take_lock(path, path, RUNNING, ELSEWHERE) if lock is None else lock, first)

    @classmethod
    def reopen(
        cls, path: Path, state: dict[str, Any], logs: Mapping[str, LogMark], files: Mapping[str, bytes], epochs: int
    ) -> "RunDirectory":
        """Go on with an unfinished run. Its logs are cut to their length at its checkpoint; damaged ones are put back.

        Parameters
        ----------
        path : the run directory.
        state : the content of state.json.
        logs : what the checkpoint remembers of each log.
        files : the content of files of KEPT, as the checkpoint has them.
        epochs : the checkpoint's finished epochs.

        Raises
        ------
        BadInput : another process holds the run or has finished it meanwhile; a file is damaged that the checkpoint
            does not hold, or cannot be written.
        """
        lock = take_lock(path, path, RUNNING, ELSEWHERE)
        try:
            if (path / "result.json").exists() and json.loads(
                read_limited(path / "state.json", LARGEST_TEXT, "this file of a run")
            )["status"] == "finished":
                raise BadInput(
                    f"{path}: another process has finished this run in the meantime; use the same command without "
                    "--resume to show it"
                )
            mended = [*_put_back(path, files), *_cut(path, logs, epochs)]
            read_run(path)
            run = cls(path, lock, {**state, "pid": os.getpid()})
        except OSError as error:
            os.close(lock)
            raise BadInput(f"{path}: this run cannot be written: {error.strerror or error}") from None
        except BaseException:
            os.close(lock)
            raise
        run.mended = tuple(mended)
        run.note(status="running", message="")
        return run

    def append(self, log: str, record: dict[str, Any]) -> None:
        """Add one line to `metrics.jsonl` or `steps.jsonl`. Raises RunFailed when the disk is full."""
        self._logs[log].append(record)

    def logs(self) -> dict[str, LogMark]:
        """What a checkpoint remembers of the logs, once they are on the disk. Raises RunFailed."""
        return {name: log.mark() for name, log in self._logs.items()}

    def files(self) -> dict[str, bytes]:
        """The content of the files of KEPT, for the checkpoint; as they were when this object was made."""
        return self._files

    def note(self, **changes: Any) -> None:
        """Change entries of `state.json` and renew the heartbeat."""
        self._state = {**self._state, **changes, "heartbeat": time.time()}
        write_json(self.path / "state.json", self._state)

    def heartbeat(self, every: float = 10.0) -> None:
        """Renew the heartbeat when the last is older than `every` seconds."""
        if time.time() - self._state["heartbeat"] > every:
            self.note()

    def finish(self, result: dict[str, Any], evidence: dict[str, np.ndarray], weights: bytes) -> None:
        """Write weights, evidence and result, in this order; then the run counts as finished.

        A report of before is removed, since it says that the run is unfinished.
        """
        for log in self._logs.values():
            log.settle()
        with suppress(OSError):
            (self.path / "report.html").unlink(missing_ok=True)
        write_bytes(self.path / "model.safetensors", weights)
        packed = io.BytesIO()
        np.savez_compressed(packed, **evidence)  # type: ignore[arg-type]
        write_bytes(self.path / "evidence.npz", packed.getvalue())
        write_json(self.path / "result.json", result)
        self.note(status="finished", finished=time.time(), message="")
        with suppress(OSError):  # written meanwhile by another process, which had read the files of before
            (self.path / "report.html").unlink(missing_ok=True)
        (self.path / "checkpoint.safetensors").unlink(missing_ok=True)

    def close(self) -> None:
        """Release the lock; the directory stays."""
        for log in self._logs.values():
            log.close()
        os.close(self._lock)


def _put_back(path: Path, files: Mapping[str, bytes]) -> Iterator[str]:
    """Write the files anew that are not as the checkpoint has them, and say so."""
    for name, content in files.items():
        file = path / name
        if name in KEPT and not (
            file.is_file() and file.stat().st_size == len(content) and file.read_bytes() == content
        ):
            write_bytes(file, content)
            yield f"{name} was damaged and has been restored from the checkpoint"


def _cut(path: Path, logs: Mapping[str, LogMark], epochs: int) -> Iterator[str]:
    """Cut the logs to what they were at the checkpoint, and say which had to be put back."""
    shape = shapes(task_of(read_experiment(path)).schema)
    for name, mark in logs.items():
        said = cut(path / name, mark, epochs, shape[name])
        if said:
            yield said


@contextmanager
def unlocked(path: Path) -> Iterator[None]:
    """Hold the lock of a run directory for a moment, to make sure that no process is writing it. Raises BadInput."""
    lock = take_lock(path, path, RUNNING, ELSEWHERE)
    try:
        yield
    finally:
        os.close(lock)


def tidy(path: Path) -> None:
    """Remove the checkpoint of a finished run, which is left there by a process that was killed in its last moment."""
    file = path / "checkpoint.safetensors"
    if file.exists():
        with suppress(BadInput, OSError), unlocked(path):
            file.unlink(missing_ok=True)
