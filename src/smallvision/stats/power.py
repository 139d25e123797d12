"""How many seeds or test images it takes to tell a difference of a given size: planning, never evidence.

Power is the chance that a true difference of that size is found. What is needed is worked out for the very tests of
this package, at the scatter that was seen. A difference that was itself only just seen is a rough guide, and "so many
images would do" is no evidence that it is real (Hoenig & Heisey 2001, Am. Stat. 55, 19-24).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import ceil, inf, sqrt
from typing import TYPE_CHECKING, SupportsFloat

from smallvision.errors import BadInput
from smallvision.stats.arguments import inside, real, share, whole
from smallvision.stats.seeds import Spread, least_error

if TYPE_CHECKING:
    import numpy as np

_ENDLESS = 10**9  # seeds or images that are as good as without end


@dataclass(frozen=True)
class Needed:
    """What would tell the difference. None: no number of them would do alone, or the question is not about them."""

    seeds: int | None  # seeds a side, on the same test images
    images: int | None  # test images, with the same runs (a side, for published figures)
    together: tuple[int, int] | None  # (seeds a side, test images), only where neither would do alone
    smallest: float | None = (
        None  # where no number of seeds would do: the least difference that endless seeds would tell
    )


def published_images(
    accuracy_a: SupportsFloat, accuracy_b: SupportsFloat, power: float = 0.8, level: float = 0.05
) -> int | None:
    """Test images a side to tell two accuracies apart unpaired (Fleiss, Levin & Paik 2003, 3rd ed., chapter 4).

    n = (z_(level/2) sqrt(2 p (1 - p)) + z_(1-power) sqrt(p1 (1 - p1) + p2 (1 - p2)))^2 / (p1 - p2)^2, p their mean.

    Parameters
    ----------
    accuracy_a, accuracy_b : the true accuracies supposed, shares from 0 to 1.
    power : the chance to find the difference, between 0 and 1.
    level : the two-sided level of the test, between 0 and 1.

    Returns
    -------
    int or None : images a side; None if the accuracies are equal. Raises BadInput for an argument out of range.
    """
    p, q = share("accuracy_a", accuracy_a), share("accuracy_b", accuracy_b)
    z, target = _normal(power, level)
    if p == q:
        return None
    middle = (p + q) / 2
    root = z * sqrt(2 * middle * (1 - middle)) + target * sqrt(p * (1 - p) + q * (1 - q))
    return ceil((root / (p - q)) ** 2)


def mcnemar_power(only_a: float, only_b: float, images: int, level: float = 0.05) -> float:
    """The power of the exact McNemar test, summed over every number of discordant images that can occur.

    Parameters
    ----------
    only_a, only_b : the shares of images that only A, only B gets right; their sum is at most 1.
    images : test images N, at least 1.
    level : the two-sided level of the test, between 0 and 1.

    Returns
    -------
    float : the chance of p <= level.

    Raises
    ------
    BadInput : an argument out of range.
    """
    import numpy as np
    from scipy.stats import binom

    b, c, n = share("only_a", only_a), share("only_b", only_b), whole("images", images, least=1)
    if b + c > 1:
        raise BadInput(f"only_a, only_b: got {b} and {c}; expected shares whose sum is at most 1")
    tail = inside("level", level, 0.05) / 2
    if b + c == 0:
        return 0.0
    discordant = np.arange(int(binom.ppf(1e-13, n, b + c)), int(binom.isf(1e-13, n, b + c)) + 1)  # (M,)
    most = binom.ppf(tail, discordant, 0.5)
    most -= binom.cdf(most, discordant, 0.5) > tail  # the most of the fewer side that rejects
    towards = b / (b + c)
    found = binom.cdf(most, discordant, towards) + binom.sf(discordant - most - 1, discordant, towards)
    return float((binom.pmf(discordant, n, b + c) * np.where(most >= 0, found, 0.0)).sum())


def paired_images(
    only_a: float, only_b: float, power: float = 0.8, level: float = 0.05, more_than: int = 0
) -> int | None:
    """Test images for the exact McNemar test to tell two networks apart, at these shares of discordant images.

    Connor's formula (1987, Biometrics 43, 207-11), n = (z_(level/2) sqrt(s) + z_(1-power) sqrt(s - d^2))^2 / d^2 with
    s = only_a + only_b and d = only_a - only_b, is for the test without its exactness; it is the start of a search
    for the number at which the exact test's own power is reached, and the answer itself beyond 100 000 discordant ones.

    Parameters
    ----------
    only_a, only_b : the shares of images that only A, only B gets right; their sum is at most 1.
    power, level : between 0 and 1.
    more_than : look only among larger numbers.

    Returns
    -------
    int or None : images; None if the shares are equal.

    Raises
    ------
    BadInput : an argument out of range.
    """
    z, target = _normal(power, level)
    mcnemar_power(only_a, only_b, 1, level)  # refuses what it refuses
    if only_a == only_b:
        return None
    s, d = only_a + only_b, only_a - only_b
    connor = (z * sqrt(s) + target * sqrt(max(s - d * d, 0.0))) ** 2 / d**2
    if connor * s > 1e5:  # so many discordant images: the exact test needs 0.3 % more at most
        return max(ceil(connor), more_than + 1)
    return _least(lambda n: mcnemar_power(only_a, only_b, n, level) >= power, more_than + 1, max(int(connor), 1))


def mean_images(
    variance: float, difference: float, power: float = 0.8, level: float = 0.05, more_than: int = 0
) -> int | None:
    """Test images to tell the mean of one number per image from zero: (z_(level/2) + z_(1-power))^2 variance / d^2.

    Parameters
    ----------
    variance : of one image's number (`NetworkDifference.variance`), at least 0.
    difference : the true mean d supposed.
    power, level : between 0 and 1.
    more_than : look only among larger numbers.

    Returns
    -------
    int or None : images; None if the difference is 0.

    Raises
    ------
    BadInput : an argument out of range.
    """
    z, target = _normal(power, level)
    if real("variance", variance) < 0:
        raise BadInput(f"variance: got {variance!r}; expected at least 0")
    if real("difference", difference) == 0:
        return None
    return max(ceil((z + target) ** 2 * variance / difference**2), more_than + 1, 1)


def recipe_power(
    spread: Spread,
    difference: float,
    seeds_a: int,
    seeds_b: int,
    images: float,
    level: float = 0.05,
    correctness: bool = True,
) -> float:
    """The power of the comparison of two recipes (`seeds.recipes`), at the scatter supposed.

    Student's t asks for a difference of some estimated errors, and the least error (`seeds.least_error`) for one of
    some images, whatever was estimated; a difference is found where it passes both.

    Parameters
    ----------
    spread : where results scatter (`RecipeDifference.spread`).
    difference : the true difference of the recipes' accuracies supposed.
    seeds_a, seeds_b : seeds a side, at least 2.
    images : test images, at least 2; infinity is allowed.
    level : the two-sided level of the test, between 0 and 1.
    correctness : whether images are right or wrong; False for a number of each image, which has no least error.

    Returns
    -------
    float : the chance of p <= level.

    Raises
    ------
    BadInput : an argument out of range.
    """
    from scipy.stats import norm, t

    s_a, s_b = whole("seeds_a", seeds_a, least=2), whole("seeds_b", seeds_b, least=2)
    if images != inf:
        whole("images", images, least=2)  # type: ignore[arg-type]
    tail, distance = inside("level", level, 0.05) / 2, abs(real("difference", difference))
    v_a = (spread.seeds_a + spread.noise_a / images) / s_a
    v_b = (spread.seeds_b + spread.noise_b / images) / s_b
    v_images = spread.images / images
    v = v_a + v_b + v_images
    floor = float(norm.isf(tail)) * least_error(images) if correctness else 0.0
    if v == 0:
        return float(distance > floor)
    degrees = v * v / (v_a**2 / (s_a - 1) + v_b**2 / (s_b - 1) + v_images**2 / (images - 1))
    if degrees > 1e5:  # the normal to seven digits
        edge = max(float(norm.isf(tail)), floor / sqrt(v))
        center = distance / sqrt(v)
        return float(norm.sf(edge - center) + norm.cdf(-edge - center))
    return _t_power(float(t.isf(tail, degrees)), floor / sqrt(v), distance / sqrt(v), degrees)


def _t_power(edge: float, floor: float, center: float, degrees: float) -> float:
    """P(|D| > floor and |D| > edge S): D normal about `center`, S its estimated error; both in true standard errors.

    S^2 times its degrees of freedom is chi-square, over which the normal's tails are integrated (Gauss-Legendre, on
    either side of the S at which `edge S` is the floor). Without a floor it is the noncentral t distribution, whose
    cdf in scipy is NaN at some points far out.
    """
    import numpy as np
    from scipy.special import gammainccinv, gammaincinv, gammaln, ndtr

    half = degrees / 2
    low, high = (sqrt(float(end) / half) for end in (gammaincinv(half, 1e-13), gammainccinv(half, 1e-13)))
    middle = min(max(floor / edge, low), high)
    nodes, weights = _gauss_legendre()
    power = 0.0
    for start, end in ((low, middle), (middle, high)):
        error = start + (end - start) * (nodes + 1) / 2
        chance = np.exp(
            (degrees - 1) * np.log(error) - half * error**2 + half * np.log(half) - gammaln(half) + np.log(2)
        )
        least = np.maximum(edge * error, floor)
        found = ndtr(center - least) + ndtr(-center - least)
        power += float((weights * chance * found).sum()) * (end - start) / 2
    return min(power, 1.0)


@cache
def _gauss_legendre() -> "tuple[np.ndarray, np.ndarray]":
    """Nodes and weights on -1 to 1."""
    import numpy as np

    return np.polynomial.legendre.leggauss(96)


def recipe_needed(
    spread: Spread,
    difference: float,
    seeds_a: int,
    seeds_b: int,
    images: int,
    power: float = 0.8,
    level: float = 0.05,
    correctness: bool = True,
) -> Needed:
    """Seeds alone, test images alone, or both together that would tell a difference of two recipes.

    More seeds cannot undo that the test images are a sample, nor that a difference of less than a few images is told
    by no test (`least`); more images not that few seeds were run. Where no number of seeds is enough, the smallest
    difference is given that endless seeds would tell on these images. Where neither is enough alone, twice the seeds
    that would do on endless images are taken, and the images needed with them.

    Parameters
    ----------
    spread : where results scatter (`RecipeDifference.spread`).
    difference : the true difference supposed.
    seeds_a, seeds_b, images : what there is; only larger numbers are answered.
    power, level : between 0 and 1.
    correctness : as for `recipe_power`.

    Returns
    -------
    Needed : all None if the difference is 0.

    Raises
    ------
    BadInput : an argument out of range.
    """
    inside("power", power, 0.8)
    if real("difference", difference) == 0:
        return Needed(None, None, None)

    def enough(s_a: int, s_b: int, n: float, true: float = difference) -> bool:
        return recipe_power(spread, true, s_a, s_b, n, level, correctness) >= power

    def seeds(n: float, more_than: int) -> int | None:
        return _least(lambda s: enough(s, s, n), more_than + 1) if enough(_ENDLESS, _ENDLESS, n) else None

    def pictures(s_a: int, s_b: int) -> int | None:
        return _least(lambda n: enough(s_a, s_b, n), images + 1) if enough(s_a, s_b, inf) else None

    alone = seeds(images, max(seeds_a, seeds_b)), pictures(seeds_a, seeds_b)
    smallest = None
    if alone[0] is None:
        low, high = abs(difference), 2 * abs(difference)
        while not enough(_ENDLESS, _ENDLESS, images, high) and high < inf:
            low, high = high, 2 * high
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (low, middle) if enough(_ENDLESS, _ENDLESS, images, middle) else (middle, high)
        smallest = high
    if alone != (None, None):
        return Needed(*alone, together=None, smallest=smallest)
    doubled = 2 * (seeds(inf, max(seeds_a, seeds_b)) or _ENDLESS)
    return Needed(None, None, (doubled, pictures(doubled, doubled) or _ENDLESS), smallest)


def _normal(power: float, level: float) -> tuple[float, float]:
    """The normal quantiles (z at level / 2, z at 1 - power)."""
    from scipy.stats import norm

    return float(norm.isf(inside("level", level, 0.05) / 2)), float(norm.ppf(inside("power", power, 0.8)))


def _least(enough: Callable[[int], bool], start: int, guess: int = 0) -> int:
    """The least n >= start with enough(n), for an `enough` that stays true; `guess` shortens the search."""
    low, high, step = start - 1, max(start, guess), max(start, guess // 16, 1)
    while not enough(high):
        low, high, step = high, high + step, 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
