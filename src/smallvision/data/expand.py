"""Expansion of a training set, once before training: the images, mirrored, and both with noise (REFERENCE R2.1)."""

import numpy as np
import torch
from torch import Tensor

from smallvision.data.ids import content_ids
from smallvision.data.imageset import ImageSet
from smallvision.data.seeds import mix
from smallvision.experiment.data import Expand

_EXPANSION = 3  # separates this draw from other draws with the same seed
_IMAGES_AT_ONCE = 256  # limits the memory of the noise, four bytes a pixel


def kinds(spec: Expand) -> tuple[str, ...]:
    """Names of the kinds of images, in the order in which `expand` puts them."""
    plain = ("original", "flipped") if spec.flip else ("original",)
    noisy = tuple({"original": "noisy", "flipped": "flipped and noisy"}[kind] for kind in plain)
    return plain + noisy if spec.noise else plain


def expand(images: ImageSet, spec: Expand, seed: int) -> ImageSet:
    """The images of every kind, kind after kind.

    Parameters
    ----------
    images : N images on the CPU.
    spec : ``flip`` mirrors left and right; ``noise`` is uniform in [-noise, noise] for pixels in [0, 1], clamped,
        stored as rounded uint8.
    seed : decides the noise.

    Returns
    -------
    ImageSet : len(kinds(spec)) * N images. With several sizes, kind after kind within each size.
    """
    generator = torch.Generator().manual_seed(mix(seed, _EXPANSION))
    copies = len(kinds(spec))
    groups = tuple(_expanded(group, spec, generator) for group in images.groups)
    sizes = [len(group) for group in images.groups]
    labels = torch.cat([part.repeat(copies) for part in torch.split(images.labels, sizes)])
    return ImageSet(groups, labels, content_ids(groups), images.classes, images.name)


def _expanded(pixels: Tensor, spec: Expand, generator: torch.Generator) -> Tensor:
    """All kinds of the images of one size, uint8 (kinds * n, C, H, W)."""
    copies = len(kinds(spec))
    out = torch.empty((copies, *pixels.shape), dtype=torch.uint8)
    out[0] = pixels
    plain = 2 if spec.flip else 1
    if spec.flip:
        for first in range(0, len(pixels), _IMAGES_AT_ONCE):
            out[1, first : first + _IMAGES_AT_ONCE] = pixels[first : first + _IMAGES_AT_ONCE].flip(3)
    for kind in range(plain, copies):
        for first in range(0, len(pixels), _IMAGES_AT_ONCE):
            clean = out[kind - plain, first : first + _IMAGES_AT_ONCE]
            out[kind, first : first + _IMAGES_AT_ONCE] = noisy(clean, spec.noise, generator)
    return out.flatten(0, 1)


def noisy(pixels: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """uint8 pixels with uniform noise from [-255 * amount, 255 * amount] added, clamped to [0, 255] and rounded."""
    noise = torch.empty(pixels.shape).uniform_(-255 * amount, 255 * amount, generator=generator).numpy()
    noise += pixels.numpy()  # in numpy, because torch is slower on blocks this small with several threads
    return torch.from_numpy(np.rint(noise.clip(0, 255, out=noise), out=noise).astype(np.uint8))
