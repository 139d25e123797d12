"""The tasks: what is learned. One folder a task, one `Task` object, one line in TASKS.

Importing this imports no torch.
"""

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
        what = "no installed package has this task" if task is None else "its object is no smallvision.tasks.base.Task"
        raise BadInput(f'task.kind: "{kind}": {what}; {nearest(kind, TASKS)}')
    return task


@cache
def _added(kind: str) -> Any:
    try:
        return added_task(kind)
    except ValueError as error:
        raise BadInput(f"task.kind: {error}") from None


def metric_named(key: str | None) -> Metric:
    """The metric that a file names by its key; DEFAULT_METRIC where it names none."""
    return next((task.metric for task in TASKS.values() if task.metric.key == key), DEFAULT_METRIC)
