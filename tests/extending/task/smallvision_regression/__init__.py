"""A task in a package of its own: one number for each image, judged by the mean absolute error."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from smallvision.experiment.task import TaskSpec
from smallvision.metrics.metric import Metric
from smallvision.storage.arrays import ArraySchema
from smallvision.storage.schema import AMOUNT, NUMBER
from smallvision.tasks.base import FinishedRun, Learner, Loss, Predictions, Schema, Task


class RegressSpec(TaskSpec):
    """The [task] table: the number is the position of the image's class, 0 to K - 1."""

    kind: Literal["regress"]


class Regression(Task):
    """One number for each image, judged by the mean absolute error."""

    kind = "regress"
    spec = RegressSpec
    metric = Metric("mae", "mean absolute error", higher=False, scale=1.0, unit="", digits=3)
    schema = Schema(
        scores={"loss": NUMBER, "mae": AMOUNT},
        arrays=ArraySchema({"outputs": ("f", ("N",)), "errors": ("f", ("N",))}, always=("outputs", "errors")),
    )
    progress = (("loss", "{:.4f}"), ("mae", "{:.3f}"))

    def learner(self, spec: RegressSpec, loss: Loss | None = None) -> Learner:
        """The squared error of the number; imports torch."""
        from smallvision_regression.learn import RegressionLearner

        self.refuse_loss(loss)
        return RegressionLearner()

    def outputs(self, classes: int) -> int:
        """The network has one output, however many classes there are."""
        return 1

    def loss_name(self, experiment: Any) -> str:
        """The name of the loss, for an axis."""
        return "squared error"

    def predictions(self, run: FinishedRun, evidence: Mapping[str, np.ndarray]) -> Predictions:
        """The absolute error of each image, by which runs are compared."""
        classes = tuple((run.result or {})["classes"])
        errors = evidence["errors"].astype(np.float64)
        return Predictions(evidence["ids"], evidence["labels"], classes, values=errors)


TASK = Regression()
