"""Reads a study directory. Its files come from outside, so each one is checked before its values are used. No torch."""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from smallvision.comparison.predictions import AlignedPredictions, gather
from smallvision.data.ids import Id
from smallvision.errors import BadInput
from smallvision.experiment import Study, load_study
from smallvision.metrics.metric import Metric
from smallvision.rendering.cards import Rows, card
from smallvision.runs import probes
from smallvision.runs.probes import ProbeRecord
from smallvision.runs.read import RunRecord, read_run
from smallvision.storage.files import read_json
from smallvision.storage.schema import FLAG, NUMBER, SHARE, TEXT, WHOLE, damaged
from smallvision.study import pictures
from smallvision.study.plan import cases, edges
from smallvision.tasks import Task, warnings

_JOB = {"case": TEXT, "seed": WHOLE, "hash": TEXT, "path": TEXT, "needed?": FLAG, "tried?": FLAG}
# In plans without "needed" and "tried", the names of runs that are no case's own: "cnn, try 3", "giver, needed by cnn".
_NO_CASE = re.compile(r", try \d+$|^[A-Za-z0-9][A-Za-z0-9._-]{0,63}, needed by ")
_VERDICT = {
    "pair": [TEXT],
    "split": TEXT,
    "names": [TEXT],
    "accuracies": [NUMBER],
    "difference": NUMBER,
    "interval": [NUMBER],
    "images": [WHOLE],
    "runs": [WHOLE],
    "confidence": SHARE,
    "p": SHARE,
    "adjusted_p": SHARE,
    "comparisons": WHOLE,
    "level": SHARE,
    "verdict": TEXT,
    "kind": TEXT,
    "sentence": TEXT,
    "differing": [TEXT],
    "confound": TEXT,
    "notes": [TEXT],
    "mid_p?": (SHARE, None),
    "least_difference?": (NUMBER, None),
    "equivalence?": (
        {
            "margin": NUMBER,
            "interval": [NUMBER],
            "confidence": NUMBER,
            "p": SHARE,
            "adjusted_p": SHARE,
            "ruled_out": FLAG,
            "sentence": TEXT,
        },
        None,
    ),
}
_PROBE_VERDICT = {
    **{key: kind for key, kind in _VERDICT.items() if key not in ("pair", "differing")},
    "probe": TEXT,
    "case": TEXT,
    "against": TEXT,
    "of": TEXT,
}
_TRY = {"case": TEXT, "try": WHOLE, "seed": WHOLE, "hash": TEXT, "settings": {}, "validation": ({"loss": NUMBER}, None)}
SHAPES: dict[str, Any] = {
    "plan.json": {
        "format_version": WHOLE,
        "workers": WHOLE,
        "threads": (WHOLE, None),
        "why": TEXT,
        "timings": [{"workers": WHOLE, "threads": (WHOLE, None), "images_per_second": NUMBER, "rounds": WHOLE}],
        "match": [{"case": TEXT, "key": TEXT, "width": WHOLE, "size": WHOLE}],
        "search": {"sampler": (TEXT, None), "tries": [_TRY]},
        "jobs": [_JOB],
        "sha256?": TEXT,
    },
    "state.json": {
        "format_version": WHOLE,
        "status": TEXT,
        "pid": WHOLE,
        "heartbeat": NUMBER,
        "started": NUMBER,
        "study": TEXT,
        "command": TEXT,
        "message?": TEXT,
    },
    "study.json": {
        "format_version": WHOLE,
        "name": TEXT,
        "hash": TEXT,
        "baseline": TEXT,
        "pairs": [[TEXT]],
        "answer?": {"sentence": TEXT, "pair": ([TEXT], None), "split": TEXT},
        "verdicts?": [_VERDICT],
        "probes?": [{"case": TEXT, "seed": WHOLE, "path": TEXT, "hash": TEXT}],
        "probe_verdicts?": [_PROBE_VERDICT],
        "edges?": [{"case": TEXT, "key": TEXT, "side": TEXT, "natural": FLAG, "sentence": TEXT}],
        "choice": ({"winner": TEXT, "met_test": [TEXT]}, None),
        "table": [{"case": TEXT, "hash": TEXT, "runs": [{"seed": WHOLE, "path": TEXT}]}],
    },
}
PAIRED = ("pair", "names", "accuracies", "interval", "images", "runs")  # keys of a verdict with a value for each case
PICTURES = "pictures.npz"  # the images that the report shows


