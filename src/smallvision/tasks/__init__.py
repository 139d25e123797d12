"""The tasks: what is learned. One folder a task, one `Task` object, one line in TASKS. Importing this imports no torch."""

from collections.abc import Mapping
from typing import Any

from smallvision.experiment import Experiment
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

__all__ = ["TASKS", "Scores", "Step", "Task", "task_of"]


def task_of(experiment: Experiment) -> Task:
    """The task of an experiment."""
    return TASKS[experiment.task.kind]


def metric_named(key: str | None) -> Metric:
    """The metric that a file names by its key; the accuracy of a classification where it names none (older studies)."""
    return next((task.metric for task in TASKS.values() if task.metric.key == key), TASKS["classify"].metric)


def metric_in(scores: Mapping[str, Any]) -> Metric:
    """The metric whose key is in a split's scores."""
    return next(task.metric for task in TASKS.values() if task.metric.key in scores)
