"""Searches whose best value lies at the edge of what was offered, so that a better one may lie beyond. No torch.

Numbers of a range are ordered, by their logarithms where the range is; so are lists of numbers, of lists of numbers
(widths of layers, or more and more layers) and of tables that differ in one number. Words and truth values have no
order, and therefore no edge. An edge beyond which an experiment refuses every value is a natural bound, such as a
momentum of 0 or one layer: nothing better can lie there.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from smallvision.errors import BadInput
from smallvision.experiment import Experiment, Study
from smallvision.experiment.study import Range
from smallvision.experiment.text import inline
from smallvision.study.plan.cases import changed, expand

NEAR = 0.05  # of a range, from either of its ends, counts as its edge
STEP = 1e-3  # of a number beyond an edge: whether there is anything beyond

Side = Literal["lowest", "highest"]


@dataclass(frozen=True)
class Edge:
    """A searched key of a case whose best value is at an end of what was offered.

    Attributes
    ----------
    case, key, value : what the search of the case took.
    side : the end at which it lies.
    natural : whether no value beyond it can be asked for.
    offered : the two ends, as text.
    exact : whether it is the end itself; of a range it may also lie next to it.
    """

    case: str
    key: str
    value: Any
    side: Side
    natural: bool
    offered: tuple[str, str]
    exact: bool

    @property
    def sentence(self) -> str:
        """In plain words, with what follows from it."""
        low = self.side == "lowest"
        where = f"is the {self.side}" if self.exact else f"is at the {'lower' if low else 'upper'} end"
        found = (
            f"{self.case}: {self.key} = {inline(self.value)} {where} of what was offered ({' to '.join(self.offered)})"
        )
        if self.natural:
            return f"{found}, and there is no {'lower' if low else 'higher'} one."
        return f"{found}, so a {'lower' if low else 'higher'} one may be better: widen the search."


def edges(
    case: str,
    over: Mapping[str, Range | tuple[Any, ...]],
    settings: Mapping[str, Any],
    possible: Callable[[str, Any], bool],
) -> list[Edge]:
    """The keys of a search whose best value lies at an edge.

    Parameters
    ----------
    case : its name.
    over : what was offered, by key.
    settings : what the search took.
    possible : whether an experiment of the case accepts a value of a key.
    """
    out = []
    for key, offered in over.items():
        if key not in settings:
            continue
        value = settings[key]
        found = _of_range(offered, value) if isinstance(offered, Range) else _of_list(offered, value)
        if found is None:
            continue
        side, end, ends, rest = found
        natural = not any(possible(key, beyond) for beyond in _beyond(end, rest, side))
        texts = (inline(ends[0]), inline(ends[1]))
        out.append(Edge(case, key, value, side, natural, texts, bool(value == end)))
    return out


def of_study(
    study: Study, settings: Mapping[str, Mapping[str, Any]], experiments: Mapping[str, Experiment] | None = None
) -> list[Edge]:
    """The edges at which the searches of a study ended, case by case.

    Parameters
    ----------
    study : may have no search, then there are none.
    settings : what each case went on with.
    experiments : of the cases; by default they are made from the study.
    """
    if study.search is None:
        return []
    if experiments is None:
        try:
            experiments = expand(study).cases
        except BadInput:  # an encoder or a file that it names is gone: then no bound is known to be natural
            experiments = {}
    out = []
    for case, own in settings.items():
        out += edges(case, study.search.over, own, accepts(experiments.get(case)))
    return out


def entries(
    study: Study, settings: Mapping[str, Mapping[str, Any]], experiments: Mapping[str, Experiment] | None = None
) -> list[dict[str, Any]]:
    """What `of_study` finds, as study.json has it."""
    kept = ("case", "key", "value", "side", "natural", "sentence")
    return [{key: getattr(one, key) for key in kept} for one in of_study(study, settings, experiments)]


def accepts(experiment: Experiment | None) -> Callable[[str, Any], bool]:
    """Whether an experiment accepts a value of a key; of an unknown experiment every value is taken as possible."""

    def possible(key: str, value: Any) -> bool:
        if experiment is None:
            return True
        try:
            changed(experiment, {key: value}, "search")
        except BadInput:
            return False
        return True

    return possible


Found = tuple[Side, Any, tuple[Any, Any], Sequence[Any]]  # side, the value at the end, both ends, all values


def _of_range(offered: Range, value: Any) -> Found | None:
    low, high = offered.low, offered.high
    share = math.log(value / low) / math.log(high / low) if offered.log else (value - low) / (high - low)
    if NEAR < share < 1 - NEAR:
        return None
    side: Side = "lowest" if share <= NEAR else "highest"
    return side, low if side == "lowest" else high, (low, high), ()


def _of_list(offered: Sequence[Any], value: Any) -> Found | None:
    places = places_of(offered)
    if places is None or value not in offered or min(places) == max(places):
        return None
    own = places[list(offered).index(value)]
    if own not in (min(places), max(places)):
        return None
    ordered = [one for _, one in sorted(zip(places, offered, strict=True), key=lambda pair: pair[0])]
    return ("lowest" if own == min(places) else "highest"), value, (ordered[0], ordered[-1]), offered


def places_of(values: Sequence[Any]) -> list[tuple[float, ...]] | None:
    """A sort key for each of some choices; None where they have no order."""
    if all(map(_number, values)):
        return [(float(value),) for value in values]
    if all(isinstance(value, list | tuple) and all(map(_number, value)) for value in values):
        lengths = [len(value) for value in values]
        if len(set(lengths)) == len(values):
            return [(float(length),) for length in lengths]
        keys = [tuple(map(float, value)) for value in values]
        rising = all(all(a <= b for a, b in zip(x, y, strict=True)) for x, y in pairwise(sorted(keys)))
        return keys if len(set(lengths)) == 1 and rising else None
    if all(isinstance(value, dict) and value.keys() == values[0].keys() for value in values):
        differing = [key for key in values[0] if any(value[key] != values[0][key] for value in values)]
        return places_of([value[differing[0]] for value in values]) if len(differing) == 1 else None
    return None


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _beyond(end: Any, offered: Sequence[Any], side: Side) -> list[Any]:
    """Values a little beyond an edge; if an experiment refuses all of them, the edge is a natural bound."""
    sign = -1 if side == "lowest" else 1
    if isinstance(end, bool):
        return []
    if isinstance(end, int):  # a whole number may stand for a number of any kind: 0 for a momentum of 0.0
        return [end + sign, end + sign * STEP]
    if isinstance(end, float):
        return [end + sign * STEP * (abs(end) or 1.0)]
    if isinstance(end, list | tuple):
        if len({len(one) for one in offered}) > 1:  # more or fewer layers
            return [[*end, end[-1]]] if sign > 0 else [list(end[:-1])]
        each = [_beyond(entry, (), side) for entry in end]
        return [[*end[:i], other, *end[i + 1 :]] for i, others in enumerate(each) for other in others]
    if isinstance(end, dict):
        differing = [key for key in end if any(one[key] != end[key] for one in offered)]
        return [
            {**end, key: other} for key in differing for other in _beyond(end[key], [one[key] for one in offered], side)
        ]
    return []
