"""The spec of an encoder taken over from another experiment or run, and the base of the specs that have one."""

import shlex
from typing import Annotated, Literal

from pydantic import Field, Strict, model_validator

from smallvision.experiment.base import Spec, Text
from smallvision.experiment.model.base import NetworkSpec
from smallvision.experiment.overrides import Settings
from smallvision.experiment.text import inline


class EncoderSpec(Spec):
    """The encoder of an experiment, named by catalog name or TOML file, or of a finished run, named by its folder.

    `model` can be any network's spec, and some of these have an EncoderSpec themselves. Its type is therefore a forward
    reference to the ModelSpec of `union.py`, which resolves it once all specs are defined.
    """

    experiment: Text | None = None
    set: Settings = Field(default_factory=dict)  # changes to the experiment by full key, { "recipe.epochs" = 20 }
    run: Text | None = None
    seed: Annotated[int, Strict(), Field(ge=0)] | None = None  # of the experiment's run; None: the seed of this run
    # smallvision fills these in, so that a run is rebuilt from its own files, and its hash covers the encoder.
    digest: Text | None = None  # the experiment's `training_hash`, or the sha256 of the run's weights
    model: "ModelSpec | None" = None  # type: ignore[name-defined]  # noqa: F821  the whole [model] table of that experiment or run

    @model_validator(mode="after")
    def _one_of_the_two(self) -> "EncoderSpec":
        if (self.experiment is None) == (self.run is None):
            given = "both" if self.run is not None else "neither"
            raise ValueError(f'expected {{ experiment = "NAME" }} or {{ run = "FOLDER" }}, got {given}')
        if self.run is not None and self.seed is not None:
            raise ValueError("seed has no effect together with run, because that run already has a seed; leave it out")
        if self.run is not None and self.set:
            raise ValueError(
                "set has no effect together with run, because that run is finished; leave it out, or name an experiment"
            )
        return self

    @property
    def words(self) -> str:
        """What follows `smallvision run` on the command line that makes the run, except its seed."""
        settings = [
            f"{key}={value if isinstance(value, str) else inline(value)}" for key, value in sorted(self.set.items())
        ]
        return " ".join([str(self.experiment), *map(shlex.quote, settings)])


class OnEncoderSpec(NetworkSpec):
    """The keys of every network that begins with the encoding part of another network."""

    encoder: EncoderSpec
    weights: Literal["taken-over", "fresh"] = "taken-over"  # "fresh": the same layers, trained from new weights
