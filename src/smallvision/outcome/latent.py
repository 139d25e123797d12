"""Pictures of a latent space: what changes along a dimension, what lies between two images, what a variational decoder draws."""

import numpy as np
import torch
from torch import Tensor

from smallvision.nn.autoencoder import Autoencoder
from smallvision.tasks import Reconstruct

DIMENSIONS, STEPS, REACH = 10, 9, 2.0      # traversals: the dimensions of largest variance, from -2 to 2 standard deviations
SAMPLES = 20
PAIRS = 5                                  # rows of interpolations
SEED = 0                                   # of samples and pairs: the same for every network, so that they can be compared


def pictures(task: Reconstruct, model: Autoencoder, representation: np.ndarray, device: torch.device) -> dict[str, np.ndarray]:
    """Traversals of any autoencoder, and of a variational one samples and interpolations.

    A traversal begins at the mean representation and changes one dimension, no further than to values that occur.

    Parameters
    ----------
    representation : float32 (N, D), of the shown split.

    Returns
    -------
    dict : `traversals` uint8 (dims, STEPS, C, H, W), `traversal_dimensions` int64 (dims,), largest variance first; of a variational
        network `samples` uint8 (SAMPLES, C, H, W), `interpolations` uint8 (pairs, STEPS, C, H, W) from one image to the other by equal
        steps, `interpolation_index` int64 (pairs, 2), which images.
    """
    values = representation.astype(np.float64)
    mean, spread = values.mean(0), values.std(0)
    walked = np.argsort(-spread, kind="stable")[:DIMENSIONS]
    ways = np.tile(mean, (len(walked), STEPS, 1))                                                  # (dims, STEPS, D)
    for row, dimension in enumerate(walked):
        ways[row, :, dimension] += np.linspace(-REACH, REACH, STEPS) * spread[dimension]
    ways = ways.clip(values.min(0), values.max(0))
    out = {"traversals": _decoded(task, model, ways, device), "traversal_dimensions": walked.astype(np.int64)}
    if model.variational:
        draw = np.random.default_rng(SEED)
        out["samples"] = _decoded(task, model, draw.standard_normal((SAMPLES, values.shape[1])), device)
        pairs = draw.permutation(len(values))[: 2 * PAIRS]
        pairs = pairs[: len(pairs) // 2 * 2].reshape(-1, 2)
        share = np.linspace(0, 1, STEPS)[:, None]
        between = (1 - share) * values[pairs[:, 0], None] + share * values[pairs[:, 1], None]      # (pairs, STEPS, D)
        out |= {"interpolations": _decoded(task, model, between, device), "interpolation_index": pairs.astype(np.int64)}
    return out


def as_bytes(pixels: Tensor) -> np.ndarray:
    """Pixels in [0, 1], clamped to it, as uint8."""
    return (pixels.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()


def _decoded(task: Reconstruct, model: Autoencoder, representation: np.ndarray, device: torch.device) -> np.ndarray:
    """Images uint8 (.., C, H, W) of representations (.., D)."""
    rows = torch.from_numpy(representation.reshape(-1, representation.shape[-1])).to(device, torch.float32)
    made = model.decode(rows).float()
    pixels = as_bytes(model.to_pixels(made) if task.spec.target == "normalized" else made)
    return pixels.reshape(*representation.shape[:-1], *pixels.shape[1:])