@dataclass(frozen=True, repr=False)
class StudyRecord:
    """The content of a study directory; `result` is that of study.json, empty until all runs are finished."""

    path: Path
    study: Study
    plan: dict[str, Any] = field(repr=False)
    state: dict[str, Any]
    result: dict[str, Any] = field(repr=False)

    def __repr__(self) -> str:
        answer = self.answer
        return f"StudyRecord({str(self.path)!r}: {self.state['status']}{'; ' if answer else ''}{answer})"

    def _repr_html_(self) -> str:
        """A card for a notebook: the question, the answer, the best case, warnings, and where the report stands."""
        lines = [("question", self.study.question)] if self.study.question else []
        lines += [("answer", self.answer)] if self.answer else [("state", self.state["status"])]
        lines += [(row["case"], _scores(row, self.metric)) for row in self.table]
        report = self.path / "report.html"
        lines.append(("report", str(report) if report.exists() else f"none yet; {self.path} has the study"))
        return card(self.study.name, lines, [f"warning: {text}" for text in self.warnings])

    @property
    def answer(self) -> str:
        """The study's answer in a sentence; "" until all runs are finished."""
        return str((self.result.get("answer") or {}).get("sentence", ""))

    @property
    def folder(self) -> Path:
        """The folder of runs that has the study; paths in its files are relative to it."""
        return self.path.parent.parent

    @property
    def task(self) -> Task:
        """The task of the study's cases."""
        return cases.task(self.study)

    @property
    def metric(self) -> Metric:
        """The metric of that task."""
        return self.task.metric

    @property
    def own_jobs(self) -> list[dict[str, Any]]:
        """The planned runs of the cases themselves: neither prerequisites of others nor tries of a search."""
        return [job for job in self.plan["jobs"] if not no_case(job)]

    @property
    def table(self) -> Rows:
        """A dict for each case: its scores over the seeds, its size, its runs; `.frame()` makes a pandas DataFrame."""
        return Rows(self.result.get("table", []))

    @property
    def verdicts(self) -> Rows:
        """A dict for each comparison, as `verdicts.verdicts` gives them; empty until all runs are finished."""
        return Rows(self.result.get("verdicts", []))

    @property
    def warnings(self) -> list[str]:
        """Why the scores may mislead, a line each: of the images once, of a case with its name; mostly none.

        Runs whose directories are gone or damaged are passed over.
        """
        return warnings.of_many(self._standing, self.task)

    @property
    def beside(self) -> list[str]:
        """What has to stand beside the score of a case on a split, a line each, as means over its runs; mostly none."""
        out = []
        for case, split in [(row["case"], split) for row in self.table for split in ("validation", "test")]:
            rows = [(run.result or {}).get(split) or {} for name, run in self._standing if name == case]
            found = [self.task.beside(row) for row in rows]
            names = [name for name in (found[0] if found else {}) if all(name in one for one in found)]
            said = [f"{name} {self.metric.text(fmean(one[name] for one in found))}" for name in names]
            out += [f"{case}, {split}: {', '.join(said)}"] if said else []
        return out

    @cached_property
    def _standing(self) -> list[tuple[str, RunRecord]]:
        """The finished runs of the cases that can be read, each with the name of its case."""
        out = []
        for case, path in [(row["case"], run["path"]) for row in self.table for run in row["runs"]]:
            with suppress(BadInput):
                out.append((case, read_run(self.folder / path)))
        return out

    @property
    def edges(self) -> list[dict[str, Any]]:
        """A dict for each searched key whose best value lies at the edge of what was offered to a case.

        It has `case`, `key`, `value`, `side` ("lowest" or "highest"), `natural` (whether no value beyond it can be
        asked for, such as a momentum below 0) and `sentence`; see `plan.edges`.
        """
        if "edges" in self.result:
            return list(self.result["edges"])
        return edges.entries(self.study, {row["case"]: row.get("settings") or {} for row in self.table})

    @property
    def pictures(self) -> dict[Id, np.ndarray]:
        """The images on which cases disagree most: id -> uint8 (C, H, W). Raises BadInput for a damaged file."""
        return pictures.read(self.path / PICTURES)

    def answers(self) -> dict[str, AlignedPredictions]:
        """The predictions of every case on the validation images, and of the tested cases on the test images.

        Empty if nothing was compared, because the cases have different validation images.

        Raises
        ------
        BadInput : a run is gone or damaged.
        """
        if not self.verdicts:
            return {}
        runs_of = {row["case"]: self.runs(row["case"]) for row in self.table}
        out = {"validation": gather(runs_of, "validation")}
        tested = {name: runs for name, runs in runs_of.items() if all((run.result or {}).get("test") for run in runs)}
        return {**out, "test": gather(tested, "test")} if tested else out

    @property
    def probe_verdicts(self) -> list[dict[str, Any]]:
        """A dict for each comparison by probes, from `probe_verdicts.verdicts`; empty if the study has no probe."""
        return list(self.result.get("probe_verdicts", []))

    def probes(self) -> dict[str, list[ProbeRecord]]:
        """The probes of every case's runs, in the order of the seeds; empty if the study has none. Raises BadInput."""
        out: dict[str, list[ProbeRecord]] = {}
        for entry in self.result.get("probes", []):
            out.setdefault(entry["case"], []).append(probes.read(self.folder / entry["path"]))
        return out

    def runs(self, case: str) -> list[RunRecord]:
        """The runs of a case, in the order of the study's seeds. Raises BadInput."""
        for row in self.table:
            if row["case"] == case:
                return [read_run(self.folder / run["path"]) for run in row["runs"]]
        raise BadInput(f'{self.path}: there is no case "{case}" with finished runs')


