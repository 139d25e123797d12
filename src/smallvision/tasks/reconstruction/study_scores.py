"""The scores of autoencoders that are compared, with those of PCA.

PCA with as many components as the representation has values has the least error that any linear autoencoder of that
size can have (Baldi & Hornik 1989), so a network's error says little without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smallvision.rendering.format import SPACE
from smallvision.stats.mean_score import MeanScore
from smallvision.tasks.base import StudyCase, StudyRun

SPLITS = ("validation", "test")


@dataclass(frozen=True)
class Row:
    """A case on one split; what is not known is None."""

    case: StudyCase
    split: str
    score: MeanScore
    psnr: float | None  # decibels
    ssim: float | None
    noisy: float | None  # MSE of the input with its noise, left as it is
    components: int | None  # values of the representation, and components of PCA
    pca: float | None  # MSE

    @property
    def against(self) -> str:
        """The error beside that of PCA: "6.1 % below PCA", or from twice as much on "2.4 times PCA’s"."""
        if not self.pca:
            return ""
        share = 100 * (self.score.value / self.pca - 1)
        if share >= 100:
            return f"{self.score.value / self.pca:.1f} times PCA’s"
        return (
            "as PCA"
            if not float(f"{share:.1f}")
            else f"{abs(share):.1f}{SPACE}% {'below' if share < 0 else 'above'} PCA"
        )


def rows(cases: Sequence[StudyCase], splits: Sequence[str] = SPLITS) -> list[Row]:
    """A row for every case and each of the splits that all its runs were scored on."""
    return [_row(case, split) for case in cases for split in splits if split in case.scores]


def _row(case: StudyCase, split: str) -> Row:
    psnr, ssim, noisy = (case.mean(split, key) for key in ("psnr", "ssim", "noisy_mse"))
    components, pca = pca_of_same_size(case.runs[0], split)
    return Row(case, split, case.scores[split], psnr, ssim, noisy, components, pca)


def pca_of_same_size(run: StudyRun, split: str) -> tuple[int | None, float | None]:
    """Components and error of PCA of the representation's size on a split: as the result says it, else as the evidence
    does.
    """
    said = (run.result.get(split) or {}).get("pca")
    if said:
        return int(said["components"]), float(said["mse"])
    size = representation(run)
    components, errors = pca_errors(run, split)
    there = np.flatnonzero(components == size)
    return size, float(errors[there[0]]) if len(there) else None


def representation(run: StudyRun) -> int | None:
    """Values that a run's network describes an image by; None of another network, or where its directory is gone."""
    return getattr(run.record.experiment.model, "representation", None) if run.record else None


def pca_errors(run: StudyRun, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of components, rising, and PCA's error with each on a split; both (k,), empty where a run has none."""
    arrays = run.evidence(split)
    if "pca_components" not in arrays or "pca_mse" not in arrays:
        return np.zeros(0, np.int64), np.zeros(0)
    return np.asarray(arrays["pca_components"]), np.asarray(arrays["pca_mse"], np.float64)
