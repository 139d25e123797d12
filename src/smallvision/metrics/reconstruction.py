"""How far images are from their reconstructions: squared error, PSNR and SSIM of every image, for pixels in [0, 1].

Nothing is clamped: values outside the range from 0 to 1 count with their full error.
"""

import torch
from torch import Tensor

WINDOW, SIGMA = 11, 1.5  # Wang et al. 2004, section III-C
C1, C2 = 0.01**2, 0.03**2  # (K1 L)^2 and (K2 L)^2 with L = 1
LEAST_ERROR = 1e-10  # 100 dB: an image without error has a finite PSNR, too


def squared_error(reconstructions: Tensor, images: Tensor) -> Tensor:
    """Mean squared error of each image over channels and positions.

    Parameters
    ----------
    reconstructions, images : (B, C, H, W), pixels in [0, 1].

    Returns
    -------
    Tensor : float32 (B,).
    """
    return (reconstructions.float() - images.float()).square().mean((1, 2, 3))


def psnr(error: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in decibels, 10 log10(1 / error), at most 100.

    Parameters
    ----------
    error : (B,), from `squared_error`.
    """
    return -10 * error.clamp(min=LEAST_ERROR).log10()


def ssim(reconstructions: Tensor, images: Tensor) -> Tensor:
    """Structural similarity of each image, 1 for equal ones: the mean over channels and over windows about every pixel.

    The window is Gaussian, 11x11, of standard deviation 1.5 (Wang, Bovik, Sheikh & Simoncelli 2004, formula 13, with
    the constants of section III-C). Beyond its borders an image is reflected, as in torchmetrics (the authors' own code
    leaves out windows that cross a border: about half of those of a 32x32 image); where a side has fewer than 6 pixels,
    it is reflected several times.

    Parameters
    ----------
    reconstructions, images : (B, C, H, W), pixels in [0, 1].

    Returns
    -------
    Tensor : float32 (B,).
    """
    x, y = reconstructions.float(), images.float()
    down, across = _windows(x.shape[2], x), _windows(x.shape[3], x).t()  # (H, H), (W, W)

    def weighed(values: Tensor) -> Tensor:
        return down @ values @ across  # (B, C, H, W)

    mean_x, mean_y = weighed(x), weighed(y)
    variance_x = (weighed(x.square()) - mean_x.square()).clamp(min=0)
    variance_y = (weighed(y.square()) - mean_y.square()).clamp(min=0)
    covariance = weighed(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + C1) / (mean_x.square() + mean_y.square() + C1)
    contrast_and_structure = (2 * covariance + C2) / (variance_x + variance_y + C2)
    return (luminance * contrast_and_structure).mean((1, 2, 3))


def _windows(size: int, like: Tensor) -> Tensor:
    """Row i holds the weight of every pixel in the window about pixel i: (size, size). A Gaussian is the product of two
    such."""
    offsets = torch.arange(WINDOW) - WINDOW // 2
    weights = (-0.5 * (offsets.double() / SIGMA).square()).exp()
    period = max(2 * (size - 1), 1)  # of 0, 1, .., size - 1, .., 1 and again
    place = (torch.arange(size)[:, None] + offsets) % period
    place = torch.minimum(place, period - place) if size > 1 else torch.zeros_like(place)
    rows = torch.zeros(size, size, dtype=torch.float64)
    rows.scatter_add_(1, place, (weights / weights.sum()).expand(size, WINDOW))
    return rows.to(like.device, torch.float32)
