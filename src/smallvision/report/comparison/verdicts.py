"""Verdicts and the images behind them, as a page shows them: a study's and a comparison's alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from smallvision.comparison.disagreements import disagreements
from smallvision.metrics.metric import Metric
from smallvision.rendering import style
from smallvision.rendering.svg import inline
from smallvision.report.study import figures
from smallvision.report.study.figures import FOREST, Difference
from smallvision.stats.wording import difference, least_line
from smallvision.tasks import DEFAULT_METRIC, metric_of_file

if TYPE_CHECKING:
    from markupsafe import Markup

    from smallvision.comparison.predictions import AlignedPredictions

Pictures = Mapping[tuple[int, int], np.ndarray]
MOST, OTHERS = 20, 10  # images of each kind: of the answer's pair, of any other
SHORT = 9  # characters of a name that fits under a picture; longer ones are A and B there
BETWEEN = 14  # part of an image's width that is left between the two of a pair
LABEL = 34  # characters of a name in a figure


@dataclass(frozen=True)
class Said:
    """The answers of the runs of a side for an image."""

    side: str  # its name, or a letter for it
    correct: int  # runs
    runs: int
    wrong: str  # the most common wrong answer; "" where there is none

    @property
    def text(self) -> str:
        """Beside a mark: "3 of 5 right, seven", or of a single run what it says."""
        if self.runs == 1:
            return self.wrong or "right"
        return f"{self.correct} of {self.runs}" + (f", {self.wrong}" if self.wrong else "")


@dataclass(frozen=True)
class Measured:
    """The number that a side has for an image: the mean over its runs."""

    side: str
    text: str  # "0.00412"
    better: bool  # than the other side's


@dataclass(frozen=True)
class Disputed:
    """An image that sides disagree on, or a pair side by side; `pixels` uint8 (C, H, W), None where an image was not
    kept.
    """

    pixels: np.ndarray | None
    label: str
    said: tuple[Said, ...] | tuple[Measured, ...]


@dataclass(frozen=True)
class Kind:
    """A gallery: the first images of one kind of disagreement."""

    title: str
    total: int
    images: tuple[Disputed, ...]


@dataclass(frozen=True)
class Gallery:
    """All kinds of disagreement of one pair on one split."""

    pair: tuple[str, str]
    split: str
    letters: tuple[str, str]  # what the sides are called under a picture
    several: bool  # whether a side has several runs
    images: int  # of the split; or pairs
    kinds: tuple[Kind, ...]
    of: str  # "images", or "pairs"
    metric: Metric | None = None  # of the number that each image has; None where answers are right or wrong

    @property
    def missing(self) -> int:
        """Images that are named and not there to be seen."""
        return sum(image.pixels is None for kind in self.kinds for image in kind.images)


def gallery(
    answers: "AlignedPredictions",
    pair: tuple[str, str],
    images: Pictures,
    only_disputes: bool = False,
    letters: Mapping[str, str] | None = None,
) -> Gallery | None:
    """The images on which two sides disagree.

    Parameters
    ----------
    answers : of both sides, else there is None.
    pair : two sides.
    images : by id; the page says of the missing ones that they have no picture.
    only_disputes : only the images that one side alone gets right, and fewer of them.
    letters : what the sides are called elsewhere on the page, by name; else they are A and B where their names are too
        long.
    """
    every = answers.predictions if answers.values is None else answers.values
    if not set(pair) <= set(every):
        return None
    found = disagreements(answers, *pair, OTHERS if only_disputes else MOST)
    short = all(len(name) <= SHORT for name in pair)
    known = letters or dict(zip(pair, "AB", strict=True))
    called = pair if short else (known[pair[0]], known[pair[1]])
    kinds = tuple(
        Kind(one.title, one.total, tuple(_disputed(answers, pair, called, int(row), images) for row in one.rows))
        for one in (found[:2] if only_disputes else found)
    )
    several = max(len(every[name]) for name in pair) > 1
    metric = None if answers.values is None else answers.metric
    return Gallery(pair, answers.split, called, several, len(answers.labels), kinds, answers.metric.of, metric)


def _disputed(
    answers: "AlignedPredictions", pair: tuple[str, str], letters: tuple[str, str], row: int, images: Pictures
) -> Disputed:
    say = _said if answers.values is None else _measured
    return Disputed(
        _picture(answers, row, images),
        _name(answers.classes, int(answers.labels[row])),
        say(answers, pair, letters, row),
    )


def _picture(answers: "AlignedPredictions", row: int, images: Pictures) -> np.ndarray | None:
    """The image of a row; the two images of a pair stand side by side, with white between them."""
    found = [images[one] for one in answers.images(np.array([row])) if one in images]
    if len(found) < answers.ids.shape[1] // 2:
        return None
    if len(found) == 1:
        return found[0]
    white = np.full((*found[0].shape[:2], -(-found[0].shape[2] // BETWEEN)), 255, np.uint8)
    return np.concatenate([found[0], *(part for image in found[1:] for part in (white, image))], axis=2)


def _measured(
    answers: "AlignedPredictions", pair: tuple[str, str], letters: tuple[str, str], row: int
) -> tuple[Measured, ...]:
    assert answers.values is not None
    means = [float(answers.values[name][:, row].mean()) for name in pair]
    best = (max if answers.metric.higher else min)(means)
    return tuple(
        Measured(letter, answers.metric.text(mean), mean == best) for letter, mean in zip(letters, means, strict=True)
    )


def _said(answers: "AlignedPredictions", pair: tuple[str, str], letters: tuple[str, str], row: int) -> tuple[Said, ...]:
    label = int(answers.labels[row])
    said = []
    for name, letter in zip(pair, letters, strict=True):
        predicted = answers.predictions[name][:, row]
        wrong = predicted[predicted != label]
        values, counts = np.unique(wrong, return_counts=True)
        common = _name(answers.classes, int(values[counts.argmax()])) if len(values) else ""
        said.append(Said(letter, len(predicted) - len(wrong), len(predicted), common))
    return tuple(said)


def _name(classes: Sequence[str], index: int) -> str:
    return classes[index] if 0 <= index < len(classes) else str(index)


def listed(
    found: Sequence[Mapping[str, Any]], letters: Mapping[str, str] | None = None, answer: str = ""
) -> list[dict[str, Any]]:
    """The verdicts as the page lists them.

    Parameters
    ----------
    found : dicts as in study.json: the fields of `stats.comparison.Verdict`, and `split`, `sentence`, `differing`,
        `confound`.
    letters : of the sides, by name.
    answer : what the page says at its top.

    Returns
    -------
    list of dict : the same with `number` (from 1), `told` (whether one is better), `badge`, `metric` (a Metric),
        `least` (the smallest difference that could be told, in a line; "" where one is told or it is not known),
        `above` (whether the answer has the sentence already); and, the better side first as in the sentence, `sides`
        (a letter and a name each), `minus` ("cnn minus mlp"), `value`, `low` and `high` (the difference and its
        interval, unscaled), `points` ("+2.55", or in the metric's own unit "−0.00041"), `unit` ("points", or the
        metric's own) and `between` ("2.21 to 2.89").
    """
    out = []
    for number, one in enumerate(found, start=1):
        told = one["verdict"] != "not distinguishable"
        turned = one["verdict"] == "B is better"
        first, second = reversed(one["names"]) if turned else one["names"]
        low, high = (-end for end in reversed(one["interval"])) if turned else one["interval"]
        badge = f"{first} is better" if told else "not distinguishable"
        metric = _metric(one)
        value = -one["difference"] if turned else one["difference"]
        written = _written(value, low, high, min(one["images"]), metric)
        out.append(
            {
                **one,
                "number": number,
                "told": told,
                "badge": badge,
                "above": len(one.get("sentence", "")) > 1 and one["sentence"][1:] in answer,  # but for a capital letter
                "sides": [((letters or {}).get(name, ""), name) for name in (first, second)],
                "minus": f"{first} minus {second}",
                "value": value,
                "low": low,
                "high": high,
                "metric": metric,
                "least": "" if told else _least(one, metric),
                **written,
            }
        )
    return out


def _least(one: Mapping[str, Any], metric: Metric) -> str:
    found = one.get("least_difference")  # a verdict from before it was told has none
    if found is None:
        return ""
    return least_line(str(one["kind"]), found, float(one["confidence"]), min(one["images"]), metric.of)


def _metric(one: Mapping[str, Any]) -> Metric:
    """What a verdict of study.json is about: accuracy unless it says something else."""
    stored = one.get("measure")
    return metric_of_file(stored) if isinstance(stored, Mapping) else DEFAULT_METRIC


def _written(value: float, low: float, high: float, images: int, metric: Metric) -> dict[str, str]:
    texts = [difference(end, metric, (low, high), images) for end in (value, low, high)]
    gap, *between = (text.replace("-", "−") for text in texts)
    unit = metric.difference_unit.removeprefix("percentage ")
    return {"points": f"+{gap}" if value > 0 else gap, "between": " to ".join(between), "unit": unit}


def forest(verdicts: Sequence[Mapping[str, Any]]) -> "Markup | None":
    """Inline SVG of the first FOREST verdicts, of those that `listed` gave, the better side of each first; None where
    there are not several.
    """
    if len(verdicts) < 2:
        return None
    metric: Metric = verdicts[0]["metric"]
    lines = []
    for one in verdicts[:FOREST]:
        value, low, high = (metric.scale * one[key] for key in ("value", "low", "high"))
        lines.append(Difference(_label(one), value, low, high, one["told"], one["split"] == "test"))
    told = "; ".join(
        f"{one['minus']} on {one['split']} {metric.of} {one['points']} ({one['between']})" for one in verdicts
    )
    unit = f" in {metric.difference_unit}" if metric.difference_unit else ""
    alt = f"Differences in {metric.name}{unit}, with their intervals: {told}"
    return inline(figures.forest(lines, metric), alt, "forest")


def _label(one: Mapping[str, Any]) -> str:
    first, second = (f"{letter} {style.short(name, LABEL)}".strip() for letter, name in one["sides"])
    apart = " −\n" if len(first) + len(second) > LABEL else " − "
    return f"{one['number']} · {first}{apart}{second}"


def confounders(verdicts: Sequence[Mapping[str, Any]]) -> list[str]:
    """What else the sides of some comparison differ in, each once, in the order of the verdicts."""
    return list(dict.fromkeys(one["confound"] for one in verdicts if one["confound"]))


def together(verdicts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What the page says of verdicts judged as one family, by Holm's correction; None for a single verdict."""
    several = [one for one in verdicts if one["comparisons"] > 1]
    if not several:
        return None
    ends = sorted({one["confidence"] for one in several})
    span = " to ".join(f"{100 * end:.4g}" for end in (ends[:1] if len(ends) == 1 else (ends[0], ends[-1])))
    return {"count": several[0]["comparisons"], "level": several[0]["level"], "confidence": span}
