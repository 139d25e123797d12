"""An experiment: data, model, task, recipe and protocol, frozen; its canonical form and its hash."""

import hashlib
import re
from typing import Any

from pydantic import field_validator, model_validator

from smallvision.experiment import reconstruction, verification
from smallvision.experiment.base import NonNegative, Spec, Text, canonical_text
from smallvision.experiment.data import DataSpec
from smallvision.experiment.model.union import ModelSpec
from smallvision.experiment.recipe import ProtocolSpec, RecipeSpec
from smallvision.experiment.task import ClassifySpec, TaskSpec


class Experiment(Spec):
    """Everything that decides what a run computes, except the seed and what is resolved (device, threads, versions)."""

    name: Text
    about: Text = ""
    minutes: NonNegative = 0.0  # measured on 2 cores; for `smallvision list`
    data: DataSpec
    model: ModelSpec
    task: TaskSpec = ClassifySpec(kind="classify")
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
        brings_its_own = self.data.source in ("folder", "npz", "arrays")  # perhaps; known when it is read
        if self.data.validation == 0 and not brings_its_own:
            for key, value, off in (("select", self.recipe.select, "last"), ("patience", self.recipe.patience, 0)):
                if value != off:
                    raise ValueError(f"recipe.{key} = {value} needs validation images; set data.validation, say 0.1")
        return self

    @model_validator(mode="after")
    def _network_and_task_agree(self) -> "Experiment":
        reconstruction.refuse_contradictions(self.data, self.model, self.task)
        verification.refuse_contradictions(self.data, self.model, self.task, self.recipe)
        return self

    def canonical(self) -> dict[str, Any]:
        """Only what differs from the defaults, without name, about and minutes, so that a key added later changes no hash."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"name", "about", "minutes"})

    @property
    def identity(self) -> str:
        """The whole canonical form as text: two experiments are one where it is equal. The hash is for names."""
        return canonical_text(self.canonical())

    def hash(self) -> str:
        """The first 8 hexadecimal digits of the sha256 of the canonical form as JSON with sorted keys."""
        return hashlib.sha256(self.identity.encode()).hexdigest()[:8]
