"""The cases of a study, or the sides of a comparison, as plain data: their scores over the seeds with an interval,
size, cost, runs.
"""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from smallvision.comparison.predictions import scored
from smallvision.errors import BadInput, counted
from smallvision.metrics.metric import Metric
from smallvision.rendering.format import SPACE, relative_command
from smallvision.runs.read import RunRecord, status
from smallvision.stats.mean_score import MeanScore, mean_score
from smallvision.tasks import DEFAULT_TASK, Task, task_of

if TYPE_CHECKING:
    import numpy as np

SPLITS = ("validation", "test")
SIZES = ("parameters", "multiply_adds", "bytes")


@dataclass(frozen=True)
class Run:
    """One run as a report shows it: from its directory, or from what a study remembers where the directory is gone."""

    case: str
    seed: int
    path: str
    record: RunRecord | None = field(default=None, repr=False)
    stated: Mapping[str, Any] = field(default_factory=dict, repr=False)  # of study.json; empty before there is one
    problem: str = ""  # why the directory could not be read
    planned_task: Task = DEFAULT_TASK  # of the study; the task of a run whose directory is gone

    @property
    def task(self) -> Task:
        """The task of the run."""
        return task_of(self.record.experiment) if self.record else self.planned_task

    @property
    def metric(self) -> Metric:
        """The metric of the task."""
        return self.task.metric

    @property
    def result(self) -> Mapping[str, Any]:
        """result.json; empty where there is none."""
        return (self.record.result if self.record else None) or {}

    @property
    def status(self) -> str:
        """Status of the run: finished, running, failed, interrupted, not begun and so on."""
        return status(self.record.state) if self.record else "cannot be read" if self.problem else "not begun"

    @property
    def command(self) -> str:
        """What repeats it; "" where nothing is known."""
        return relative_command(str(self.record.state["command"]), self.record.path) if self.record else ""

    @property
    def epochs(self) -> int | None:
        """Finished so far."""
        return self.record.metrics[-1]["epoch"] if self.record and self.record.metrics else None

    @property
    def looks(self) -> int | None:
        """How often the test split was scored by it, until now; a look that began and did not end counts."""
        found = self.result.get("looks", self.stated.get("looks"))
        if found is None:
            return None
        return max(int(found), 1) if self._look_began else int(found)

    @property
    def _look_began(self) -> bool:
        try:
            return self.record is not None and self.record.look_began
        except BadInput:  # of damaged evidence nothing is known
            return False

    @property
    def later(self) -> int:
        """How many of the looks came after the study was over."""
        now = self.looks or 0
        return now - int(self.stated.get("looks", now))

    def score(self, split: str) -> float | None:
        """On a split, an accuracy 0 to 1; what the study saw, though the run may have been scored since."""
        found = (self.stated or self.result).get(split)
        return float(found[self.metric.key]) if found else None

    def shown(self, split: str) -> str:
        """The score with its unit, "98.46 %"; "" where there is none."""
        value, metric = self.score(split), self.metric
        return "" if value is None else metric.number(value) + (SPACE + metric.unit if metric.unit else "")

    def evidence(self, split: str) -> "Mapping[str, np.ndarray]":
        """The arrays of evidence.npz on a split; empty where there are none, or damaged ones."""
        if self.record is None or not self.result:
            return {}
        try:
            return scored(self.record, split)
        except BadInput:
            return {}


@dataclass(frozen=True)
class Case:
    """One thing compared."""

    name: str
    runs: tuple[Run, ...]
    row: Mapping[str, Any] = field(default_factory=dict, repr=False)  # of study.json's table; empty before there is one
    marks: tuple[str, ...] = ()  # "baseline", "best on validation"
    letter: str = ""  # what it is called where its name has no room; "" of a single case

    @property
    def label(self) -> str:
        """Its letter and its name: "B mlp"."""
        return f"{self.letter} {self.name}".strip()

    @property
    def metric(self) -> Metric:
        """The metric of the task."""
        return self.runs[0].metric if self.runs else DEFAULT_TASK.metric

    @cached_property
    def scores(self) -> dict[str, MeanScore]:
        """Its mean score by split, for the splits that all its runs were scored on."""
        out = {}
        for split in SPLITS:
            values = [value for run in self.runs if (value := run.score(split)) is not None]
            if values and len(values) == len(self.runs):
                alone = self.runs[0].task.score_interval(self.runs[0], split) if len(values) == 1 else None
                out[split] = mean_score(values, self.metric, alone)
        return out

    def mean(self, split: str, key: str) -> float | None:
        """The mean over its runs of another score of a split, such as "psnr"; None where a run does not have it."""
        found = [(run.result.get(split) or {}).get(key) for run in self.runs]
        known = [float(value) for value in found if value is not None]
        return statistics.fmean(known) if known and len(known) == len(found) else None

    def beside(self, split: str) -> list[str]:
        """What has to stand beside its score of a split, as text and as means over its runs; mostly nothing."""
        found = [run.task.beside(run.result.get(split) or {}) for run in self.runs]
        names = [name for name in (found[0] if found else {}) if all(name in one for one in found)]
        metric = self.metric
        return [f"{name} {metric.number(statistics.fmean(one[name] for one in found))}" for name in names]

    def size(self, which: str) -> int | None:
        """One of SIZES, the same for all its runs."""
        found = self.row.get(which, self.runs[0].result.get(which) if self.runs else None)
        return None if found is None else int(found)

    @property
    def seconds(self) -> float | None:
        """Mean training time of the runs, in seconds."""
        found = [run.result["seconds"] for run in self.runs if run.result]
        mean = self.row.get("seconds", statistics.fmean(found) if found else None)
        return None if mean is None else float(mean)

    @property
    def seconds_per_epoch(self) -> float | None:
        """Mean seconds per epoch of the runs."""
        found = [run.result["seconds_per_epoch"] for run in self.runs if run.result]
        return statistics.fmean(found) if found else None

    @property
    def settings(self) -> str:
        """What a search found best for it, with keys as short as they stay apart: "learning_rate = 0.01"."""
        found = self.row.get("settings") or {}
        short = {key.rpartition(".")[2]: value for key, value in found.items()}
        return written(short if len(short) == len(found) else found)

    @property
    def curves(self) -> list[list[dict[str, Any]]]:
        """The epochs' records of every run that has some."""
        return [run.record.metrics for run in self.runs if run.record and run.record.metrics]


def lettered(cases: Sequence[Case]) -> list[Case]:
    """The cases with a letter each, A to Z, then AA; a single case needs none."""
    if len(cases) < 2:
        return list(cases)
    return [replace(case, letter=letter(number)) for number, case in enumerate(cases)]


def letter(number: int) -> str:
    """The letter of a place from 0 on: A to Z, AA, AB, as the columns of a spreadsheet."""
    more, last = divmod(number, 26)
    return (letter(more - 1) if more else "") + chr(ord("A") + last)


def written(settings: Mapping[str, Any]) -> str:
    """Settings on one line, as people read them."""
    return ", ".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in settings.items())


def environments(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Where and with what the runs were computed: a line for each key; of several values each, with how many runs have
    it.
    """
    known = [run.record.environment for run in runs if run.record]
    keys = [key for key in dict.fromkeys(key for found in known for key in found) if key != "format_version"]
    out = []
    for key in keys:
        said = [_said(found[key]) for found in known if key in found]
        each = [f"{text} ({said.count(text)} of {counted(len(known), 'run')})" for text in dict.fromkeys(said)]
        out.append(
            (key.replace("_", " "), said[0] if len(set(said)) == 1 and len(said) == len(known) else "; ".join(each))
        )
    return out


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
