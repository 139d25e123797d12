"""PCA as a baseline of an autoencoder: fitted on the same training images, scored on the same images as the network.

PCA is the best linear encoder and decoder for the training images and needs no training. An autoencoder with a higher
error has learned less than that.
"""

from math import prod

import numpy as np
import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from smallvision.data.doubles import home
from smallvision.data.imageset import ImageSet
from smallvision.metrics import pca

LARGEST = 8192  # pixels of an image, channels counted: the covariance has the square of that, and takes minutes
MOST = 1024  # components on the ladder, but for the last: of more, PCA is close to lossless
LADDER = (1, 1.25, 1.6, 2, 2.5, 3.2, 4, 5, 6.4, 8)  # steps of about 10^(1/10)
ROWS = 2048

# A cache of the fit to training images in memory, freed with them. `Task.full_scores` and `Task.evidence` need the same
# fit, and so do all runs and probes on the same images in a worker of a study; nothing could pass it on between them.
# The value depends on the pixels alone, which nobody changes, so a hit and a new fit are equal to the bit.
_FITTED: "WeakIdKeyDictionary" = WeakIdKeyDictionary()


def curve(train: ImageSet, images: ImageSet, components: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Mean squared error over pixels and images after several numbers of components.

    Parameters
    ----------
    train : images of one size, on which PCA is fitted.
    images : on which it is scored.
    components : a number that is included, if there are as many components.

    Returns
    -------
    tuple or None : numbers of components, int64 (k,), ascending up to all; errors, float64 (k,), descending. None if
        images are larger than LARGEST or there are fewer than two training images.
    """
    fitted = of(train)
    if fitted is None:
        return None
    size = len(fitted.mean)
    there = min(size, len(train) - 1)  # N images less their mean span N - 1 directions; a further one is any
    ladder = sorted({*(n for n in _ladder(min(there, MOST))), min(components, there), there})
    spans = there == size  # all components together: nothing is left, nothing to compute
    most = max((n for n in ladder if not (spans and n == there)), default=1)
    whole, kept = 0.0, torch.zeros(most, dtype=torch.float64, device=fitted.mean.device)
    for block in images.pixels.flatten(1).split(ROWS):  # type: ignore[no-untyped-call]
        centred = home(block).double() / 255 - fitted.mean
        whole += float(centred.square().sum())
        kept += (centred @ fitted.components[:most].t()).square().sum(0)  # Pythagoras, as in Pca.error
    left = (whole - kept.cumsum(0)).clamp(min=0) / (len(images) * size)
    errors = [0.0 if spans and n == there else float(left[n - 1]) for n in ladder]
    return np.array(ladder, np.int64), np.minimum.accumulate(np.array(errors))


def mean_image_error(train: ImageSet, images: ImageSet) -> float:
    """Mean squared error over pixels and images of the mean training image in the place of every image.

    It is what a network reaches whose representation says nothing. Parameters as for `curve`.
    """
    total = torch.zeros(train.pixels[0].numel(), dtype=torch.float64)  # on the CPU: not every device has float64
    for block in train.pixels.flatten(1).split(ROWS):  # type: ignore[no-untyped-call]
        total += block.sum(0).cpu()
    mean, left = total / (255 * len(train)), 0.0
    for block in images.pixels.flatten(1).split(ROWS):  # type: ignore[no-untyped-call]
        left += float((block.cpu().double() / 255 - mean).square().sum())
    return left / (len(images) * len(mean))


def of(train: ImageSet) -> pca.Pca | None:
    """Exact PCA of training images of one size; None if they are larger than LARGEST or fewer than two."""
    return None if prod(train.shape) > LARGEST or len(train) < 2 else _fitted(train.pixels)


def _ladder(most: int) -> list[int]:
    return [n for power in range(5) for step in LADDER if (n := round(step * 10**power)) <= most]


def _fitted(pixels: Tensor) -> pca.Pca:
    if pixels not in _FITTED:
        _FITTED[pixels] = pca.fit(pixels)
    found = _FITTED[pixels]
    assert isinstance(found, pca.Pca)
    return found
