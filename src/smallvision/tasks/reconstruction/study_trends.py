"""How the error depends on one number of the network that a study varies: where returns diminish, and whether depth
overfits.

The findings are also written as sentences.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np

from smallvision.experiment.text import flat
from smallvision.rendering.format import SPACE
from smallvision.stats.knee import knee
from smallvision.stats.mean_score import MeanScore, mean_score
from smallvision.stats.values import networks
from smallvision.tasks.base import StudyCase

WORDS = ("name", "about", "minutes", "protocol")  # of an experiment, that train nothing


@dataclass(frozen=True)
class Line:
    """Cases that differ in one number of the network, in its order; scores are of validation images, which all cases
    have met.
    """

    name: str  # "" where it is the only one
    values: tuple[int, ...]  # the number, rising
    scores: tuple[MeanScore, ...]
    runs: tuple[tuple[float, ...], ...]  # the score of every run
    train: tuple[MeanScore | None, ...]  # on training images, by the final weights
    each: tuple["np.ndarray | None", ...]  # float (runs, N), of every image in one order; None where that is not known

    @property
    def knee(self) -> int | None:
        """Index of the knee over the logarithm of the number, see `knee.knee`."""
        return knee([log(value) for value in self.values], [one.value for one in self.scores])


def lines(cases: Sequence[StudyCase], key: str) -> list[Line]:
    """The lines of a study along a key of the network; none where fewer than two values of it occur.

    Cases of the same value differ in something else (the kind of network, say); those alike in it are one line.

    Parameters
    ----------
    cases : those scored on validation images take part.
    key : of `model`, a whole number of at least 1: "representation".
    """
    known = [
        (int(value), case)
        for case in cases
        if "validation" in case.scores and (value := _setting(case, key)) is not None
    ]
    if len({value for value, _ in known}) < 2:
        return []
    settings = {case.name: _rest(case, key) for _, case in known}
    telling = [
        one for one in dict.fromkeys(one for rest in settings.values() for one in rest) if _tells(one, known, settings)
    ]
    groups: dict[tuple[str, ...], list[tuple[int, StudyCase]]] = {}
    for value, case in known:
        groups.setdefault(tuple(str(settings[case.name].get(one)) for one in telling), []).append((value, case))
    return [_line(_name(telling, own), sorted(group, key=lambda one: one[0])) for own, group in groups.items()]


def _setting(case: StudyCase, key: str) -> Any:
    run = case.runs[0]
    return getattr(run.record.experiment.model, key, None) if run.record else None


def _rest(case: StudyCase, key: str) -> dict[str, Any]:
    """What a case's experiment says beside the key, flat."""
    record = case.runs[0].record
    assert record is not None
    every = flat(record.experiment.model_dump(mode="json"))
    return {one: value for one, value in every.items() if one != f"model.{key}" and one.split(".")[0] not in WORDS}


def _tells(one: str, known: Sequence[tuple[int, StudyCase]], settings: dict[str, dict[str, Any]]) -> bool:
    """Whether cases of the same value differ in it."""
    found: dict[int, set[str]] = {}
    for value, case in known:
        found.setdefault(value, set()).add(str(settings[case.name].get(one)))
    return any(len(several) > 1 for several in found.values())


def _name(telling: Sequence[str], own: Sequence[str]) -> str:
    """Name of a line: the settings that differ between lines; other settings are left out."""
    said = dict(zip(telling, own, strict=True))
    kind = [said["model.kind"]] if "model.kind" in said else []
    rest = [
        f"{key.rpartition('.')[2]} {value}" for key, value in said.items() if not (kind and key.startswith("model."))
    ]
    return ", ".join([*kind, *rest][:3])


def _line(name: str, group: Sequence[tuple[int, StudyCase]]) -> Line:
    runs = tuple(
        tuple(value for run in case.runs if (value := run.score("validation")) is not None) for _, case in group
    )
    return Line(
        name,
        tuple(value for value, _ in group),
        tuple(case.scores["validation"] for _, case in group),
        runs,
        tuple(_train(case) for _, case in group),
        _each([case for _, case in group]),
    )


