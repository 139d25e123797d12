"""What is asked of a classifier on the encoder of another experiment, and which experiment, or which run, that is."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, Strict, model_validator

from smallvision.experiment.base import BelowOne, NonNegative, Spec, Text, Width
from smallvision.experiment.recipe import ProtocolSpec
from smallvision.experiment.words import Activation, Initialization

if TYPE_CHECKING:
    from smallvision.experiment.model import ModelSpec
    from smallvision.experiment.spec import Experiment


class EncoderSpec(Spec):
    """Whose encoder: that of an experiment, by its catalog name or TOML file, or of a finished run, by its folder."""

    experiment: Text | None = None
    run: Text | None = None
    seed: Annotated[int, Strict(), Field(ge=0)] | None = None     # of the experiment's run; None: that of the run that takes it over
    # Filled in by smallvision, so that a run is rebuilt from its own files, and is another run when what it takes over is.
    digest: Text | None = None                        # the experiment's hash, its protocol aside; or the sha256 of the run's weights
    model: "ModelSpec | None" = None                  # its [model], whole

    @model_validator(mode="after")
    def _one_of_the_two(self) -> "EncoderSpec":
        if (self.experiment is None) == (self.run is None):
            found = "both" if self.run is not None else "neither"
            raise ValueError(f'expected {{ experiment = "NAME" }} or {{ run = "FOLDER" }}, got {found}')
        if self.run is not None and self.seed is not None:
            raise ValueError("seed has no effect with run, which has a seed of its own; leave it out")
        return self


class EncoderClassifierSpec(Spec):
    """The part of another network that encodes, dense layers, one output per class."""

    kind: Literal["encoder-classifier"]
    encoder: EncoderSpec
    weights: Literal["taken-over", "fresh"] = "taken-over"        # "fresh": the same layers, trained from the start
    rate: NonNegative = 1.0                           # the encoder's learning rate in terms of the recipe's; 0 freezes it
    dense: tuple[Width, ...] = ()
    dense_activation: Activation = "relu"
    dense_dropout: BelowOne = 0.0
    init: Initialization = "default"                  # of the dense layers and the output


def protocol_aside(experiment: "Experiment") -> str:
    """The hash of an experiment as if its test split were met as ever: equal ones are trained to the same weights."""
    return experiment.model_copy(update={"protocol": ProtocolSpec()}).hash()
