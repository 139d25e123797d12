"""The cases of a study, or the sides of a comparison, as plain data: their scores over the seeds with an interval, size, cost, runs."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import sqrt
from typing import TYPE_CHECKING, Any

from smallvision.comparison.predictions import scored
from smallvision.errors import BadInput
from smallvision.metrics.metric import Metric
from smallvision.rendering.format import SPACE
from smallvision.runs.read import RunRecord, status
from smallvision.stats.intervals import wilson
from smallvision.tasks import TASKS, metric_in, task_of

if TYPE_CHECKING:
    import numpy as np

ACCURACY = TASKS["classify"].metric
SPLITS = ("validation", "test")
SIZES = ("parameters", "multiply_adds", "bytes")


@dataclass(frozen=True)
class Score:
    """What a case is judged by, over the seeds.

    The interval is Student's t over seeds: how far the mean of these seeds can be from that of endlessly many, on these images.
    A single seed says nothing about others; its interval is over images, for this one network: Wilson's of an accuracy, Student's t
    of any other score; of pairs see `Run.interval`.
    """

    value: float  # the mean; of an accuracy 0 to 1
    sd: float | None  # over seeds; None with one
    interval: (
        tuple[float, float] | None
    )  # 95 %, no end that the score cannot have; None for one seed on images not known
    seeds: int
    measure: Metric = ACCURACY

    @property
    def text(self) -> str:
        """Without the unit: "98.13 ± 0.06", or "98.13" with one seed."""
        return self.measure.number(self.value) + ("" if self.sd is None else f" ± {self.measure.number(self.sd)}")

    @property
    def between(self) -> str:
        """The interval, "97.90 to 98.36"; "" where there is none."""
        return " to ".join(map(self.measure.number, self.interval)) if self.interval else ""


def score(
    values: Sequence[float], images: int | None = None, one: Metric = ACCURACY, each: "np.ndarray | None" = None
) -> Score:
    """The mean score of a case's runs on one split, with its 95 % interval.

    Parameters
    ----------
    values : one for each seed, at least one; an accuracy 0 to 1.
    images : of the split; asked for with one seed alone, and an accuracy.
    one : what the values are.
    each : (N,), the value of every image; asked for with one seed alone, and another score.
    """
    mean, seeds = statistics.fmean(values), len(values)
    most = 1.0 if one.share else float("inf")
    if seeds > 1:
        sd = statistics.stdev(values)
        return Score(mean, sd, _student(mean, sd, seeds, most), seeds, one)
    if one is ACCURACY:
        return Score(mean, None, wilson(round(mean * images), images) if images else None, 1, one)
    if each is None or len(each) < 2:
        return Score(mean, None, None, 1, one)
    return Score(mean, None, _student(mean, float(each.std(ddof=1, dtype="float64")), len(each), most), 1, one)


def _student(mean: float, sd: float, count: int, most: float) -> tuple[float, float]:
    from scipy.stats import t

    half = float(t.isf(0.025, count - 1)) * sd / sqrt(count)
    return max(mean - half, 0.0), min(mean + half, most)


@dataclass(frozen=True)
class Run:
    """One run as a report tells of it: from its directory, or what a study remembers where that is gone."""

    case: str
    seed: int
    path: str
    record: RunRecord | None = field(default=None, repr=False)
    stated: Mapping[str, Any] = field(default_factory=dict, repr=False)  # of study.json; empty before there is one
    problem: str = ""  # why the directory could not be read

    @property
    def result(self) -> Mapping[str, Any]:
        """result.json; empty where there is none."""
        return (self.record.result if self.record else None) or {}

    @property
    def status(self) -> str:
        """Whether it is finished, and if not, what it is."""
        return status(self.record.state) if self.record else "cannot be read" if self.problem else "not begun"

    @property
    def command(self) -> str:
        """What repeats it; "" where nothing is known."""
        return str(self.record.state["command"]) if self.record else ""

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
        except BadInput:  # damaged evidence tells nothing
            return False

    @property
    def later(self) -> int:
        """How many of the looks came after the study was over."""
        now = self.looks or 0
        return now - int(self.stated.get("looks", now))

    @property
    def measure(self) -> Metric:
        """What it is judged by."""
        if self.record:
            return task_of(self.record.experiment).metric
        return next((metric_in(self.stated[split]) for split in SPLITS if self.stated.get(split)), ACCURACY)

    def score(self, split: str) -> float | None:
        """On a split, an accuracy 0 to 1; what the study saw, though the run may have been scored since."""
        found = (self.stated or self.result).get(split)
        return float(found[self.measure.key]) if found else None

    def interval(self, split: str) -> tuple[float, float] | None:
        """Of a verifier's score, 95 %: Wilson's over pairs that share no image; of pairs that do, what the run found by drawing images."""
        value, alone = self.score(split), (self.stated.get(split) or {}).get("alone")
        if value is not None and alone:
            return wilson(round(value * alone), alone)
        found = (self.result.get(split) or {}).get("intervals", {}).get(self.measure.key)
        return (float(found[0]), float(found[1])) if found else None

    def shown(self, split: str) -> str:
        """The score with its unit, "98.46 %"; "" where there is none."""
        value, one = self.score(split), self.measure
        return "" if value is None else one.number(value) + (SPACE + one.unit if one.unit else "")

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

    @property
    def measure(self) -> Metric:
        """What it is judged by."""
        return self.runs[0].measure if self.runs else ACCURACY

    @cached_property
    def scores(self) -> dict[str, Score]:
        """By split, those that all its runs were scored on."""
        out = {}
        for split in SPLITS:
            found = [run.score(split) for run in self.runs]
            known = [value for value in found if value is not None]
            if len(known) == 1 and self.measure.of == "pairs":
                out[split] = Score(known[0], None, self.runs[0].interval(split), 1, self.measure)
            elif known and len(known) == len(found):
                alone = len(known) == 1 and self.measure is not ACCURACY
                each = self.runs[0].evidence(split).get(self.measure.key) if alone else None
                out[split] = score(known, (self.runs[0].result.get(split) or {}).get("count"), self.measure, each)
        return out

    def mean(self, split: str, key: str) -> float | None:
        """Of another of a split's scores ("psnr"), over its runs; None where one of them does not have it."""
        found = [(run.result.get(split) or {}).get(key) for run in self.runs]
        known = [float(value) for value in found if value is not None]
        return statistics.fmean(known) if known and len(known) == len(found) else None

    def size(self, which: str) -> int | None:
        """One of SIZES, the same for all its runs."""
        found = self.row.get(which, self.runs[0].result.get(which) if self.runs else None)
        return None if found is None else int(found)

    @property
    def seconds(self) -> float | None:
        """Of training, the mean over its runs."""
        found = [run.result["seconds"] for run in self.runs if run.result]
        mean = self.row.get("seconds", statistics.fmean(found) if found else None)
        return None if mean is None else float(mean)

    @property
    def seconds_per_epoch(self) -> float | None:
        """Of training, the mean over its runs."""
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


def written(settings: Mapping[str, Any]) -> str:
    """Settings on one line, as people read them."""
    return ", ".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in settings.items())


def environments(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Where and with what the runs were computed: a line for each key; of several values each, with how many runs have it."""
    known = [run.record.environment for run in runs if run.record]
    keys = [key for key in dict.fromkeys(key for found in known for key in found) if key != "format_version"]
    out = []
    for key in keys:
        said = [_said(found[key]) for found in known if key in found]
        each = [f"{text} ({said.count(text)} of {len(known)} runs)" for text in dict.fromkeys(said)]
        out.append(
            (key.replace("_", " "), said[0] if len(set(said)) == 1 and len(said) == len(known) else "; ".join(each))
        )
    return out


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
