"""Makes result.json and evidence.npz of a classification: scores by class and size, mistakes, predictions at other
scales."""

from typing import Any

import numpy as np
from torch import nn

from smallvision.data.imageset import Splits
from smallvision.metrics import classification, scales
from smallvision.metrics.by_size import by_size
from smallvision.metrics.intervals import wilson
from smallvision.tasks import sample_images as chosen
from smallvision.tasks.base import Scores


def full_scores(splits: Splits, score: Scores) -> dict[str, Any]:
    """The interval of the accuracy, the figures of each class and of each image size."""
    labels, predictions = score.evidence["labels"], score.evidence["predictions"]
    interval = wilson(int((labels == predictions).sum()), score.count)
    out = {
        "accuracy_interval": list(interval),
        "per_class": classification.per_class(labels, predictions, splits.train.classes),
    }
    if "sizes" in score.evidence:
        out["by_size"] = by_size(labels, predictions, score.evidence["sizes"])
    return out


def evidence(model: nn.Module, splits: Splits, name: str, score: Scores) -> dict[str, np.ndarray]:
    """The confusion matrix and chosen images.

    Of a network that takes any size also its answers to the shown split's images at several scales: no further look at
    a test split, since nothing can select by it.
    """
    found = score.evidence
    out = {
        "confusion": classification.confusion(found["labels"], found["predictions"], len(splits.train.classes)),
        **chosen.chosen(splits.named()[name], found["predictions"], found["probabilities"]),
    }
    if getattr(model, "any_size", False):
        out |= scales.by_scale(model, splits.named()[name])
    return out
