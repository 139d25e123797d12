"""Exact principal component analysis (Pearson 1901; Hotelling 1933) of images: the best that any linear encoder and
decoder can do.

The covariance is summed in blocks of images and its eigenvectors are taken, so that memory holds D x D numbers beside
the images, and never a second copy of them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from smallvision.data.doubles import home

EXACT_ROWS = 1024  # 1024 * 128^2 = 2^24: float32 sums that many products of bytes without rounding
COLUMNS = 768
ROWS = 2048  # images at a time, where nothing else limits them


@dataclass(frozen=True, eq=False)
class Pca:
    """The principal components of images of D pixels in [0, 1].

    Parameters
    ----------
    mean : float64 (D,).
    components : float64 (K, D), orthonormal rows, largest variance first; K is the smaller of D and the number of
        images. Of each the value of largest magnitude is positive, so that two computations agree.
    variances : float64 (K,), of the images along each component, over N - 1.
    """

    mean: Tensor
    components: Tensor
    variances: Tensor

    def project(self, images: Tensor, k: int) -> Tensor:
        """Coordinates float64 (N, k) of images along the first k components; images as in `fit`, of any number."""
        self._check(images, k)
        rows = images.flatten(1)
        return torch.cat([self._centred(block) @ self.components[:k].t() for block in rows.split(ROWS)])  # type: ignore[no-untyped-call]

    def error(self, images: Tensor, k: int) -> Tensor:
        """Mean squared error of each image over its pixels, after k components: float64 (N,).

        By Pythagoras it is the square of the centred image less that of its coordinates, exact to about 1e-16 of the
        former.
        """
        self._check(images, k)
        errors = []
        for block in images.flatten(1).split(ROWS):  # type: ignore[no-untyped-call]
            centred = self._centred(block)
            kept = (centred @ self.components[:k].t()).square().sum(1)
            errors.append((centred.square().sum(1) - kept).clamp(min=0) / len(self.mean))
        return torch.cat(errors)

    def _centred(self, rows: Tensor) -> Tensor:
        return _in_unit(rows) - self.mean

    def _check(self, images: Tensor, k: int) -> None:
        if images[:1].numel() != len(self.mean):
            raise ValueError(f"images: they have {images[:1].numel()} pixels, but the components have {len(self.mean)}")
        if not 1 <= k <= len(self.components):
            raise ValueError(f"k: {k}; expected 1 to {len(self.components)}, the number of components")


def fit(images: Tensor) -> Pca:
    """All principal components of images.

    Bytes are summed as they are, in whole numbers: less 128, their products need 14 bits, and float32 sums 1024 of
    these without rounding. So the covariance is exact up to its last division, at the speed of float32. Other numbers
    are summed in float64.

    Parameters
    ----------
    images : uint8 (N, ...), taken as pixels / 255, or floats (N, ...); N >= 2, of the same device as the result
        (which is on the CPU where the device has no float64).

    Raises
    ------
    ValueError : fewer than two images.
    """
    count = len(images)
    if count < 2:
        raise ValueError(f"images: {count}; a variance needs at least two")
    rows = home(images.flatten(1))
    exact = images.dtype == torch.uint8
    # The nearer to the mean, the less precision the difference below loses.
    shift = 128.0 if exact else rows[:ROWS].double().mean().item()
    kind = torch.float32 if exact else torch.float64
    size = rows.shape[1]
    total = torch.zeros(size, dtype=torch.float64, device=rows.device)
    products = torch.zeros(size, size, dtype=torch.float64, device=rows.device)
    for block in rows.split(EXACT_ROWS):  # type: ignore[no-untyped-call]
        values = block.to(kind) - shift
        total += values.sum(0, dtype=torch.float64)
        for first in range(0, size, COLUMNS):  # the lower triangle alone: what is above it is its mirror image
            products[first : first + COLUMNS, : first + COLUMNS] += (
                values[:, first : first + COLUMNS].t() @ values[:, : first + COLUMNS]
            )
    mean = total / count
    covariance = (products.tril_() - mean[:, None] * total).div_((count - 1) * (255**2 if exact else 1))
    # numpy's takes the lower triangle, and is 1.6 times as quick as torch's.
    eigen = np.linalg.eigh(covariance.cpu().numpy())
    variances, vectors = (torch.from_numpy(array).to(rows.device) for array in eigen)  # smallest first
    kept = min(count, size)
    components = vectors.flip(1)[:, :kept].t().contiguous()
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    components *= largest.sign()
    mean = (mean + shift) / (255 if exact else 1)
    return Pca(mean, components, variances.flip(0)[:kept].clamp(min=0))


def _in_unit(rows: Tensor) -> Tensor:
    """float64, bytes divided by 255."""
    wide = home(rows).double()
    return wide / 255 if rows.dtype == torch.uint8 else wide
