"""What is asked of a network on the encoder of another experiment, and which experiment, or which run, that is."""

import shlex
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, Strict, model_validator

from smallvision.experiment.base import BelowOne, Bool, NonNegative, Spec, Text, Width
from smallvision.experiment.model.words import Activation, Initialization
from smallvision.experiment.overrides import Settings
from smallvision.experiment.recipe import ProtocolSpec
from smallvision.experiment.text import inline

if TYPE_CHECKING:
    from smallvision.experiment.experiment import Experiment
    from smallvision.experiment.model.union import ModelSpec


class EncoderSpec(Spec):
    """Whose encoder: that of an experiment, by its catalog name or TOML file, or of a finished run, by its folder."""

    experiment: Text | None = None
    set: Settings = Field(default_factory=dict)  # of the experiment, by full key, as in { "recipe.epochs" = 20 }
    run: Text | None = None
    seed: Annotated[int, Strict(), Field(ge=0)] | None = (
        None  # of the experiment's run; None: that of the run that takes it over
    )
    # Filled in by smallvision, so that a run is rebuilt from its own files, and is another run when what it takes over is.
    digest: Text | None = None  # the experiment's hash, its protocol aside; or the sha256 of the run's weights
    model: "ModelSpec | None" = None  # its [model], whole

    @model_validator(mode="after")
    def _one_of_the_two(self) -> "EncoderSpec":
        if (self.experiment is None) == (self.run is None):
            found = "both" if self.run is not None else "neither"
            raise ValueError(f'expected {{ experiment = "NAME" }} or {{ run = "FOLDER" }}, got {found}')
        if self.run is not None and self.seed is not None:
            raise ValueError("seed has no effect with run, which has a seed of its own; leave it out")
        if self.run is not None and self.set:
            raise ValueError("set has no effect with run, which is finished; leave it out, or name an experiment")
        return self

    @property
    def words(self) -> str:
        """What follows `smallvision run` to make the run that is wanted, its seed apart."""
        settings = [
            f"{key}={value if isinstance(value, str) else inline(value)}" for key, value in sorted(self.set.items())
        ]
        return " ".join([str(self.experiment), *map(shlex.quote, settings)])


class OnEncoderSpec(Spec):
    """What every network has that begins with the part of another one that encodes."""

    encoder: EncoderSpec
    weights: Literal["taken-over", "fresh"] = "taken-over"  # "fresh": the same layers, trained from the start


class EncoderClassifierSpec(OnEncoderSpec):
    """The part of another network that encodes, dense layers, one output per class."""

    kind: Literal["encoder-classifier"]
    rate: NonNegative = 1.0  # the encoder's learning rate in terms of the recipe's; 0 freezes it
    dense: tuple[Width, ...] = ()
    dense_activation: Activation = "relu"
    dense_dropout: BelowOne = 0.0
    init: Initialization = "default"  # of the dense layers and the output


class SiameseSpec(OnEncoderSpec):
    """One encoder for both images of a pair, and a head that says whether they are of one class."""

    kind: Literal["siamese"]
    rate: NonNegative | None = None  # the encoder's, as above; None: 0.01 if it is taken over (R1.7), 1 if fresh
    representation: Width | None = (
        None  # values that a dense layer makes of what the encoder gives; None: no such layer
    )
    normalized: Bool = False  # every representation at length 1 (Schroff et al. 2015, section 3.1)
    distance: Literal["euclidean", "cosine"] = "euclidean"
    head: Literal["distance", "dense"] = "distance"  # near is the same, or dense layers on both representations
    dense: tuple[Width, ...] = (128,)  # head = "dense": its hidden layers; a single output follows
    init: Initialization = "default"  # of what is not the encoder's

    @model_validator(mode="after")
    def _every_key_has_an_effect(self) -> "SiameseSpec":
        if self.head == "distance" and self.dense != (128,):
            raise ValueError('dense has no effect with head = "distance"; use head = "dense"')
        if self.encoder_rate == 0 and self.head == "distance" and self.representation is None:
            raise ValueError(
                'rate 0 freezes the encoder, and beside it there is nothing to learn; set head = "dense", or '
                "representation = 32 for a layer on it, or a rate above 0"
            )
        return self

    @property
    def encoder_rate(self) -> float:
        """The encoder's learning rate in terms of the recipe's."""
        if self.rate is not None:
            return self.rate
        return 0.01 if self.weights == "taken-over" else 1.0


def protocol_aside(experiment: "Experiment") -> str:
    """The hash of an experiment as if its test split were met as ever: equal ones are trained to the same weights."""
    return experiment.model_copy(update={"protocol": ProtocolSpec()}).hash()
