"""Writes a study directory, `<runs>/studies/<name>-<hash>/`; `study.read` reads it. No torch.

study.toml    the whole study with its base experiment
plan.json     workers, threads, the timings that decided them, widths that were solved, tries of the search, jobs
state.json    status, pid, heartbeat, the command that resumes the study
study.json    when all runs are finished: table, choice, verdicts, commands
lock          held by the process that runs the study
"""

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from smallvision.experiment import Study, study_to_toml
from smallvision.storage.files import new_directory, write_bytes, write_json
from smallvision.storage.lock import RENAMED, take_lock
from smallvision.study.read import no_case


def place(study: Study, folder: Path) -> Path:
    """The directory of a study in a folder of runs."""
    return folder / "studies" / f"{study.name}-{study.hash()}"


def plan_digest(plan: dict[str, Any]) -> str:
    """sha256 of what a plan says, in canonical JSON: a study goes on by its plan, so it must be as it was written."""
    said = {key: value for key, value in plan.items() if key not in ("sha256", "format_version")}
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class StudyDirectory:
    """A study being run, locked by this process until `close` (or until the process ends, however it ends)."""

    def __init__(self, path: Path, lock: int, plan: dict[str, Any], state: dict[str, Any]) -> None:
        self.path = path
        self.plan = plan
        self._lock = lock
        self._state = state

    @classmethod
    def create(cls, path: Path, study: Study, plan: dict[str, Any], command: str) -> "StudyDirectory":
        """A new study directory: its first files appear at once, under the final name, or none does.

        Raises
        ------
        BadInput : something is at `path` already, or no directory can be made there.
        """
        state = {"study": study.hash(), "command": command, "started": time.time()}
        with new_directory(path, "study directory") as part:
            lock = hold(part) if RENAMED else None
            directory = cls(part, -1 if lock is None else lock, plan, state)
            write_bytes(part / "study.toml", study_to_toml(study).encode())
            directory.write_plan()
            directory.note(status="running", message="")
        directory.path = path
        if lock is None:
            directory._lock = hold(path)
        return directory

    @classmethod
    def reopen(
        cls, path: Path, lock: int, plan: dict[str, Any], state: dict[str, Any], command: str
    ) -> "StudyDirectory":
        """Go on with a study that was begun; this process has its lock, from `hold`."""
        directory = cls(path, lock, plan, {**state, "command": command})
        directory.note(status="running", message="")
        return directory

    def write_plan(self, **changes: Any) -> None:
        """Write `plan.json` anew with some entries changed.

        The plan keeps earlier jobs that belong to no case: a study that goes on no longer has jobs for the finished
        tries of its search, nor for the runs that these tries needed, and the plan still says where they are.
        """
        if "jobs" in changes:
            present = {(job["hash"], job["seed"]) for job in changes["jobs"]}
            over = [job for job in self.plan["jobs"] if no_case(job) and (job["hash"], job["seed"]) not in present]
            changes["jobs"] = over + changes["jobs"]
        self.plan = {**self.plan, **changes}
        write_json(self.path / "plan.json", {**self.plan, "sha256": plan_digest(self.plan)})

    def note(self, **changes: Any) -> None:
        """Change entries of `state.json` and renew the heartbeat."""
        self._state = {**self._state, **changes, "pid": os.getpid(), "heartbeat": time.time()}
        write_json(self.path / "state.json", self._state)

    def heartbeat(self, every: float = 10.0) -> None:
        """Renew the heartbeat when the last is older than `every` seconds."""
        if time.time() - self._state["heartbeat"] > every:
            self.note()

    def finish(self, result: dict[str, Any], **changes: Any) -> None:
        """Write `study.json`, then the final state. A report of before is removed: it says that runs are missing."""
        with suppress(OSError):
            (self.path / "report.html").unlink(missing_ok=True)
        write_json(self.path / "study.json", result)
        self.note(**{"finished": time.time(), **changes})

    def close(self) -> None:
        """Release the lock; the directory stays."""
        with suppress(OSError):
            os.close(self._lock)


def hold(path: Path) -> int:
    """Take the lock of a study directory. Raises BadInput if another process has it."""
    return take_lock(
        path,
        path,
        ("another process is running this study; wait until it has ended"),
        "set SMALLVISION_RUNS to a folder on another file system",
    )
