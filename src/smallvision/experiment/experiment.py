"""An experiment: data, model, task, recipe and protocol, frozen; its canonical form and its hash."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from pydantic import field_validator, model_validator

from smallvision.experiment.base import NonNegative, Spec, Text, canonical_text
from smallvision.experiment.data import DataSpec
from smallvision.experiment.model.base import NetworkSpec
from smallvision.experiment.model.union import MODEL_SPECS, ModelSpec
from smallvision.experiment.recipe import ProtocolSpec, RecipeSpec
from smallvision.experiment.task import SPECS, AnyTaskSpec, ClassifySpec


class Experiment(Spec):
    """Everything that decides what a run computes, except the seed and what is resolved (device, threads, versions)."""

    name: Text
    about: Text = ""
    minutes: NonNegative = 0.0  # measured on 2 cores; for `smallvision list`
    data: DataSpec
    model: ModelSpec
    task: AnyTaskSpec = ClassifySpec(kind="classify")
    recipe: RecipeSpec = RecipeSpec()
    protocol: ProtocolSpec = ProtocolSpec()

    @field_validator("name")
    @classmethod
    def _usable_as_a_folder_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise ValueError("expected 1 to 64 letters, digits, dots, dashes or underscores (it names a folder)")
        return name

    @model_validator(mode="after")
    def _selection_has_its_split(self) -> "Experiment":
        if self.data.validation == 0 and not self.data.may_bring_validation:
            for key, value, off in (("select", self.recipe.select, "last"), ("patience", self.recipe.patience, 0)):
                if value != off:
                    raise ValueError(
                        f"recipe.{key} = {value} needs validation images; set data.validation, for example 0.1"
                    )
        return self

    @model_validator(mode="after")
    def _network_and_task_agree(self) -> "Experiment":
        network: NetworkSpec = self.model
        if network.purpose != self.task.network:
            if self.task.network != NetworkSpec.purpose:
                kinds = [kind for kind, spec in MODEL_SPECS.items() if spec.purpose == self.task.network]
                raise ValueError(
                    f'task.kind: "{self.task.kind}" needs a network that {self.task.network}; '
                    f"set model.kind {_one_of(kinds)}"
                )
            kinds = [kind for kind, spec in SPECS.items() if spec.network == network.purpose]
            raise ValueError(
                f'model.kind: "{self.model.kind}" {network.purpose}, and the task is to {self.task.kind}; '
                f"set task.kind {_one_of(kinds)}"
            )
        self.task.check(self)
        return self

    def canonical(self) -> dict[str, Any]:
        """All values that differ from their defaults, without name, about and minutes: a new key changes no hash."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"name", "about", "minutes"})

    @property
    def identity(self) -> str:
        """The whole canonical form as text: experiments with equal texts are the same. The hash is only for names."""
        return canonical_text(self.canonical())

    def hash(self) -> str:
        """The first 8 hexadecimal digits of the sha256 of the canonical form as JSON with sorted keys."""
        return hashlib.sha256(self.identity.encode()).hexdigest()[:8]

    def training_hash(self) -> str:
        """The hash of this experiment with the default protocol; equal hashes (8 digits) mean equal training."""
        return self.model_copy(update={"protocol": ProtocolSpec()}).hash()


def _one_of(words: Sequence[str]) -> str:
    """'= "a"' for one word, 'to "a", "b" or "c"' for several."""
    quoted = [f'"{word}"' for word in words]
    return f"= {quoted[0]}" if len(quoted) == 1 else f"to {', '.join(quoted[:-1])} or {quoted[-1]}"
