"""Two published accuracies and nothing else: how far apart can they be by the chance of the test images alone?

Without the answers image by image the two figures count as unpaired, as if each had its own test images. On one and
the same test set, right answers mostly go together, and this is then cautious: a difference found here is there, one
not found here may still show in a paired comparison. About seeds two single figures say nothing at all.

Test and interval are Miettinen & Nurminen's (1985, Stat. Med. 4, 213-226, section 2): the interval holds exactly the
differences that the score test does not reject, so that the two cannot contradict one another. (Newcombe's hybrid of
two Wilson intervals, 1998, Stat. Med. 17, 873-90, method 10, covers as well but can disagree with every test about
zero.) Fagerland, Lydersen & Laake (2015, Stat. Methods Med. Res. 24, 224-54) recommend both.
"""

from decimal import Decimal, InvalidOperation
from math import sqrt
from typing import SupportsFloat

from smallvision.errors import BadInput
from smallvision.stats.arguments import inside, share, whole


def images_right(accuracy: str | Decimal | SupportsFloat, images: int) -> tuple[int, str | None]:
    """How many of the images a published accuracy means, and a remark when no number of them can give it.

    This is the GRIM test (Brown & Heathers 2017, Soc. Psychol. Personal. Sci. 8, 363-9): 86.002 % of 10 000 images
    would be 8 600.2 of them, and neither 8 600 nor 8 601 is printed as 86.002 %.

    Parameters
    ----------
    accuracy : a share from 0 to 1. Text or Decimal keeps the digits as printed (`Decimal("98.930") / 100`); a float
        counts as printed with its shortest digits.
    images : how many test images it is of, at least 1.

    Returns
    -------
    tuple : (the nearest number of images, None or the remark).

    Raises
    ------
    BadInput : no number, not from 0 to 1, or no whole number of images.
    """
    n = whole("images", images, least=1)
    try:
        printed = Decimal(accuracy if isinstance(accuracy, str | Decimal) else f"{float(accuracy):.12g}")
    except (InvalidOperation, ValueError, TypeError):
        raise BadInput(f"accuracy: got {accuracy!r}; expected a share from 0 to 1 (98.93 % is 0.9893)") from None
    share("accuracy", float(printed))
    exact = printed * n
    right = int(exact.to_integral_value())
    digits = -min(int(printed.as_tuple().exponent), 0)
    if abs(exact - right) <= n * Decimal(5).scaleb(-digits - 1):  # half a unit of the last digit
        return right, None
    return right, (
        f"{printed.scaleb(2):f} % of {n} images would be {exact.normalize():f} images, which is not a whole number; "
        f"{right} are used"
    )


def score_test(right_a: int, images_a: int, right_b: int, images_b: int) -> float:
    """Two-sided p-value of "both have the same accuracy": the score test for two independent shares.

    Parameters
    ----------
    right_a, right_b : images right, 0 to images_a, images_b.
    images_a, images_b : all images, at least 1.

    Returns
    -------
    float : p; 1 when everything or nothing is right on both sides.

    Raises
    ------
    BadInput : a count that is no whole number or out of range.
    """
    from scipy.stats import norm

    x, m, y, n = _counts(right_a, images_a, right_b, images_b)
    variance = _variance(x, m, y, n, 0.0)
    return 2 * float(norm.sf(abs(x * n - y * m) / (m * n) / sqrt(variance))) if variance > 0 else 1.0


def score_interval(
    right_a: int, images_a: int, right_b: int, images_b: int, confidence: float = 0.95
) -> tuple[float, float]:
    """The score interval for accuracy A - accuracy B, unpaired; it leaves zero out exactly if the test's p says so.

    Parameters
    ----------
    right_a, right_b : images right, 0 to images_a, images_b.
    images_a, images_b : all images, at least 1.
    confidence : the share of such intervals that hold the true difference, between 0 and 1.

    Returns
    -------
    tuple of float : (low, high), between -1 and 1.

    Raises
    ------
    BadInput : a count that is no whole number or out of range, a confidence outside (0, 1).
    """
    from scipy.stats import norm

    x, m, y, n = _counts(right_a, images_a, right_b, images_b)
    z = float(norm.isf((1 - inside("confidence", confidence, 0.95)) / 2))
    return -_limit(y, n, x, m, z), _limit(x, m, y, n, z)


def _counts(right_a: int, images_a: int, right_b: int, images_b: int) -> tuple[int, int, int, int]:
    found = []
    for side, right, images in (("a", right_a, images_a), ("b", right_b, images_b)):
        k, n = whole(f"right_{side}", right), whole(f"images_{side}", images, least=1)
        if k > n:
            raise BadInput(f"right_{side}: got {k} of {n} images; expected at most {n}")
        found += [k, n]
    return found[0], found[1], found[2], found[3]


def _limit(x: int, m: int, y: int, n: int, z: float) -> float:
    """The upper end: the largest difference d whose score statistic is at least -z."""
    from scipy.optimize import brentq

    observed = (x * n - y * m) / (m * n)
    if observed == 1:
        return 1.0

    def beyond(d: float) -> float:
        return (d - observed) - z * sqrt(_variance(x, m, y, n, d))

    # At the observed difference itself the variance can be 0 (everything right); a hair beyond it never is.
    return float(brentq(beyond, min(observed + 1e-12, 1.0), 1.0, xtol=1e-15, maxiter=500))


def _variance(x: int, m: int, y: int, n: int, d: float) -> float:
    """Variance of x / m - y / n at the most likely accuracies (q + d, q) that differ by d, times N / (N - 1).

    The likelihood's slope in q, times q (1 - q) (q + d) (1 - q - d), is a cubic with one sign change between the least
    and the greatest q allowed (Miettinen & Nurminen 1985, appendix I). Newton's steps find it, or halves of the range
    where they would leave it, which stays exact where the cubic's closed form loses its digits: near 0 and 1. (In
    statsmodels up to 0.15 that form has a slip, its issue 10269; its score interval is off in the third digit.)
    """
    if 2 * (x + y) > m + n:  # count errors: small shares keep their digits
        x, y, d = m - x, n - y, -d
    low, high = max(0.0, -d), min(1.0, 1.0 - d)
    q = (x + y - m * d) / (m + n)  # right when d = 0, and near it otherwise
    for _ in range(200):
        if not low < q < high:
            q = (low + high) / 2
        slope = q * (1 - q) * (x - m * (q + d)) + (q + d) * (1 - q - d) * (y - n * q)
        low, high = (q, high) if slope > 0 else (low, q)
        bend = (1 - 2 * q) * (x - m * (q + d)) - m * q * (1 - q) + (1 - 2 * q - 2 * d) * (y - n * q)
        bend -= n * (q + d) * (1 - q - d)
        before, q = q, q - slope / bend if bend else low
        if abs(q - before) <= 1e-15 * before:
            break
    q = min(max(q, low), high)
    variance = (q + d) * (1 - q - d) / m + q * (1 - q) / n
    return max(variance, 0.0) * ((m + n) / (m + n - 1))
