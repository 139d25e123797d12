"""The sources of features that are probed: the network's representation and its baselines.

Raw pixels are the features without any representation. PCA is the best linear representation of the same size. The
network with its initial weights shows what its layers give without learning (Saxe et al. 2011, "On random weights and
unsupervised feature learning").
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import nn

import smallvision.nn as networks
from smallvision.data.imageset import ImageSet, Splits
from smallvision.errors import counted
from smallvision.experiment.model.classifiers import CustomSpec
from smallvision.inference.predict import Loaded
from smallvision.metrics.features import features
from smallvision.nn.user_model import Adopted
from smallvision.runs.read import RunRecord
from smallvision.tasks.reconstruction import pca_baseline

Encode = Callable[[ImageSet], np.ndarray]


@dataclass(frozen=True, eq=False)
class Given:
    """The run and the images from which the features are computed.

    Parameters
    ----------
    record : of the finished run.
    loaded : its network.
    splits : all images of the run; PCA is fitted on the training split.
    size : values of the representation.
    trust_code : whether a person's own file may be executed again.
    """

    record: RunRecord
    loaded: Loaded
    splits: Splits
    size: int
    trust_code: bool


def left_out(name: str, given: Given) -> str:
    """The reason why a source is left out, as a note; "" if it is not."""
    several = any(len(split.groups) > 1 for split in given.splits.named().values())
    if name in ("pixels", "pca") and (several or len({split.shape for split in given.splits.named().values()}) > 1):
        return f"{NAMES[name]}: left out, because the images have several sizes"
    if name == "pca" and given.splits.train.pixels[0].numel() > pca_baseline.LARGEST:
        return f"{NAMES[name]}: left out, because the images have more than {pca_baseline.LARGEST:,} pixels"
    if name == "pca" and len(given.splits.train) < 2:
        return f"{NAMES[name]}: left out, because one image has no variance"
    spec = given.record.experiment.model
    if name == "untrained" and isinstance(spec, CustomSpec) and spec.kind == "custom":
        why = "the network was passed in from Python and its initial weights are not known"
        return f"{NAMES[name]}: left out, because {why}"
    return ""


def encoder(name: str, given: Given) -> tuple[Encode, tuple[str, ...]]:
    """A function from N images to a source's features, float32 (N, D), and notes. For sources not in `left_out`."""
    return _MAKERS[name](given)


def title(name: str, size: int) -> str:
    """A source with its number of values, for tables: "representation, 32 values"."""
    unit = "component" if name == "pca" else "value"
    return f"{NAMES[name]}, {size:,} {unit}{'' if size == 1 else 's'}"


def _of(model: nn.Module) -> Encode:
    return lambda images: features(model, images)


def _representation(given: Given) -> tuple[Encode, tuple[str, ...]]:
    model = given.loaded.model
    if isinstance(model, Adopted) and model.last is None:
        return _of(model), ("the network has no dense layer, so its logits are probed as its representation",)
    return _of(model), ()


def _pixels(given: Given) -> tuple[Encode, tuple[str, ...]]:
    return lambda images: features(None, images, "pixels"), ()


def _pca(given: Given) -> tuple[Encode, tuple[str, ...]]:
    train, fitted = given.splits.train, pca_baseline.of(given.splits.train)
    assert fitted is not None
    count = min(given.size, len(fitted.mean), len(train) - 1)  # N images less their mean span N - 1 directions
    fewer = (
        f"PCA: {counted(count, 'component')}, which is all there are, although the representation has "
        f"{counted(given.size, 'value')}"
    )
    return lambda images: fitted.project(images.pixels, count).float().numpy(), (fewer,) if count < given.size else ()


def _untrained(given: Given) -> tuple[Encode, tuple[str, ...]]:
    assert given.record.result is not None
    result, loaded = given.record.result, given.loaded
    seed = given.record.state["seed"]
    model = networks.build(
        given.record.experiment.model,
        networks.InputSpec(loaded.shape, loaded.outputs, result["mean"], result["std"]),
        seed,
        given.trust_code,
    )
    return _of(model), ()


NAMES = {"representation": "representation", "pixels": "pixels", "pca": "PCA", "untrained": "untrained encoder"}
_MAKERS: dict[str, Callable[[Given], tuple[Encode, tuple[str, ...]]]] = {
    "representation": _representation,
    "pixels": _pixels,
    "pca": _pca,
    "untrained": _untrained,
}
