"""What a study is told and what it tells: where it runs, and the events that its generator yields."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallvision.runs.probes import ProbeRecord
from smallvision.study.plan.jobs import Job, Key, Split
from smallvision.study.read import StudyRecord


@dataclass(frozen=True)
class Place:
    """Where and how a study is run. `command` repeats it."""

    folder: Path  # of the runs
    device: str = "auto"
    root: Path | None = None  # where the data sets are
    trust_code: bool = False  # whether `kind = "file.py:Net"` may be executed
    workers: int | None = None  # None: measured
    command: tuple[str, ...] = ()

    @property
    def setting(self) -> dict[str, Any]:
        """What every worker is told first."""
        return {"device": self.device, "root": str(self.root) if self.root else None, "trust_code": self.trust_code}


@dataclass(frozen=True)
class Row:
    """A job as it is shown: where it stands or will stand (None: known after the search), and whether it is done."""

    job: Job
    path: Path | None
    done: bool


@dataclass(frozen=True)
class Planned:
    """What is to be done, and how the machine is shared out; `why` says in words how that was decided."""

    path: Path
    rows: tuple[Row, ...]
    split: Split | None  # None: nothing is left to be run
    why: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Estimated:
    """A dry run: the plan, the seconds each job that is not done will take, and all of them with all workers."""

    planned: Planned
    seconds: Mapping[Key, float]
    total: float


@dataclass(frozen=True)
class Added:
    """Jobs that became known on the way: the next tries of a search, or the runs with its best settings."""

    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Moved:
    """A job goes on. `state`: running, done, failed, again (its worker died), elsewhere (another process is doing it)."""

    job: Job
    state: str
    epoch: int = 0
    share: float = 0.0  # of its steps that are done
    validation: Mapping[str, float] | None = None
    seconds: float = 0.0  # in training so far
    message: str = ""


@dataclass(frozen=True)
class Looked:
    """A finished run has met the test split; `test` is None where its data have none."""

    job: Job
    test: Mapping[str, Any] | None


@dataclass(frozen=True)
class Probing:
    """The representation of a finished run is probed; `step` says what is done now."""

    job: Job
    step: str


@dataclass(frozen=True)
class Probed:
    """The probe of a finished run stands."""

    job: Job
    record: ProbeRecord


@dataclass(frozen=True)
class Finished:
    """All files of the study stand."""

    record: StudyRecord


Event = Planned | Added | Moved | Looked | Probing | Probed | Finished
