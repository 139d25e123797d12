"""Two recipes, or some trained networks, compared by one number for each test image: a squared error, a similarity, ...

The model is that of `seeds`: each number depends on the seed, the image and chance; the sides share the images but not
the seeds. With at least five seeds a side the error of the difference counts seeds and images, by the same sums of
squares, Satterthwaite's degrees of freedom and Student's t. With fewer runs the networks are taken as they are:
Student's paired t-test over the images, on the mean over each side's runs. Correctness needs a least error for images
on which nothing was seen to differ; numbers do not, since they always differ a little.
"""

from dataclasses import dataclass
from math import inf, sqrt
from typing import TYPE_CHECKING, Any

from smallvision.errors import BadInput
from smallvision.stats.arguments import inside, same_images
from smallvision.stats.seeds import Spread

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class ValueDifference:
    """Mean of A - mean of B, with its standard error and degrees of freedom."""

    mean_a: float
    mean_b: float
    difference: float
    error: float
    degrees: float
    images: int
    variance: float  # of one image's difference, where the networks are taken as they are
    spread: Spread | None  # where recipes scatter; None where the networks are taken as they are

    @property
    def p(self) -> float:
        """Two-sided p-value of "no difference", from the same statistic as the interval."""
        from scipy.stats import t

        if self.error == 0:
            return 1.0 if self.difference == 0 else 0.0
        return 2 * float(t.sf(abs(self.difference) / self.error, self.degrees))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """(low, high) for the difference. Raises BadInput for a confidence outside (0, 1)."""
        from scipy.stats import t

        half = float(t.isf((1 - inside("confidence", confidence, 0.95)) / 2, self.degrees)) * self.error
        return self.difference - half, self.difference + half


def recipes(a: "np.ndarray", b: "np.ndarray") -> ValueDifference:
    """The difference of two recipes, from a number for every run and image.

    Parameters
    ----------
    a, b : float (seeds, N), at least 2 seeds and 2 images; the same images in the same order.

    Raises
    ------
    BadInput : other shapes, values that are no finite numbers, too few seeds or images.
    """
    a, b = _numbers("a", a), _numbers("b", b)
    same_images("b", b.shape[1], "a", a.shape[1])
    (s_a, n), s_b = a.shape, b.shape[0]
    if min(s_a, s_b) < 2:
        raise BadInput("a, b: got 1 seed; expected at least 2, so that the effect of the seed can be estimated")
    v_a, r_a = _table(a)
    v_b, r_b = _table(b)
    gaps = a.mean(0) - b.mean(0)  # (N,)
    v_images = max(0.0, float(gaps.var(ddof=1)) / n - r_a / (s_a * n) - r_b / (s_b * n))
    v = v_a / s_a + v_b / s_b + v_images
    squared = (v_a / s_a) ** 2 / (s_a - 1) + (v_b / s_b) ** 2 / (s_b - 1) + v_images**2 / (n - 1)
    spread = Spread(max(0.0, v_a - r_a / n), max(0.0, v_b - r_b / n), v_images * n, r_a, r_b)
    degrees = v * v / squared if squared > 0 else inf
    return ValueDifference(
        float(a.mean()), float(b.mean()), float(gaps.mean()), sqrt(v), degrees, n, float(gaps.var(ddof=1)), spread
    )


def networks(a: "np.ndarray", b: "np.ndarray") -> ValueDifference:
    """The mean difference of some trained networks, by Student's paired t-test over images.

    Parameters
    ----------
    a, b : float (runs, N) or (N,), at least 2 images; the same images in the same order.

    Raises
    ------
    BadInput : other shapes, values that are no finite numbers.
    """
    a, b = _numbers("a", a), _numbers("b", b)
    same_images("b", b.shape[1], "a", a.shape[1])
    gaps = a.mean(0) - b.mean(0)
    n, variance = len(gaps), float(gaps.var(ddof=1))
    return ValueDifference(
        float(a.mean()), float(b.mean()), float(gaps.mean()), sqrt(variance / n), n - 1, n, variance, None
    )


def _table(values: "np.ndarray") -> tuple[float, float]:
    """Variance of the seeds' means, and residual mean square of the two-way table (seeds, N)."""
    s, n = values.shape
    residual = values - values.mean(1, keepdims=True) - values.mean(0) + values.mean()
    return float(values.mean(1).var(ddof=1)), float((residual**2).sum()) / ((s - 1) * (n - 1))


def _numbers(name: str, value: Any) -> "np.ndarray":
    import numpy as np

    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise BadInput(
            f"{name}: this is not an array of numbers; expected shape (runs, images), with every run on the same images"
        ) from None
    array = array[None] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] < 2 or not array.size:
        raise BadInput(f"{name}: got shape {array.shape}; expected (runs, images) with at least two images")
    if not np.isfinite(array).all():
        raise BadInput(f"{name}: there are values that are not finite numbers")
    return array
