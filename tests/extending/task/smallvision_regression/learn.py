"""The arithmetic of the task: squared error as the loss, absolute error as the score."""

import torch
from torch import nn
from torch.nn import functional

from smallvision.data.batching.batch import Batch, epoch, in_order
from smallvision.data.imageset import ImageSet, Splits
from smallvision.tasks.base import Scores, Step


class RegressionLearner:
    """What training and scoring need; see `smallvision.tasks.base.Learner`."""

    def step(self, model: nn.Module, batch: Batch, generator: torch.Generator) -> Step:
        """The mean squared error of a batch."""
        output, number = model(batch.pixels).float()[:, 0], batch.labels.float()  # (B,) each
        loss, count = functional.mse_loss(output, number), len(number)
        error = (output.detach() - number).abs().sum()
        return Step(loss, {"loss": loss.detach() * count, "error": error}, count)

    def averages(self, totals: dict[str, float], count: int) -> dict[str, float]:
        """The figures of an epoch."""
        return {"loss": totals["loss"] / count, "mae": totals["error"] / count}

    def selection_key(self, values: dict[str, float]) -> tuple[float]:
        """The lowest absolute error is best."""
        return (-values["mae"],)

    def warning(self, model: nn.Module, validation: Scores) -> None:
        """There is nothing to warn of."""

    def check_data(self, splits: Splits) -> tuple[str, ...]:
        """Any images can be scored."""
        return ()

    def calibrate(self, model: nn.Module, train: ImageSet, validation: ImageSet | None) -> None:
        """Scoring needs nothing beyond the weights."""

    @torch.inference_mode()
    def answer(self, model: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
        """The number of each image: float32 (B,), of pixels (B, C, H, W) in [0, 1]."""
        output: torch.Tensor = model(pixels).float()[:, 0]
        return output

    @torch.inference_mode()
    def score(self, model: nn.Module, images: ImageSet, fitted: None = None) -> Scores:
        """Every image of a split once, in order."""
        model.eval()
        output = torch.cat([model(batch.pixels).float()[:, 0] for batch in epoch(images, in_order(images))])  # (N,)
        errors = (output - images.labels.float()).abs()
        values = {"loss": float(errors.square().mean()), "mae": float(errors.mean())}
        arrays = {"labels": images.labels, "ids": images.ids, "outputs": output, "errors": errors}
        return Scores(values, len(images), {name: value.cpu().numpy() for name, value in arrays.items()})
