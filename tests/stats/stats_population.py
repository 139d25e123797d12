"""Two recipes whose true accuracies and scatter are known, for simulations.

Run s of recipe A gets image i right if m_A + h u_i + g a_s + e_si > 0, all of u, a, e standard normal: images of very
unequal difficulty (h), seeds that are better or worse (g), and chance. B likewise; its difficulties are correlated with
A's.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.stats import multivariate_normal, norm

from smallvision.stats.seeds import Spread


@dataclass(frozen=True)
class Population:
    accuracy_a: float
    accuracy_b: float
    hardness: float  # h
    agreement: float  # correlation of the two recipes' difficulties
    seeds: float  # g

    @property
    def difference(self) -> float:
        return self.accuracy_a - self.accuracy_b

    def _both(self, p: float, q: float, correlation: float) -> float:
        """P(two correctnesses are both 1), whose margins are p and q."""
        covariance = [[1, correlation], [correlation, 1]]
        return float(multivariate_normal.cdf([norm.ppf(p), norm.ppf(q)], cov=covariance, abseps=1e-12, releps=1e-12))

    @property
    def spread(self) -> Spread:
        total = 1 + self.hardness**2 + self.seeds**2
        of_seed, of_image = self.seeds**2 / total, self.hardness**2 / total
        p, q = self.accuracy_a, self.accuracy_b
        seeds = [self._both(x, x, of_seed) - x * x for x in (p, q)]
        images = [self._both(x, x, of_image) - x * x for x in (p, q)]
        shared = self._both(p, q, self.agreement * of_image) - p * q
        noise = [x * (1 - x) - s - i for x, s, i in zip((p, q), seeds, images, strict=True)]
        return Spread(*seeds, images[0] + images[1] - 2 * shared, *noise)

    def variance(self, s_a: int, s_b: int, n: int) -> float:
        """Of the difference of the mean accuracies."""
        spread = self.spread
        return (
            (spread.seeds_a + spread.noise_a / n) / s_a
            + (spread.seeds_b + spread.noise_b / n) / s_b
            + spread.images / n
        )

    def draw(self, generator: np.random.Generator, s_a: int, s_b: int, n: int):
        """Correctness, bool (s_a, n) and (s_b, n)."""
        u = generator.standard_normal(n, np.float32)
        w = generator.standard_normal(n, np.float32) if self.agreement < 1 else u
        v = np.float32(self.agreement) * u + np.float32(sqrt(1 - self.agreement**2)) * w
        return self._runs(generator, self.accuracy_a, u, s_a), self._runs(generator, self.accuracy_b, v, s_b)

    def _runs(self, generator, accuracy, difficulty, seeds):
        level = norm.ppf(accuracy) * sqrt(1 + self.hardness**2 + self.seeds**2)
        start = level + self.seeds * generator.standard_normal((seeds, 1))
        edge = start.astype(np.float32) + np.float32(self.hardness) * difficulty  # (seeds, n)
        return generator.standard_normal(edge.shape, np.float32) < edge
