"""A siamese network (Bromley et al. 1993, "Signature verification using a siamese time delay neural network"; reference system R1, task 7).

One encoder describes both images of a pair. There is one set of weights, not two that are kept alike, so that an image is encoded
once, however many pairs it is in. What says "the same" is the distance of the two representations, or a dense head on both.
"""

from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from smallvision.experiment.model.siamese import SiameseSpec
from smallvision.nn.autoencoders.base import Autoencoder
from smallvision.nn.classifier import Classifier, parameter_groups
from smallvision.nn.init import initialized
from smallvision.nn.mlp import dense
from smallvision.nn.pretrained import encoding, features, last_activation
from smallvision.nn.shapes import Shape


class Siamese(nn.Module):
    """An encoder for both images, and a head for pairs.

    The dense head sees |a − b| and a · b, value by value, of the representations a and b: both are the same whichever image comes
    first, and so is its answer, to the last bit.

    Parameters
    ----------
    spec : rate, representation, distance, head; with the encoder's own spec filled in.
    shape : (C, H, W) of the images.
    giver : the whole other network, with fresh weights; what does not encode is taken out of it.

    Attributes
    ----------
    encoder : `encoder.encode` makes features of pixels (B, C, H, W) in [0, 1].
    representation : values that an image is described by, D.
    frozen : whether the encoder's rate is 0.
    pair_head : (M, 2 D) to a logit (M, 1), or None where the distance decides.
    any_size : False: images have one size.

    Raises
    ------
    BadInput : nothing tells which layers of the giver encode.
    """

    any_size: bool = False

    def __init__(self, spec: SiameseSpec, shape: Shape, giver: "Classifier | Autoencoder | Siamese") -> None:
        super().__init__()
        self.encoder = encoding(giver)
        self.rate, self.frozen = spec.encoder_rate, spec.encoder_rate == 0
        if self.frozen:
            self.encoder.requires_grad_(False)
        given = features(self.encoder, shape)
        assert spec.encoder.model is not None
        self.normalized, self.metric = spec.normalized, spec.distance
        self.representation = spec.representation or given
        self.projection: nn.Module = nn.Identity()
        if spec.representation is not None:
            self.projection = initialized(
                nn.Linear(given, spec.representation), spec.init, last_activation(spec.encoder.model)
            )
        self.pair_head = _dense(2 * self.representation, spec) if spec.head == "dense" else None
        self.train()  # which leaves a frozen encoder as it is scored

    def encode(self, pixels: Tensor) -> Tensor:
        """The representation (B, D) of pixels (B, C, H, W) in [0, 1]."""
        made: Tensor = self.projection(self.encoder.encode(pixels))
        if self.normalized:
            made = functional.normalize(made.float(), dim=1)
        return made

    def logits(self, one: Tensor, other: Tensor) -> Tensor:
        """The dense head's answer for pairs of representations, (M, D) each: (M,), above 0 for the same class."""
        assert self.pair_head is not None
        answer: Tensor = self.pair_head(torch.cat([(one - other).abs(), one * other], 1))
        return answer[:, 0]

    def apart(self, one: Tensor, other: Tensor) -> Tensor:
        """The distance of representations, (M, D) each: (M,); Euclidean, or 1 − cos of the angle."""
        one, other = one.float(), other.float()
        if self.metric == "euclidean":
            distance: Tensor = torch.linalg.vector_norm(one - other, dim=1)
            return distance
        return (1 - functional.cosine_similarity(one, other, dim=1)).clamp(min=0)

    def score(self, one: Tensor, other: Tensor) -> Tensor:
        """How much the head speaks for "the same", (M,): its logit, or the distance with a minus."""
        return self.logits(one, other) if self.pair_head is not None else -self.apart(one, other)

    def forward(self, pixels: Tensor) -> Tensor:
        """The score (B,) of each image of pixels (B, C, H, W) with the one before it, of the first with the last."""
        made = self.encode(pixels)
        return self.score(made, made.roll(1, 0))

    def train(self, mode: bool = True) -> Self:
        """Training mode or not, for all but a frozen encoder, which stays out of it."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """As of a classifier on an encoder: the encoder's groups have its `rate`, and a frozen encoder has none."""
        own = [
            part for name, part in self.named_children() if name != "encoder"
        ]  # without the head where it was taken out
        new = [group for part in own for group in parameter_groups(part, weight_decay)]
        if self.frozen:
            return new
        return [{**group, "rate": self.rate} for group in self.encoder.parameter_groups(weight_decay)] + new


def _dense(given: int, spec: SiameseSpec) -> nn.Sequential:
    """Dense layers with ReLU after each, then a single output."""
    output = initialized(nn.Linear((given, *spec.dense)[-1], 1), spec.init, "relu" if spec.dense else "none")
    return nn.Sequential(dense(given, spec.dense, "relu", 0.0, spec.init), output)
