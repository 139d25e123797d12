"""One number from several, so that everything random depends on (seed, epoch, batch, ...) alone.

The mixing function is splitmix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators"),
written out here because what it returns must never change with the version of a library.
"""

import numpy as np
from numpy.typing import NDArray

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def mix(seed: int, *numbers: int) -> int:
    """A seed in [0, 2^63) from a seed and any further numbers; their order and their count matter.

    Parameters
    ----------
    seed : the experiment's seed.
    numbers : what else the draw depends on, for example epoch and batch; any integers.

    Returns
    -------
    int : what a ``torch.Generator`` or a numpy bit generator is seeded with.
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
    """A random order of 0..count-1, the same in every version of numpy.

    numpy promises the raw stream of a bit generator for ever (NEP 19), but not what ``permutation`` makes of it. A
    split of the data has to outlive an upgrade, so the raw stream is sorted here.
    """
    keys = np.random.PCG64(seed).random_raw(count)
    return np.argsort(keys, kind="stable").astype(np.int64)
