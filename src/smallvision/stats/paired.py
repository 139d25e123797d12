"""Two trained networks on the same test images: the exact McNemar test and an interval that never contradicts it.

Only the images that one network gets right and the other wrong say anything: b images that only A has, c that only B
has. If the networks are equally good, b is a fair coin's heads in b + c throws (McNemar 1947, Psychometrika 12); that
is the exact test. It speaks of these two trained networks, not of how they were made (Dietterich 1998, Neural
Computation 10, 1895-1923, section 1, keeps questions about classifiers and about learning algorithms apart).
The mid-p test is told beside it.

The interval is Tango's score interval (Tango 1998, Stat. Med. 17, 891-908, eqs. 24-26); Fagerland, Lydersen & Laake
(2014, Stat. Med. 33, 2850-75) compare it with others. Why it, measured at 1 000 and 10 000 images of which 0.2 to 5 %
were discordant: with ten or more of them, Tango's 95 % interval held the truth in 94.4 to 95.8 % of the cases;
Newcombe's (1998, Stat. Med. 17, 2635-50, method 10) was wider (up to 97.6 %), Bonett & Price's (2012) in between, and
the exact conditional interval, which takes b + c as given, fell to 78 % for large differences. As it is used here,
made to agree with the exact test about zero: 94.6 to 95.3 % if the networks differ; if they are equally good, 95.5 %
with 200 discordant images, 96 % with 50 to 100, 97 % with 20, 98 % with 10 and more with fewer: the exact test's own
caution.
"""

from math import sqrt
from typing import TYPE_CHECKING

from smallvision.errors import BadInput
from smallvision.stats.arguments import correctness, inside, same_images, whole

if TYPE_CHECKING:
    import numpy as np


def discordant(a_right: "np.ndarray", b_right: "np.ndarray") -> tuple[int, int, int]:
    """Counts what a comparison of two networks rests on.

    Parameters
    ----------
    a_right, b_right : bool (N,), True where network A (B) gets the image right; the same images in the same order.

    Returns
    -------
    tuple of int : (images only A gets right, images only B gets right, all images N).

    Raises
    ------
    BadInput : other shapes or values, or two different numbers of images.
    """
    a, b = correctness("a_right", a_right, 1), correctness("b_right", b_right, 1)
    same_images("b_right", b.size, "a_right", a.size)
    return int((a & ~b).sum()), int((b & ~a).sum()), a.size


def mcnemar(only_a: int, only_b: int) -> float:
    """The exact two-sided McNemar test: scipy's binomial test of b heads in b + c throws of a fair coin.

    Parameters
    ----------
    only_a, only_b : images that only A, only B gets right, at least 0.

    Returns
    -------
    float : p, the chance of a split at least as uneven between two equally good networks; 1 without any discordant
        image.

    Raises
    ------
    BadInput : a count that is no whole number or negative.
    """
    b, c = whole("only_a", only_a), whole("only_b", only_b)
    if b + c == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(b, b + c, 0.5).pvalue)


def mcnemar_mid_p(only_a: int, only_b: int) -> float:
    """The two-sided McNemar mid-p test: splits as uneven as the one seen count half.

    The exact test is cautious, since its p-values are few and it keeps every one of them on the safe side. The mid-p
    test comes nearer to the level that is asked for and hardly ever exceeds it (Fagerland, Lydersen & Laake 2013, BMC
    Med. Res. Methodol. 13, 91). It is told beside the exact one, which decides.

    Parameters
    ----------
    only_a, only_b : images that only A, only B gets right, at least 0.

    Returns
    -------
    float : the chance of a more uneven split between two equally good networks, and half that of one as uneven; 1
        without any discordant image, of which nothing can be more uneven.

    Raises
    ------
    BadInput : a count that is no whole number or negative.
    """
    exact, b, n = mcnemar(only_a, only_b), int(only_a), int(only_a) + int(only_b)
    if n == 0:
        return 1.0
    from scipy.stats import binom

    as_seen = float(binom.pmf(b, n, 0.5))
    return 1 - as_seen / 2 if 2 * b == n else exact - as_seen


def paired_interval(only_a: int, only_b: int, images: int, confidence: float = 0.95) -> tuple[float, float]:
    """An interval for accuracy A - accuracy B on images like these; it leaves zero out exactly if McNemar's p says so.

    Tango's score interval. Score test and exact test can differ about zero when p is close to 1 - confidence; there
    the limit nearer to zero gives way to the exact conditional one, ((2 L - 1) (b + c) / N with L from Clopper &
    Pearson 1934, Biometrika 26, for the share b / (b + c)), which has the sign that the exact test asks for.

    Parameters
    ----------
    only_a, only_b : images that only A, only B gets right, at least 0.
    images : all test images N, at least only_a + only_b and 1.
    confidence : the share of such intervals that hold the true difference, between 0 and 1.

    Returns
    -------
    tuple of float : (low, high), between -1 and 1, as shares (0.01 is one percentage point).

    Raises
    ------
    BadInput : a count that is no whole number or out of range, a confidence outside (0, 1).
    """
    b, c, n = whole("only_a", only_a), whole("only_b", only_b), whole("images", images, least=1)
    if b + c > n:
        raise BadInput(f"images: got {n}; expected at least only_a + only_b = {b + c}")
    from scipy.stats import beta, norm

    tail = (1 - inside("confidence", confidence, 0.95)) / 2
    z = float(norm.isf(tail))
    low, high = -_tango_limit(c, b, n, z), _tango_limit(b, c, n, z)
    if b > c:
        exact = (2 * float(beta.ppf(tail, b, c + 1)) - 1) * (b + c) / n
        low = low if (low > 0) == (exact > 0) else exact
    if b < c:
        exact = (2 * float(beta.isf(tail, b + 1, c)) - 1) * (b + c) / n
        high = high if (high < 0) == (exact < 0) else exact
    return low, high


def _tango_limit(b: int, c: int, n: int, z: float) -> float:
    """The upper end of Tango's interval: the largest d = p10 - p01 whose score statistic is at least -z."""
    from scipy.optimize import brentq

    observed = (b - c) / n
    if observed == 1:
        return 1.0

    def beyond(d: float) -> float:
        # p01 of greatest likelihood when p10 = p01 + d: the upper root of 2 n q^2 + B q + C = 0 (Tango's eqs. 25, 26)
        linear, constant = (2 * n - b + c) * d - b - c, -c * d * (1 - d)
        root = sqrt(max(linear * linear - 8 * n * constant, 0.0))
        q = (root - linear) / (4 * n) if linear <= 0 else -2 * constant / (root + linear)
        variance = (2 * q + d * (1 - d)) / n
        return (d - observed) - z * sqrt(max(variance, 0.0))

    # At the observed difference itself the variance can be 0; a hair beyond it never is.
    return float(brentq(beyond, min(observed + 1e-12, 1.0), 1.0, xtol=1e-15, maxiter=500))
