"""A score with its direction, unit and number of digits: what runs are judged by and figures are labelled with.

No torch.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """A score of one split in `result.json` and `metrics.jsonl`."""

    key: str  # in those files
    name: str  # in a sentence: "accuracy"
    higher: bool  # whether more is better
    scale: float  # what the value is multiplied by when it is shown
    unit: str  # after the number, and in brackets on an axis: "%"; "" where there is none
    digits: int  # after the decimal point
    share: bool = False  # of answers that are right; else the mean of a number that each image has
    of: str = "images"  # what it is a mean over

    @property
    def of_independent(self) -> str:
        """What a verdict says that it rests on.

        These are rows that share no image, so that they are independent of one another.
        """
        return self.of

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

    @property
    def difference_unit(self) -> str:
        """The unit of a difference of two values: "percentage points" of shares; "" where there is none."""
        return "percentage points" if self.share else self.unit

    @property
    def highest(self) -> float:
        """The highest value that the metric can have."""
        return 1.0 if self.share else math.inf

    def merit(self, scores: Mapping[str, Any]) -> tuple[float, float]:
        """Sort key of a split's scores: larger is better; ties go to the lower loss."""
        return (scores[self.key] if self.higher else -scores[self.key], -scores["loss"])


ACCURACY = Metric("accuracy", "accuracy", True, 100.0, "%", 2, share=True)  # of classified images
