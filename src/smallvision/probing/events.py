"""The events while a run's representation is probed."""

from dataclasses import dataclass, field
from pathlib import Path

from smallvision.metrics.linear_probe import Probe


@dataclass(frozen=True)
class StepStarted:
    """A step begins that takes a while; `step` names it for people."""

    step: str


@dataclass(frozen=True)
class Source:
    """All probes of one source of features are done: "representation, 32 values"."""

    name: str
    seconds: float
    probes: tuple[Probe, ...] = field(repr=False)
    title: str = ""


@dataclass(frozen=True)
class Probed:
    """The probe is in `path`. It was written now or, if `new` is false, it was there and is not repeated."""

    path: Path
    new: bool = True


Event = StepStarted | Source | Probed
