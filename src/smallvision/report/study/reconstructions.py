"""What autoencoders that were compared make of images: their scores beside PCA's, and images above PCA's and their reconstructions.

PCA with as many components as the representation has values is the least error that any linear autoencoder of that size can have
(Baldi & Hornik 1989), so a network's error says little without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smallvision.rendering.format import SPACE
from smallvision.report.study.cases import SPLITS, Case, Run, Score

SHOWN = 10  # images in a row


@dataclass(frozen=True)
class Row:
    """A case on one split; what is not known is None."""

    case: Case
    split: str
    score: Score
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


def rows(cases: Sequence[Case], splits: Sequence[str] = SPLITS) -> list[Row]:
    """A row for every case and each of the splits that all its runs were scored on."""
    return [_row(case, split) for case in cases for split in splits if split in case.scores]


def _row(case: Case, split: str) -> Row:
    psnr, ssim, noisy = (case.mean(split, key) for key in ("psnr", "ssim", "noisy_mse"))
    components, pca = _pca(case.runs[0], split)
    return Row(case, split, case.scores[split], psnr, ssim, noisy, components, pca)


def _pca(run: Run, split: str) -> tuple[int | None, float | None]:
    """Components and error of PCA of the representation's size on a split: as the result says it, else as the evidence does."""
    said = (run.result.get(split) or {}).get("pca")
    if said:
        return int(said["components"]), float(said["mse"])
    size = representation(run)
    components, errors = ladder(run, split)
    there = np.flatnonzero(components == size)
    return size, float(errors[there[0]]) if len(there) else None


def representation(run: Run) -> int | None:
    """Values that a run's network describes an image by; None of another network, or where its directory is gone."""
    return getattr(run.record.experiment.model, "representation", None) if run.record else None


def ladder(run: Run, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of components, rising, and PCA's error with each on a split; both (k,), empty where a run does not say."""
    arrays = run.evidence(split)
    if "pca_components" not in arrays or "pca_mse" not in arrays:
        return np.zeros(0, np.int64), np.zeros(0)
    return np.asarray(arrays["pca_components"]), np.asarray(arrays["pca_mse"], np.float64)


@dataclass(frozen=True)
class Strip:
    """What one case, or PCA, makes of the images of a sheet, uint8 (n, C, H, W), and the error of each."""

    name: str
    images: np.ndarray
    errors: tuple[str, ...]  # "0.01185", of each image
    whole: str  # of all images of the split, "" where it is not known
    alts: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """The first images of a split, as several cases met them, each with its class, above the reconstructions of PCA and every case."""

    split: str
    classes: tuple[str, ...]
    originals: np.ndarray  # uint8 (n, C, H, W)
    noisy: np.ndarray | None  # what the networks were given, where that was not the original
    linear: tuple[Strip, ...]  # PCA's, with as many components as each case has values; none of older runs
    strips: tuple[Strip, ...]

    @property
    def noisy_alts(self) -> tuple[str, ...]:
        """For readers who do not see the images that the networks were given."""
        return tuple(f"{name} with noise" for name in self.classes)


def sheets(cases: Sequence[Case], splits: Sequence[str] = ("test", "validation")) -> list[Sheet]:
    """Originals above reconstructions, by the first run of each case, for each of the splits in turn.

    Cases that were given the same images share a sheet. A later split is left out where all cases were shown on an earlier one.
    """
    out: list[Sheet] = []
    seen: set[str] = set()
    for split in splits:
        if split not in SPLITS or seen >= {case.name for case in cases}:
            continue
        alike: dict[bytes, list[tuple[Case, Run]]] = {}
        for case in cases:
            run = case.runs[0]
            arrays = run.evidence(split)
            if "first_reconstructions" in arrays and "first_pixels" in arrays:
                given = [arrays[key][:SHOWN] for key in ("first_pixels", "first_noisy") if key in arrays]
                alike.setdefault(b"".join(str(one.shape).encode() + one.tobytes() for one in given), []).append(
                    (case, run)
                )
        out += [_sheet(split, together) for together in alike.values()]
        seen |= {case.name for together in alike.values() for case, _ in together}
    return out


def _sheet(split: str, together: Sequence[tuple[Case, Run]]) -> Sheet:
    first = together[0][1]
    arrays, names = first.evidence(split), first.result["classes"]
    labels = arrays["labels"][arrays["first_index"][:SHOWN]]
    noisy = arrays["first_noisy"][:SHOWN] if "first_noisy" in arrays else None
    classes = tuple(str(names[label]) for label in labels)
    strips = tuple(_strip(case, run, split, classes) for case, run in together)
    return Sheet(split, classes, arrays["first_pixels"][:SHOWN], noisy, _linear(together, split, classes), strips)


def _linear(together: Sequence[tuple[Case, Run]], split: str, classes: Sequence[str]) -> tuple[Strip, ...]:
    """PCA's reconstructions, once for all cases of which they are the same, fewer components first."""
    found: dict[bytes, tuple[int, Strip]] = {}
    for _, run in together:
        arrays = run.evidence(split)
        size = representation(run)
        if "first_pca" in arrays and size is not None:
            images = arrays["first_pca"][:SHOWN]
            components, whole = _pca(run, split)
            errors = tuple(run.measure.number(error) for error in arrays["first_pca_mse"][:SHOWN])
            name = linear_name(components or size)
            alts = tuple(
                f"{label} as {name} makes it, MSE {error}" for label, error in zip(classes, errors, strict=True)
            )
            strip = Strip(name, images, errors, "" if whole is None else run.measure.number(whole), alts)
            found.setdefault(images.tobytes(), (components or size, strip))
    return tuple(strip for _, strip in sorted(found.values(), key=lambda pair: pair[0]))


def linear_name(components: int) -> str:
    """PCA as a row of pictures is called."""
    return f"PCA, {components} component{'s' if components != 1 else ''}"


def _strip(case: Case, run: Run, split: str, classes: Sequence[str]) -> Strip:
    arrays = run.evidence(split)
    errors = tuple(run.measure.number(error) for error in arrays["mse"][arrays["first_index"][:SHOWN]])
    value = run.score(split)
    whole = run.measure.number(value) if value is not None else ""
    alts = tuple(f"{label} as {case.name} makes it, MSE {error}" for label, error in zip(classes, errors, strict=True))
    return Strip(case.name, arrays["first_reconstructions"][:SHOWN], errors, whole, alts)
