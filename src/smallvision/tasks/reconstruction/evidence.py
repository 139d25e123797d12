"""Makes result.json and evidence.npz of an autoencoder: its error and PCA's, reconstructions of chosen images, the
latent space."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smallvision.data import expand
from smallvision.data.batching.batch import epoch, in_order
from smallvision.data.imageset import ImageSet, Splits
from smallvision.data.seeds import mix
from smallvision.experiment import Experiment
from smallvision.experiment.task import ReconstructSpec
from smallvision.metrics import dimensions
from smallvision.nn.autoencoders.base import Autoencoder
from smallvision.tasks import sample_images as chosen
from smallvision.tasks.base import Scores
from smallvision.tasks.reconstruction import latent, pca_baseline, pca_samples
from smallvision.tasks.reconstruction.learn import SCORING_SEED, ReconstructionLearner, drawn_at_once

MEANS = ("mse", "psnr", "ssim")


def full_scores(splits: Splits, name: str, score: Scores) -> dict[str, Any]:
    """The interval of the mean squared error, the error of PCA on the same images, the figures of each class, the use
    of the dimensions.

    Returns
    -------
    dict : `mse_interval` [low, high], 95 %, Student's t on the errors of the images; `pca` {components, mse}, where it
        was computed; `mean_image_mse`, that of the mean training image in the place of every reconstruction;
        `per_class` [{class, support, mse, psnr, ssim}], None for a class without an image; `dimensions` {dead,
        duplicates, effective_rank}.
    """
    found, size = score.evidence, score.evidence["representation"].shape[1]
    out: dict[str, Any] = {"mse_interval": interval(found["mse"])} if score.count > 1 else {}
    curve = pca_baseline.curve(splits.train, splits.named()[name], size)
    if curve is not None:
        out["pca"] = {
            "components": min(size, int(curve[0][-1])),
            "mse": float(curve[1][curve[0] == min(size, curve[0][-1])][0]),
        }
    out["mean_image_mse"] = pca_baseline.mean_image_error(splits.train, splits.named()[name])
    rows = []
    for number, label in enumerate(splits.train.classes):
        own = found["labels"] == number
        means = {key: float(found[key][own].mean(dtype=np.float64)) if own.any() else None for key in MEANS}
        rows.append({"class": label, "support": int(own.sum()), **means})
    used = dimensions.measure(found["representation"])
    use = {
        "dead": int(used.dead.sum()),
        "duplicates": int((used.duplicate_of >= 0).sum()),
        "effective_rank": used.effective_rank,
    }
    return {**out, "per_class": rows, "dimensions": use}


def interval(errors: np.ndarray, confidence: float = 0.95) -> list[float]:
    """Student's t interval of the mean error over endlessly many images, from those of N >= 2: [low, high].

    Errors of images are skewed, but their mean over hundreds of images is close to normal.
    """
    from scipy.stats import t

    values = errors.astype(np.float64)
    mean, error = values.mean(), values.std(ddof=1) / np.sqrt(len(values))
    half = t.ppf((1 + confidence) / 2, len(values) - 1) * error
    return [float(mean - half), float(mean + half)]


@torch.inference_mode()
def evidence(
    model: nn.Module, splits: Splits, experiment: Experiment, name: str, score: Scores
) -> dict[str, np.ndarray]:
    """The first images and those of highest error with what became of them, PCA's errors and pictures, and those of the
    latent space.
    """
    assert isinstance(experiment.task, ReconstructSpec)
    learner = ReconstructionLearner(experiment.task)
    assert isinstance(model, Autoencoder)
    was_training = model.training
    model.eval()
    images, found = splits.named()[name], score.evidence
    out: dict[str, np.ndarray] = {}
    worst = np.argsort(-found["mse"], kind="stable")[: chosen.SHOWN]
    for which, index in (("first", chosen.first(images)), ("worst", worst)):
        out |= {f"{which}_index": index.astype(np.int64), f"{which}_pixels": chosen.stacked(images, index)["pixels"]}
        noisy, made = restored(learner, model, images, index)
        out[f"{which}_reconstructions"] = latent.as_bytes(made)
        if learner.spec.denoise:
            out[f"{which}_noisy"] = latent.as_bytes(noisy)
    if experiment.data.expand is not None:
        panel = chosen.panel(splits.train, len(expand.kinds(experiment.data.expand)))
        made = learner.reconstruct(model, panel.flatten(0, 1).float() / 255)
        out["panel_reconstructions"] = latent.as_bytes(made).reshape(panel.shape)
    curve = pca_baseline.curve(splits.train, images, found["representation"].shape[1])
    if curve is not None:
        out |= {"pca_components": curve[0], "pca_mse": curve[1]}
    out["spectrum"] = dimensions.spectrum(found["representation"])
    ends = latent.pairs(len(images))
    out |= latent.pictures(learner, model, found["representation"], ends, images.labels.device)
    out |= pca_samples.pictures(splits.train, images, found["representation"].shape[1], out["first_index"], ends)
    model.train(was_training)
    return out


def restored(
    learner: ReconstructionLearner, model: Autoencoder, images: ImageSet, index: np.ndarray
) -> tuple[Tensor, Tensor]:
    """What the network was given of some images, and what it made of it, (n, C, H, W) each: the same pixels as when it
    was scored.

    The noise of an image depends on its place among those that are drawn at once, so whole blocks are drawn again.
    """
    generator = torch.Generator(images.labels.device)
    rows = in_order(images, drawn_at_once)
    at_once = len(rows[0])
    wanted = torch.from_numpy(np.asarray(index, np.int64)).to(images.labels.device)
    given = torch.empty(len(wanted), *images.shape, device=images.labels.device)
    made = torch.empty_like(given)
    for number in sorted(set((wanted // at_once).tolist())):
        batch = next(epoch(images, [rows[number]]))
        noisy = learner.corrupt(batch, generator.manual_seed(mix(SCORING_SEED, number))).pixels
        places = torch.nonzero(wanted // at_once == number).flatten()
        some = noisy[wanted[places] - number * at_once]
        given[places], made[places] = some, learner.reconstruct(model, some)
    return given, made
