"""Classification: cross-entropy of logits (or a person's own loss), accuracy, class probabilities as evidence."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smallvision.data.batching.batch import Batch, epoch, in_order
from smallvision.data.imageset import ImageSet, Splits
from smallvision.errors import BadInput
from smallvision.experiment.task import ClassifySpec
from smallvision.metrics.classification import balanced_accuracy, uneven
from smallvision.tasks.base import Loss, Scores, Step


class ClassificationLearner:
    """One of K classes for each image."""

    def __init__(self, spec: ClassifySpec, loss: Loss | None = None) -> None:
        if loss is None and spec.loss != "cross-entropy":
            raise BadInput(
                f'task.loss: got "{spec.loss}"; known: cross-entropy (your own function is passed in from Python)'
            )
        self.label_smoothing = spec.label_smoothing
        self.loss = loss

    def step(self, model: nn.Module, batch: Batch, generator: torch.Generator) -> Step:
        """The mean loss of the batch, and totals of loss and correct predictions. `generator` is not used.

        The loss is taken against `batch.targets` where a transform has set them, else against the labels. Soft targets
        (B, K) are class probabilities, as in torch.nn.functional.cross_entropy, and a user-defined loss gets them
        unchanged; a prediction then counts as correct when it is their most probable class.
        """
        given = (batch.pixels,) if batch.mask is None else (batch.pixels, batch.mask)
        logits = model(*given).float()  # (B, K)
        targets = batch.labels if batch.targets is None else batch.targets
        if self.loss is None:
            loss = F.cross_entropy(logits, targets, label_smoothing=self.label_smoothing)
        else:
            loss = self.loss(logits, targets)
            if not isinstance(loss, Tensor) or loss.numel() != 1:
                shape = (
                    f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
                )
                raise BadInput(
                    f"the loss that was passed in returned {shape}; expected a scalar tensor, the mean over the batch"
                )
        count = len(batch.labels)
        classes = targets if targets.ndim == 1 else targets.argmax(1)
        correct = (logits.detach().argmax(1) == classes).sum()
        return Step(loss, {"loss": loss.detach() * count, "correct": correct}, count)

    def averages(self, totals: dict[str, float], count: int) -> dict[str, float]:
        """Figures from totals over `count` images: mean loss, and accuracy between 0 and 1."""
        return {"loss": totals["loss"] / count, "accuracy": totals["correct"] / count}

    def selection_key(self, values: dict[str, float]) -> tuple[float, float]:
        """What "better" means when a validation split chooses: more accuracy; between equals, less loss."""
        return values["accuracy"], -values["loss"]

    def warning(self, model: nn.Module, validation: Scores) -> None:
        """The validation scores of a classifier never call for a warning."""

    def check_data(self, splits: Splits) -> tuple[str, ...]:
        """Any splits can be scored."""
        return ()

    def calibrate(self, model: nn.Module, train: ImageSet, validation: ImageSet | None) -> None:
        """Scoring a classifier needs nothing beyond its weights."""

    @torch.inference_mode()
    def answer(self, model: nn.Module, pixels: Tensor) -> Tensor:
        """Class probabilities float32 (B, K), rows that sum to one, of pixels (B, C, H, W) in [0, 1]."""
        probabilities: Tensor = model(pixels).float().softmax(1)
        return probabilities

    @torch.inference_mode()
    def score(self, model: nn.Module, images: ImageSet, fitted: None = None) -> Scores:
        """Every image of the split once, in order, in fp32, dropout off, nothing padded.

        Returns
        -------
        Scores : loss (without label smoothing) and accuracy; where classes differ by more than a third (see
            `metrics.classification.uneven`) also balanced_accuracy and majority, the share of the largest class.
            Evidence `labels` int64 (N,), `predictions` int64 (N,), `probabilities` float32 (N, K), `ids` int64 (N, 2),
            and where there are several, `sizes` int64 (N, 2).
        """
        was_training = model.training
        model.eval()
        sums = {"loss": 0.0, "correct": 0.0}
        logits = []
        for batch in epoch(images, in_order(images)):
            answer = model(batch.pixels).float()  # (B, K)
            if self.loss is None:
                sums["loss"] += F.cross_entropy(answer, batch.labels).item() * len(answer)
            logits.append(answer)
        model.train(was_training)
        if self.loss is not None:  # of all at once: a weighted mean of means would be another number
            sums["loss"] = self.loss(torch.cat(logits), images.labels).item() * len(images)
        probabilities = torch.cat(logits).softmax(1)  # (N, K)
        predictions = probabilities.argmax(1)
        sums["correct"] = float((predictions == images.labels).sum())
        arrays = {
            "labels": images.labels.cpu().numpy(),
            "predictions": predictions.cpu().numpy(),
            "probabilities": probabilities.cpu().numpy(),
            "ids": images.ids.cpu().numpy(),
        }
        if len(images.groups) > 1:
            arrays["sizes"] = np.repeat(
                np.array(images.sizes, np.int64), [len(group) for group in images.groups], axis=0
            )
        values = self.averages(sums, len(images))
        counts = np.bincount(arrays["labels"], minlength=len(images.classes))
        if uneven(counts):
            values["balanced_accuracy"] = balanced_accuracy(arrays["labels"], arrays["predictions"])
            values["majority"] = int(counts.max()) / len(images)
        return Scores(values, len(images), arrays)
