"""What a report shows of a run: chosen images, the mistakes among them, the first layer's weights."""

import numpy as np
import torch
from torch import nn

from smallvision.data.images import ImageSet

SHOWN = 20
FILTERS = 64


def chosen(images: ImageSet, predictions: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """The first images, the first mistakes and the most confident mistakes of a split.

    Parameters
    ----------
    images : N images in the split's own order.
    predictions : int64 (N,).
    probabilities : float32 (N, K).

    Returns
    -------
    dict : `first_*`, `mistake_*`, `confident_*`, each `index` int64 (n,) into the split and `pixels` uint8 (n, C, H, W).
    """
    labels = images.labels.cpu().numpy()
    wrong = np.flatnonzero(predictions != labels)                       # indices of the mistakes, not their number
    confidence = probabilities[wrong, predictions[wrong]]
    by_confidence = wrong[np.argsort(-confidence, kind="stable")]
    picks = {"first": np.arange(min(SHOWN, len(labels))), "mistake": wrong[:SHOWN], "confident": by_confidence[:SHOWN]}
    out = {}
    for name, index in picks.items():
        out[f"{name}_index"] = index.astype(np.int64)
        out[f"{name}_pixels"] = images.pixels[torch.from_numpy(index).to(images.labels.device)].cpu().numpy()
    return out


def filters(model: nn.Module, shape: tuple[int, int, int]) -> np.ndarray:
    """The first layer's weights as pictures: a convolution's kernels, or a dense layer's rows in the image's shape.

    Returns
    -------
    np.ndarray : float32 (F, C, kh, kw), at most FILTERS of them; (0, C, 1, 1) for a network that has neither.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            return module.weight.detach()[:FILTERS].float().cpu().contiguous().numpy()
        if isinstance(module, nn.Linear) and module.in_features == shape[0] * shape[1] * shape[2]:
            return module.weight.detach()[:FILTERS].reshape(-1, *shape).float().cpu().numpy()
    return np.zeros((0, shape[0], 1, 1), np.float32)
