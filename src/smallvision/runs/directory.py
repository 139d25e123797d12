"""Writes the files of a run while it trains. docs/file-formats.md describes what each file holds. No torch.

Checkpoints (`training/checkpoint.py`), the later scoring of the test split (`training/evaluate_on_test.py`), probes
(`runs/probes.py`) and report.html (`report/run/page.py`) have writers of their own.
"""

import io
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from smallvision.errors import BadInput
from smallvision.experiment import Experiment, to_toml
from smallvision.storage.files import failed, new_directory, write_bytes, write_json
from smallvision.storage.lock import take_lock

RUNNING = "another process is writing this run; wait for it, or choose another --out"
ELSEWHERE = "choose another --out"
LOGS = ("metrics.jsonl", "steps.jsonl")  # appended; everything else is replaced whole


class RunDirectory:
    """A run being written, locked by this process until `close` (or until the process ends, however it ends)."""

    def __init__(self, path: Path, lock: int, state: dict[str, Any]) -> None:
        self.path = path
        self._lock = lock
        self._state = state
        self._logs = {name: open(path / name, "ab", buffering=0) for name in LOGS}  # noqa: SIM115 (closed by close)

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
            lock = take_lock(part, path, RUNNING, ELSEWHERE)
            first = {**state, "status": "running", "pid": os.getpid(), "started": time.time(), "heartbeat": time.time()}
            write_bytes(part / "experiment.toml", to_toml(experiment).encode())
            write_json(part / "environment.json", environment)
            write_json(part / "layers.json", layers)
            write_json(part / "state.json", first)
        return cls(path, lock, first)

    @classmethod
    def reopen(cls, path: Path, state: dict[str, Any], lengths: dict[str, int]) -> "RunDirectory":
        """Go on with an unfinished run, with its logs truncated to the byte lengths stored in its checkpoint.

        Raises
        ------
        BadInput : another process holds the run or has finished it meanwhile, a log is too short or cannot be written.
        """
        lock = take_lock(path, path, RUNNING, ELSEWHERE)
        try:
            if (path / "result.json").exists() and json.loads((path / "state.json").read_text())[
                "status"
            ] == "finished":
                raise BadInput(f"{path}: another process has finished this run meanwhile; without --resume it is shown")
            for name in LOGS:
                log = path / name
                log.touch()
                if log.stat().st_size < lengths.get(name, 0):
                    raise BadInput(f"{log}: shorter than its checkpoint says; the run cannot be resumed, start it anew")
                os.truncate(log, lengths.get(name, 0))
            run = cls(path, lock, {**state, "pid": os.getpid()})
        except OSError as error:
            os.close(lock)
            raise BadInput(f"{path}: this run cannot be written: {error.strerror or error}") from None
        except BadInput:
            os.close(lock)
            raise
        run.note(status="running", message="")
        return run

    def append(self, log: str, record: dict[str, Any]) -> None:
        """Add one line to `metrics.jsonl` or `steps.jsonl`. Raises RunFailed when the disk is full."""
        try:
            self._logs[log].write(json.dumps(record, allow_nan=False, separators=(",", ":")).encode() + b"\n")
        except OSError as error:
            raise failed(self.path / log, error) from None

    def lengths(self) -> dict[str, int]:
        """How many bytes each log holds, on disk: what a checkpoint remembers."""
        try:
            for file in self._logs.values():
                os.fsync(file.fileno())
        except OSError as error:
            raise failed(self.path, error) from None
        return {name: file.tell() for name, file in self._logs.items()}

    def note(self, **changes: Any) -> None:
        """Change entries of `state.json` and renew the heartbeat."""
        self._state = {**self._state, **changes, "heartbeat": time.time()}
        write_json(self.path / "state.json", self._state)

    def heartbeat(self, every: float = 10.0) -> None:
        """Renew the heartbeat when the last is older than `every` seconds."""
        if time.time() - self._state["heartbeat"] > every:
            self.note()

    def finish(self, result: dict[str, Any], evidence: dict[str, np.ndarray], weights: bytes) -> None:
        """Write weights, evidence and result, in this order; then the run counts as finished."""
        write_bytes(self.path / "model.safetensors", weights)
        packed = io.BytesIO()
        np.savez_compressed(packed, **evidence)  # type: ignore[arg-type]
        write_bytes(self.path / "evidence.npz", packed.getvalue())
        write_json(self.path / "result.json", result)
        self.note(status="finished", finished=time.time(), message="")
        (self.path / "checkpoint.safetensors").unlink(missing_ok=True)

    def close(self) -> None:
        """Release the lock; the directory stays."""
        for file in self._logs.values():
            with suppress(OSError):  # a full disk was reported when it was met
                file.close()
        os.close(self._lock)


@contextmanager
def unlocked(path: Path) -> Iterator[None]:
    """Hold the lock of a run directory for a moment, to make sure that no process is writing it. Raises BadInput."""
    lock = take_lock(path, path, RUNNING, ELSEWHERE)
    try:
        yield
    finally:
        os.close(lock)