def _each(group: Sequence[StudyCase]) -> tuple["np.ndarray | None", ...]:
    """The score of every validation image by every run of each case; None of a case that met other images than the
    first.
    """
    out: list[np.ndarray | None] = []
    first: np.ndarray | None = None
    for case in group:
        found = [run.evidence("validation") for run in case.runs]
        if not all("ids" in arrays and case.metric.key in arrays for arrays in found):
            out.append(None)
            continue
        orders = [np.lexsort(arrays["ids"].T) for arrays in found]
        ids = [arrays["ids"][order] for arrays, order in zip(found, orders, strict=True)]
        first = ids[0] if first is None else first
        same = all(np.array_equal(one, first) for one in ids)
        values = [arrays[case.metric.key][order] for arrays, order in zip(found, orders, strict=True)]
        out.append(np.stack(values).astype(np.float64) if same else None)
    return tuple(out)


def _train(case: StudyCase) -> MeanScore | None:
    found = [(run.result.get("train") or {}).get(case.metric.key) for run in case.runs]
    return None if None in found else mean_score([float(value) for value in found if value is not None], case.metric)


SEEN = "overfitting is seen"  # what begins the sentence on a line that overfits, and no other


def returns(line: Line) -> str:
    """Where returns diminish along a line, in a sentence; "" with fewer than three values."""
    place, values, said = line.knee, line.values, [one.value for one in line.scores]
    if len(values) < 3:
        return ""
    if place is None:
        return _of(line, f"there is no knee between {values[0]} and {values[-1]}.")
    ends = (said[0], said[place], said[-1])
    first, then = (
        f"{_fall(a, b)} from {c} to {d}"
        for a, b, c, d in zip(ends[:-1], ends[1:], (values[0], values[place]), (values[place], values[-1]), strict=True)
    )
    return _of(line, f"the knee is at {values[place]}: the error {first}, and {then}.")


def _of(line: Line, text: str) -> str:
    return f"{line.name}: {text}" if line.name else text[0].upper() + text[1:]


def _fall(a: float, b: float) -> str:
    return f"{'falls' if b <= a else 'rises'} by {100 * abs(b / a - 1):.0f}{SPACE}%" if a else f"goes to {b:.3g}"


def overfitting(line: Line) -> str:
    """Whether the deeper networks of a line overfit, in a sentence or two.

    They do where, beyond the depth that is best on validation images, the error rises on these while it falls on
    training images. Where it rises on both, the deeper network is too hard to train, not too able (He, Zhang, Ren & Sun
    2015, figure 1). What counts as risen is said at `_risen`.
    """
    measured = [one.value for one in line.scores]
    best = measured.index(min(measured))
    worse = [place for place in range(best + 1, len(measured)) if _risen(line, best, place)]
    trained, depth = line.train, line.values
    if not worse:
        beyond = "and no deeper network is clearly worse" if best + 1 < len(depth) else "the largest depth"
        said = (
            f"the validation error is lowest at depth {depth[best]}, {beyond}, so there is no sign of overfitting "
            "with depth."
        )
    else:
        far = max(worse, key=lambda place: measured[place])
        a, b, between = trained[best], trained[far], f"from depth {depth[best]}, the best, to depth {depth[far]}"
        text = line.scores[best].metric.number
        rise = f"the validation error rises from {text(measured[best])} to {text(measured[far])}"
        if a is None or b is None:
            said = f"{between} {rise}; the training error is not known."
        elif b.value < a.value:
            said = f"{SEEN}: {between} {rise} while the training error falls from {text(a.value)} to {text(b.value)}."
        else:
            said = (
                f"{between} {rise}, and the training error from {text(a.value)} to {text(b.value)}. This is not "
                "overfitting, because the deeper network fits the training images less well, too."
            )
    gaps = [
        f"{100 * (one.value / own.value - 1):+.1f}{SPACE}% at depth {value}".replace("-", "−")
        for value, one, own in zip(depth, line.scores, trained, strict=True)
        if own is not None and own.value
    ]
    beside = f" Validation error relative to training error: {', '.join(gaps)}." if gaps else ""
    return (
        _of(line, said)
        + beside
        + (
            (" Each network was trained with one seed; another seed could give another result.")
            if max(map(len, line.runs)) == 1
            else ""
        )
    )


def _risen(line: Line, best: int, place: int) -> bool:
    """Whether an error is clearly above another: in every run above any of the other's, and beyond chance over the
    images (Student's paired t, 95 %, see `stats.values.networks`) where the single images are known."""
    if min(line.runs[place]) <= max(line.runs[best]):
        return False
    a, b = line.each[place], line.each[best]
    return a is None or b is None or a.shape[1] < 2 or networks(a, b).interval(0.95)[0] > 0