def _scores(row: Mapping[str, Any], metric: Metric) -> str:
    """The mean scores of a case on the splits it met, in words."""
    count = len(row["runs"])
    said = [f"{split} {metric.text(row[split][metric.key])}" for split in ("validation", "test") if row.get(split)]
    return f"{', '.join(said)} ({count} {'seed' if count == 1 else 'seeds'})"


def read_study(path: str | Path) -> StudyRecord:
    """Read a study directory, finished or not.

    Parameters
    ----------
    path : the directory `<runs>/studies/<name>-<hash>` that `smallvision run STUDY` wrote.

    Raises
    ------
    BadInput : no study directory, a newer format, a damaged file, a value of the wrong type.
    """
    path = Path(path)
    for name in ("study.toml", "plan.json", "state.json"):
        if not (path / name).is_file():
            found = f"has no {name}" if path.is_dir() else "no such directory"
            raise BadInput(
                f"{path}: {found}, so it is not a study directory; name one that `smallvision run STUDY` wrote"
            )
    study = load_study(str(path / "study.toml"))
    plan = read_json(path / "plan.json", _plan_shape(cases.task(study)), "study")
    state = read_json(path / "state.json", SHAPES["state.json"], "study")
    file = path / "study.json"
    result = read_json(file, SHAPES[file.name], "study") if os.path.lexists(file) else {}
    _check_pairs(file, result)
    return StudyRecord(path, study, plan, state, result)


def _plan_shape(task: Task) -> dict[str, Any]:
    """The shape of plan.json, with the metric of the task among the scores of a search's tries."""
    key = task.metric.key
    tried = {**_TRY, "validation": ({"loss": NUMBER, f"{key}?": task.schema.scores[key]}, None)}
    plan = SHAPES["plan.json"]
    return {**plan, "search": {**plan["search"], "tries": [tried]}}


def no_case(job: Mapping[str, Any]) -> bool:
    """Whether a planned run is a prerequisite or a try of a search. In older plans only its name tells it."""
    if "needed" in job or "tried" in job:
        return bool(job.get("needed") or job.get("tried"))
    return _NO_CASE.search(job["case"]) is not None


def _check_pairs(file: Path, result: Mapping[str, Any]) -> None:
    """Raise BadInput for a verdict that has not exactly one entry for each of its two cases."""
    for name in ("verdicts", "probe_verdicts"):
        for verdict in result.get(name, []):
            for key in [key for key in PAIRED if key in verdict and len(verdict[key]) != 2]:
                count = len(verdict[key])
                raise damaged(file, f"{name}: {key} has {count} entries, expected one for each of two cases")
            equivalence = verdict.get("equivalence")
            if equivalence and len(equivalence["interval"]) != 2:
                count = len(equivalence["interval"])
                raise damaged(file, f"{name}: equivalence.interval has {count} entries, expected two")
