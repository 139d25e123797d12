"""The folder of an assignment: an index, and for each student a sheet and an experiment. It is written whole or not."""

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
    """The folder that `out` names, with links resolved. Raises BadInput unless it is missing or empty."""
    try:
        path = expanded(out).resolve()
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise BadInput(
                f"{out}: this folder exists already and is not empty, and nothing is overwritten; choose another --out"
            )
        above = next(parent for parent in path.parents if parent.exists())
        if not above.is_dir():
            raise BadInput(f"{out}: {above} is a file and cannot contain a folder; choose another --out")
        if path == Path.cwd():
            raise BadInput(f"{out}: this is the current folder; name a new one")
    except BadInput:
        raise
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a name with a zero byte
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(f"{out}: a folder cannot be made here: {reason}; choose another --out") from None
    return path


def write(out: str | Path, rules: Rules, tasks: Sequence[Task]) -> Path:
    """Write <id>.md, <id>.toml and index.csv (id, name, inputs, experiment's hash, rules) into a new folder.

    Returns
    -------
    Path : the index.csv.

    Raises
    ------
    BadInput : `out` is there already and not empty.
    RunFailed : the folder cannot be written, for example since the disk is full. Nothing is left behind.
    """
    path = refuse_taken(out)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        for task in tasks:
            (part / f"{task.student.id}.toml").write_text(to_toml(task.experiment), encoding="utf-8", newline="\n")
            (part / f"{task.student.id}.md").write_text(sheet(rules, task), encoding="utf-8", newline="\n")
        (part / INDEX).write_text(index(rules, tasks), encoding="utf-8", newline="\n")
        if path.exists():  # Windows does not rename onto an existing folder, even an empty one
            path.rmdir()
        part.rename(path)
    except OSError as error:
        raise RunFailed(f"{out}: the folder cannot be written: {error.strerror or error}; nothing was kept") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)  # it is renamed already when all went well
    return Path(out) / INDEX


def index(rules: Rules, tasks: Sequence[Task]) -> str:
    """The index as CSV text, with a row for each student and inputs as written in the roster."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["id", "name", *rules.inputs, "experiment", "rules"])
    for task in tasks:
        student = task.student
        applied = " ".join(rule.name for rule in task.rules)
        rows.writerow([student.id, student.name, *student.given.values(), task.experiment.hash(), applied])
    return text.getvalue()
