"""What happens while a run's representation is probed."""

from dataclasses import dataclass, field
from pathlib import Path

from smallvision.metrics.linear_probe import Probe


@dataclass(frozen=True)
class Began:
    """A step begins that takes its time; `step` says which, for people."""

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
    """The probe stands in `path`: written now, or (`new` is false) found there, and not repeated."""

    path: Path
    new: bool = True


Event = Began | Source | Probed
