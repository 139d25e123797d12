"""What an experiment is: frozen typed specs of data, model, task, recipe; TOML in and out; a stable hash. No torch."""

from smallvision.experiment.files import build, catalog, load, to_toml
from smallvision.experiment.spec import Experiment

__all__ = ["Experiment", "build", "catalog", "load", "to_toml"]
