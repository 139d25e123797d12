"""Checks the arguments of the statistics; an error names the argument, what was found and what was expected."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, SupportsFloat, SupportsIndex

from smallvision.errors import BadInput, counted

if TYPE_CHECKING:
    import numpy as np


def correctness(name: str, value: Any, dimensions: int) -> "np.ndarray":
    """Which images were right, as booleans: (N,) for one run, (seeds, N) for several of the same recipe.

    Parameters
    ----------
    name : the argument's name, for the message.
    value : booleans, or numbers that are all 0 or 1.
    dimensions : 1 or 2; one run may be given as (N,) where two are expected.

    Returns
    -------
    np.ndarray : bool, with as many dimensions as asked for, no axis empty.

    Raises
    ------
    BadInput : another shape, no image, a value other than 0, 1, False and True.
    """
    import numpy as np

    try:
        array = np.asarray(value)
    except ValueError:  # rows of several lengths
        raise BadInput(f"{name}: got rows of different lengths; every run must be scored on the same images") from None
    if dimensions == 2 and array.ndim == 1:
        array = array[None, :]
    shape = "(images,)" if dimensions == 1 else "(seeds, images)"
    if array.ndim != dimensions or array.size == 0:
        raise BadInput(f"{name}: got shape {array.shape}; expected {shape} with at least one image")
    if array.dtype == bool:
        return array
    if array.dtype.kind not in "iuf" or not np.isin(array, (0, 1)).all():
        raise BadInput(f"{name}: got {array.dtype} values; expected True where an image was right, False where not")
    return array.astype(bool)


def same_images(name: str, found: int, other: str, expected: int) -> None:
    """Raises BadInput unless both sides have as many images; that they are the same ones is the caller's to know."""
    if found != expected:
        raise BadInput(f"{name}: got {found} images; expected {expected}, the test images of {other}")


def whole(name: str, value: SupportsIndex, least: int = 0) -> int:
    """`value` as an int. Raises BadInput unless it is a whole number (no bool) of at least `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < least:
        raise BadInput(f"{name}: got {value!r}; expected a whole number of at least {least}")
    return int(value)


def inside(name: str, value: SupportsFloat, example: float) -> float:
    """`value` as a float. Raises BadInput unless it lies between 0 and 1, both excluded (a confidence, a level)."""
    number = real(name, value)
    if not 0 < number < 1:
        raise BadInput(f"{name}: got {value!r}; expected a number between 0 and 1, such as {example}")
    return number


def share(name: str, value: SupportsFloat) -> float:
    """`value` as a float. Raises BadInput unless it lies between 0 and 1, both included (an accuracy, a rate)."""
    number = real(name, value)
    if not 0 <= number <= 1:
        raise BadInput(f"{name}: got {value!r}; expected a share from 0 to 1 (98.93 % is 0.9893)")
    return number


def real(name: str, value: SupportsFloat) -> float:
    """`value` as a float. Raises BadInput for text, NaN and infinities."""
    from math import isfinite

    if isinstance(value, str | bytes | bool) or not hasattr(value, "__float__") or not isfinite(float(value)):
        raise BadInput(f"{name}: got {value!r}; expected a number")
    return float(value)


def numbers(name: str, values: Sequence[SupportsFloat], least: int) -> list[float]:
    """`values` as floats. Raises BadInput unless there are at least `least` of them, each a number."""
    found = [real(f"{name}[{i}]", value) for i, value in enumerate(values)]
    if len(found) < least:
        raise BadInput(f"{name}: got {counted(len(found), 'number')}; expected at least {least}")
    return found
