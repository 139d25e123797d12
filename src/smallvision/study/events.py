"""The options of a study, and the events that its generator yields."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallvision.runs.probes import ProbeRecord
from smallvision.study.plan.jobs import Job, Key, Split
from smallvision.study.read import StudyRecord


@dataclass(frozen=True)
class StudyOptions:
    """Where and how a study is run.

    Attributes
    ----------
    folder : of the runs.
    device : "auto", "cpu", "cuda" or "mps".
    root : where the data sets are; None for the default folder.
    trust_code : whether `kind = "file.py:Net"` may be executed.
    workers : worker processes at a time; None: the faster number is measured.
    command : repeats the study; it is recorded.
    """

    folder: Path
    device: str = "auto"
    root: Path | None = None
    trust_code: bool = False
    workers: int | None = None
    command: tuple[str, ...] = ()

    @property
    def setting(self) -> dict[str, Any]:
        """The first message to every worker."""
        return {"device": self.device, "root": str(self.root) if self.root else None, "trust_code": self.trust_code}


@dataclass(frozen=True)
class Row:
    """A job of the plan, its run directory (None: known after the search), and whether it is done."""

    job: Job
    path: Path | None
    done: bool


@dataclass(frozen=True)
class Planned:
    """The jobs, and how they share the machine; `why` says in words how that was decided."""

    path: Path
    rows: tuple[Row, ...]
    split: Split | None  # None: every job is done
    why: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Estimated:
    """A dry run: the plan, the seconds of each job that is not done, and the seconds of all jobs together."""

    planned: Planned
    seconds: Mapping[Key, float]
    total: float


@dataclass(frozen=True)
class Added:
    """Jobs that became known during the study: the next tries of a search, or the runs with its best settings."""

    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Moved:
    """The state of a job has changed.

    `state` is "running", "done", "failed", "again" (its worker died) or "elsewhere" (another process runs it).
    """

    job: Job
    state: str
    epoch: int = 0
    share: float = 0.0  # of its steps, done
    validation: Mapping[str, float] | None = None
    seconds: float = 0.0  # in training so far
    message: str = ""


@dataclass(frozen=True)
class Evaluated:
    """A finished run was scored on the test split; `test` is None where its data have none."""

    job: Job
    test: Mapping[str, Any] | None


@dataclass(frozen=True)
class Probing:
    """The representation of a finished run is being probed; `step` names the present step."""

    job: Job
    step: str


@dataclass(frozen=True)
class Probed:
    """The probe of a finished run is written."""

    job: Job
    record: ProbeRecord


@dataclass(frozen=True)
class Finished:
    """All files of the study are written."""

    record: StudyRecord


Event = Planned | Added | Moved | Evaluated | Probing | Probed | Finished
