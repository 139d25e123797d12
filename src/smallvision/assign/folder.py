"""The folder that is handed out: an index, and for each student a sheet and an experiment. All of it, or nothing."""

import csv
import io
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from smallvision.assign.rules import Rules
from smallvision.assign.sheet import sheet
from smallvision.assign.tasks import Task
from smallvision.errors import BadInput, RunFailed
from smallvision.experiment import to_toml
from smallvision.experiment.text import expanded

INDEX = "index.csv"


def refuse_taken(out: str | Path) -> Path:
    """The folder that `out` names, links followed. Raises BadInput unless nothing is there, or an empty folder."""
    try:
        path = expanded(out).resolve()
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise BadInput(f"{out}: there is something here already, and nothing is overwritten; choose another --out")
        above = next(parent for parent in path.parents if parent.exists())
        if not above.is_dir():
            raise BadInput(f"{out}: {above} is a file, so no folder can be in it; choose another --out")
        if path == Path.cwd():
            raise BadInput(f"{out}: is the folder you are in; name a new one")
    except BadInput:
        raise
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a name with a zero byte
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(f"{out}: no folder can be here: {reason}; choose another --out") from None
    return path


def write(out: str | Path, rules: Rules, tasks: Sequence[Task]) -> Path:
    """Write <id>.md, <id>.toml and index.csv (id, name, inputs, experiment's hash, rules) into a new folder.

    Returns
    -------
    Path : of index.csv.

    Raises
    ------
    BadInput : something is at `out` already.
    RunFailed : the disk is full or refuses. Nothing is left behind then.
    """
    path = refuse_taken(out)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        for task in tasks:
            (part / f"{task.student.id}.toml").write_text(to_toml(task.experiment), encoding="utf-8", newline="\n")
            (part / f"{task.student.id}.md").write_text(sheet(rules, task), encoding="utf-8", newline="\n")
        (part / INDEX).write_text(index(rules, tasks), encoding="utf-8", newline="\n")
        if path.exists():  # Windows renames onto no folder, not even an empty one
            path.rmdir()
        part.rename(path)
    except OSError as error:
        raise RunFailed(f"{out}: cannot be written: {error.strerror or error}; nothing was") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)  # gone already when all went well
    return Path(out) / INDEX


def index(rules: Rules, tasks: Sequence[Task]) -> str:
    """The index as CSV text, a row per student, inputs as written."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["id", "name", *rules.inputs, "experiment", "rules"])
    for task in tasks:
        student = task.student
        applied = " ".join(rule.name for rule in task.rules)
        rows.writerow([student.id, student.name, *student.given.values(), task.experiment.hash(), applied])
    return text.getvalue()
