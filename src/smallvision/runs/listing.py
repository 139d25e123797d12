"""Lists the runs in a folder, thousands of them in a second: of each no more is read than its row says.

A finished run takes three small files; of an unfinished one the end of its log is read, not all of it.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from smallvision.errors import BadInput, first_line
from smallvision.experiment.quick import quick_toml
from smallvision.runs.read import experiment_from, experiment_text, status, there
from smallvision.runs.schema import shapes
from smallvision.storage.files import read_json
from smallvision.storage.reading import open_regular
from smallvision.storage.schema import NUMBER, WHOLE, check, damaged
from smallvision.tasks import TASKS, Task, task_named

TAIL = 65_536  # bytes of the end of a log that are read first; a line has some hundreds
COLUMNS = (
    *("name", "task", "data", "model", "hash", "seed", "status", "epochs"),
    *("test", "test_score", "test_accuracy", "seconds", "path", "problem"),
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class ListedRun:
    """A run directory as a list has it.

    Attributes
    ----------
    row : the values of COLUMNS; see `list_runs`.
    experiment : the tables of its experiment.toml; empty where that cannot be read.
    """

    row: dict[str, Any]
    experiment: dict[str, Any]


def list_runs(folder: str | Path) -> list[dict[str, Any]]:
    """The runs directly inside a folder, in the order of their folders' names; other folders are passed over.

    Parameters
    ----------
    folder : the folder that holds the runs.

    Returns
    -------
    list of dict : `name`, `task`, `data` (its source), `model` (its kind), `hash`, `seed`, `status`, `epochs`
        (finished), `test` (the score on test images as people read it: 98.46 for an accuracy of 98.46 %), `test_score`
        (as text, with what it is), `test_accuracy` (0 to 1; of a classification), `seconds`, `path`, `problem`. What is
        not known yet is None. A run that cannot be read has the status "broken", and its `problem` says why; it is ""
        otherwise.

    Raises
    ------
    BadInput : the folder cannot be listed.
    """
    return [run.row for run in listed_runs(folder)]


def listed_runs(folder: str | Path) -> list[ListedRun]:
    """The runs of `list_runs`, with their experiments. Raises BadInput."""
    try:
        paths = sorted(entry for entry in Path(folder).iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise BadInput(f"{folder}: {error.strerror or error}; name the folder that holds the runs") from None
    runs = []
    for path in paths:
        try:
            if there(path / "state.json") or there(path / "experiment.toml"):
                runs.append(_listed(path))
        except BadInput as error:
            row = dict.fromkeys(COLUMNS) | {"name": path.name, "status": "broken", "path": path, "problem": str(error)}
            runs.append(ListedRun(row, {}))
    return runs


def _listed(path: Path) -> ListedRun:
    experiment = _tables(path)
    kind = experiment["task"]["kind"]
    task, own = task_named(kind), _shapes(kind)
    state = read_json(path / "state.json", own["state.json"])
    result = read_json(path / "result.json", own["result.json"]) if there(path / "result.json") else None
    last = result or last_line(path / "metrics.jsonl", own["metrics.jsonl"]) or {}
    test = last.get("test") or {}
    score, number = _score(task, test, own["test"], path / "result.json") if test else (None, None)
    row = {
        "name": experiment["name"],
        "task": kind,
        "data": experiment["data"]["source"],
        "model": experiment["model"]["kind"],
        "hash": state["experiment"],
        "seed": state["seed"],
        "status": status(state),
        "epochs": result["epochs"] if result else last.get("epoch", 0),
        "test": number,
        "test_score": score,
        "test_accuracy": test.get("accuracy"),
        "seconds": last.get("seconds"),
        "path": path,
        "problem": "",
    }
    return ListedRun(row, experiment)


def _tables(path: Path) -> dict[str, Any]:
    """The tables of a run's experiment: as they are written where smallvision wrote them, else after a full check."""
    text = experiment_text(path)
    table = quick_toml(text)
    if table is not None and _has_what_is_listed(table):
        return table
    return experiment_from(path, text).model_dump(mode="json", exclude_none=True)


def _has_what_is_listed(table: Mapping[str, Any]) -> bool:
    """Whether the values that a list needs are there and are what they must be."""
    data, network, learned = (table.get(name) for name in ("data", "model", "task"))
    if not (isinstance(data, dict) and isinstance(network, dict) and isinstance(learned, dict)):
        return False
    source, model, task = data.get("source"), network.get("kind"), learned.get("kind")
    named = isinstance(table.get("name"), str) and _NAME.fullmatch(table["name"]) is not None
    return named and isinstance(source, str) and isinstance(model, str) and isinstance(task, str) and task in TASKS


@cache
def _shapes(kind: str) -> dict[str, Any]:
    """The shapes of a task's files, of state.json and result.json only the part that is listed."""
    own = shapes(task_named(kind).schema)
    listed = ("status", "experiment", "seed", "pid?", "heartbeat?")
    state = {key: shape for key, shape in own["state.json"].items() if key in listed}
    result = {"epochs": WHOLE, "seconds": NUMBER, "test?": ({"count": WHOLE, **task_named(kind).schema.scores}, None)}
    return {**own, "state.json": state, "result.json": result, "test": own["result.json"]["test?"]}


def last_line(file: Path, shape: Any) -> dict[str, Any] | None:
    """The last whole record of a .jsonl, of which the end is read; None where there is none.

    Parameters
    ----------
    file : a log of a run, maybe of one in training, whose last line may be cut off.
    shape : what a record has to hold, in the language of `storage.schema`.

    Raises
    ------
    BadInput : the file cannot be read, or its last record is damaged or longer than TAIL.
    """
    if not there(file):
        return None
    try:
        with open_regular(file) as log:
            size = os.fstat(log.fileno()).st_size
            log.seek(max(0, size - TAIL))
            end = log.read(TAIL)
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror or error}); restore it from a copy") from None
    lines = end.split(b"\n")[:-1] if size <= TAIL else end.split(b"\n")[1:-1]
    if not lines:
        if size > TAIL:
            raise damaged(file, f"its last line has more than {TAIL:,} bytes")
        return None
    try:
        value = json.loads(lines[-1])
    except (RecursionError, ValueError) as error:
        raise damaged(file, f"its last line: {error}") from None
    check(value, shape, file, "its last line")
    found: dict[str, Any] = value
    return found


def _score(task: Task, scores: Mapping[str, Any], whole: Any, file: Path) -> tuple[str, float]:
    """The task's score as text, with what has to stand beside it, and as a number in the unit of the text.

    Parameters
    ----------
    whole : the shape of all scores of a split, by which they are checked only where a figure cannot be made of them.
    file : where the scores are from.
    """
    metric = task.metric
    try:
        beside = [f", {name} {metric.text(value)}" for name, value in task.beside(scores).items()]
        text = "".join([f"{metric.key} {metric.text(scores[metric.key])}", *beside])
    except Exception as error:  # a task may be another package's
        check(scores, whole, file, "test")
        raise damaged(file, f"test has a figure that cannot be shown ({first_line(error)})") from None
    return text, float(metric.number(scores[metric.key]))
