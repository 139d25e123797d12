"""The committed result files: which there are, which are out of date, and the command that measures each again.

A result is out of date when its experiment or study differs from the catalog's of today, or when its values are
impossible. Such a result counts as not measured: the tables say so in its place, and `python benchmarks/tables.py
--stale` lists it.
"""

import functools
import json
import statistics
from pathlib import Path
from typing import Any

from campaign import rows

from smallvision.errors import BadInput
from smallvision.experiment import catalog, load, load_study, studies
from smallvision.metrics.metric import Metric
from smallvision.study.plan.cases import expand
from smallvision.tasks import TASKS
from smallvision.training.user_objects import with_digests

RESULTS = Path(__file__).parent / "results"
OTHERS = {  # results that are of no single entry of the catalog, and what writes them
    "tuning": "python benchmarks/tune.py",
    "verdicts": "python benchmarks/verdicts.py",
    "pairs": "python benchmarks/pairs.py",
    "representations": "python benchmarks/representations.py",
    "resolution": "python benchmarks/resolution.py",
    "study": "python benchmarks/study.py",
    "throughput": "python benchmarks/throughput.py",
    "time_to_accuracy": "python benchmarks/time_to_accuracy.py",
    "convolution": "python benchmarks/convolution.py epoch equivariance",
    "conv_check": "python benchmarks/convolution.py check",
    "reliability": "python benchmarks/reliability.py",
    "conv_bench": "smallvision conv bench --rounds 11 --out DIR (and copy DIR/conv-bench.json)",
}


def names() -> list[str]:
    """Every result that the tables show: "catalog/NAME", "studies/NAME" and the others."""
    return [*(f"catalog/{name}" for name in catalog()), *(f"studies/{name}" for name in studies()), *OTHERS]


def metric_in(scores: dict[str, Any]) -> Metric:
    """The metric whose key is in a split's scores: result files name no task."""
    return next(task.metric for task in TASKS.values() if task.metric.key in scores)


def read(name: str) -> dict[str, Any] | None:
    """A result, None where it is not measured: missing, unreadable or out of date."""
    return None if problem(name) else content(name)


def content(name: str) -> dict[str, Any] | None:
    """What a result file holds, whatever it is of; None where it is missing or not a JSON table."""
    try:
        found = json.loads((RESULTS / f"{name}.json").read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def command(name: str) -> str:
    """The command that measures a result, with as many seeds as the file has now."""
    folder, _, entry = name.rpartition("/")
    if folder == "catalog":
        runs = (content(name) or {}).get("runs", [])
        return f"python benchmarks/catalog.py {entry}" + (f" --seeds {len(runs)}" if len(runs) > 1 else "")
    return f"python benchmarks/studies.py {entry}" if folder == "studies" else OTHERS[name]


def stale() -> list[tuple[str, str, str]]:
    """(name, what is wrong with it, command) of every result that is to be measured again."""
    return [(name, wrong, command(name)) for name in names() if (wrong := problem(name))]


def problem(name: str) -> str:
    """Why a result counts as not measured; "" if it is good."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return "is missing"
    found = content(name)
    if found is None:
        return "is no JSON table"
    folder, _, entry = name.rpartition("/")
    check = {"catalog": _entry, "studies": _study}.get(folder) or {"tuning": _tuning, "reliability": _reliability}.get(
        entry
    )
    try:
        return check(entry, found) if check else ""
    except (KeyError, TypeError, IndexError, AttributeError, StopIteration, statistics.StatisticsError) as error:
        return f"lacks what the tables show ({type(error).__name__}: {error})"


def _entry(name: str, found: dict[str, Any]) -> str:
    if name not in catalog():
        return "is of an experiment that the catalog has no more"
    if found["experiment"] != _experiment(name):
        return f"is of an older {name}"
    for run in found["runs"]:
        correct = run["test"].get("accuracy", 0) * run["test"]["count"]
        if abs(correct - round(correct)) > 1e-6:
            return "has an accuracy that is no whole number of images over their number"
    return "" if found["runs"] else "has no run"


def _study(name: str, found: dict[str, Any]) -> str:
    if name not in studies():
        return "is of a study that the catalog has no more"
    study = load_study(name)
    if found["hash"] != study.hash() or [row["case"] for row in found["table"]] != list(expand(study).cases):
        return f"is of an older {name}"
    key = metric_in(found["table"][0]["validation"]).key
    for row in found["table"]:
        case, runs = row["case"], row["runs"]
        if [run["seed"] for run in runs] != list(study.seeds):
            return f'has other seeds in its case "{case}" than the study'
        if statistics.fmean(run["validation"] for run in runs) != row["validation"][key]:
            return f'has a score of its case "{case}" that is not the mean of the runs'
        looks = {run["looks"] for run in runs}
        if looks not in ({0}, {1}) or (looks == {0} and "test" in row):
            return f'met the test split twice with a run of its case "{case}", or not with all of them alike'
        if "test" not in row and case in found["choice"]["met_test"]:
            return f'has no test score of its case "{case}", which met the test split'
    return ""


def _tuning(_: str, found: dict[str, Any]) -> str:
    if any("test" in one for one in found["tries"]):
        return "has a try that was scored on the test split"
    old = dict.fromkeys(one["name"] for one in found["tries"] if not current(one))
    return f"has tries of an older {', '.join(old)}" if old else ""


def _reliability(_: str, found: dict[str, Any]) -> str:
    return rows.problem(found)


def current(one: dict[str, Any]) -> bool:
    """Whether a try's overrides, on the catalog of today, make the experiment that was tried."""
    try:
        return bool(load(one["name"], [*one["overrides"], "protocol.test=never"]).hash() == one["experiment"])
    except BadInput:
        return False


@functools.cache
def _experiment(name: str) -> str:
    return with_digests(load(name), None, None, None).hash()
