"""The images a report shows, each with what it is, what it was taken for, and how sure the network was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from smallvision.errors import shown
from smallvision.rendering import format


@dataclass(frozen=True)
class Tile:
    """One image of a gallery; what is not known of it is None."""

    pixels: np.ndarray  # uint8 (C, H, W), the image's own
    label: str
    index: int | None = None  # in its split, from 0
    prediction: str | None = None
    score: str | None = None  # of the prediction: a probability in percent, or the number as it is

    @property
    def correct(self) -> bool:
        """Whether the prediction is the label (not asked of training images)."""
        return self.prediction == self.label

    @property
    def caption(self) -> str:
        """Short lines for a figure in a notebook."""
        if self.prediction is None:
            return self.label
        first = f"{self.prediction}" if self.correct else f"{self.prediction}, not\n{self.label}"
        return f"{first}\n{self.score}, no. {self.index}"


def tiles(
    evidence: Mapping[str, np.ndarray], classes: Sequence[str], which: Literal["first", "mistake", "confident"]
) -> list[Tile]:
    """The first images of the scored split, its first mistakes, or its most confident mistakes.

    Parameters
    ----------
    evidence : arrays of evidence.npz.
    classes : K names.
    which : the first letters of the arrays' names.

    Returns
    -------
    list of Tile : at most 20; empty when there are none or nothing was kept.
    """
    if f"{which}_index" not in evidence:
        return []
    values = evidence["probabilities"]
    share = are_probabilities(values)
    out = []
    for index, pixels in zip(evidence[f"{which}_index"], _own(evidence, which), strict=True):
        label, prediction = int(evidence["labels"][index]), int(evidence["predictions"][index])
        value = float(values[index, prediction])
        score = format.probability(value) if share else f"score {value:.3g}"
        out.append(Tile(pixels, _name(classes, label), int(index), _name(classes, prediction), score))
    return out


def training(evidence: Mapping[str, np.ndarray], classes: Sequence[str]) -> list[Tile]:
    """The first training images as they were stored, without augmentation."""
    if "train_pixels" not in evidence:
        return []
    pairs = zip(_own(evidence, "train"), evidence["train_labels"], strict=True)
    return [Tile(pixels, _name(classes, int(label))) for pixels, label in pairs]


def panel(evidence: Mapping[str, np.ndarray]) -> list[tuple[str, list[Tile]]]:
    """A row of images for each kind of which an expanded training set was built; under it, what an autoencoder made of
    them.
    """
    if "panel_pixels" not in evidence:
        return []
    out = []
    for place, kind in enumerate(str(kind) for kind in evidence["panel_kinds"]):
        for array, name in (("panel_pixels", kind), ("panel_reconstructions", f"{kind}, reconstructed")):
            if array in evidence:
                out.append((name, [Tile(pixels, name) for pixels in evidence[array][place]]))
    return out


def _own(evidence: Mapping[str, np.ndarray], which: str) -> list[np.ndarray]:
    """The pixels of each image without what it was padded with, where they have several sizes."""
    pixels = evidence[f"{which}_pixels"]
    sizes = evidence.get(f"{which}_sizes", [pixels.shape[2:]] * len(pixels))
    return [image[:, :height, :width] for image, (height, width) in zip(pixels, sizes, strict=True)]


def are_probabilities(values: np.ndarray) -> bool:
    """Whether rows are shares that sum to 1. Logits are not, and must not be called probabilities."""
    return bool(values.size and values.min() >= -1e-6 and np.abs(values.sum(axis=1) - 1).max() < 1e-2)


def _name(classes: Sequence[str], index: int) -> str:
    return shown(classes[index]) if index < len(classes) else str(index)
