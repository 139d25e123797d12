"""The seven loops of `loops.py`, compiled: the very same functions, as machine code by numba (Lam, Pitrou & Seibert
2015), in threads.

A multiply-add takes Python 0.3 microseconds, since it finds out each time what is to be multiplied, and where. It takes
a compiled loop a small part of a nanosecond: the innermost one runs along neighbours in memory and is done 16 numbers
at a time (AVX-512). A matrix product is quicker still where sums are long, since it keeps sums in registers, where
loops written down like this fetch and store them at every step.

Images are divided among as many threads as torch has. Loops do not touch Python, so they release Python's lock, and
ordinary threads are enough. Each thread sums up its images' kernel gradients by itself: with another number of threads
the sum is rounded in another order, with the same number the bits are the same.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise
from typing import Any

import torch

from smallvision.conv import loops
from smallvision.conv.geometry import Geometry
from smallvision.conv.implementation import Cost, Implementation

__all__ = ["IMPLEMENTATION"]


@cache
def compiled(function: loops.Loops) -> loops.Loops:
    """The function as machine code, made at its first call for each number type, and kept in __pycache__ for other
    processes.

    A multiplication and the addition to it may be one instruction, rounded once ("contract"); no other freedom in
    rounding is given.

    Raises
    ------
    ImportError : numba is not installed.
    """
    try:
        import numba
    except ImportError as error:
        raise ImportError(
            'compiled: this implementation needs numba; install it with pip install "smallvision[numba]", or use '
            "another implementation, such as im2col"
        ) from error
    make: Any = numba.njit
    try:
        machine_code: loops.Loops = make(nogil=True, fastmath={"contract"}, cache=True)(function)
    except RuntimeError:  # there is no folder to keep it in
        machine_code = make(nogil=True, fastmath={"contract"})(function)
    return machine_code


def in_threads(work: Callable[[slice], Any], batch: int) -> list[Any]:
    """work(images) for equal parts of the batch, in a thread each; what each returned."""
    parts = _shares(batch)
    edges = [batch * part // parts for part in range(parts + 1)]
    images = [slice(start, stop) for start, stop in pairwise(edges)]
    if parts == 1:
        return [work(images[0])]
    with ThreadPoolExecutor(parts) as pool:
        return list(pool.map(work, images))


def _shares(batch: int) -> int:
    return max(1, min(torch.get_num_threads(), batch))


def costs(g: Geometry, itemsize: int) -> tuple[Cost, Cost, Cost]:
    """The costs of the loops in Python, with kernel gradients for each thread."""
    return loops.costs(g, itemsize, _shares(g.batch))


IMPLEMENTATION = Implementation(
    "compiled",
    "the same seven loops, compiled by numba",
    partial(loops.forward, make=compiled, share=in_threads),
    partial(loops.input_gradient, make=compiled, share=in_threads),
    partial(loops.weight_gradient, make=compiled, share=in_threads),
    costs,
)
