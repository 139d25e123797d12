"""The tasks: what is learned. Each has a folder, one `Task` object, and a line in TASKS.

Importing this imports no torch.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from smallvision.errors import BadInput, nearest
from smallvision.experiment import Experiment
from smallvision.experiment.task import added_task
from smallvision.metrics.metric import Metric
from smallvision.tasks.base import Scores, Step, Task
from smallvision.tasks.classification.task import Classification
from smallvision.tasks.reconstruction.task import Reconstruction
from smallvision.tasks.verification.task import Verification

TASKS: dict[str, Task] = {
    "classify": Classification(),
    "reconstruct": Reconstruction(),
    "verify": Verification(),
}

# The task of files that name none: studies of older versions classify, and a verdict on classified images names no
# metric.
DEFAULT_TASK: Task = TASKS["classify"]
DEFAULT_METRIC: Metric = DEFAULT_TASK.metric

__all__ = ["DEFAULT_METRIC", "DEFAULT_TASK", "TASKS", "Scores", "Step", "Task", "task_named", "task_of"]


def task_of(experiment: Experiment) -> Task:
    """The task of an experiment: one of TASKS, or one that an installed package adds (see `experiment.task`)."""
    return task_named(experiment.task.kind)


def task_named(kind: str) -> Task:
    """The task of this kind. Raises BadInput where neither TASKS nor an installed package has one."""
    if kind in TASKS:
        return TASKS[kind]
    task = _added(kind)
    if not isinstance(task, Task):
        what = (
            "no installed package provides this task"
            if task is None
            else ("its object is not a smallvision.tasks.base.Task")
        )
        raise BadInput(f'task.kind: "{kind}": {what}; {nearest(kind, TASKS)}')
    return task


@cache
def _added(kind: str) -> Any:
    try:
        return added_task(kind)
    except ValueError as error:
        raise BadInput(f"task.kind: {error}") from None


def metric_of_file(stored: Mapping[str, Any]) -> Metric:
    """The metric that a verdict in a file is about, from the fields that were written with it.

    A built-in task's metric is known by its key; the fields of another task's metric are all there is to know.

    Raises
    ------
    BadInput : the fields are not those of a metric.
    """
    known = {task.metric.key: task.metric for task in TASKS.values()}
    if stored.get("key") in known:
        return known[stored["key"]]
    types = {
        "key": str,
        "name": str,
        "higher": bool,
        "scale": float,
        "unit": str,
        "digits": int,
        "share": bool,
        "of": str,
    }
    if set(stored) != set(types) or not all(isinstance(stored[name], kind) for name, kind in types.items()):
        raise BadInput(
            f"study.json: the measure of a verdict must have the fields {', '.join(types)}; restore the file from a "
            "copy"
        )
    return Metric(**stored)
