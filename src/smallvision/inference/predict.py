"""Loads the model of a finished run and applies it to new images."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

import smallvision.nn as networks
from smallvision.data import readers
from smallvision.data.datasets.array_survey import number
from smallvision.data.readers.levels import Levels
from smallvision.data.source import PixelRange
from smallvision.errors import BadInput, counted, first_line
from smallvision.experiment.model.classifiers import CustomSpec
from smallvision.inference.arrays import as_trained
from smallvision.nn import made
from smallvision.runs import weights
from smallvision.runs.read import RunRecord
from smallvision.runs.unfinished import not_finished
from smallvision.storage.schema import damaged
from smallvision.tasks import task_of
from smallvision.tasks.base import Learner

BATCH = 256
ALIKE = 0.02  # probabilities by the same network on another device differ by less


@dataclass(frozen=True)
class Loaded:
    """A model in evaluation mode on the CPU.

    Attributes
    ----------
    model : the network with the selected weights.
    classes : K names.
    shape : (C, H, W) of the images it was trained on.
    any_size : whether it learned from images of several sizes, so that images keep their own size.
    """

    model: nn.Module
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    any_size: bool = False
    outputs: int = 0  # of the network: the classes of a classification
    range: PixelRange | None = None  # which numbers of the training images became black and white; None: 0 and 255


def load(
    record: RunRecord, module: nn.Module | Callable[[], nn.Module] | None = None, trust_code: bool = False
) -> Loaded:
    """The selected weights of a finished run, in its network.

    Parameters
    ----------
    record : of a finished run.
    module : the person's own network again, if it was passed in from Python; or the class or function that makes it.
    trust_code : whether the file of `kind = "file.py:Net"` may be executed.

    Raises
    ------
    BadInput : the run is unfinished, its weights are missing, damaged or swapped, or do not fit its network; the
        network that was passed in, with these weights, does not give the probabilities that the run recorded.
    """
    if record.result is None or record.layers is None:
        raise not_finished(record, "it has no trained network")
    result, path = record.result, record.path / "model.safetensors"
    try:
        data = weights.read(path)
    except OSError as error:
        raise BadInput(f"{path}: the file cannot be read: {error.strerror or error}") from None
    if hashlib.sha256(data).hexdigest() != result["model_sha256"]:
        raise BadInput(
            f"{path}: this is not the file that the run wrote (its sha256 differs from the one in result.json); "
            "restore it, or repeat the run"
        )
    channels, height, width = (int(n) for n in record.layers["input"])
    shape, classes = (channels, height, width), tuple(result["classes"])
    outputs = task_of(record.experiment).outputs(len(classes))
    inputs = networks.InputSpec(shape, outputs, result["mean"], result["std"])
    spec = record.experiment.model
    if isinstance(spec, CustomSpec) and spec.kind == "custom":
        if module is None:
            raise BadInput(f"{record.path}: its network was passed in from Python; pass it again as model=")
        own = made.network(module, int(record.state["seed"]))  # a copy: its owner keeps it as it is
        model: nn.Module = networks.adopt(own, inputs)
    else:
        model = networks.build(spec, inputs, record.state["seed"], trust_code)
    try:
        model.load_state_dict(safetensors.torch.load(data))
    except (RuntimeError, safetensors.SafetensorError) as error:
        first = first_line(error)
        raise BadInput(f"{path}: the weights do not fit the network in experiment.toml: {first}") from None
    loaded = Loaded(model.eval(), classes, shape, result.get("sizes", 1) > 1, outputs, _range(record))
    if module is not None and isinstance(spec, CustomSpec) and spec.kind == "custom":
        _refuse_other_network(record, loaded)
    return loaded


def _range(record: RunRecord) -> PixelRange | None:
    """Which numbers of the training images became black and white, as the run recorded it. Raises BadInput."""
    found = (record.result or {}).get("pixel_range")
    if found is None:
        return None
    if not found["black"] < found["white"]:
        raise damaged(record.path / "result.json", "pixel_range.black must be below pixel_range.white")
    return PixelRange(found["black"], found["white"], found["type"])


def _refuse_other_network(record: RunRecord, loaded: Loaded) -> None:
    """Raise BadInput where a network that was passed in again does not answer as the run did: its code or settings are
    others.

    The run's first images and its probabilities for them are compared; a network whose answers vary from call to call
    is believed.
    """
    evidence = record.evidence or {}
    if loaded.any_size or not {"first_pixels", "probabilities"} <= set(evidence):
        return
    first = torch.as_tensor(evidence["first_pixels"])
    expected = np.asarray(evidence["probabilities"])[: len(first)]
    found, again = predict(loaded, first), predict(loaded, first)
    if found.shape != expected.shape or not np.array_equal(found, again, equal_nan=True):
        return
    worst = float(np.abs(found - expected).max(initial=0.0))
    if not worst <= ALIKE:
        raise BadInput(
            f"{record.path}: the network that was passed in is not the one of this run: its probabilities for the "
            "run's first "
            f"images differ from those recorded by up to {worst:.2g}; pass the network as it was when it was trained"
        )


@torch.inference_mode()
def predict(loaded: Loaded, pixels: Tensor) -> np.ndarray:
    """Class probabilities of images.

    Parameters
    ----------
    pixels : uint8, or floats in [0, 1], (N, C, H, W), of the model's own shape; of any height and width if it learned
        from several.

    Returns
    -------
    np.ndarray : float32 (N, K), rows that sum to one.

    Raises
    ------
    BadInput : other shapes, other integers, floats outside [0, 1].
    """
    pixels = in_unit(loaded, pixels, "predict")
    try:
        parts = [loaded.model(part).float().softmax(1) for part in torch.split(pixels, BATCH)]
    except (RuntimeError, ValueError) as error:
        raise _too_small(loaded, pixels, error, "predict") from None
    return torch.cat(parts).numpy() if parts else np.zeros((0, len(loaded.classes)), np.float32)


@torch.inference_mode()
def encode(loaded: Loaded, pixels: Tensor) -> np.ndarray:
    """Representations of images: the code of an autoencoder, the input of a classifier's last layer (the logits of a
    person's own network without a dense layer).

    Parameters
    ----------
    pixels : as for `predict`, at least one image.

    Returns
    -------
    np.ndarray : float32 (N, D).

    Raises
    ------
    BadInput : as for `predict`; no image.
    """
    pixels = in_unit(loaded, pixels, "encode")
    if not len(pixels):
        raise BadInput("encode: got no images; pass at least one")
    try:
        parts = [loaded.model.encode(part).float() for part in torch.split(pixels, BATCH)]  # type: ignore[operator]
    except (RuntimeError, ValueError) as error:
        raise _too_small(loaded, pixels, error, "encode") from None
    return torch.cat(parts).numpy()


def answer(loaded: Loaded, pixels: Tensor, learner: Learner, what: str) -> np.ndarray:
    """What a network says of images in the terms of its task, see `tasks.base.Learner.answer`.

    Parameters
    ----------
    pixels : as for `predict`.
    learner : of the task that the network was trained for.
    what : the name of the method that asks, for messages.

    Returns
    -------
    np.ndarray : float32 (N, ...); of an autoencoder (N, C, H, W), for pixels in [0, 1], not clamped.

    Raises
    ------
    BadInput : other shapes, other integers, floats outside [0, 1].
    """
    pixels = in_unit(loaded, pixels, what)
    return torch.cat([learner.answer(loaded.model, part) for part in torch.split(pixels, BATCH)]).numpy()


def pixels(loaded: Loaded, images: Tensor | np.ndarray | Sequence[str | Path], what: str) -> Tensor:
    """Pixels (N, C, H, W) of arrays, their numbers read as those of the training images were, or of image files,
    brought to the model's channels and size.

    Raises BadInput; `what` is the name of the method that asks.
    """
    if isinstance(images, Tensor | np.ndarray):
        return as_trained(images, loaded.range, loaded.shape, loaded.any_size, what)
    if not images:
        return torch.zeros(0, *loaded.shape, dtype=torch.uint8)
    return torch.cat([_image(loaded, Path(image), loaded.shape[1:]) for image in images])


def in_unit(loaded: Loaded, pixels: Tensor, what: str) -> Tensor:
    """float32 pixels in [0, 1] on the CPU, once their shape is one that the model takes."""
    own = loaded.shape[:1] if loaded.any_size else loaded.shape
    if pixels.ndim != 4 or tuple(pixels.shape[1:])[: len(own)] != own:
        wanted = f"{own[0]}, height, width" if loaded.any_size else ", ".join(map(str, own))
        cure = ", as in x[:, None]" if pixels.ndim == 3 and own[0] == 1 else ""
        raise BadInput(f"{what}: got pixels of shape {tuple(pixels.shape)}; expected (N, {wanted}){cure}")
    if pixels.dtype == torch.uint8:
        pixels = pixels.float() / 255
    elif not pixels.is_floating_point() or not bool(((pixels >= 0) & (pixels <= 1)).all()):
        found = str(pixels.dtype).removeprefix("torch.")
        levels = f" from {number(pixels.min().item())} to {number(pixels.max().item())}" if pixels.numel() else ""
        raise BadInput(
            f"{what}: got {found} pixels{levels}; expected uint8 (0 to 255), or floats from 0 to 1, where 0 is black "
            "as in the training images"
        )
    return pixels.to("cpu", torch.float32)


def _too_small(loaded: Loaded, pixels: Tensor, error: Exception, what: str) -> Exception:
    """The line for images that a network of any size has no room for; what has another cause stays as it is."""
    if not loaded.any_size or isinstance(error, torch.OutOfMemoryError):
        return error
    high, wide = pixels.shape[2:]
    return BadInput(f"{what}: images of {high}x{wide} are too small for this network ({first_line(error)})")


def predict_files(loaded: Loaded, paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Class and probability for image files of any size and mode; they are brought to the model's channels, and to its
    size unless it learned from images of several.

    Returns
    -------
    list of dict : `image`, `class`, `probability`, and the runner-up as `second`, `second_probability`.

    Raises
    ------
    BadInput : a file that is missing, no image, truncated or too large; nothing is answered then.
    """
    if not paths:
        return []
    images = [_image(loaded, path, None if loaded.any_size else loaded.shape[1:]) for path in paths]
    probabilities = np.concatenate(
        [predict(loaded, some) for some in (images if loaded.any_size else [torch.cat(images)])]
    )
    rows = []
    for path, row in zip(paths, probabilities, strict=True):
        first, second = np.argsort(-row, kind="stable")[:2]
        rows.append(
            {
                "image": str(path),
                "class": loaded.classes[first],
                "probability": float(row[first]),
                "second": loaded.classes[second],
                "second_probability": float(row[second]),
            }
        )
    return rows


def _image(loaded: Loaded, path: Path, size: tuple[int, int] | None) -> Tensor:
    """uint8 (1, C, H, W) of an image file, in the model's channels, resized unless `size` is None."""
    channels = loaded.shape[0]
    if channels not in (1, 3):
        raise BadInput(
            f"the network takes images of {counted(channels, 'channel')}, but image files have 1 or 3; pass arrays "
            f"instead"
        )
    color: Literal["gray", "rgb"] = "gray" if channels == 1 else "rgb"
    return torch.from_numpy(readers.read_image(path, color, size, _levels(loaded)))[None]


def _levels(loaded: Loaded) -> Levels:
    """What numbers of more than 8 bits mean in image files: what they meant in the images of the run."""
    taken = loaded.range
    if taken is None or taken.type in ("uint8", "bool"):
        return Levels()
    word = f"{number(taken.black)} to {number(taken.white)}, which are black and white in this run"
    return Levels(taken.black, taken.white, word, floats_only=taken.type in ("floats", "float files"))
