"""Networks: modules that make logits, an image or a representation of pixels in [0, 1], built from a spec and a
seed."""

from smallvision.nn import old_names
from smallvision.nn.autoencoders.base import Autoencoder
from smallvision.nn.base import Classifier, Model
from smallvision.nn.encoder_classifier import EncoderClassifier
from smallvision.nn.input_spec import InputSpec
from smallvision.nn.pretrained import OnEncoder
from smallvision.nn.registry import NETWORKS, Network, build
from smallvision.nn.siamese import Siamese
from smallvision.nn.user_model import adopt

__all__ = [
    "NETWORKS",
    "Autoencoder",
    "Classifier",
    "EncoderClassifier",
    "InputSpec",
    "Model",
    "Network",
    "OnEncoder",
    "Siamese",
    "adopt",
    "build",
]

old_names.install()
