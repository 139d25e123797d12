"""The command `smallvision assign`: a task sheet and an experiment for each student.

Imports happen when it is called.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smallvision.errors import BadInput, counted

if TYPE_CHECKING:
    from smallvision.assign import Task

Rules = Annotated[
    str,
    typer.Argument(
        metavar="RULES", help='A TOML file (with "/" or ".toml"), or a built-in one: r2.', show_default=False
    ),
]
Roster = Annotated[
    str,
    typer.Argument(metavar="ROSTER", help="The class as CSV: id, the inputs of the rules, name.", show_default=False),
]


def assign(
    rules: Rules,
    roster: Roster,
    out: Annotated[Path, typer.Option(help="A new folder for sheets, experiments and index.csv.", show_default=False)],
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Give every student a task of their own: an experiment and a sheet that says why."""
    import smallvision.assign as assignments
    from smallvision.console import run

    asked = assignments.read_rules(rules)
    students = assignments.read_roster(roster, asked.inputs)
    assignments.refuse_taken(out)
    tasks = assignments.assign(asked, students)
    different = {task.experiment.identity for task in tasks}
    console = run.Console()
    with console.status(f"building {counted(len(different), 'network')}"):
        _refuse_unfit(tasks, asked.where)
    index = assignments.write(out, asked, tasks)
    counts = [{"rule": rule.name, "students": sum(rule in task.rules for task in tasks)} for rule in asked.rules]
    console.print(asked.about, highlight=False, soft_wrap=True, markup=False)
    console.print(run.rows_table(counts))
    unused = assignments.unused(asked, tasks)
    if unused:
        console.print(
            f"warning   applies to nobody: {', '.join(unused)}", highlight=False, soft_wrap=True, markup=False
        )
    lines = {
        "students": f"{len(tasks):,}, different experiments: {len(different):,}",
        "sheets": f"{index.parent / tasks[0].student.id}.md" + (", ..." if len(tasks) > 1 else ""),
        "index": index,
    }
    for key, value in lines.items():
        console.print(f"{key:<10}{value}", highlight=False, soft_wrap=True, markup=False)


def _refuse_unfit(tasks: "Sequence[Task]", where: str) -> None:
    """Build the network of every different experiment, so that no student is given layers or classes that do not fit.

    Data that only its reader knows (a folder, an .npz) and people's own networks are left to the run.
    """
    from smallvision.api import catalog
    from smallvision.data import split
    from smallvision.data.datasets import published

    done: set[str] = set()
    for task in tasks:
        data = task.experiment.data
        known = published().get(data.source)
        if known is None or hasattr(task.experiment.model, "options") or task.experiment.identity in done:
            continue
        done.add(task.experiment.identity)
        try:
            split.class_indices(known.classes, data.classes or (), data.source)
            catalog.layers(task.experiment)
        except BadInput as error:
            raise BadInput(f"{where}: student {task.student.id} (line {task.student.line}): {error}") from None
