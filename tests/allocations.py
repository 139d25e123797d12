"""Memory counted, not measured: the bytes that operations ask for, which are the same on every machine."""

import tracemalloc
import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Fresh(TorchDispatchMode):
    """The most bytes that were alive at once, of all that torch's operations made meanwhile."""

    def __init__(self, *given):
        super().__init__()
        self.known, self.alive, self.most = {one.untyped_storage()._cdata for one in given}, {}, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for one in tree_leaves(out):
            # A tensor that cannot be resized lies in NumPy's memory.
            if not isinstance(one, torch.Tensor) or not one.untyped_storage().resizable():
                continue
            if (key := one.untyped_storage()._cdata) not in self.known | self.alive.keys():
                self.alive[key] = one.untyped_storage().nbytes()
                weakref.finalize(one.untyped_storage(), self.alive.pop, key, None)
        self.most = max(self.most, sum(self.alive.values()))
        return out


def peak_bytes(function):
    """What a call returns, and the most bytes that it had asked for at once: of torch, and of Python and NumPy.

    The two peaks are added, so the sum may be more than the true peak and is never less.
    """
    tracemalloc.start()
    try:
        with Fresh() as fresh:
            result = function()
        return result, fresh.most + tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
