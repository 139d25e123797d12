"""A finished verifier asked about new images: are the two of a pair of one class?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smallvision.data.readers import image_file
from smallvision.errors import BadInput, counted
from smallvision.inference import predict
from smallvision.inference.predict import Loaded
from smallvision.metrics.calibration import Calibration
from smallvision.nn.siamese import Siamese
from smallvision.tasks.verification.pairs import judged

Several = Tensor | np.ndarray | Sequence[str | Path]
Images = Several | str | Path


def same(
    loaded: Loaded, one: Images, other: Images, verifier: Mapping[str, float]
) -> dict[str, Any] | list[dict[str, Any]]:
    """Whether the two images of a pair, or of each of several pairs, are of one class.

    Parameters
    ----------
    loaded : of a verifier's run.
    one, other : an image each: pixels (C, H, W), uint8 or float in [0, 1], of the model's own shape, or an image file
        of any size and mode. Or as many of either, paired in their order: pixels (N, C, H, W), or a list of files.
    verifier : `slope`, `intercept` and `threshold`, as in the run's result.

    Returns
    -------
    dict, or a list of them : `same`; `probability` that they are, where half of all pairs are; `distance` of the
        representations; of files that were brought to the model's size and mode `notes`, a line for each. The same bits
        whichever image comes first.

    Raises
    ------
    BadInput : other shapes, other integers, floats outside [0, 1]; a file that is not an image; an image without
        another.
    """
    sides, alone = zip(*map(_several, (one, other)), strict=True)
    if alone[0] != alone[1]:
        raise BadInput("same: got one image on one side and several on the other; pass equally many on both sides")
    rows = _judged(loaded, [predict.pixels(loaded, side, "same") for side in sides], verifier)
    for place, row in enumerate(rows):
        files = [Path(side[place]) for side in sides if not isinstance(side, Tensor | np.ndarray)]
        notes = brought(loaded, files)
        row |= {"notes": notes} if notes else {}
    return rows[0] if alone[0] else rows


def brought(loaded: Loaded, paths: Sequence[Path]) -> tuple[str, ...]:
    """What is done to image files of another size or mode than the model's, a line for each. Raises BadInput."""
    wanted = loaded.shape[0] == 1, *loaded.shape[1:]
    found = {path: image_file.read_header(path) for path in dict.fromkeys(paths)}
    return tuple(
        f"{path} is {_named(*own)} and was converted to {_named(*wanted)}"
        for path, own in found.items()
        if own != wanted
    )


def _judged(loaded: Loaded, sides: Sequence[Tensor], verifier: Mapping[str, float]) -> list[dict[str, Any]]:
    """The answer to each pair of pixels, (N, C, H, W) a side."""
    assert isinstance(loaded.model, Siamese)
    count, others = map(len, sides)
    if count != others or not count:
        raise BadInput(f"same: got {count} and {counted(others, 'image')}; pass at least one pair")
    # Each side by itself: an image then has the same place in a batch, and so the same bits, on whichever side it is.
    made = torch.cat(
        [torch.from_numpy(predict.encode(loaded, predict.in_unit(loaded, pixels, "same"))) for pixels in sides]
    )
    scores, distances = judged(loaded.model, made, np.arange(2 * count).reshape(2, -1).T)
    likely = Calibration(verifier["slope"], verifier["intercept"]).probability(scores)
    return [
        {"same": bool(share >= verifier["threshold"]), "probability": float(share), "distance": float(distance)}
        for share, distance in zip(likely, distances, strict=True)
    ]


def _several(images: Images) -> tuple[Several, bool]:
    """Images as several, and whether it was one alone."""
    if isinstance(images, str | Path):
        return [images], True
    return (images[None], True) if isinstance(images, Tensor | np.ndarray) and images.ndim == 3 else (images, False)


def _named(gray: bool, height: int, width: int) -> str:
    return f"{height}x{width} in {'gray' if gray else 'colour'}"
