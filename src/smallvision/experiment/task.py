"""What is to be learned."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from smallvision.experiment.base import BelowOne, Count, NonNegative, Positive, Spec, Text


class ClassifySpec(Spec):
    """One of K classes for each image. The loss is the cross-entropy of logits unless a function is passed in."""

    kind: Literal["classify"]
    label_smoothing: BelowOne = 0.0  # Szegedy et al. 2015, section 7; training loss only
    loss: Text = "cross-entropy"  # "custom:NAME" when a person's own function was passed in
    loss_digest: Text | None = None  # the sha256 of its source, filled in by smallvision


class Corruption(Spec):
    """What is done to the input of a denoising autoencoder (Vincent et al. 2008): as the augmentation "noise", clamped to [0, 1]."""

    distribution: Literal["uniform", "gaussian"] = "gaussian"
    amount: Annotated[Positive, Field(le=1)] = 0.1  # uniform in +-amount, or a standard deviation


class ReconstructSpec(Spec):
    """The image itself, from its representation."""

    kind: Literal["reconstruct"]
    loss: Literal["mse", "bce"] = "mse"  # squared error, or cross-entropy of each pixel; means over the pixels
    target: Literal["pixels", "normalized"] = (
        "pixels"  # where the loss is taken: in [0, 1], or as data.normalize has them
    )
    denoise: Corruption | None = None  # noise on the input, drawn anew in every step; the target stays clean
    beta: Positive | None = None  # variational only: weight of the divergence (Higgins et al. 2017); None is 1

    @model_validator(mode="after")
    def _possible(self) -> "ReconstructSpec":
        if self.loss == "bce" and self.target == "normalized":
            raise ValueError(
                'loss "bce" needs targets in [0, 1], and normalized ones are not; use target = "pixels", or loss = "mse"'
            )
        return self


class VerifySpec(Spec):
    """Whether two images are of one class. The verifier's threshold and calibration are fitted on validation pairs."""

    kind: Literal["verify"]
    loss: Annotated[str, Field(pattern=r"^(triplet|contrastive|cross-entropy|metric\.[A-Za-z]+)$")] = "triplet"
    margin: Positive | None = None  # triplet, contrastive: in units of the distance; None is 1
    mining: Annotated[str, Field(pattern=r"^(all|semi-hard|hard|metric\.[A-Za-z]+)$")] | None = (
        None  # triplet; None is "semi-hard"
    )
    loss_options: dict[str, Any] = Field(
        default_factory=dict
    )  # metric.<Name>: what the library's loss is made with, { margin = 0.1 }
    mining_options: dict[str, Any] = Field(default_factory=dict)  # and its miner
    representation_penalty: NonNegative = 0.0  # cross-entropy: times the mean squared length of representations
    weight_penalty: NonNegative = 0.0  # cross-entropy: times the sum of squared weights, biases and norms apart
    head_weight: Positive | None = None  # a dense head beside another loss learns by its own cross-entropy; None is 1
    false_accept: BelowOne = 0.0  # share of pairs of two classes that may be taken for one; 0: at equal error rates
    pairs: Annotated[Count, Field(ge=2, multiple_of=2)] = 20000  # that a split is scored on, or as many as it has
    pairs_per_image: Count = 10  # at most

    @model_validator(mode="after")
    def _every_key_has_an_effect(self) -> "VerifySpec":
        if self.margin is not None and self.loss not in ("triplet", "contrastive"):
            raise ValueError(f'margin has no effect with loss "{self.loss}" (it has with "triplet" and "contrastive")')
        if self.mining is not None and self.loss != "triplet" and not self.loss.startswith("metric."):
            raise ValueError(f'mining has no effect with loss "{self.loss}" (it has with "triplet")')
        if (self.mining or "").startswith("metric.") and not self.loss.startswith("metric."):
            raise ValueError(
                f'mining "{self.mining}" is for losses of pytorch-metric-learning; with "{self.loss}" use "all", "semi-hard" '
                'or "hard"'
            )
        for key, named in (("loss", self.loss), ("mining", self.mining)):
            if getattr(self, f"{key}_options") and not (named or "").startswith("metric."):
                raise ValueError(
                    f'{key}_options has no effect with {key} "{named or "semi-hard"}" (it has with "metric.<Name>")'
                )
        if self.loss != "cross-entropy" and (self.representation_penalty or self.weight_penalty):
            raise ValueError(
                f'representation_penalty and weight_penalty have no effect with loss "{self.loss}" '
                '(they have with "cross-entropy")'
            )
        if self.loss == "cross-entropy" and self.head_weight is not None:
            raise ValueError('head_weight has no effect with loss "cross-entropy", which is the head\'s own')
        if self.loss.startswith("metric.") and self.mining in ("semi-hard", "hard"):
            raise ValueError(
                f'mining "{self.mining}" is for loss "triplet"; with "{self.loss}" give a miner of the library, '
                'as in mining = "metric.MultiSimilarityMiner"'
            )
        return self


TaskSpec = Annotated[ClassifySpec | ReconstructSpec | VerifySpec, Field(discriminator="kind")]
