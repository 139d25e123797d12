"""A classifier on the encoder of another network (reference system R2, task 4): fresh, taken over, frozen or at a rate of its own."""

from typing import Any, Self

from torch import Tensor, nn

from smallvision.experiment.model.encoder_classifier import EncoderClassifierSpec
from smallvision.nn.autoencoders.base import Autoencoder
from smallvision.nn.classifier import Classifier, parameter_groups
from smallvision.nn.init import initialized
from smallvision.nn.mlp import dense
from smallvision.nn.pretrained import encoding, features, last_activation
from smallvision.nn.shapes import Shape
from smallvision.nn.siamese import Siamese


class EncoderClassifier(Classifier):
    """The encoder of another network, dense layers, one output per class.

    The encoder brings the standardisation of its own training images with its weights. At rate 0 it is frozen: its parameters have
    no gradient, its batch normalisations keep their statistics, and its dropout drops nothing.

    Parameters
    ----------
    spec : rate, dense layers, initialisation of what is new; with the encoder's own spec filled in.
    shape : (C, H, W) of the images.
    classes : number of classes, K.
    giver : the whole other network, with fresh weights; what does not encode is taken out of it.

    Attributes
    ----------
    encoder : `encoder.encode` makes (B, D) of pixels (B, C, H, W) in [0, 1].
    frozen : whether the encoder's rate is 0.

    Raises
    ------
    BadInput : nothing tells which layers of the giver encode.
    """

    def __init__(
        self, spec: EncoderClassifierSpec, shape: Shape, classes: int, giver: Classifier | Autoencoder | Siamese
    ) -> None:
        super().__init__()
        self.encoder = encoding(giver)
        self.rate, self.frozen = spec.rate, spec.rate == 0
        if self.frozen:
            self.encoder.requires_grad_(False)
        given = features(self.encoder, shape)
        assert spec.encoder.model is not None
        last = spec.dense_activation if spec.dense else last_activation(spec.encoder.model)
        self.dense = dense(given, spec.dense, spec.dense_activation, spec.dense_dropout, spec.init)
        self.output = initialized(nn.Linear((given, *spec.dense)[-1], classes), spec.init, last)
        self.train()  # which leaves a frozen encoder as it is scored

    def encode(self, pixels: Tensor) -> Tensor:
        made: Tensor = self.dense(self.encoder.encode(pixels))  # (B, D)
        return made

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.output(self.encode(pixels))  # (B, K)
        return logits

    def train(self, mode: bool = True) -> Self:
        """Training mode or not, for all but a frozen encoder, which stays out of it."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """As of every classifier; the encoder's groups have its `rate`, and a frozen encoder has none."""
        own = [
            part for name, part in self.named_children() if name != "encoder"
        ]  # without the output where it was taken out
        new = [group for part in own for group in parameter_groups(part, weight_decay)]
        if self.frozen:
            return new
        return [{**group, "rate": self.rate} for group in self.encoder.parameter_groups(weight_decay)] + new
