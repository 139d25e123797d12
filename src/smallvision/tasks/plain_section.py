"""The part of a run's page of a task that has no template of its own: the scores as a table. No torch."""

from pathlib import Path

from smallvision.tasks.base import FinishedRun, Section, Task

TEMPLATE = Path(__file__).with_name("plain_section.html")


def section(task: Task, run: FinishedRun, split: str) -> Section:
    """The metric of each split, as a sentence and a table.

    Parameters
    ----------
    task : whose metric is shown.
    run : finished or not.
    split : the split whose images are shown.
    """
    return Section(TEMPLATE, {"metric": task.metric, "several_training": False})
