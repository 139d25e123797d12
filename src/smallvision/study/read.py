"""A study directory read back: files from outside, so that every one is checked before anything is believed. No torch."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from smallvision.comparison.predictions import Answers, gather
from smallvision.data.ids import Id
from smallvision.errors import BadInput
from smallvision.experiment import Study, load_study
from smallvision.runs import probes
from smallvision.runs.probes import ProbeRecord
from smallvision.runs.read import LARGEST_TEXT, RunRecord, read_run
from smallvision.storage import images
from smallvision.storage.files import FORMAT_VERSION
from smallvision.storage.schema import FLAG, NUMBER, SHARE, TEXT, WHOLE, check, damaged

_JOB = {"case": TEXT, "seed": WHOLE, "hash": TEXT, "path": TEXT, "needed?": FLAG, "tried?": FLAG}
# what plans without "needed" and "tried" call a run that is no case's own: "cnn, try 3", "giver, needed by cnn"
_NO_CASE = re.compile(r", try \d+$|^[A-Za-z0-9][A-Za-z0-9._-]{0,63}, needed by ")
_SCORES = {"loss": NUMBER, "accuracy?": SHARE, "pair_accuracy?": SHARE, "mse?": NUMBER}
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
}
_PROBE_VERDICT = {
    **{key: kind for key, kind in _VERDICT.items() if key not in ("pair", "differing")},
    "probe": TEXT,
    "case": TEXT,
    "against": TEXT,
    "of": TEXT,
}
_TRY = {"case": TEXT, "try": WHOLE, "seed": WHOLE, "hash": TEXT, "settings": {}, "validation": (_SCORES, None)}
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
        "choice": ({"winner": TEXT, "met_test": [TEXT]}, None),
        "table": [{"case": TEXT, "hash": TEXT, "runs": [{"seed": WHOLE, "path": TEXT}]}],
    },
}


PICTURES = "pictures.npz"  # the images that the report shows


@dataclass(frozen=True)
class StudyRecord:
    """All that a study directory says; `result` is the content of study.json, empty until all runs stand."""

    path: Path
    study: Study
    plan: dict[str, Any] = field(repr=False)
    state: dict[str, Any]
    result: dict[str, Any] = field(repr=False)

    @property
    def folder(self) -> Path:
        """The folder of runs that the study stands in; paths in its files start from here."""
        return self.path.parent.parent

    @property
    def own_jobs(self) -> list[dict[str, Any]]:
        """The planned runs that are a case's own: neither needed by others nor tries of a search."""
        return [job for job in self.plan["jobs"] if not _no_case(job)]

    @property
    def table(self) -> list[dict[str, Any]]:
        """A dict for each case: its scores over the seeds, its size, its runs."""
        return list(self.result.get("table", []))

    @property
    def verdicts(self) -> list[dict[str, Any]]:
        """A dict for each comparison, as `verdicts.verdicts` gives them; empty until all runs stand."""
        return list(self.result.get("verdicts", []))

    @property
    def pictures(self) -> dict[Id, np.ndarray]:
        """The images on which cases disagree most clearly: id -> uint8 (C, H, W). Raises BadInput when the file is damaged."""
        return images.read(self.path / PICTURES)

    def answers(self) -> dict[str, Answers]:
        """What every case answered, image by image: of the validation split, and of the test split those that met it.

        Empty where nothing was compared, as the cases had other validation images.

        Raises
        ------
        BadInput : a run is gone or damaged.
        """
        if not self.verdicts:
            return {}
        cases = {row["case"]: self.runs(row["case"]) for row in self.table}
        out = {"validation": gather(cases, "validation")}
        met = {name: runs for name, runs in cases.items() if all((run.result or {}).get("test") for run in runs)}
        return {**out, "test": gather(met, "test")} if met else out

    @property
    def probe_verdicts(self) -> list[dict[str, Any]]:
        """A dict for each comparison by probes, as `probe_verdicts.verdicts` gives them; empty where the study has no probe."""
        return list(self.result.get("probe_verdicts", []))

    def probes(self) -> dict[str, list[ProbeRecord]]:
        """The probes of every case's runs, in the order of the study's seeds; empty where the study has none. Raises BadInput."""
        out: dict[str, list[ProbeRecord]] = {}
        for one in self.result.get("probes", []):
            out.setdefault(one["case"], []).append(probes.read(self.folder / one["path"]))
        return out

    def runs(self, case: str) -> list[RunRecord]:
        """The runs of a case, in the order of the study's seeds. Raises BadInput."""
        for row in self.table:
            if row["case"] == case:
                return [read_run(self.folder / run["path"]) for run in row["runs"]]
        raise BadInput(f'{self.path}: there is no case "{case}" whose runs are finished')


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
            raise BadInput(f"{path}: {found}, so it is no study directory; give one that `smallvision run STUDY` wrote")
    study = load_study(str(path / "study.toml"))
    result = _json(path / "study.json") if (path / "study.json").is_file() else {}
    return StudyRecord(path, study, _json(path / "plan.json"), _json(path / "state.json"), result)


def _no_case(job: Mapping[str, Any]) -> bool:
    """Whether a planned run is needed by others or a try of a search; an older plan tells it by the name alone."""
    if "needed" in job or "tried" in job:
        return bool(job.get("needed") or job.get("tried"))
    return _NO_CASE.search(job["case"]) is not None


def _json(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > LARGEST_TEXT:
            raise BadInput(f"{file}: more than {LARGEST_TEXT:,} bytes; no study writes such a file")
        value = json.loads(file.read_bytes())
    except BadInput:
        raise
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror or error}); restore it from a copy") from None
    except (RecursionError, ValueError) as error:
        raise damaged(file, f"not valid JSON: {error}") from None
    found = value.get("format_version") if isinstance(value, dict) else None
    if type(found) is int and found > FORMAT_VERSION:
        raise BadInput(
            f"{file}: format {found}, of a newer smallvision; this one reads up to {FORMAT_VERSION}; update smallvision"
        )
    check(value, SHAPES[file.name], file)
    two = ("pair", "names", "accuracies", "interval", "images", "runs")
    both = [
        (name, one, key)
        for name in ("verdicts", "probe_verdicts")
        for one in value.get(name, [])
        for key in two
        if key in one
    ]
    for name, one, key in both if file.name == "study.json" else []:
        if len(one[key]) != 2:
            raise damaged(file, f"{name}: {key} has {len(one[key])} entries, expected one for each of two cases")
    table: dict[str, Any] = value
    return table
