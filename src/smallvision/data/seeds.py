"""Seeds made of several numbers, so that everything random depends on (seed, epoch, batch, ...) alone.

The mixing function is splitmix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators"). It is
written out here because its results must never change with the version of a library.
"""

import numpy as np
from numpy.typing import NDArray

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def mix(seed: int, *numbers: int) -> int:
    """A seed in [0, 2^63) from a seed and further numbers, whose order and count matter.

    Parameters
    ----------
    seed : the seed of the experiment.
    numbers : any integers that the draw depends on as well, for example epoch and batch.

    Returns
    -------
    int : a seed for a ``torch.Generator`` or a bit generator of numpy.
    """
    state = _scramble(seed & _MASK)
    for number in numbers:
        state = _scramble((state + _GOLDEN + (number & _MASK)) & _MASK)
    return state >> 1


def _scramble(state: int) -> int:
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
    return state ^ (state >> 31)


def permutation(count: int, seed: int) -> NDArray[np.int64]:
    """A random order of 0..count-1, int64 (count,), the same in every version of numpy.

    numpy promises that the raw stream of a bit generator never changes (NEP 19), but not that ``permutation`` keeps
    making the same of it. A split of the data must survive an upgrade of numpy, so the order is made here by sorting
    raw numbers.
    """
    keys = np.random.PCG64(seed).random_raw(count)
    return np.argsort(keys, kind="stable").astype(np.int64)
