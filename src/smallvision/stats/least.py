"""The smallest difference that a verdict can ever call real on N test images, whatever the seeds and however clear.

A test of right and wrong answers rests on the images on which the sides differ, and a few images can always have
fallen one way by chance. What a verdict at level alpha needs at least, z being the normal quantile at alpha / 2:

    recipes                       z sqrt(2) / N                                      the least error, `least_error`
    these two trained networks    k / N, k the least whole number with 2 / 2^k <= alpha         the exact McNemar test
    these trained networks        (z^2 g + z sqrt(z^2 g^2 + 8)) / (2 N), g = 1 / lcm(runs of A, runs of B)
    published figures             k / N, k the fewest images that tell a score from a perfect one, about z^2

The third is where Bonett & Price's statistic T / sqrt(T g + 2) reaches z: T images' worth of answers fall one way, g
at a time, g being the least by which one image's two shares can differ. A score that is a number for each image has
no such limit.
"""

from math import ceil, lcm, log2, sqrt

from smallvision.stats.arguments import inside, whole
from smallvision.stats.published import score_test
from smallvision.stats.seeds import least_error


def recipes(images: int, level: float = 0.05) -> float:
    """Between two recipes on N test images: z sqrt(2) / N.

    Parameters
    ----------
    images : test images N, at least 1.
    level : of the verdict, two-sided; after Holm's correction the level that is left for this comparison.

    Returns
    -------
    float : a share, 0.0028 is 0.28 percentage points; above 1 where no difference at all can be told.

    Raises
    ------
    BadInput : no number of images, a level outside (0, 1).
    """
    return _z(level) * least_error(whole("images", images, least=1))


def two_networks(images: int, level: float = 0.05) -> float:
    """Between two trained networks, one run a side: k / N with 2 / 2^k <= level. As `recipes`."""
    return _throws(level) / whole("images", images, least=1)


def networks(images: int, runs_a: int, runs_b: int, level: float = 0.05) -> float:
    """Between two sets of trained networks: Bonett & Price's statistic with every image one way. As `recipes`.

    Exact but for terms in 1 / N^2.
    """
    z, step = _z(level), 1 / lcm(whole("runs_a", runs_a, least=1), whole("runs_b", runs_b, least=1))
    return (z * z * step + z * sqrt(z * z * step * step + 8)) / (2 * whole("images", images, least=1))


def published(images_a: int, images_b: int, level: float = 0.05) -> float:
    """Between two published figures: the fewest wrong answers that the score test tells from none. As `recipes`."""
    inside("level", level, 0.05)
    m, n = whole("images_a", images_a, least=1), whole("images_b", images_b, least=1)
    return min(
        next((wrong / many for wrong in range(1, many + 1) if score_test(few, few, many - wrong, many) <= level), 1.0)
        for few, many in ((m, n), (n, m))
    )


def _throws(level: float) -> int:
    """The fewest throws of a fair coin that tell it apart from a fair one, all of them heads."""
    return ceil(log2(2 / inside("level", level, 0.05)) - 1e-12)


def _z(level: float) -> float:
    from scipy.stats import norm

    return float(norm.isf(inside("level", level, 0.05) / 2))
