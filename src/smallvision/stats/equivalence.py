"""Equivalence: whether a difference of more than a margin is ruled out.

"Not distinguishable" is no proof of equality. Two one-sided tests are (TOST; Schuirmann 1987, J. Pharmacokinet.
Biopharm. 15, 657-80): that A is better than B by the margin or more, and that it is worse by the margin or more. If
both are rejected at level alpha, a difference as large as the margin is ruled out. It is the same as that the interval
at confidence 1 - 2 alpha lies within the margin on both sides: 90 % for a level of 5 %, since each of the two tests
has the whole level for its one side.

Here the tests are those that belong to the verdict's own interval (over seeds and test images for recipes, Tango's for
two networks, and so on), turned around: a one-sided p-value is the level at which the end of the interval reaches the
margin. So this verdict and its interval cannot contradict one another, and nothing is supposed that the verdict about
the difference does not suppose.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from smallvision.errors import BadInput
from smallvision.stats.arguments import real

Interval = Callable[[float], tuple[float, float]]

LEAST_P = 1e-12  # smaller p-values are not told apart
LARGEST_SHARE = 0.2  # of a margin of shares: 20 percentage points; whoever gives more means points, not shares


@dataclass(frozen=True)
class Equivalence:
    """Whether a difference of `margin` or more is ruled out, either way."""

    margin: float  # in the unit of the difference: a share of 0.005 is 0.5 percentage points
    interval: tuple[float, float]  # of A - B
    confidence: float  # of the interval: 1 - 2 x the level, Holm's correction included
    p: float  # the larger of the two one-sided p-values
    adjusted_p: float  # Holm, over the family's own equivalence tests
    ruled_out: bool
    sentence: str = field(default="", repr=False, compare=False)


def equivalence_p(interval: Interval, difference: float, margin: float) -> float:
    """The p-value of two one-sided tests, from the interval whose ends they are.

    Parameters
    ----------
    interval : confidence between 0 and 1 -> (low, high) for the difference; wider for more confidence.
    difference : what was seen, A - B.
    margin : above 0, in the same unit.

    Returns
    -------
    float : the larger of the two one-sided p-values, from 0 to 1.

    Raises
    ------
    BadInput : a margin that is no number above 0.
    """
    if real("margin", margin) <= 0:
        raise BadInput(f"margin: got {margin!r}; expected a number above 0")
    return max(_one_sided(interval, difference, margin), _one_sided(_turned(interval), -difference, margin))


def checked_margin(name: str, margin: float, share: bool) -> float:
    """`margin` as a float. Raises BadInput unless it is above 0, and of shares below LARGEST_SHARE."""
    number = real(name, margin)
    if number <= 0:
        raise BadInput(f"{name}: got {margin!r}; expected a number above 0, as {0.005 if share else 0.0005}")
    if share and number > LARGEST_SHARE:
        raise BadInput(
            f"{name}: got {number:g}, a difference of {100 * number:g} percentage points; use a share of at most "
            f"{LARGEST_SHARE}: 0.005 is 0.5 points"
        )
    return number


def _one_sided(interval: Interval, difference: float, margin: float) -> float:
    """The p-value of "the difference is the margin or more"."""
    below = difference < margin  # then the upper end meets the margin at p, else the lower end at 1 - p
    low, high = LEAST_P, 0.5
    for _ in range(60):
        tail = (low * high) ** 0.5 if high > 2 * low else (low + high) / 2
        ends = interval(1 - 2 * tail)
        if ends[1] <= margin if below else ends[0] >= margin:
            high = tail
        else:
            low = tail
        if high - low < 1e-10 * high:
            break
    return high if below else 1 - high


def _turned(interval: Interval) -> Interval:
    def ends(confidence: float) -> tuple[float, float]:
        low, high = interval(confidence)
        return -high, -low

    return ends
