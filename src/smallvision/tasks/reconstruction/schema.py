"""The schema of a reconstruction's files: scores, arrays of evidence.npz, and how they must agree. No torch."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from smallvision.storage.arrays import ArraySchema
from smallvision.storage.schema import AMOUNT, NUMBER, TEXT, WHOLE, damaged
from smallvision.tasks.base import Schema

ARRAYS = ArraySchema(
    table={
        "mse": ("f", ("N",)),
        "psnr": ("f", ("N",)),
        "ssim": ("f", ("N",)),
        "representation": ("f", ("N", "D")),
        "first_reconstructions": ("u", ("first", "C", "H", "W")),
        "first_noisy": ("u", ("first", "C", "H", "W")),
        "worst_index": ("i", ("worst",)),
        "worst_pixels": ("u", ("worst", "C", "H", "W")),
        "worst_reconstructions": ("u", ("worst", "C", "H", "W")),
        "worst_noisy": ("u", ("worst", "C", "H", "W")),
        "panel_reconstructions": ("u", ("kinds", "n", "C", "panel H", "panel W")),
        "pca_components": ("i", ("ladder",)),
        "pca_mse": ("f", ("ladder",)),
        "spectrum": ("f", ("directions",)),
        "traversals": ("u", ("walked", "steps", "C", "H", "W")),
        "traversal_dimensions": ("i", ("walked",)),
        "samples": ("u", ("drawn", "C", "H", "W")),
        "first_pca": ("u", ("first", "C", "H", "W")),
        "first_pca_mse": ("f", ("first",)),
        "pca_samples": ("u", ("drawn", "C", "H", "W")),
        "pca_interpolations": ("u", ("pairs", "between", "C", "H", "W")),
        "interpolations": ("u", ("pairs", "between", "C", "H", "W")),
        "interpolation_index": ("i", ("pairs", "2")),
    },
    always=("mse", "psnr", "ssim", "representation"),
    points={
        **dict.fromkeys(("worst_index", "interpolation_index"), "N"),
        "traversal_dimensions": "D",
    },
    together=(
        ("first_reconstructions", "worst_reconstructions"),
        ("worst_index", "worst_pixels"),
        ("worst_index", "worst_reconstructions"),
        ("first_noisy", "worst_noisy"),
        ("pca_components", "pca_mse"),
        ("traversals", "traversal_dimensions"),
        ("interpolations", "interpolation_index"),
        ("first_pca", "first_pca_mse"),
        ("first_pca", "pca_samples"),
    ),
    needs=(("first_pca", "first_index"), ("pca_interpolations", "interpolations")),
)


def check(file: Path, arrays: Mapping[str, np.ndarray], sizes: Mapping[str, int]) -> None:
    """Errors are no less than 0, the worst are the worst, more components leave no more error."""
    error, worst = arrays["mse"], arrays.get("worst_index", np.zeros(0, np.int64))
    for name in ("mse", "pca_mse", "first_pca_mse", "spectrum"):
        if (arrays.get(name, error) < 0).any():
            raise damaged(file, f"{name} has values below 0")
    if len(np.unique(worst)) != len(worst) or not np.array_equal(error[worst], np.sort(error)[::-1][: len(worst)]):
        raise damaged(file, "worst_index does not refer to the images with the highest mse")
    counts, left = (arrays.get(name, np.zeros(0)) for name in ("pca_components", "pca_mse"))
    if (np.diff(counts, prepend=0) < 1).any() or (np.diff(left) > 0).any():
        raise damaged(file, "pca_components must increase from 1, and pca_mse must not increase with them")
    if len(arrays.get("spectrum", ())) > sizes["D"]:
        raise damaged(file, f"spectrum has {len(arrays['spectrum'])} values, more than D = {sizes['D']}")


DESCRIPTIONS = {
    "loss": "The mean loss of an image, as the network is trained by it.",
    "mse": "The mean squared error of the pixels, which are between 0 and 1; as an array, that of each image.",
    "psnr": "The peak signal-to-noise ratio in dB; as an array, that of each image.",
    "ssim": "The structural similarity (Wang et al. 2004); as an array, that of each image.",
    "noisy_mse": "The mse of reconstructions of noisy images, where the network is trained to remove noise.",
    "kl": "The Kullback-Leibler divergence of a variational network, in nats an image.",
    "elbo": "The evidence lower bound of a variational network, in nats an image.",
    "mse_interval": "The 95 % interval of the mse, by Student's t over the images.",
    "pca": "What principal component analysis reaches, fitted on the training images, on the same images.",
    "pca.components": "Its number of components, that of the representation's dimensions.",
    "pca.mse": "Its mean squared error.",
    "mean_image_mse": "The mse of the mean training image in the place of every reconstruction.",
    "per_class": "The figures of each class.",
    "per_class[].class": "The name of the class.",
    "per_class[].support": "The number of images of this class.",
    "per_class[].mse": "Their mean squared error; null without an image.",
    "per_class[].psnr": "Their mean peak signal-to-noise ratio; null without an image.",
    "per_class[].ssim": "Their mean structural similarity; null without an image.",
    "dimensions": "How many dimensions the representation really uses.",
    "dimensions.dead": "The number of dimensions that are constant.",
    "dimensions.duplicates": "The number of dimensions that another one determines, by its correlation with them.",
    "dimensions.effective_rank": "The exponential of the entropy of the spectrum (Roy & Vetterli 2007).",
    "representation": "The representation of each image.",
    "first_reconstructions": "The reconstructions of first_pixels.",
    "first_noisy": "The noisy images that they were made from.",
    "worst_index": "The 20 images of the highest mse, the worst first: their rows.",
    "worst_pixels": "Their pixels.",
    "worst_reconstructions": "Their reconstructions.",
    "worst_noisy": "The noisy images that these were made from.",
    "panel_reconstructions": "The reconstructions of panel_pixels.",
    "pca_components": "Numbers of components, growing, at which PCA was measured.",
    "pca_mse": "The mean squared error of PCA at each.",
    "spectrum": "The variances of the representation along its principal directions, the largest first.",
    "traversals": "Images from representations in which one dimension goes from -2 to 2 standard deviations.",
    "traversal_dimensions": "These dimensions.",
    "samples": "Images from representations that are drawn at random.",
    "first_pca": "The reconstructions of first_pixels by PCA.",
    "first_pca_mse": "Their mean squared errors.",
    "pca_samples": "The samples of PCA.",
    "pca_interpolations": "The interpolations of PCA.",
    "interpolations": "Images from representations between those of two images.",
    "interpolation_index": "These two images: their rows.",
}

SCHEMA = Schema(
    scores={
        "loss": NUMBER,
        "mse": AMOUNT,
        "psnr?": NUMBER,
        "ssim?": NUMBER,
        "noisy_mse?": AMOUNT,
        "kl?": NUMBER,
        "elbo?": NUMBER,
    },
    full={
        "mse_interval?": [NUMBER, NUMBER],
        "pca?": {"components": WHOLE, "mse": AMOUNT},
        "mean_image_mse?": AMOUNT,
        "per_class?": [
            {"class": TEXT, "support": WHOLE, "mse": (AMOUNT, None), "psnr": (NUMBER, None), "ssim": (NUMBER, None)}
        ],
        "dimensions?": {"dead": WHOLE, "duplicates": WHOLE, "effective_rank": AMOUNT},
    },
    without={"mse": AMOUNT},
    arrays=ARRAYS,
    check=check,
    descriptions=DESCRIPTIONS,
)
