"""The part of a network that encodes: taken out of the whole, and given the weights of a finished run."""

import hashlib
from collections.abc import Sequence
from typing import Protocol, TypeVar

import safetensors.torch
import torch
from torch import Tensor, nn

from smallvision.errors import BadInput
from smallvision.experiment.model.autoencoders import AutoencoderSpec
from smallvision.experiment.model.base import Activation
from smallvision.experiment.model.classifiers import CnnSpec, Lenet5Spec, MlpSpec
from smallvision.experiment.model.encoder import EncoderSpec
from smallvision.experiment.model.encoder_classifier import EncoderClassifierSpec
from smallvision.experiment.model.siamese import SiameseSpec
from smallvision.experiment.model.union import ModelSpec
from smallvision.nn.autoencoders.base import Autoencoder
from smallvision.nn.shapes import Shape
from smallvision.nn.user_model import Adopted
from smallvision.runs.read import RunRecord

BEYOND = ("decoder", "output", "pair_head")  # what our networks have that `encode` does not use

Giver = TypeVar("Giver", bound=nn.Module)


class Encoder(Protocol):
    """What is asked of an encoder to be measured."""

    def eval(self) -> object: ...
    def encode(self, pixels: Tensor) -> Tensor: ...


def encoding(giver: Giver) -> Giver:
    """The same network without what `encode` does not use: decoder, output, and of a variational one all but the mean.

    Raises
    ------
    BadInput : a person's own network without a dense layer, whose features nothing tells from its output.
    """
    if isinstance(giver, Adopted):
        if giver.last is None:
            raise BadInput(
                f"model.encoder: {type(giver.net).__name__} has no dense layer, so nothing tells which of its layers "
                "encode, and no encoder can be taken over; one with a dense output is needed"
            )
        parent, _, name = giver.last.rpartition(".")
        setattr(giver.net.get_submodule(parent), name, nn.Identity())
    elif isinstance(giver, Autoencoder) and giver.variational:
        _halve(giver.encoder[-1], giver.representation)
        giver.variational = False
    for name in BEYOND:
        if hasattr(giver, name):
            delattr(giver, name)
    return giver


def _halve(layer: nn.Module, kept: int) -> None:
    """Of the last layer of a variational encoder, (B, 2 D), only what makes the D means."""
    for part in layer.children():
        if isinstance(part, nn.Linear | nn.Conv2d):
            part.weight = nn.Parameter(part.weight.detach()[:kept].clone())
            if part.bias is not None:
                part.bias = nn.Parameter(part.bias.detach()[:kept].clone())
            setattr(part, "out_features" if isinstance(part, nn.Linear) else "out_channels", kept)


def features(encoder: Encoder, shape: Shape) -> int:
    """D, how many values describe an image. Raises BadInput."""
    encoder.eval()
    try:
        with torch.no_grad():
            found = encoder.encode(torch.zeros(2, *shape))
    except RuntimeError as error:
        raise BadInput(f"model.encoder: cannot be taken out of its network ({str(error).splitlines()[0]})") from None
    return found.shape[1]


def last_activation(spec: ModelSpec) -> Activation:
    """The activation after a network's last layer that encodes; it decides the gain of what comes next."""
    if isinstance(spec, AutoencoderSpec):
        return spec.representation_activation
    if isinstance(spec, MlpSpec | Lenet5Spec):
        return spec.activation
    if isinstance(spec, CnnSpec):
        return spec.dense_activation if spec.dense else spec.blocks[-1].activation
    if isinstance(spec, EncoderClassifierSpec) and spec.encoder.model is not None:
        return spec.dense_activation if spec.dense else last_activation(spec.encoder.model)
    if isinstance(spec, SiameseSpec) and spec.encoder.model is not None and spec.representation is None:
        return last_activation(spec.encoder.model)
    return "none"


def take_over(encoder: nn.Module, asked: EncoderSpec, record: RunRecord, shape: Shape) -> None:
    """Copy an encoder's weights and buffers from a finished run, in place.

    Parameters
    ----------
    encoder : as `encoding` gave it, on the CPU.
    asked : whose encoder is wanted, filled in.
    record : of the run; what it has beside its encoder is left out.
    shape : (C, H, W) of the images that it is for.

    Raises
    ------
    BadInput : the run is unfinished, of images of another shape or not of what was asked, or its weights are missing or damaged.
    """
    where = f"model.encoder: {record.path}"
    if record.result is None or record.layers is None:
        raise BadInput(f"{where}: is not finished, so it has no encoder to take over; finish it: {resuming(record)}")
    refuse_other_shape(record.layers["input"], shape, str(record.path))
    path = record.path / "model.safetensors"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"model.encoder: {path}: cannot be read: {error.strerror or error}") from None
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != record.result["model_sha256"]:
        raise BadInput(
            f"model.encoder: {path}: is not the file this run wrote (its sha256 differs from result.json's); run it again"
        )
    if asked.digest not in (None, record.experiment.training_hash(), sha256) or record.experiment.model != asked.model:
        raise BadInput(
            f"{where}: is not the run this experiment was written for (model.encoder.digest is {str(asked.digest)[:12]}); "
            "leave model.encoder.digest and .model out to take over what is there now"
        )
    found = safetensors.torch.load(data)
    taken = {
        name: found[name][: len(value)]
        if value.ndim
        else found[name]  # of a variational encoder's last layer, the means
        for name, value in encoder.state_dict().items()
        if name in found
    }
    try:
        encoder.load_state_dict(taken)
    except RuntimeError as error:
        raise BadInput(f"{where}: its weights do not fit the encoder ({str(error).splitlines()[-1].strip()})") from None


def refuse_other_shape(theirs: Sequence[int], ours: Sequence[int], name: str) -> None:
    """Raise BadInput unless the encoder, of the run or experiment `name`, is for images (C, H, W) of the same shape."""
    if tuple(theirs) != tuple(ours):
        one, other = ("x".join(map(str, shape)) for shape in (theirs, ours))
        raise BadInput(
            f"model.encoder: {name} is for images of {one}, and these are of {other}; take over one for images of this shape"
        )


def resuming(record: RunRecord) -> str:
    """The command that goes on with an unfinished run."""
    command = (
        str(record.state["command"])
        or f"smallvision run {record.path / 'experiment.toml'} --seed {record.state['seed']}"
    )
    return command if command.endswith("--resume") else f"{command} --resume"
