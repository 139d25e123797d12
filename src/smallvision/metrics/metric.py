"""What each task is judged by: the one score of a run that is shown first, that validation chooses by and studies compare. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smallvision.experiment import Experiment


@dataclass(frozen=True)
class Measure:
    """A score of one split in `result.json` and `metrics.jsonl`."""

    key: str  # in those files
    name: str  # in a sentence: "accuracy"
    higher: bool  # whether more is better
    scale: float  # what the value is multiplied by when it is shown
    unit: str  # after the number, and in brackets on an axis: "%"; "" where there is none
    digits: int  # after the decimal point
    share: bool = False  # of answers that are right; else the mean of a number that each image has
    of: str = "images"  # what it is a mean over

    def text(self, value: float) -> str:
        """The value as people read it: "98.46 %", "0.01185"."""
        return self.number(value) + (f" {self.unit}" if self.unit else "")

    def number(self, value: float) -> str:
        """The value without its unit, for tables whose header has it."""
        return f"{self.scale * value:.{self.digits}f}"

    @property
    def axis(self) -> str:
        """For an axis or a column: "accuracy (%)"."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def merit(self, scores: Mapping[str, Any]) -> tuple[float, float]:
        """Of a split's scores, larger is better; between equals the lower loss."""
        return (scores[self.key] if self.higher else -scores[self.key], -scores["loss"])


MEASURES = {
    "classify": Measure("accuracy", "accuracy", True, 100.0, "%", 2, share=True),
    "verify": Measure("pair_accuracy", "accuracy on pairs", True, 100.0, "%", 2, share=True, of="pairs"),
    "reconstruct": Measure("mse", "MSE of pixels in [0, 1]", False, 1.0, "", 5),
}


def measure(experiment: Experiment) -> Measure:
    """What runs of an experiment are judged by."""
    return MEASURES[experiment.task.kind]


def measured(scores: Mapping[str, Any]) -> Measure:
    """What a split's scores are judged by: the measure whose key they have."""
    return next(one for one in MEASURES.values() if one.key in scores)
