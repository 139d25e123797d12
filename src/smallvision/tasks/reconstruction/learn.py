"""Reconstruction: the image itself, or a clean image from a noisy one, by way of its representation.

The loss of an image is a mean over its pixels, so that it does not depend on their number: squared error, or the
cross-entropy of each pixel taken as a probability. A variational autoencoder adds beta times the divergence of its
distribution from the standard normal one (Kingma & Welling 2013), divided by the number of pixels as well. With beta =
1 and "bce" that is the negative evidence lower bound (ELBO) per pixel. With "mse" it is the negative ELBO, times beta /
pixels and up to a constant, of a decoder whose pixels are normal with variance beta / 2; so beta says there how exact a
reconstruction is meant to be.
"""

from collections.abc import Iterator
from math import log, pi

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from smallvision.data import transforms
from smallvision.data.batching.batch import Batch, at_once, epoch, in_order
from smallvision.data.doubles import home
from smallvision.data.imageset import ImageSet, Splits
from smallvision.data.seeds import mix
from smallvision.errors import BadInput
from smallvision.experiment.data import Noise
from smallvision.experiment.task import ReconstructSpec
from smallvision.metrics.reconstruction import psnr, squared_error, ssim
from smallvision.nn.autoencoders.base import Autoencoder
from smallvision.nn.autoencoders.variational import divergence, moved, sample
from smallvision.tasks.base import Scores, Step

SCORING_SEED = 0  # noise and samples of a scoring are the same for every network, epoch and run
DRAWN, DRAWN_PIXELS = 1000, 2**22  # images whose noise is drawn at a time, fewer when they have more than 64x64 pixels


