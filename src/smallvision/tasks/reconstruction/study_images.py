"""Images above their reconstructions by PCA and by each of several autoencoders that are compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smallvision.tasks.base import StudyCase, StudyRun
from smallvision.tasks.reconstruction.study_scores import SPLITS, pca_of_same_size, representation

SHOWN = 10  # images in a row


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
    """The first images of a split, as several cases met them, each with its class, above the reconstructions of PCA and
    every case.
    """

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


def sheets(cases: Sequence[StudyCase], splits: Sequence[str] = ("test", "validation")) -> list[Sheet]:
    """Originals above reconstructions, by the first run of each case, for each of the splits in turn.

    Cases that were given the same images share a sheet. A later split is left out where all cases were shown on an
    earlier one.
    """
    out: list[Sheet] = []
    seen: set[str] = set()
    for split in splits:
        if split not in SPLITS or seen >= {case.name for case in cases}:
            continue
        alike: dict[bytes, list[tuple[StudyCase, StudyRun]]] = {}
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


def _sheet(split: str, together: Sequence[tuple[StudyCase, StudyRun]]) -> Sheet:
    first = together[0][1]
    arrays, names = first.evidence(split), first.result["classes"]
    labels = arrays["labels"][arrays["first_index"][:SHOWN]]
    noisy = arrays["first_noisy"][:SHOWN] if "first_noisy" in arrays else None
    classes = tuple(str(names[label]) for label in labels)
    strips = tuple(_strip(case, run, split, classes) for case, run in together)
    return Sheet(split, classes, arrays["first_pixels"][:SHOWN], noisy, _linear(together, split, classes), strips)


def _linear(together: Sequence[tuple[StudyCase, StudyRun]], split: str, classes: Sequence[str]) -> tuple[Strip, ...]:
    """PCA's reconstructions, once for all cases of which they are the same, fewer components first."""
    found: dict[bytes, tuple[int, Strip]] = {}
    for _, run in together:
        arrays = run.evidence(split)
        size = representation(run)
        if "first_pca" in arrays and size is not None:
            images = arrays["first_pca"][:SHOWN]
            components, whole = pca_of_same_size(run, split)
            errors = tuple(run.metric.number(error) for error in arrays["first_pca_mse"][:SHOWN])
            name = linear_name(components or size)
            alts = tuple(
                f"{label} as {name} makes it, MSE {error}" for label, error in zip(classes, errors, strict=True)
            )
            strip = Strip(name, images, errors, "" if whole is None else run.metric.number(whole), alts)
            found.setdefault(images.tobytes(), (components or size, strip))
    return tuple(strip for _, strip in sorted(found.values(), key=lambda pair: pair[0]))


def linear_name(components: int) -> str:
    """PCA as a row of pictures is called."""
    return f"PCA, {components} component{'s' if components != 1 else ''}"


def _strip(case: StudyCase, run: StudyRun, split: str, classes: Sequence[str]) -> Strip:
    arrays = run.evidence(split)
    errors = tuple(run.metric.number(error) for error in arrays["mse"][arrays["first_index"][:SHOWN]])
    value = run.score(split)
    whole = run.metric.number(value) if value is not None else ""
    alts = tuple(f"{label} as {case.name} makes it, MSE {error}" for label, error in zip(classes, errors, strict=True))
    return Strip(case.name, arrays["first_reconstructions"][:SHOWN], errors, whole, alts)
