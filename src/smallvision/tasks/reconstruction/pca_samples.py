"""Reconstructions, interpolations and samples by PCA, a linear autoencoder, to show beside those of an autoencoder.

Its codes are the images' coordinates along as many components as the representation has values; random ones are normal,
with the variance that the training images have along each component (probabilistic PCA less its noise; Tipping & Bishop
1999).
"""

import numpy as np
import torch

from smallvision.data.imageset import ImageSet
from smallvision.tasks.reconstruction import latent, pca_baseline


def pictures(
    train: ImageSet, images: ImageSet, components: int, first: np.ndarray, ends: np.ndarray
) -> dict[str, np.ndarray]:
    """Reconstructions, samples and interpolations by PCA.

    Parameters
    ----------
    train : images of one size, which PCA is fitted on.
    images : of the shown split, N of them.
    components : as many as there are at most are used.
    first : (n,), which images are reconstructed.
    ends : int64 (pairs, 2), which images are interpolated between, as by `latent.pairs`.

    Returns
    -------
    dict : `first_pca` uint8 (n, C, H, W), `first_pca_mse` float64 (n,), the error of each; `pca_samples` uint8
        (SAMPLES, C, H, W); where there are pairs `pca_interpolations` uint8 (pairs, STEPS, C, H, W). Empty where PCA is
        not fitted, see `pca_baseline.of`.
    """
    fitted = pca_baseline.of(train)
    if fitted is None:
        return {}
    k = min(components, len(fitted.components), len(train) - 1)
    directions, deviations = fitted.components[:k], fitted.variances[:k].sqrt()
    pixels, device = images.pixels, fitted.mean.device

    def decoded(codes: np.ndarray) -> np.ndarray:
        made = torch.from_numpy(codes.reshape(-1, k)).to(device) @ directions + fitted.mean
        return latent.as_bytes(made).reshape(*codes.shape[:-1], *images.shape)

    def encoded(index: np.ndarray) -> np.ndarray:
        return fitted.project(pixels[torch.from_numpy(index).to(pixels.device)], k).cpu().numpy()

    some = pixels[torch.from_numpy(first).to(pixels.device)]
    out = {
        "first_pca": decoded(encoded(first)),
        "first_pca_mse": fitted.error(some, k).cpu().numpy(),
        "pca_samples": decoded(latent.drawn(k) * deviations.cpu().numpy()),
    }
    if len(ends):
        places = np.arange(ends.size).reshape(ends.shape)
        out["pca_interpolations"] = decoded(latent.between(encoded(ends.ravel()), places))
    return out
