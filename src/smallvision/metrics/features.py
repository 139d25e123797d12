"""Features of images: a row of numbers for every image, either a model's representation of it or its own pixels."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from smallvision.data.batching.batch import epoch, in_order
from smallvision.data.imageset import ImageSet
from smallvision.errors import BadInput

KINDS = ("representation", "pixels")
LARGEST = 1e150  # a feature whose square is still a double


def features(model: nn.Module | None, images: ImageSet, what: str = "representation") -> np.ndarray:
    """The features of every image, in the set's own order.

    Parameters
    ----------
    model : on the images' device; `encode` takes pixels (B, C, H, W) in [0, 1] and gives (B, D). It is called in
        evaluation mode, without gradients; its modes are restored afterwards. It may be None for pixels.
    images : N images; they may have several sizes where the model takes them.
    what : "representation", what `model.encode` gives, or "pixels", C * H * W values in [0, 1].

    Returns
    -------
    np.ndarray : float32 (N, D).

    Raises
    ------
    BadInput : a model without `encode`, or whose `encode` gives anything but a row of numbers an image; images the
        model does not take; pixels of images of several sizes; another `what`.
    """
    if what not in KINDS:
        raise BadInput(f'what: got "{what}"; known: {", ".join(KINDS)}')
    if what == "pixels":
        bytes_ = images.pixels.flatten(1).cpu().numpy()
        return bytes_.astype(np.float32) / np.float32(255)  # (N, C * H * W)
    if not callable(getattr(model, "encode", None)):
        name = "no model" if model is None else type(model).__name__
        raise BadInput(
            f"a representation needs a model with encode(pixels) -> (B, D), which {name} does not have; pass such a "
            "model, or use pixels, which need no model"
        )
    assert model is not None
    with torch.inference_mode(), _evaluating(model):
        parts = [_encoded(model, batch.pixels) for batch in epoch(images, in_order(images))]
    widths = sorted({part.shape[1] for part in parts})
    if len(widths) > 1:
        raise BadInput(
            f"{type(model).__name__}.encode: it returns {widths[0]} to {widths[-1]} features for images of several "
            "sizes; set data.size = [height, width] to resize them to one"
        )
    return torch.cat(parts).numpy()


def checked(name: str, values: np.ndarray) -> np.ndarray:
    """Features as float32 or float64 (N, D) in C order, copied where they are not.

    Raises
    ------
    BadInput : another shape, no feature, values that are not numbers, not finite or beyond 1e150.
    """
    given = np.asarray(values)
    if given.ndim != 2 or not given.size or given.dtype.kind not in "fiub":
        raise BadInput(
            f"{name}: got {given.dtype} of shape {given.shape}; expected numbers of shape (images, features), at "
            "least one of each"
        )
    kind = given.dtype if given.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    rows: np.ndarray = np.require(given, kind, ["C", "W"])  # torch warns of arrays that it may not write to
    if not -LARGEST < float(rows.min()) <= float(rows.max()) < LARGEST:  # NaN compares as false, too
        bad = int((~(np.abs(rows.astype(np.float64)) < LARGEST)).any(axis=1).sum())
        raise BadInput(
            f"{name}: {bad:,} of {len(rows):,} images have features that are not finite (or beyond {LARGEST:g})"
        )
    return rows


def checked_labels(name: str, values: np.ndarray, count: int) -> np.ndarray:
    """Labels as int64 (N,). Raises BadInput unless there is a whole number from 0 for each of `count` images, at least
    one."""
    given = np.asarray(values)
    if given.shape != (count,) or not count or given.dtype.kind not in "iu" or int(given.min()) < 0:
        raise BadInput(
            f"{name}: got {given.dtype} of shape {given.shape}; expected a class, 0 or more, for each of {count:,} "
            "images"
        )
    return given.astype(np.int64)


def _encoded(model: nn.Module, pixels: Tensor) -> Tensor:
    """Float32 (B, D) on the CPU, of one batch."""
    try:
        encoded = model.encode(pixels)  # type: ignore[operator]
    except (RuntimeError, ValueError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise BadInput(
            f"{type(model).__name__}.encode: it does not accept images of {'x'.join(map(str, pixels.shape[1:]))} "
            f"({(str(error).splitlines() or [''])[0]})"
        ) from error
    if not isinstance(encoded, Tensor) or encoded.ndim != 2 or len(encoded) != len(pixels) or encoded.is_complex():
        got = tuple(encoded.shape) if isinstance(encoded, Tensor) else type(encoded).__name__
        raise BadInput(
            f"{type(model).__name__}.encode: it returns {got} for {len(pixels)} images; expected a row of numbers "
            f"for each, ({len(pixels)}, D)"
        )
    return encoded.float().cpu()


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode; afterwards every part has its own mode again (a frozen encoder's differs from its
    classifier's)."""
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
