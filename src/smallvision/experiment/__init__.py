"""Specs of experiments, studies and probes: frozen, typed, in TOML, with a stable hash. No torch."""

from smallvision.experiment.experiment import Experiment
from smallvision.experiment.io import build, catalog, load, to_toml
from smallvision.experiment.lookup import changed_study, load_any, load_study, studies, study_to_toml
from smallvision.experiment.probe import ProbeSpec
from smallvision.experiment.study import Study

__all__ = [
    "Experiment",
    "ProbeSpec",
    "Study",
    "build",
    "catalog",
    "changed_study",
    "load",
    "load_any",
    "load_study",
    "studies",
    "study_to_toml",
    "to_toml",
]
