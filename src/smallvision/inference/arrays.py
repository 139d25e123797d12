"""Arrays of new images, brought to the pixels of a run: their numbers are read as those of its training images were."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smallvision.data.datasets.array_survey import ends, kind_of, number
from smallvision.data.datasets.members import as_array
from smallvision.data.source import PixelRange
from smallvision.errors import BadInput


def as_trained(
    images: Tensor | NDArray[Any], taken: PixelRange | None, shape: tuple[int, int, int], any_size: bool, what: str
) -> Tensor:
    """Images as the network takes them, (N, C, H, W).

    Parameters
    ----------
    images : an array or a tensor (N, C, H, W), or (N, H, W, C) where the network's shape tells that from the former.
    taken : which numbers of the training images became black and white, and of which type they were. Arrays of that
        type are read by it. Others are uint8, or floats from 0 to 1.
    shape : (C, H, W) of the training images.
    any_size : whether the network takes images of any H and W.
    what : the name of the method that asks, for messages.

    Returns
    -------
    Tensor : uint8 where the numbers were read by the run's range; otherwise of the type given.

    Raises
    ------
    BadInput : no array of numbers; numbers outside of the run's range, NaN; numbers of another type that could be meant
        by the run's range as well as by their own.
    """
    try:
        array = as_array(images)
    except (ValueError, TypeError, RuntimeError) as error:
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BadInput(f"{what}: this cannot be read as an array ({line}); pass uint8 pixels (N, C, H, W)") from None
    kind = kind_of(array.dtype)
    if kind is None:
        raise BadInput(f"{what}: got an array of {array.dtype}; pass uint8 pixels (N, C, H, W), or floats from 0 to 1")
    if taken is not None and array.size and _reads(taken, kind):
        _refuse_outside(taken, array, what)
        _refuse_doubtful(taken, kind, array, what)
        array = taken.to_uint8(array)
    elif taken is not None and array.size:
        _refuse_doubtful(taken, kind, array, what)
    native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    return _channels_first(shape, any_size, torch.from_numpy(native if native.flags.writeable else native.copy()))


def _reads(taken: PixelRange, kind: str) -> bool:
    """Whether arrays of this kind are read by the run's range, and not by their own."""
    match taken.type:
        case "floats" | "float files":
            return kind == "floats"
        case "uint8":
            return kind in ("uint8", "integers", "bool")
        case "integers":
            return kind == "integers" or (kind == "uint8" and taken.black >= 0 and taken.white <= 255)
        case "bool":
            return kind == "bool"
    return kind == "integers"  # image files of more than 8 bits


def _refuse_outside(taken: PixelRange, array: NDArray[Any], what: str) -> None:
    inside = (array >= taken.black) & (array <= taken.white)  # False for NaN
    if not inside.all():
        beyond = array[~inside]
        raise BadInput(
            f"{what}: {beyond.size:,} of {array.size:,} values are not from {number(taken.black)} (black) to "
            f"{number(taken.white)} (white), which is how this run reads {taken.type}; the first of them is "
            f"{float(beyond.flat[0]):.6g}; clip them, or pass uint8 pixels from 0 to 255"
        )


def _refuse_doubtful(taken: PixelRange, kind: str, array: NDArray[Any], what: str) -> None:
    """Refuse numbers that would be nearly black as they are read, and have brightness if read the other way."""
    high = float(array.max())
    if kind == "floats" and _reads(taken, kind):
        if taken.black == 0 and taken.white > 2 and 0 < high <= 1:
            raise BadInput(
                f"{what}: floats up to {high:.4g}, but in this run {number(taken.white)} is white; pass floats up to "
                f"{number(taken.white)}, or uint8 pixels"
            )
    elif kind == "uint8" and not _reads(taken, kind) and taken.black == 0 and 0 < high <= taken.white < 128:
        raise BadInput(
            f"{what}: uint8 up to {high:.0f}, but this run was trained on {taken.type} of "
            f"{ends(taken.black, taken.white)}; pass {taken.type} in that range, or uint8 pixels from 0 to 255"
        )


def _channels_first(shape: tuple[int, int, int], any_size: bool, pixels: Tensor) -> Tensor:
    """(N, C, H, W), of (N, H, W, C) too where only the latter is of the network's shape."""
    channels, *size = shape
    if pixels.ndim != 4 or pixels.shape[1] == channels or pixels.shape[3] != channels:
        return pixels
    return pixels.permute(0, 3, 1, 2) if any_size or list(pixels.shape[1:3]) == size else pixels
