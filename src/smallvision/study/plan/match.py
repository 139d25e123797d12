"""Solves for the width that gives a network a wanted number of parameters or multiply-adds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallvision.errors import BadInput
from smallvision.experiment import Experiment
from smallvision.experiment.study import Match
from smallvision.nn.shapes import Shape
from smallvision.study.plan.cases import changed
from smallvision.training import prepare

WIDEST = 1_000_000  # the largest width of a layer that is tried
SKIPPED = 8  # consecutive widths that may be impossible (group normalisation needs even ones)


@dataclass(frozen=True)
class Solved:
    """The width that was found, its key, and the size of the network with it."""

    key: str
    width: int
    size: int


def size(experiment: Experiment, of: str, root: Path | None = None, trust_code: bool = False) -> int:
    """The number of "parameters", or of "multiply_adds" per image, of an experiment's network. Raises BadInput."""
    return _size(experiment, of, prepare.shape(experiment, root), trust_code)


def solve(
    experiment: Experiment,
    vary: Sequence[str],
    wanted: Mapping[str, int | None],
    within: float = Match.model_fields["within"].default,
    root: Path | None = None,
    trust_code: bool = False,
) -> Solved:
    """The integer at a key with which a network is nearest to a wanted size.

    A network grows with its width, so the widths on both sides of the wanted size are found by bisection. Widths with
    which the network cannot be built (an odd one with group normalisation) are skipped.

    Parameters
    ----------
    experiment : whose network is varied.
    vary : keys that may be changed; the first that has an integer in this experiment is used.
    wanted : {"parameters": n} or {"multiply_adds": n}; entries that are None are ignored.
    within : the largest difference from the wanted size, as a share of it.
    root, trust_code : as for a run.

    Raises
    ------
    BadInput : no such key, or no integer is near enough; the message names the nearest two.
    """
    of, target = next((name, count) for name, count in wanted.items() if count is not None)
    key = _key(experiment, vary)
    shape = prepare.shape(experiment, root)
    found: dict[int, int] = {}
    refused: dict[int, BadInput] = {}

    def at(width: int) -> int | None:
        """The size with this width; None if the network cannot be built."""
        if width not in found and width not in refused:
            try:
                found[width] = _size(changed(experiment, {key: width}, "match"), of, shape, trust_code)
            except BadInput as error:
                refused[width] = error
        return found.get(width)

    low, high = _around(at, target)
    near = sorted(
        {width for width in (low, high) if width is not None}, key=lambda width: (abs(found[width] - target), width)
    )
    if not near:
        raise BadInput(f"match: no integer for {key} gives a network that can be built ({refused[1]})")
    best = near[0]
    if abs(found[best] - target) > within * target:
        words = of.replace("_", "-")
        nearest = " and ".join(f"{width} ({found[width]:,})" for width in sorted(near))
        raise BadInput(
            f"match: no integer at {key} gives {target:,} {words} to within {within:.2%}; the nearest are {nearest}; "
            f"set match.{of} = {found[best]}, or a larger match.within"
        )
    return Solved(key, best, found[best])


def _size(experiment: Experiment, of: str, shape: tuple[Shape, int], trust_code: bool) -> int:
    return int(prepare.layers(experiment, *shape, trust_code)["totals"][of])


def _key(experiment: Experiment, vary: Sequence[str]) -> str:
    for key in vary:
        place: Any = experiment.model_dump(mode="json", exclude_none=True)
        for part in key.split("."):
            if isinstance(place, list):
                place = place[int(part)] if part.isdigit() and int(part) < len(place) else None
            else:
                place = place.get(part) if isinstance(place, dict) else None
        if type(place) is int:
            return key
    raise BadInput(
        f"match.vary: there is no integer at {' or '.join(vary)}; name a width of this network, as in "
        "model.blocks.0.channels"
    )


def _around(at: Any, target: int) -> tuple[int | None, int | None]:
    """The largest possible width below the target size and the smallest that reaches it; None if there is none."""

    def possible(width: int, most: int) -> int | None:
        return next((w for w in range(width, min(width + SKIPPED, most + 1)) if at(w) is not None), None)

    low: int | None = None
    high = possible(1, WIDEST)
    while high is not None and at(high) < target:
        low = high
        high = possible(2 * high, WIDEST)
    while low is not None and high is not None and high - low > 1:
        middle = possible((low + high) // 2, high)
        if middle is None or middle == high:  # nothing can be built from the middle up to high
            middle = possible(low + 1, high)
            if middle is None or middle == high:
                break
        if at(middle) < target:
            low = middle
        else:
            high = middle
    return low, high
