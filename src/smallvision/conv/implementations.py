"""The ladder: the same convolution implemented in eight ways, from the definition to torch's own."""

from smallvision.conv import compiled, einsum, fourier, im2col, library, loops, shifted, winograd
from smallvision.conv.implementation import Rung

__all__ = ["RUNGS", "rung"]

RUNGS: dict[str, Rung] = {
    "loops": loops.RUNG,
    "compiled": compiled.RUNG,
    "im2col": im2col.RUNG,
    "einsum": einsum.RUNG,
    "shifted": shifted.RUNG,
    "fft": fourier.RUNG,
    "winograd": winograd.RUNG,
    "torch": library.RUNG,
}


def rung(name: str) -> Rung:
    """The implementation of that name. Raises ValueError, naming those there are."""
    if name not in RUNGS:
        raise ValueError(f"rung: no implementation {name!r}; there are {', '.join(RUNGS)}")
    return RUNGS[name]
