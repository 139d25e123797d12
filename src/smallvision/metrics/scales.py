"""Accuracy of a network that takes any size on images made smaller and larger than those it was trained on."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from smallvision.data.batching.batch import as_float
from smallvision.data.imageset import ImageSet

SCALES = (0.5, 2 / 3, 0.8, 1.0, 1.25, 1.5, 2.0)
IMAGES = 1000  # of the split, evenly spread; so the whole costs about as much as ten times as many
PIXELS = 2**22  # at a time


@torch.inference_mode()
def by_scale(model: nn.Module, images: ImageSet) -> dict[str, np.ndarray]:
    """Predictions for a split's images at several scales, resized bilinearly, antialiased when made smaller.

    Parameters
    ----------
    model : takes images of any size.
    images : the split; of more than IMAGES, that many are taken, evenly spread.

    Returns
    -------
    dict : `scales` float64 (S,), those of SCALES at which every image is still large enough for the network;
        `scaled_index` int64 (M,), which images; `scaled_predictions` int64 (S, M). Empty when no scale is left.
    """
    count = min(IMAGES, len(images))
    index = np.arange(count) * len(images) // count
    was_training = model.training
    model.eval()
    predicted = {
        scale: predictions for scale in SCALES if (predictions := _predictions(model, images, index, scale)) is not None
    }
    model.train(was_training)
    if not predicted:
        return {}
    return {
        "scales": np.array(list(predicted), np.float64),
        "scaled_index": index.astype(np.int64),
        "scaled_predictions": np.stack(list(predicted.values())),
    }


def resized(pixels: Tensor, scale: float) -> Tensor:
    """uint8 (B, C, H, W) -> floats in [0, 1] with sides of round(scale * side), at least 1."""
    size = [max(1, round(scale * side)) for side in pixels.shape[2:]]
    images = as_float(pixels)
    if scale == 1:
        return images
    return functional.interpolate(images, size, mode="bilinear", antialias=scale < 1, align_corners=False).clamp_(0, 1)


def _predictions(model: nn.Module, images: ImageSet, index: np.ndarray, scale: float) -> np.ndarray | None:
    """Int64 (M,); None when some image is too small at this scale."""
    out, start = [], 0
    for group in images.groups:
        mine = torch.from_numpy(index[(index >= start) & (index < start + len(group))] - start).to(group.device)
        start += len(group)
        at_once = max(1, int(PIXELS / (group[0].numel() * max(scale, 1) ** 2)))
        for some in torch.split(mine, at_once) if len(mine) else ():
            try:
                out.append(model(resized(group[some], scale)).argmax(1).cpu().numpy())
            except (RuntimeError, ValueError) as error:  # for a map smaller than the window over it
                if isinstance(error, torch.OutOfMemoryError):
                    raise
                return None
    return np.concatenate(out).astype(np.int64)
