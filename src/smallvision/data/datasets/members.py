"""A named array before it is used: in memory, or still in its file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallvision.errors import BadInput, first_line

_SEVERAL = 'images of several sizes need source = "folder"'


@dataclass(frozen=True)
class Member:
    """One array, possibly still in its file.

    Parameters
    ----------
    name : the name in messages, such as "data.npz: x_train".
    shape, dtype : of the whole array.
    parts : number of rows at a time -> arrays of that many rows (the last one may have fewer), in order.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    parts: Callable[[int], Iterator[NDArray[Any]]]

    def whole(self) -> NDArray[Any]:
        """The whole array."""
        parts = list(self.parts(max(1, self.shape[0])))
        return np.concatenate(parts) if parts else np.zeros(self.shape, self.dtype)


def in_memory(name: str, value: Any) -> Member:
    """An array, a tensor or nested lists as a member.

    Floating-point tensors of types that numpy does not have (bfloat16 and those of 8 bits) become float32, which holds
    all their numbers.

    Raises
    ------
    BadInput : it is not an array, or not an array of numbers.
    """
    try:
        array = as_array(value)
    except ValueError:
        raise BadInput(f"{name}: the rows have different lengths; {_SEVERAL}") from None
    except (TypeError, RuntimeError) as error:  # a tensor that no array can hold: sparse, quantised, without storage
        raise BadInput(
            f"{name}: this cannot be read as an array ({first_line(error)}); pass a numpy array of uint8"
        ) from None
    if array.dtype.hasobject:
        raise BadInput(f"{name}: got {type(value).__name__} of {array.dtype}; {_cure_of_objects(array)}")
    if not array.shape:
        raise BadInput(f"{name}: got {type(value).__name__} of {array.dtype}; expected an array of numbers")

    def parts(at_once: int) -> Iterator[NDArray[Any]]:
        for first in range(0, len(array), at_once):
            yield array[first : first + at_once]

    return Member(name, array.shape, array.dtype, parts)


def as_array(value: Any) -> NDArray[Any]:
    """An array, a tensor or nested lists as an array of numpy. Raises ValueError, TypeError and RuntimeError."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if value.dtype.is_floating_point and str(value.dtype) not in ("torch.float16", "torch.float32"):
            value = value.double() if str(value.dtype) == "torch.float64" else value.float()
    array = np.asarray(value)
    if array.dtype.kind == "V" and array.dtype.names is None and array.dtype.name.startswith(("bfloat", "float")):
        return array.astype(np.float32)  # of the package ml_dtypes
    return array


def _cure_of_objects(array: NDArray[Any]) -> str:
    """What to give in place of an array of Python objects."""
    shapes = {np.shape(one) for one in array.ravel()[:10_000]}
    if len(shapes) > 1:
        return _SEVERAL
    return "pass numbers, for example numpy.stack(x)" if shapes - {()} else "expected an array of numbers"
