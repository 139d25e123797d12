"""A siamese network (Bromley et al. 1993, "Signature verification using a siamese time delay neural network"; reference
system R1, task 7).

One encoder describes both images of a pair. There is one set of weights, not two that are kept alike, so that an image
is encoded once, however many pairs it is in. The distance of the two representations decides whether they are of one
class, or a dense head on both does.
"""

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from smallvision.experiment.model.siamese import SiameseSpec
from smallvision.nn.base import Model
from smallvision.nn.init import initialized
from smallvision.nn.input_spec import InputSpec
from smallvision.nn.mlp import dense
from smallvision.nn.pretrained import OnEncoder


class Siamese(OnEncoder):
    """An encoder for both images, and a head for pairs.

    The dense head sees |a − b| and a · b, value by value, of the representations a and b: both are the same whichever
    image comes first, and so is its answer, to the last bit.

    Parameters
    ----------
    spec : rate, representation, distance, head.
    inputs : shape of the images; the rest is not used, since the encoder standardises the pixels.
    network : the whole other network, with fresh weights; what does not encode is taken out of it.

    Attributes
    ----------
    representation : values that an image is described by, D.
    pair_head : (M, 2 D) to a logit (M, 1), or None where the distance decides.

    Raises
    ------
    BadInput : nothing tells which layers of the other network encode.
    """

    def __init__(self, spec: SiameseSpec, inputs: InputSpec, network: Model) -> None:
        super().__init__()
        width = self.place_encoder(network, spec.encoder_rate, inputs.shape)
        self.normalized, self.metric = spec.normalized, spec.distance
        self.representation = spec.representation or width
        self.projection: nn.Module = nn.Identity()
        if spec.representation is None:
            self.last_activation = self.encoder.last_activation
        else:
            projection = nn.Linear(width, spec.representation)
            self.projection = initialized(projection, spec.init, self.encoder.last_activation)
        self.pair_head = _dense(2 * self.representation, spec) if spec.head == "dense" else None
        self.train()  # a frozen encoder stays in evaluation mode

    def encode(self, pixels: Tensor) -> Tensor:
        """The representation (B, D) of pixels (B, C, H, W) in [0, 1]."""
        representation: Tensor = self.projection(self.encoder.encode(pixels))
        if self.normalized:
            representation = functional.normalize(representation.float(), dim=1)
        return representation

    def encoder_part(self) -> Self:
        del self.pair_head
        return self

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
        """The head's logit for pairs of representations, or minus their distance: (M,), the larger the likelier one
        class."""
        return self.logits(one, other) if self.pair_head is not None else -self.apart(one, other)

    def forward(self, pixels: Tensor) -> Tensor:
        """The score (B,) of each image of pixels (B, C, H, W) with the one before it, of the first with the last."""
        representations = self.encode(pixels)
        return self.score(representations, representations.roll(1, 0))


def _dense(width: int, spec: SiameseSpec) -> nn.Sequential:
    """Dense layers with ReLU after each, then a single output."""
    output = initialized(nn.Linear((width, *spec.dense)[-1], 1), spec.init, "relu" if spec.dense else "none")
    return nn.Sequential(dense(width, spec.dense, "relu", 0.0, spec.init), output)
