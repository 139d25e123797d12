"""Squared error, PSNR and SSIM against torchmetrics, and against a loop where torchmetrics has no answer."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from smallvision.metrics.reconstruction import psnr, squared_error, ssim


def pairs(count, channels, height, width, seed=0):
    """Smooth images, and reconstructions from nearly right to hopeless, some of them outside of [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(count, channels, 5, 5, generator=generator)
    images = torch.nn.functional.interpolate(small, (height, width), mode="bilinear", antialias=height < 5)
    amounts = torch.logspace(-3, 0, count).view(-1, 1, 1, 1)
    return images + amounts * torch.randn(images.shape, generator=generator), images


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (2, 11, 40), (1, 6, 9)])
def test_equal_to_torchmetrics(shape):
    made, images = pairs(12, *shape)
    error = squared_error(made, images)
    torch.testing.assert_close(error, (made - images).double().square().flatten(1).mean(1).float(), rtol=1e-5, atol=0)
    expected = peak_signal_noise_ratio(made, images, data_range=1.0, reduction="none", dim=(1, 2, 3))
    torch.testing.assert_close(psnr(error), expected, rtol=1e-5, atol=1e-5)
    expected = structural_similarity_index_measure(made, images, data_range=1.0, reduction="none")
    torch.testing.assert_close(ssim(made, images), expected, rtol=0, atol=1e-5)
    assert ssim(made, images)[0] > 0.9 > 0.5 > ssim(made, images)[-1]


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 3, 6), (1, 2, 5), (3, 1, 2)])
def test_windows_of_small_images_by_a_loop(shape):
    made, images = pairs(3, *shape)
    one = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights = np.outer(one, one) / one.sum() ** 2
    for found, x, y in zip(ssim(made, images), made.double().numpy(), images.double().numpy(), strict=True):
        values = []
        for channel in range(shape[0]):
            wide = [np.pad(some[channel], 5, mode="reflect") for some in (x, y)]
            for i in range(shape[1]):
                for j in range(shape[2]):
                    a, b = (some[i : i + 11, j : j + 11] for some in wide)
                    mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
                    var_a, var_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
                    both = (weights * (a - mean_a) * (b - mean_b)).sum()
                    values.append(
                        (2 * mean_a * mean_b + 1e-4)
                        * (2 * both + 9e-4)
                        / ((mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4))
                    )
        assert float(found) == pytest.approx(np.mean(values), abs=1e-5)


def test_equal_images():
    images = torch.rand(4, 3, 16, 16)
    assert squared_error(images, images).tolist() == [0.0] * 4
    assert psnr(squared_error(images, images)).tolist() == pytest.approx([100.0] * 4)
    torch.testing.assert_close(ssim(images, images), torch.ones(4))
