"""What is learned. A task gives `step`, `fit` and `score`; one loop serves every task."""

from collections.abc import Callable

from smallvision.tasks.base import Scores, Step
from smallvision.tasks.classification.learn import Classify
from smallvision.tasks.reconstruction.learn import Reconstruct
from smallvision.tasks.verification.learn import Verify

TASKS: dict[str, Callable[..., Classify | Reconstruct | Verify]] = {
    "classify": Classify,
    "reconstruct": Reconstruct,
    "verify": Verify,
}

__all__ = ["TASKS", "Classify", "Reconstruct", "Scores", "Step", "Verify"]
