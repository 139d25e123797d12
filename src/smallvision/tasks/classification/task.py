"""The task "classify": one of K classes for each image."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from smallvision.experiment import Experiment
from smallvision.experiment.task import ClassifySpec
from smallvision.metrics.intervals import wilson
from smallvision.metrics.metric import ACCURACY
from smallvision.tasks.base import (
    SPLITS,
    FinishedRun,
    Learner,
    Loss,
    Predictions,
    RunWarning,
    Scores,
    ScoreTable,
    Section,
    StudyRun,
    Task,
)
from smallvision.tasks.classification.balance import BALANCED, LARGEST, beside
from smallvision.tasks.classification.schema import SCHEMA

if TYPE_CHECKING:
    from torch import nn

    from smallvision.data.imageset import Splits


class Classification(Task):
    """One of K classes for each image, judged by accuracy."""

    kind = "classify"
    spec = ClassifySpec
    metric = ACCURACY
    schema = SCHEMA
    takes_loss = True
    methods = ("predict", "confusion", "mistakes", "confused", "encode")
    interval_name = compared_interval_name = "Wilson"
    progress = (("loss", "{:.4f}"), ("accuracy", "{:.2%}"), ("balanced_accuracy", "{:.2%}"))

    def learner(self, spec: ClassifySpec, loss: Loss | None = None) -> Learner:
        """Cross-entropy, or the loss passed in. Raises BadInput for a loss that is not known."""
        from smallvision.tasks.classification.learn import ClassificationLearner

        return ClassificationLearner(spec, loss)

    def scoring_bytes(self, classes: int, images: int) -> int:
        """The confusion matrix (K, K) in int64, its shares and pairs, and the probabilities (N, K) in float32."""
        return 40 * classes**2 + 8 * classes * images

    def full_scores(self, experiment: Experiment, splits: "Splits", name: str, scores: Scores) -> dict[str, Any]:
        """The interval of the accuracy, the figures of each class and of each image size."""
        from smallvision.tasks.classification import evidence

        return evidence.full_scores(splits, scores)

    def evidence(
        self, experiment: Experiment, model: "nn.Module", splits: "Splits", name: str, scores: Scores
    ) -> dict[str, np.ndarray]:
        """The confusion matrix, chosen images, and answers at other scales."""
        from smallvision.tasks.classification import evidence

        return evidence.evidence(model, splits, name, scores)

    def scores_without(self, scores: Scores, left_out: np.ndarray) -> dict[str, Any]:
        """The accuracy on the other images."""
        if left_out.all():
            return {}
        right = (scores.evidence["labels"] == scores.evidence["predictions"])[~left_out]
        return {"count": len(right), "accuracy": float(right.mean())}

    def predictions(self, run: FinishedRun, evidence: Mapping[str, np.ndarray]) -> Predictions:
        """The predicted class of each image."""
        classes = tuple((run.result or {})["classes"])
        return Predictions(evidence["ids"], evidence["labels"], classes, predictions=evidence["predictions"])

    def loss_name(self, experiment: Experiment) -> str:
        """Cross-entropy, or the name of the loss that was passed in."""
        assert isinstance(experiment.task, ClassifySpec)
        loss = experiment.task.loss
        return "cross-entropy (nats)" if loss == "cross-entropy" else f"loss ({loss.removeprefix('custom:')})"

    def section(self, run: FinishedRun, prefix: str, split: str) -> Section:
        """Confusion, classes, accuracy by resolution, mistakes, first images."""
        from smallvision.tasks.classification import section

        return section.section(run, prefix, split)

    def beside(self, scores: Mapping[str, Any]) -> dict[str, float]:
        """The balanced accuracy, and the share of the largest class, where classes differ by more than a third."""
        return beside(scores)

    def warnings(self, run: FinishedRun) -> Sequence[RunWarning]:
        """Classes without an image, classes that are never predicted, an accuracy that guessing reaches."""
        from smallvision.tasks.classification import warnings

        return warnings.warnings(run)

    def score_interval(self, run: StudyRun, split: str) -> tuple[float, float] | None:
        """Wilson's interval of the accuracy; None where the number of images is not known."""
        accuracy, count = run.score(split), (run.result.get(split) or {}).get("count")
        return wilson(round(accuracy * count), count) if accuracy is not None and count else None

    def score_table(self, result: Mapping[str, Any]) -> ScoreTable:
        """Loss and accuracy of each split, with Wilson's interval and what stands beside it where there is some."""
        rows = []
        balance = {split: beside(result[split]) for split in SPLITS if result.get(split)}
        more = [name for name in (BALANCED, LARGEST) if any(name in found for found in balance.values())]
        for split in SPLITS:
            if row := result.get(split):
                ends = row.get("accuracy_interval")
                interval = f"{self.metric.number(ends[0])} - {self.metric.text(ends[1])}" if ends else ""
                cells = [self.metric.text(balance[split][name]) if name in balance[split] else "" for name in more]
                accuracy = self.metric.text(row["accuracy"])
                rows.append((split, f"{row['count']:,}", f"{row['loss']:.4f}", accuracy, interval, *cells))
        return ScoreTable(("split", "images", "loss", "accuracy", "95 % interval", *more), rows)
