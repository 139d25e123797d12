"""Pictures of a latent space: what changes along a dimension, what lies between two images, what a decoder makes of
random codes.
"""

import numpy as np
import torch
from torch import Tensor

from smallvision.nn.autoencoders.base import Autoencoder
from smallvision.tasks.reconstruction.learn import ReconstructionLearner

DIMENSIONS, STEPS, REACH = (
    10,
    9,
    2.0,
)  # traversals: the dimensions of largest variance, from -2 to 2 standard deviations
SAMPLES = 20
PAIRS = 5  # rows of interpolations
SEED = 0  # of samples and pairs: the same for every network, so that they can be compared


def pictures(
    learner: ReconstructionLearner,
    model: Autoencoder,
    representation: np.ndarray,
    ends: np.ndarray,
    device: torch.device,
) -> dict[str, np.ndarray]:
    """Traversals, samples and interpolations of an autoencoder.

    A traversal begins at the mean representation and changes one dimension, no further than to values that occur.
    Samples are what a variational decoder makes of codes from the standard normal distribution, which it was taught. A
    plain one was taught no distribution: its codes are normal with the mean and covariance of the representation.

    Parameters
    ----------
    representation : float32 (N, D), of the shown split.
    ends : int64 (pairs, 2), from `pairs`.

    Returns
    -------
    dict : `traversals` uint8 (dims, STEPS, C, H, W), `traversal_dimensions` int64 (dims,), largest variance first;
        `samples` uint8 (SAMPLES, C, H, W); where there are two images or more, `interpolations` uint8 (pairs, STEPS, C,
        H, W) from one image to the other by equal steps, `interpolation_index` int64 (pairs, 2), which images.
    """
    values = representation.astype(np.float64)
    mean, spread = values.mean(0), values.std(0)
    walked = np.argsort(-spread, kind="stable")[:DIMENSIONS]
    ways = np.tile(mean, (len(walked), STEPS, 1))  # (dims, STEPS, D)
    for row, dimension in enumerate(walked):
        ways[row, :, dimension] += np.linspace(-REACH, REACH, STEPS) * spread[dimension]
    ways = ways.clip(values.min(0), values.max(0))
    out = {"traversals": _decoded(learner, model, ways, device), "traversal_dimensions": walked.astype(np.int64)}
    codes = drawn(values.shape[1]) if model.variational else _like(values)
    out["samples"] = _decoded(learner, model, codes, device)
    if len(ends):
        out |= {"interpolations": _decoded(learner, model, between(values, ends), device), "interpolation_index": ends}
    return out


def pairs(count: int) -> np.ndarray:
    """Indices of the image pairs to interpolate between, of `count` images: int64 (at most PAIRS, 2). No image is in
    two pairs, and the pairs are the same for all networks."""
    some = np.random.default_rng(SEED).permutation(count)[: 2 * PAIRS]
    return some[: len(some) // 2 * 2].reshape(-1, 2).astype(np.int64)


def drawn(size: int) -> np.ndarray:
    """Codes from the standard normal distribution: float64 (SAMPLES, size)."""
    return np.random.default_rng(SEED).standard_normal((SAMPLES, size))


def between(values: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """From the codes of one image to those of another by equal steps: (pairs, STEPS, D), for codes (N, D) and ends
    (pairs, 2).
    """
    share = np.linspace(0, 1, STEPS)[:, None]
    out: np.ndarray = (1 - share) * values[ends[:, 0], None] + share * values[ends[:, 1], None]
    return out


def as_bytes(pixels: Tensor) -> np.ndarray:
    """Pixels in [0, 1], clamped to it, as uint8."""
    return (pixels.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()


def _like(values: np.ndarray) -> np.ndarray:
    """Codes from the normal distribution with the mean and covariance of codes (N, D): float64 (SAMPLES, D).

    A sum of the centred codes with normal weights has their covariance, however few of them there are.
    """
    weights = drawn(len(values)) / np.sqrt(max(len(values) - 1, 1))
    out: np.ndarray = values.mean(0) + weights @ (values - values.mean(0))
    return out


def _decoded(
    learner: ReconstructionLearner, model: Autoencoder, representation: np.ndarray, device: torch.device
) -> np.ndarray:
    """Images uint8 (.., C, H, W) of representations (.., D)."""
    rows = torch.from_numpy(representation.reshape(-1, representation.shape[-1])).to(device, torch.float32)
    made = model.decode(rows).float()
    pixels = as_bytes(model.to_pixels(made) if learner.spec.target == "normalized" else made)
    return pixels.reshape(*representation.shape[:-1], *pixels.shape[1:])
