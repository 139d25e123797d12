"""What is to be learned."""

from typing import Literal

from smallvision.experiment.base import BelowOne, Spec, Text


class ClassifySpec(Spec):
    """One of K classes for each image. The loss is the cross-entropy of logits unless a function is passed in."""

    kind: Literal["classify"]
    label_smoothing: BelowOne = 0.0                   # Szegedy et al. 2015, section 7; training loss only
    loss: Text = "cross-entropy"                      # "custom:NAME" when a person's own function was passed in
    loss_digest: Text | None = None                   # the sha256 of its source, filled in by smallvision


TaskSpec = ClassifySpec
