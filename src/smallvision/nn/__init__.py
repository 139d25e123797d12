"""Networks: from a spec and a seed to a module that takes pixels in [0, 1] and gives logits, an image, or a representation."""

from collections.abc import Callable, Sequence

import torch

from smallvision.errors import BadInput, nearest
from smallvision.experiment.model.classifiers import CustomSpec
from smallvision.experiment.model.encoder import OnEncoderSpec
from smallvision.experiment.model.encoder_classifier import EncoderClassifierSpec
from smallvision.experiment.model.siamese import SiameseSpec
from smallvision.experiment.model.union import ModelSpec
from smallvision.nn import user_model
from smallvision.nn.autoencoders.base import Autoencoder
from smallvision.nn.autoencoders.combo import ComboAutoencoder
from smallvision.nn.autoencoders.conv import ConvAutoencoder
from smallvision.nn.autoencoders.mlp import MlpAutoencoder
from smallvision.nn.classifier import Classifier
from smallvision.nn.cnn import Cnn
from smallvision.nn.encoder_classifier import EncoderClassifier
from smallvision.nn.lenet5 import Lenet5
from smallvision.nn.mlp import Mlp
from smallvision.nn.shapes import Shape
from smallvision.nn.siamese import Siamese
from smallvision.nn.user_model import adopt

__all__ = ["MODELS", "Autoencoder", "Classifier", "EncoderClassifier", "Network", "Siamese", "adopt", "build"]

Network = Classifier | Autoencoder | Siamese

MODELS: dict[str, Callable[..., Network]] = {
    "mlp": Mlp,
    "cnn": Cnn,
    "lenet5": Lenet5,
    "mlp-autoencoder": MlpAutoencoder,
    "conv-autoencoder": ConvAutoencoder,
    "combo-autoencoder": ComboAutoencoder,
    "encoder-classifier": EncoderClassifier,
    "siamese": Siamese,
}


def build(
    spec: ModelSpec,
    shape: Shape,
    classes: int,
    mean: Sequence[float],
    std: Sequence[float],
    seed: int,
    trust_code: bool = False,
) -> Network:
    """A fresh network. The same arguments give the same bits, whatever was drawn before, and nothing else is disturbed.

    Parameters
    ----------
    spec : one of the kinds in MODELS, or a person's own.
    shape : (C, H, W) of the images.
    classes : number of classes, K; an autoencoder and a siamese network have no use for it.
    mean, std : of the training pixels, per channel; (0, ..) and (1, ..) to leave the pixels as they are.
    seed : decides the initial weights alone; torch's global random state is left as it was.
    trust_code : whether the file of `kind = "file.py:Net"` may be executed.

    Returns
    -------
    Classifier, Autoencoder or Siamese : on the CPU, in training mode, float32.

    Raises
    ------
    BadInput : for sizes that do not fit, a person's own module that cannot be used, an encoder whose network is not filled in.
    """
    if len(mean) != shape[0]:
        raise BadInput(f"data.normalize: {len(mean)} numbers for images of {shape[0]} channel(s); give one per channel")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the CPU's alone: CUDA's state is nobody's here
        return _drawn(spec, shape, classes, mean, std, trust_code)


def _drawn(
    spec: ModelSpec, shape: Shape, classes: int, mean: Sequence[float], std: Sequence[float], trust_code: bool
) -> Network:
    """The network, its weights drawn from torch's generator as it stands; one on another's encoder draws after that one."""
    if isinstance(spec, CustomSpec):
        return user_model.load(spec, shape, classes, mean, std, trust_code)
    if isinstance(spec, OnEncoderSpec):
        if spec.encoder.model is None:
            raise BadInput(
                "model.encoder: whose network it is has not been looked up; smallvision.run does, and passed.with_digests"
            )
        giver = _drawn(spec.encoder.model, shape, classes, mean, std, trust_code)
        if isinstance(spec, SiameseSpec):
            return Siamese(spec, shape, giver)
        assert isinstance(spec, EncoderClassifierSpec)
        return EncoderClassifier(spec, shape, classes, giver)
    if spec.kind not in MODELS:
        raise BadInput(f'model.kind: no model "{spec.kind}"; {nearest(spec.kind, MODELS)}')
    return MODELS[spec.kind](spec, shape, classes, mean, std)