class ReconstructionLearner:
    """The image itself, from its representation."""

    def __init__(self, spec: ReconstructSpec) -> None:
        self.spec = spec
        self.beta = 1.0 if spec.beta is None else spec.beta
        noise = spec.denoise and Noise(kind="noise", distribution=spec.denoise.distribution, amount=spec.denoise.amount)
        self.corrupt = transforms.build([noise] if noise else [])

    def step(self, model: nn.Module, batch: Batch, generator: Generator) -> Step:
        """The batch's mean loss, and totals of loss, squared error in pixels and divergence.

        Noise is drawn from `generator`.
        """
        network = _autoencoder(model)
        clean = batch.pixels
        made, kl = _answer(network, self.corrupt(batch, generator).pixels, generator)
        each = self._loss(network, made, kl, clean)  # (B,)
        with torch.no_grad():
            error = squared_error(self._pixels(network, made), clean).sum()
        sums = {"loss": each.detach().sum(), "squared_error": error}
        if kl is not None:
            sums["kl"] = kl.detach().sum()
        return Step(each.mean(), sums, len(batch.pixels))

    def averages(self, totals: dict[str, float], count: int) -> dict[str, float]:
        """Figures from totals over `count` images: mean loss, mean squared error of pixels in [0, 1], and divergence in
        nats.
        """
        values = {"loss": totals["loss"] / count, "mse": totals["squared_error"] / count}
        return values | ({"kl": totals["kl"] / count} if "kl" in totals else {})

    def selection_key(self, values: dict[str, float]) -> tuple[float]:
        """What "better" means when a validation split chooses: less squared error."""
        return (-values["mse"],)

    def warning(self, model: nn.Module, validation: Scores) -> None:
        """The validation scores of an autoencoder never call for a warning."""

    def check_data(self, splits: Splits) -> tuple[str, ...]:
        """Any splits can be scored."""
        return ()

    def calibrate(self, model: nn.Module, train: ImageSet, validation: ImageSet | None) -> None:
        """Scoring an autoencoder needs nothing beyond its weights."""

    @torch.inference_mode()
    def reconstruct(self, model: nn.Module, pixels: Tensor) -> Tensor:
        """Reconstructions (B, C, H, W) of pixels (B, C, H, W) in [0, 1], in that range too but not clamped, whatever
        the task's target.
        """
        network = _autoencoder(model)
        return self._pixels(network, network(pixels).float())

    def answer(self, model: nn.Module, pixels: Tensor) -> Tensor:
        """Reconstructions, see `reconstruct`."""
        return self.reconstruct(model, pixels)

    @torch.inference_mode()
    def score(self, model: nn.Module, images: ImageSet, fitted: None = None) -> Scores:
        """Every image of the split once, in order, in fp32; of a variational network by its mean.

        Returns
        -------
        Scores : loss; mse, psnr (dB) and ssim, means over the images, for pixels in [0, 1] whatever the target; where
            noise is added, `noisy_mse`, that of the input left as it is; of a variational network `kl` and `elbo`, in
            nats per image, the latter (and the loss) from one draw of each representation. Evidence `labels` int64
            (N,), `ids` int64 (N, 2), `mse`, `psnr` and `ssim` float32 (N,), `representation` float32 (N, D), of the
            clean image.
        """
        network = _autoencoder(model)
        was_training = network.training
        network.eval()
        sums: dict[str, float] = {}
        found: dict[str, list[Tensor]] = {name: [] for name in ("mse", "psnr", "ssim", "representation")}
        for clean, noisy, noise in self._drawn(network, images):
            made = self._pixels(network, network(noisy).float())
            error, similar = squared_error(made, clean), ssim(made, clean)
            each = {
                "squared_error": error,
                "psnr": psnr(error),
                "ssim": similar,
                **self._bounds(network, noisy, clean, noise),
            }
            if self.spec.denoise:
                each["noisy_mse"] = squared_error(noisy, clean)
            for name, values in each.items():
                sums[name] = sums.get(name, 0.0) + float(home(values).sum(dtype=torch.float64))
            found["mse"].append(error)
            found["psnr"].append(each["psnr"])
            found["ssim"].append(similar)
            found["representation"].append(network.encode(clean).float())
        network.train(was_training)
        means = {
            name: total / len(images) for name, total in sums.items() if name in ("psnr", "ssim", "elbo", "noisy_mse")
        }
        tensors = {
            "labels": images.labels,
            "ids": images.ids,
            **{name: torch.cat(parts) for name, parts in found.items()},
        }
        arrays = {name: array.cpu().numpy() for name, array in tensors.items()}
        return Scores(self.averages(sums, len(images)) | means, len(images), arrays)

    def _drawn(self, network: Autoencoder, images: ImageSet) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """Pixels of a split in order, the same with noise, and of a variational network the noise (B, D) of its draw.

        All noise is drawn for DRAWN images at a time, so that that of an image does not depend on how many are scored
        at a time.
        """
        generator = Generator(images.labels.device)
        for number, batch in enumerate(epoch(images, in_order(images, drawn_at_once))):
            clean, noise = batch.pixels, None
            noisy = self.corrupt(batch, generator.manual_seed(mix(SCORING_SEED, number))).pixels
            if network.variational:
                shape = (len(clean), network.representation)
                noise = torch.randn(shape, generator=generator, device=clean.device)
            size = at_once(clean[0].numel())
            for start in range(0, len(clean), size):
                some = slice(start, start + size)
                yield clean[some], noisy[some], None if noise is None else noise[some]

    def _bounds(self, network: Autoencoder, given: Tensor, clean: Tensor, noise: Tensor | None) -> dict[str, Tensor]:
        """The loss of each image, (B,), and of a variational network also the divergence and the evidence lower bound
        in nats.
        """
        made, kl = _answer(network, given, noise)
        loss = self._loss(network, made, kl, clean)
        if kl is None:
            return {"loss": loss}
        pixels = clean[0].numel()
        if self.spec.loss == "bce":
            return {"loss": loss, "kl": kl, "elbo": -pixels * loss + (self.beta - 1) * kl}
        return {"loss": loss, "kl": kl, "elbo": -pixels * (loss / self.beta + 0.5 * log(pi * self.beta))}

    def _loss(self, network: Autoencoder, made: Tensor, kl: Tensor | None, clean: Tensor) -> Tensor:
        """Loss of each image, (B,), in the space of the target."""
        if self.spec.loss == "bce":
            with torch.autocast(made.device.type, enabled=False):  # torch refuses it in half precision
                each = functional.binary_cross_entropy(made, clean, reduction="none").mean((1, 2, 3))
        else:
            each = (
                (made - (network.standardize(clean) if self.spec.target == "normalized" else clean))
                .square()
                .mean((1, 2, 3))
            )
        return each if kl is None else each + self.beta / clean[0].numel() * kl

    def _pixels(self, network: Autoencoder, made: Tensor) -> Tensor:
        return network.to_pixels(made) if self.spec.target == "normalized" else made


def drawn_at_once(pixels: int) -> int:
    """How many images of so many pixels, channels counted, have their noise drawn from one seed."""
    return max(1, min(DRAWN, DRAWN_PIXELS // pixels))


def _answer(network: Autoencoder, pixels: Tensor, drawn: Generator | Tensor | None) -> tuple[Tensor, Tensor | None]:
    """What the network makes of pixels, float32, and of a variational one the divergence of each image, (B,).

    `drawn`: the noise (B, D) of a variational network, or the generator that draws it.
    """
    if not network.variational:
        return network(pixels).float(), None
    mean, log_variance = (values.float() for values in network.posterior(pixels))
    assert drawn is not None
    place = moved(mean, log_variance, drawn) if isinstance(drawn, Tensor) else sample(mean, log_variance, drawn)
    return network.decode(place).float(), divergence(mean, log_variance)


def _autoencoder(model: nn.Module) -> Autoencoder:
    if not isinstance(model, Autoencoder):
        raise BadInput(
            f'task.kind: "reconstruct" needs an autoencoder, and {type(model).__name__} is not one; set model.kind '
            'to "mlp-autoencoder", "conv-autoencoder" or "combo-autoencoder"'
        )
    return model
