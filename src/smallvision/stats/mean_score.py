"""The mean score of several networks on one split, with its interval."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from smallvision.metrics.metric import Metric


@dataclass(frozen=True)
class MeanScore:
    """What a case of a study is judged by, over its seeds.

    With several seeds the interval is Student's t over seeds: how far the mean of these seeds can be from the mean of
    infinitely many seeds, on these images. A single seed says nothing about others; its interval is over images, for
    this one network, and each task states it in its own way (`tasks.base.Task.score_interval`).

    Attributes
    ----------
    value : the mean, unscaled; an accuracy from 0 to 1.
    sd : the standard deviation over seeds; None with one seed.
    interval : 95 %, without values that the metric cannot have; None for one seed whose images are not known.
    seeds : how many networks.
    metric : what the value is.
    """

    value: float
    sd: float | None
    interval: tuple[float, float] | None
    seeds: int
    metric: Metric

    @property
    def text(self) -> str:
        """Without the unit: "98.13 ± 0.06", or "98.13" with one seed."""
        return self.metric.number(self.value) + ("" if self.sd is None else f" ± {self.metric.number(self.sd)}")

    @property
    def between(self) -> str:
        """The interval, "97.90 to 98.36"; "" where there is none."""
        return " to ".join(map(self.metric.number, self.interval)) if self.interval else ""


def mean_score(values: Sequence[float], metric: Metric, interval: tuple[float, float] | None = None) -> MeanScore:
    """The mean score of several networks on one split, with its 95 % interval.

    Parameters
    ----------
    values : a score for each network, at least one; an accuracy from 0 to 1.
    metric : what the values are.
    interval : over the images of the split, used where there is one network alone.
    """
    mean, seeds = statistics.fmean(values), len(values)
    if seeds == 1:
        return MeanScore(mean, None, interval, 1, metric)
    sd = statistics.stdev(values)
    return MeanScore(mean, sd, student_interval(mean, sd, seeds, metric), seeds, metric)


def student_interval(mean: float, sd: float, count: int, metric: Metric) -> tuple[float, float]:
    """The 95 % interval of a mean by Student's t, without values below 0 or above the highest that the metric can have.

    Parameters
    ----------
    mean, sd : of `count` numbers, the standard deviation with count - 1 in its denominator.
    count : at least 2.
    """
    from scipy.stats import t

    half = float(t.isf(0.025, count - 1)) * sd / sqrt(count)
    return max(mean - half, 0.0), min(mean + half, metric.highest)
