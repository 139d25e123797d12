"""The part of a report that only autoencoders have: error beside PCA's, images with their reconstructions, the latent
space."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from smallvision.rendering import format
from smallvision.rendering.svg import inline
from smallvision.tasks.base import FinishedRun, Section
from smallvision.tasks.reconstruction import figures
from smallvision.tasks.reconstruction.wording import MSE, against_pca
from smallvision.tasks.score_rows import judged_split, score_rows

TEMPLATE = Path(__file__).with_name("section.html")

# the columns of the scores: key, header, number of digits; shown where a split has such a figure
COLUMNS = (
    ("psnr", "PSNR (dB)", 2),
    ("ssim", "SSIM", 4),
    ("noisy_mse", "noisy MSE", 5),
    ("kl", "KL (nats)", 2),
    ("elbo", "ELBO (nats)", 1),
)

OPEN = 10  # images of a gallery that stand before a fold


@dataclass(frozen=True)
class Stack:
    """An image above what became of it: names and pixels, uint8 (C, H, W) each."""

    parts: tuple[tuple[str, np.ndarray], ...]
    label: str
    index: int  # in its split, from 0
    error: str  # mean squared error, as text

    @property
    def caption(self) -> str:
        """Short lines for a figure in a notebook."""
        return f"{self.label}\n{self.error}, no. {self.index}"


def section(record: FinishedRun, prefix: str, split: str) -> Section:
    """The part of a run's page that is an autoencoder's.

    Parameters
    ----------
    prefix : keeps its ids apart from other runs' on the page.
    split : the split whose images are shown.
    """
    shown = "training" if split == "train" else split
    result, evidence, judged = record.result, record.evidence, judged_split(record)
    scored: Mapping[str, Any] = result[judged] if result and judged else {}
    rows = score_rows(record, MSE)
    classes: list[str] = result["classes"] if result else []
    run: dict[str, Any] = {
        "columns": [
            (key, header, f"%.{digits}f") for key, header, digits in COLUMNS if any(key in row for row in rows)
        ],
        "loss_differs": any(abs(row["loss"] - row["mse"]) > 1e-6 * row["mse"] for row in rows),
        "pca": against_pca(scored).replace(" %", f"{format.SPACE}%"),
        "pca_mse": (scored.get("pca") or {}).get("mse"),
        "variational": getattr(record.experiment.model, "variational", False),
        "denoises": "noisy_mse" in scored,
        "per_class": scored.get("per_class") or [],
        "dimensions": scored.get("dimensions"),
        "several_training": False,
        "open": OPEN,
        "first": stacks(evidence, classes, "first") if evidence else [],
        **{name: [] for name in ("worst", "traversals", "samples", "pca_samples", "interpolations")},
        **dict.fromkeys(("curve", "classes", "spectrum", "scale", "same_as_pca", "ladder", "size")),
    }
    if run["per_class"]:
        alt = "MSE of each class as bars; the numbers are in the table"
        run["classes"] = inline(figures.per_class(run["per_class"], scored["mse"]), alt, prefix + "classes")
    if evidence:
        run["size"] = evidence["representation"].shape[1]
        run.update(
            _worst(evidence, classes, prefix), **_beside(evidence, scored, prefix), **_latent(evidence, classes, prefix)
        )
    contents = [
        ("images", f"First {shown} images", run["first"]),
        ("worst", "Worst reconstructions", run["worst"]),
        ("pca", "Compared with PCA", run["curve"]),
    ]
    details = [
        ("classes", "Classes", run["per_class"]),
        ("latent", "Representation", run["spectrum"] or run["traversals"]),
        ("samples", "Samples", run["samples"]),
        ("between", "Between two images", run["interpolations"]),
    ]
    return Section(TEMPLATE, run, contents, details)


def stacks(evidence: Mapping[str, np.ndarray], classes: Sequence[str], which: Literal["first", "worst"]) -> list[Stack]:
    """The first images of the scored split, or those of highest error, each above what the network made of it.

    Parameters
    ----------
    evidence : arrays of evidence.npz.
    classes : K names.

    Returns
    -------
    list of Stack : at most 20, of the image, what the network was given where that is noisy, and the reconstruction.
    """
    if f"{which}_reconstructions" not in evidence:
        return []
    named = {"image": "pixels", "with noise": "noisy", "reconstruction": "reconstructions"}
    columns = {name: evidence[f"{which}_{array}"] for name, array in named.items() if f"{which}_{array}" in evidence}
    out = []
    for place, index in enumerate(evidence[f"{which}_index"].tolist()):
        label = int(evidence["labels"][index])
        images = tuple((name, pixels[place]) for name, pixels in columns.items())
        out.append(
            Stack(
                images, classes[label] if label < len(classes) else str(label), index, f"{evidence['mse'][index]:.4f}"
            )
        )
    return out


def _worst(evidence: Mapping[str, np.ndarray], classes: Sequence[str], prefix: str) -> dict[str, Any]:
    """The images of highest error, each with a map of where it is, and what the map's colours stand for."""
    found = stacks(evidence, classes, "worst")
    if not found:
        return {}
    maps = [_difference(dict(stack.parts)) for stack in found]  # (H, W) each, 0 to 1
    largest = max(float(one.max()) for one in maps) or 1.0
    colored = [figures.colored(one / largest) for one in maps]
    worst = [
        Stack((*one.parts, ("error", map_)), one.label, one.index, one.error)
        for one, map_ in zip(found, colored, strict=True)
    ]
    alt = f"Colours of the error maps, from 0 (black) to {largest:.2f} (light yellow)"
    return {"worst": worst, "scale": inline(figures.scale(largest), alt, prefix + "scale")}


