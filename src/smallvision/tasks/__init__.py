"""What is learned. A task gives `step`, `fit` and `score`; one loop serves every task."""

from smallvision.tasks.base import Scores, Step
from smallvision.tasks.classify import Classify

TASKS = {"classify": Classify}

__all__ = ["TASKS", "Classify", "Scores", "Step"]
