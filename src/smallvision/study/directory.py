"""The one place that writes a study directory, `<runs>/studies/<name>-<hash>/`; `record` reads it. No torch.

study.toml    the whole study, its base experiment in it
plan.json     workers, threads, the timings that decided them, widths that were solved, tries of the search, jobs
state.json    status, pid, heartbeat, the command that goes on
study.json    once all runs stand: table, choice, commands
lock          held by the process that runs the study
"""

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from smallvision.errors import BadInput
from smallvision.experiment import Study, study_to_toml
from smallvision.storage.files import write_bytes, write_json
from smallvision.storage.lock import take_lock


def place(study: Study, folder: Path) -> Path:
    """Where a study stands in a folder of runs."""
    return folder / "studies" / f"{study.name}-{study.hash()}"


class StudyDirectory:
    """A study being run, locked by this process until `close` (or until the process ends, however it ends)."""

    def __init__(self, path: Path, lock: int, plan: dict[str, Any], state: dict[str, Any]) -> None:
        self.path = path
        self.plan = plan
        self._lock = lock
        self._state = state

    @classmethod
    def create(cls, path: Path, study: Study, plan: dict[str, Any], command: str) -> "StudyDirectory":
        """A new study: its first files appear at once, under the final name, or none does.

        Raises
        ------
        BadInput : something is at `path` already, or no directory can be made there.
        """
        state = {"study": study.hash(), "command": command, "started": time.time()}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent))
            part.chmod(0o755)
        except OSError as error:
            raise BadInput(f"{path}: no study directory can be made here: {error.strerror or error}") from None
        try:
            directory = cls(part, hold(part), plan, state)
            write_bytes(part / "study.toml", study_to_toml(study).encode())
            directory.write_plan()
            directory.note(status="running", message="")
            os.rename(part, path)  # refuses a directory that is there and not empty
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            raise BadInput(f"{path}: no study directory can be made here: {error.strerror or error}") from None
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        directory.path = path
        return directory

    @classmethod
    def reopen(
        cls, path: Path, lock: int, plan: dict[str, Any], state: dict[str, Any], command: str
    ) -> "StudyDirectory":
        """Go on with a study that was begun, and whose `hold` this process has."""
        directory = cls(path, lock, plan, {**state, "command": command})
        directory.note(status="running", message="")
        return directory

    def write_plan(self, **changes: Any) -> None:
        """Replace `plan.json`, with some entries changed."""
        self.plan = {**self.plan, **changes}
        write_json(self.path / "plan.json", self.plan)

    def note(self, **changes: Any) -> None:
        """Change entries of `state.json` and renew its heartbeat."""
        self._state = {**self._state, **changes, "pid": os.getpid(), "heartbeat": time.time()}
        write_json(self.path / "state.json", self._state)

    def heartbeat(self, every: float = 10.0) -> None:
        """Renew the heartbeat when the last is older than `every` seconds."""
        if time.time() - self._state["heartbeat"] > every:
            self.note()

    def finish(self, found: dict[str, Any], **changes: Any) -> None:
        """Write `study.json`; then the state says how it ended."""
        write_json(self.path / "study.json", found)
        self.note(**{"finished": time.time(), **changes})

    def close(self) -> None:
        """Let go of the lock; the directory stays."""
        with suppress(OSError):
            os.close(self._lock)


def hold(path: Path) -> int:
    """Take a study's lock. Raises BadInput if taken."""
    return take_lock(
        path, path, "another process is running this study; wait for it", "set SMALLVISION_RUNS to a folder elsewhere"
    )
