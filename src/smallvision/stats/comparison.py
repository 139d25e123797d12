"""A comparison of two sides, before it is judged (`Comparison`) and after (`Verdict`)."""

import html
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from smallvision.metrics.metric import Metric
from smallvision.stats.equivalence import Equivalence
from smallvision.stats.power import Needed

Kind = Literal["recipes", "these two trained networks", "these trained networks", "published figures"]
Outcome = Literal["A is better", "B is better", "not distinguishable"]


@dataclass(frozen=True)
class Comparison:
    """A against B before it is judged: a p-value, and functions for the interval and for the sample sizes needed."""

    kind: Kind
    names: tuple[str, str]
    accuracies: tuple[float, float]
    difference: float  # A - B
    runs: tuple[int, int]  # seeds or runs a side; (0, 0) for published figures
    images: tuple[int, int]  # test images (or pairs) a side; the same images, except for published figures
    only_right: tuple[int, int] | None  # images that one side alone gets right; with one run a side
    p: float
    interval: Callable[[float], tuple[float, float]]  # confidence -> (low, high)
    needed: Callable[[float, float], Needed]  # power, level -> sample sizes that would detect `difference`
    notes: tuple[str, ...] = ()
    measure: Metric | None = None  # the metric of `accuracies`; None for the accuracy of images
    mid_p: float | None = None  # McNemar's mid-p, with one run a side; told beside p, which decides
    # level -> the smallest difference that can be told on so many images (`least`); None where there is no limit
    least: Callable[[float], float] | None = None


@dataclass(frozen=True)
class Verdict:
    """A comparison, judged. Shares are from 0 to 1 (a difference of 0.01 is one percentage point)."""

    kind: Kind
    names: tuple[str, str]
    accuracies: tuple[float, float]
    difference: float  # A - B
    interval: tuple[float, float]
    confidence: float  # of the interval, Holm's correction included
    p: float
    adjusted_p: float  # Holm
    comparisons: int  # in the family that was judged together
    level: float
    verdict: Outcome
    runs: tuple[int, int]
    images: tuple[int, int]
    only_right: tuple[int, int] | None
    power: float
    needed: Needed | None  # None where the verdict is "better"
    notes: tuple[str, ...]
    measure: Metric | None  # the metric of `accuracies`; None for the accuracy of images
    sentence: str = field(default="", repr=False, compare=False)  # the whole verdict in English
    mid_p: float | None = None  # McNemar's mid-p, with one run a side; told beside p, which decides
    # the smallest difference that could be told on so many images at this confidence; None where there is no limit
    least_difference: float | None = None
    equivalence: Equivalence | None = None  # where a margin was given

    def _repr_html_(self) -> str:
        """The sentence, for a notebook."""
        return f"<p>{html.escape(self.sentence)}</p>"