def _difference(images: Mapping[str, np.ndarray]) -> np.ndarray:
    """How far a reconstruction is off at each place: absolute, the mean over channels, (H, W), for pixels in [0, 1]."""
    pair = (images[name].astype(np.float64) / 255 for name in ("image", "reconstruction"))
    first, second = pair
    return np.asarray(np.abs(first - second).mean(0))


def _beside(evidence: Mapping[str, np.ndarray], scored: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """PCA's error at every number of components beside the network's, and how many components that error is worth."""
    if "pca_mse" not in evidence:
        return {}
    counts, errors = evidence["pca_components"].tolist(), evidence["pca_mse"].tolist()
    mse, size = scored.get("mse", float(evidence["mse"].mean(dtype=np.float64))), evidence["representation"].shape[1]
    reached = next((place for place, error in enumerate(errors) if error <= mse), None)
    if reached is None:
        worth = f"more than {format.whole(counts[-1])}"
    elif reached == 0 or counts[reached] == counts[reached - 1] + 1:
        worth = format.whole(counts[reached])
    else:
        worth = f"{format.whole(counts[reached - 1] + 1)} to {format.whole(counts[reached])}"
    alt = (
        f"MSE of PCA against its number of components, from {errors[0]:.3g} to {errors[-1]:.3g}; this network, of "
        f"{size}, at {mse:.3g}"
    )
    drawn = inline(figures.beside(counts, errors, size, mse), alt, prefix + "pca")
    return {"curve": drawn, "same_as_pca": worth, "ladder": list(zip(counts, errors, strict=True))}


def _latent(evidence: Mapping[str, np.ndarray], classes: Sequence[str], prefix: str) -> dict[str, Any]:
    """The spectrum of the representation, and rows of pictures: along its dimensions, of samples, from one image to
    another.
    """
    out: dict[str, Any] = {}
    values = evidence["representation"]
    spectrum = evidence.get("spectrum", np.zeros(0))
    if spectrum.size:
        alt = (
            f"Share of the representation's variance along each of its {len(spectrum)} directions, the largest "
            f"{100 * spectrum[0]:.0f} %"
        )
        out["spectrum"] = inline(figures.spectrum(spectrum), alt, prefix + "spectrum")
    if "traversals" in evidence:
        spread = values.std(0, dtype=np.float64)
        pairs = zip(evidence["traversal_dimensions"].tolist(), evidence["traversals"], strict=True)
        out["traversals"] = [(f"dimension {number}", f"sd {spread[number]:.3g}", row) for number, row in pairs]
    out |= {name: list(evidence.get(name, ())) for name in ("samples", "pca_samples")}
    labels = evidence["labels"]
    for ends, row in zip(evidence.get("interpolation_index", ()), evidence.get("interpolations", ()), strict=True):
        first, last = (classes[label] if label < len(classes) else str(label) for label in labels[ends].tolist())
        out.setdefault("interpolations", []).append((f"{first} to {last}", f"no. {ends[0]}, {ends[1]}", row))
    return out
