"""Some trained networks against some others on the same test images, with too few seeds to speak of recipes.

With two to four runs a side (or five against one), the spread between seeds is known too badly to be carried. What can
be said honestly is which *set of trained networks* is better on average, on images like these: the networks are taken
as they are, only the images are a sample. Each image gives one number, the share of A's runs that have it right minus
the share of B's, between -1 and 1.

Their mean is judged as Bonett & Price (2012, J. Educ. Behav. Stat. 37, 479-88) do for one run a side: two
imagined images are added, one that only A gets right and one that only B gets right, and the usual normal interval is
taken. For one run a side it is their interval exactly; it keeps a width when no image was seen to differ.
"""

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from smallvision.stats.arguments import correctness, inside, same_images

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class NetworkDifference:
    """Mean accuracy of A's networks - mean accuracy of B's, with an error that counts test images only."""

    accuracy_a: float
    accuracy_b: float
    difference: float
    center: float  # the difference with the two imagined images
    error: float  # standard error of `center`
    variance: float  # of one image's difference, imagined images included
    images: int

    @property
    def p(self) -> float:
        """Two-sided p-value of "these networks are equally good on average", from the same statistic."""
        from scipy.stats import norm

        return 2 * float(norm.sf(abs(self.center) / self.error))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """(low, high) for the difference, within -1 and 1. Raises BadInput for a confidence outside (0, 1)."""
        from scipy.stats import norm

        half = float(norm.isf((1 - inside("confidence", confidence, 0.95)) / 2)) * self.error
        return max(self.center - half, -1.0), min(self.center + half, 1.0)


def networks(a_right: "np.ndarray", b_right: "np.ndarray") -> NetworkDifference:
    """The difference of the mean accuracies of two sets of trained networks.

    Parameters
    ----------
    a_right : bool (runs of A, N) or (N,), True where the run gets the image right.
    b_right : bool (runs of B, N) or (N,), the same images in the same order.

    Returns
    -------
    NetworkDifference : with `.difference`, `.interval(confidence)` and `.p`.

    Raises
    ------
    BadInput : other shapes or values, two different numbers of images.
    """
    a, b = correctness("a_right", a_right, 2), correctness("b_right", b_right, 2)
    same_images("b_right", b.shape[1], "a_right", a.shape[1])
    s_a, s_b, n = a.shape[0], b.shape[0], a.shape[1]
    gaps = s_b * a.sum(0, dtype="int64") - s_a * b.sum(0, dtype="int64")  # S_A S_B times A - B, (N,)
    total, squares = int(gaps.sum()) / (s_a * s_b), int((gaps * gaps).sum()) / (s_a * s_b) ** 2
    center = total / (n + 2)
    variance = (squares + 2) / (n + 2) - center**2
    return NetworkDifference(float(a.mean()), float(b.mean()), total / n, center, sqrt(variance / (n + 2)), variance, n)
