"""The spec of a siamese network."""

from typing import ClassVar, Literal

from pydantic import model_validator

from smallvision.experiment.base import Bool, NonNegative, Width, Widths
from smallvision.experiment.model.base import Initialization, Purpose
from smallvision.experiment.model.encoder import OnEncoderSpec


class SiameseSpec(OnEncoderSpec):
    """One encoder for both images of a pair, and a head that decides whether they are of one class."""

    purpose: ClassVar[Purpose] = "judges pairs of images"

    kind: Literal["siamese"]
    rate: NonNegative | None = None  # the encoder's, as in "encoder-classifier"; None: 0.01 if taken over, 1 if fresh
    representation: Width | None = None  # values that a dense layer makes of the encoder's output; None: no such layer
    normalized: Bool = False  # every representation is scaled to length 1 (Schroff et al. 2015, section 3.1)
    distance: Literal["euclidean", "cosine"] = "euclidean"
    head: Literal["distance", "dense"] = (
        "distance"  # a threshold on the distance, or dense layers on both representations
    )
    dense: Widths = (128,)  # head = "dense": its hidden layers; a single output follows
    init: Initialization = "default"  # of all layers that are not the encoder's

    @model_validator(mode="after")
    def _every_key_has_an_effect(self) -> "SiameseSpec":
        if self.head == "distance" and self.dense != (128,):
            raise ValueError('dense has no effect with head = "distance"; use head = "dense"')
        if self.encoder_rate == 0 and self.head == "distance" and self.representation is None:
            raise ValueError(
                'rate = 0 freezes the encoder, and this network has no other layers to train; set head = "dense", or '
                "representation = 32 for a dense layer after the encoder, or a rate above 0"
            )
        return self

    @property
    def encoder_rate(self) -> float:
        """The encoder's learning rate as a multiple of the recipe's."""
        if self.rate is not None:
            return self.rate
        return 0.01 if self.weights == "taken-over" else 1.0
