"""The task "reconstruct": an image from its representation."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from smallvision.errors import counted
from smallvision.experiment import Experiment
from smallvision.experiment.task import ReconstructSpec
from smallvision.tasks.base import (
    SPLITS,
    FinishedRun,
    Learner,
    Loss,
    Predictions,
    RunWarning,
    Scores,
    ScoreTable,
    Section,
    StudyCase,
    StudySection,
    Task,
)
from smallvision.tasks.reconstruction.schema import SCHEMA
from smallvision.tasks.reconstruction.wording import MSE, against_pca
from smallvision.tasks.score_rows import judged_split

if TYPE_CHECKING:
    from torch import nn

    from smallvision.data.imageset import Splits

# further columns of the table of scores: key, header, format; a column is there where a split has its figure
COLUMNS = (
    ("psnr", "PSNR dB", "{:.2f}"),
    ("ssim", "SSIM", "{:.3f}"),
    ("noisy_mse", "noisy MSE", "{:.5f}"),
    ("kl", "KL", "{:.2f}"),
    ("elbo", "ELBO", "{:.1f}"),
)


class Reconstruction(Task):
    """An image from its representation, judged by the mean squared error of its pixels."""

    kind = "reconstruct"
    spec = ReconstructSpec
    metric = MSE
    schema = SCHEMA
    costs = ("bytes", "parameters", "multiply_adds", "seconds_per_epoch", "seconds")
    methods = ("reconstruct", "reconstructions", "encode")
    progress = (("loss", "{:.4f}"), ("mse", "{:.5f}"), ("kl", "{:.2f}"))

    def learner(self, spec: ReconstructSpec, loss: Loss | None = None) -> Learner:
        """Squared error or cross-entropy of each pixel. Raises BadInput for a loss that is passed in."""
        from smallvision.tasks.reconstruction.learn import ReconstructionLearner

        self.refuse_loss(loss)
        return ReconstructionLearner(spec)

    def full_scores(self, experiment: Experiment, splits: "Splits", name: str, scores: Scores) -> dict[str, Any]:
        """The interval of the error, PCA's error on the same images, the figures of each class, dead dimensions."""
        from smallvision.tasks.reconstruction import evidence

        return evidence.full_scores(splits, name, scores)

    def evidence(
        self, experiment: Experiment, model: "nn.Module", splits: "Splits", name: str, scores: Scores
    ) -> dict[str, np.ndarray]:
        """Images and their reconstructions, PCA's errors, pictures of the latent space."""
        from smallvision.tasks.reconstruction import evidence

        return evidence.evidence(model, splits, experiment, name, scores)

    def predictions(self, run: FinishedRun, evidence: Mapping[str, np.ndarray]) -> Predictions:
        """The squared error of each image."""
        classes = tuple((run.result or {})["classes"])
        return Predictions(evidence["ids"], evidence["labels"], classes, values=evidence["mse"])

    def loss_name(self, experiment: Experiment) -> str:
        """Mean squared error or cross-entropy, and the divergence of a variational network."""
        assert isinstance(experiment.task, ReconstructSpec)
        divergence = " + β KL per pixel" if getattr(experiment.model, "variational", False) else ""
        if experiment.task.loss == "bce":
            return f"cross-entropy{divergence or ' per pixel'} (nats)"
        if divergence:
            return f"MSE{divergence}"
        return "MSE of standardised pixels" if experiment.task.target == "normalized" else self.metric.name

    def study_loss_name(self, experiment: Experiment) -> str:
        """The loss, by a name that plain and variational networks share."""
        assert isinstance(experiment.task, ReconstructSpec)
        return "loss" if experiment.task.loss == "mse" else "loss (cross-entropy of pixels)"

    def loss_is_metric(self, experiment: Experiment) -> bool:
        """Whether the network is trained by the squared error of pixels in [0, 1] alone."""
        assert isinstance(experiment.task, ReconstructSpec)
        task, variational = experiment.task, getattr(experiment.model, "variational", False)
        return task.loss == "mse" and task.target == "pixels" and not variational

    def section(self, run: FinishedRun, prefix: str, split: str) -> Section:
        """The error and PCA's, images and their reconstructions, the latent space."""
        from smallvision.tasks.reconstruction import section

        return section.section(run, prefix, split)

    def reference(self, scores: Mapping[str, Any]) -> tuple[float, str] | None:
        """The error of PCA with as many components as the representation has values."""
        pca = scores.get("pca")
        return (pca["mse"], f"PCA, {counted(pca['components'], 'component')}") if pca else None

    def warnings(self, run: FinishedRun) -> Sequence[RunWarning]:
        """An error that the mean training image, in the place of every reconstruction, has as well."""
        split = judged_split(run)
        row = (run.result or {})[split] if split else {}
        guess, ends = row.get("mean_image_mse"), row.get("mse_interval")
        if guess is None or not ends or ends[1] < guess:
            return ()
        text = (
            f"the {split} MSE of {self.metric.text(row['mse'])} (up to {self.metric.text(ends[1])}) is not clearly "
            f"better than answering every image with the mean training image ({self.metric.text(guess)}); train "
            "longer, or change recipe.learning_rate"
        )
        return (RunWarning("no better than guessing", text, str(split)),)

    def study_sections(self, cases: Sequence[StudyCase]) -> Sequence[StudySection]:
        """Errors beside PCA's, reconstructions, random codes decoded, the error over size and depth."""
        from smallvision.tasks.reconstruction import study

        return study.study_sections(cases)

    def comparison_sections(self, cases: Sequence[StudyCase], split: str) -> Sequence[StudySection]:
        """Errors beside PCA's, and reconstructions."""
        from smallvision.tasks.reconstruction import study

        return study.comparison_sections(cases, split)

    def score_table(self, result: Mapping[str, Any]) -> ScoreTable:
        """The error of each split with Student's interval, PSNR, SSIM, and how far the error is from PCA's."""
        found = {split: result[split] for split in SPLITS if result.get(split)}
        more = [column for column in COLUMNS if any(column[0] in row for row in found.values())]
        rows: list[tuple[str, ...]] = []
        caption: list[str] = []
        for split, row in found.items():
            ends = row.get("mse_interval")
            half = self.metric.number((ends[1] - ends[0]) / 2) if ends else ""  # Student's t is symmetric
            cells = [form.format(row[key]) if key in row else "" for key, _, form in more]
            rows.append((split, f"{row['count']:,}", self.metric.text(row["mse"]), half, *cells))
            caption = [f"{split} MSE is {against_pca(row)}"] if "pca" in row else caption
        return ScoreTable(("split", "images", "MSE", "± (95 %)", *(header for _, header, _ in more)), rows, caption)
