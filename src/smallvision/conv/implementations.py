"""The table of implementations: the same convolution in eight ways, from the definition to torch's own."""

from smallvision.conv import compiled, einsum, fourier, im2col, library, loops, shifted, winograd
from smallvision.conv.implementation import Implementation

__all__ = ["IMPLEMENTATIONS", "named"]

IMPLEMENTATIONS: dict[str, Implementation] = {
    "loops": loops.IMPLEMENTATION,
    "compiled": compiled.IMPLEMENTATION,
    "im2col": im2col.IMPLEMENTATION,
    "einsum": einsum.IMPLEMENTATION,
    "shifted": shifted.IMPLEMENTATION,
    "fft": fourier.IMPLEMENTATION,
    "winograd": winograd.IMPLEMENTATION,
    "torch": library.IMPLEMENTATION,
}


def named(name: str) -> Implementation:
    """The implementation of that name. Raises ValueError, naming those there are."""
    if name not in IMPLEMENTATIONS:
        raise ValueError(f"implementation: there is no implementation {name!r}; known: {', '.join(IMPLEMENTATIONS)}")
    return IMPLEMENTATIONS[name]
