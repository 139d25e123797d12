"""What is to be learned."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from smallvision.experiment.base import BelowOne, Positive, Spec, Text


class ClassifySpec(Spec):
    """One of K classes for each image. The loss is the cross-entropy of logits unless a function is passed in."""

    kind: Literal["classify"]
    label_smoothing: BelowOne = 0.0                   # Szegedy et al. 2015, section 7; training loss only
    loss: Text = "cross-entropy"                      # "custom:NAME" when a person's own function was passed in
    loss_digest: Text | None = None                   # the sha256 of its source, filled in by smallvision


class Corruption(Spec):
    """What is done to the input of a denoising autoencoder (Vincent et al. 2008): as the augmentation "noise", clamped to [0, 1]."""

    distribution: Literal["uniform", "gaussian"] = "gaussian"
    amount: Annotated[Positive, Field(le=1)] = 0.1    # uniform in +-amount, or a standard deviation


class ReconstructSpec(Spec):
    """The image itself, from its representation."""

    kind: Literal["reconstruct"]
    loss: Literal["mse", "bce"] = "mse"               # squared error, or cross-entropy of each pixel; means over the pixels
    target: Literal["pixels", "normalized"] = "pixels"            # where the loss is taken: in [0, 1], or as data.normalize has them
    denoise: Corruption | None = None                 # noise on the input, drawn anew in every step; the target stays clean
    beta: Positive | None = None                      # variational only: weight of the divergence (Higgins et al. 2017); None is 1

    @model_validator(mode="after")
    def _possible(self) -> "ReconstructSpec":
        if self.loss == "bce" and self.target == "normalized":
            raise ValueError('loss "bce" needs targets in [0, 1], and normalized ones are not; use target = "pixels", or loss = "mse"')
        return self


TaskSpec = Annotated[ClassifySpec | ReconstructSpec, Field(discriminator="kind")]
