"""The cases of a study, or the sides of a comparison, as plain data: their scores over the seeds with an interval, size, cost, runs."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import sqrt
from typing import Any

from smallvision.runs.read import RunRecord, status
from smallvision.stats.intervals import wilson

SPLITS = ("validation", "test")
SIZES = ("parameters", "multiply_adds", "bytes")


@dataclass(frozen=True)
class Score:
    """Accuracy over the seeds, 0 to 1.

    The interval is Student's t over seeds: how far the mean of these seeds can be from that of endlessly many, on these images.
    A single seed says nothing about others; its interval is Wilson's over images, for this one network.
    """

    accuracy: float
    sd: float | None                      # over seeds; None with one
    interval: tuple[float, float] | None  # 95 %, within 0 and 1; None for one seed on an unknown number of images
    seeds: int

    @property
    def text(self) -> str:
        """Percent: "98.13 ± 0.06", or "98.13" with one seed."""
        return f"{100 * self.accuracy:.2f}" + ("" if self.sd is None else f" ± {100 * self.sd:.2f}")


def score(accuracies: Sequence[float], images: int | None = None) -> Score:
    """The mean accuracy of a case's runs on one split, with its 95 % interval.

    Parameters
    ----------
    accuracies : one for each seed, at least one, 0 to 1.
    images : of the split; asked for with one seed alone.
    """
    from scipy.stats import t

    mean, seeds = statistics.fmean(accuracies), len(accuracies)
    if seeds == 1:
        return Score(mean, None, wilson(round(mean * images), images) if images else None, 1)
    sd = statistics.stdev(accuracies)
    half = float(t.isf(0.025, seeds - 1)) * sd / sqrt(seeds)
    return Score(mean, sd, (max(mean - half, 0.0), min(mean + half, 1.0)), seeds)


@dataclass(frozen=True)
class Run:
    """One run as a report tells of it: from its directory, or what a study remembers where that is gone."""

    case: str
    seed: int
    path: str
    record: RunRecord | None = field(default=None, repr=False)
    stated: Mapping[str, Any] = field(default_factory=dict, repr=False)      # of study.json; empty before there is one
    problem: str = ""                                                        # why the directory could not be read

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
        """How often the test split was scored by it, until now."""
        found = self.result.get("looks", self.stated.get("looks"))
        return None if found is None else int(found)

    @property
    def later(self) -> int:
        """How many of the looks came after the study was over."""
        now = self.looks or 0
        return now - int(self.stated.get("looks", now))

    def accuracy(self, split: str) -> float | None:
        """On a split, 0 to 1; what the study saw, though the run may have been scored since."""
        found = (self.stated or self.result).get(split)
        return found["accuracy"] if found else None


@dataclass(frozen=True)
class Case:
    """One thing compared."""

    name: str
    runs: tuple[Run, ...]
    row: Mapping[str, Any] = field(default_factory=dict, repr=False)         # of study.json's table; empty before there is one
    marks: tuple[str, ...] = ()                                              # "baseline", "best on validation"

    @cached_property
    def scores(self) -> dict[str, Score]:
        """By split, those that all its runs were scored on."""
        out = {}
        for split in SPLITS:
            found = [run.accuracy(split) for run in self.runs]
            known = [accuracy for accuracy in found if accuracy is not None]
            if known and len(known) == len(found):
                out[split] = score(known, (self.runs[0].result.get(split) or {}).get("count"))
        return out

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
    def settings(self) -> str:
        """What a search found best for it: "recipe.learning_rate = 0.01"."""
        return written(self.row.get("settings") or {})

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
        out.append((key.replace("_", " "), said[0] if len(set(said)) == 1 and len(said) == len(known) else "; ".join(each)))
    return out


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
