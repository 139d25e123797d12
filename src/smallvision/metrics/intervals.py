"""Intervals that say how far a measured share can be from the true one.

Wilson's score interval (Wilson 1927, J. Am. Stat. Assoc. 22) keeps its coverage near 0 and 1 and for few images, where
the usual p +- 1.96 sqrt(p (1 - p) / n) leaves [0, 1] or shrinks to nothing (Brown, Cai & DasGupta 2001, Stat. Sci. 16).
"""

from smallvision.errors import BadInput


def wilson(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval, without continuity correction, for a share of independent images.

    Parameters
    ----------
    successes : how many of the images were right, 0 to n.
    n : how many images there were, at least 1.
    confidence : the share of such intervals that hold the true value, between 0 and 1.

    Returns
    -------
    tuple of float : (low, high), shares between 0 and 1.

    Raises
    ------
    BadInput : a count that is not a whole number or out of range, a confidence outside (0, 1).
    """
    from scipy.stats import binomtest

    for name, value in (("successes", successes), ("n", n)):
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise BadInput(f"{name}: got {value!r}; expected a whole number of images")
    if not 0 <= successes <= n or n < 1:
        raise BadInput(f"successes, n: got {successes} of {n}; expected n >= 1 and successes from 0 to n")
    if not 0 < confidence < 1:
        raise BadInput(f"confidence: got {confidence!r}; expected a number between 0 and 1, such as 0.95")
    interval = binomtest(int(successes), int(n)).proportion_ci(confidence_level=confidence, method="wilson")
    return float(interval.low), float(interval.high)
