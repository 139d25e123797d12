"""The table of all networks. A new one needs a spec in `experiment/model/`, which stands in MODEL_SPECS and in the
union of `experiment/model/union.py`, its class in `nn/`, and a line in NETWORKS.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from smallvision.data import memory
from smallvision.errors import BadInput, nearest
from smallvision.experiment.base import Spec
from smallvision.experiment.model.autoencoders import ComboAutoencoderSpec, ConvAutoencoderSpec, MlpAutoencoderSpec
from smallvision.experiment.model.classifiers import CnnSpec, CustomSpec, Lenet5Spec, MlpSpec
from smallvision.experiment.model.encoder import OnEncoderSpec
from smallvision.experiment.model.encoder_classifier import EncoderClassifierSpec
from smallvision.experiment.model.siamese import SiameseSpec
from smallvision.experiment.model.union import ModelSpec
from smallvision.nn import cnn, size, user_model
from smallvision.nn.autoencoders.combo import ComboAutoencoder
from smallvision.nn.autoencoders.conv import ConvAutoencoder
from smallvision.nn.autoencoders.mlp import MlpAutoencoder
from smallvision.nn.base import Model
from smallvision.nn.cnn import Cnn
from smallvision.nn.encoder_classifier import EncoderClassifier
from smallvision.nn.input_spec import InputSpec
from smallvision.nn.lenet5 import Lenet5
from smallvision.nn.mlp import Mlp
from smallvision.nn.shapes import Shape
from smallvision.nn.siamese import Siamese


@dataclass(frozen=True)
class Network:
    """One kind of network. What a network says only once it is built is in its class: see `nn.base.Model`.

    Parameters
    ----------
    spec : what an experiment says of it.
    build : makes the network of its spec and an InputSpec; of a spec with another network's encoder (OnEncoderSpec), of
        that network too.
    any_size : whether the network of a spec takes images of several sizes.
    check_shape : for networks of any size: raises BadInput for images (C, H, W) that its layers do not fit into.
    """

    spec: type[Spec]
    build: Callable[..., Model]
    any_size: Callable[[Any], bool] = lambda spec: False
    check_shape: Callable[[Any, Shape], object] = lambda spec, shape: None


NETWORKS: dict[str, Network] = {
    "mlp": Network(MlpSpec, Mlp),
    "cnn": Network(CnnSpec, Cnn, cnn.any_size, cnn.check_shape),
    "lenet5": Network(Lenet5Spec, Lenet5),
    "mlp-autoencoder": Network(MlpAutoencoderSpec, MlpAutoencoder),
    "conv-autoencoder": Network(ConvAutoencoderSpec, ConvAutoencoder),
    "combo-autoencoder": Network(ComboAutoencoderSpec, ComboAutoencoder),
    "encoder-classifier": Network(EncoderClassifierSpec, EncoderClassifier),
    "siamese": Network(SiameseSpec, Siamese),
}


def build(spec: ModelSpec, inputs: InputSpec, seed: int, trust_code: bool = False) -> Model:
    """A fresh network. The same arguments give the same bits, whatever was drawn before, and nothing else is disturbed.

    Parameters
    ----------
    spec : of one of the kinds in NETWORKS, or a person's own.
    inputs : shape of the images, number of classes, mean and standard deviation of the pixels.
    seed : decides the initial weights alone; torch's global random state is left as it was.
    trust_code : whether the file of `kind = "file.py:Net"` may be executed.

    Returns
    -------
    Model : on the CPU, in training mode, float32.

    Raises
    ------
    BadInput : for sizes that do not fit, also into memory, a person's own module that cannot be used, an encoder whose
        network is not filled in.
    """
    size.refuse(measured(spec, inputs), spec, memory.available_bytes())
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the CPU's alone: nothing is drawn on another device here
        return _drawn(spec, inputs, trust_code)


def measured(spec: ModelSpec, inputs: InputSpec) -> size.Size | None:
    """Bytes that a network takes, without building it; None for a person's own. Raises BadInput as `build` does."""
    if isinstance(spec, CustomSpec) or spec.kind not in NETWORKS or _own_encoder(spec):
        return None
    with torch.random.fork_rng(devices=[]):
        return size.measure(lambda: _drawn(spec, inputs, False))


def _own_encoder(spec: ModelSpec) -> bool:
    """Whether a network's encoder is of a person's own network, which only its own code can make."""
    return isinstance(spec, OnEncoderSpec) and (
        isinstance(spec.encoder.model, CustomSpec) or _own_encoder(_encoder_spec(spec))
    )


def _drawn(spec: ModelSpec, inputs: InputSpec, trust_code: bool) -> Model:
    """The network, its weights drawn from torch's generator as it stands; the network whose encoder it has is drawn
    first."""
    if isinstance(spec, CustomSpec):  # its kind is the name of a file, which is in no table
        return user_model.load(spec, inputs, trust_code)
    if spec.kind not in NETWORKS:
        raise BadInput(f'model.kind: there is no model "{spec.kind}"; {nearest(spec.kind, NETWORKS)}')
    others = [_drawn(_encoder_spec(spec), inputs, trust_code)] if isinstance(spec, OnEncoderSpec) else []
    return NETWORKS[spec.kind].build(spec, inputs, *others)


def _encoder_spec(spec: OnEncoderSpec) -> ModelSpec:
    if spec.encoder.model is None:
        raise BadInput(
            "model.encoder: its network is not known yet; use smallvision.run or training.user_objects.with_digests, "
            "which look it up"
        )
    network: ModelSpec = spec.encoder.model
    return network


def require_any_size(spec: ModelSpec | None, channels: int, sizes: Sequence[tuple[int, int]], name: str) -> None:
    """Refuse images of several sizes for a network that takes one, or of a size that its layers do not fit into.

    Parameters
    ----------
    spec : the network's; None for a module passed in from Python.
    channels : of the images.
    sizes : every (H, W) that there is in any split; a single one is left to the network itself.
    name : of the images, for the message.

    Raises
    ------
    BadInput : what was found, and what to set.
    """
    if len(sizes) == 1:
        return
    network = NETWORKS.get(spec.kind) if spec is not None else None
    if network is None or not network.any_size(spec):
        shown = ", ".join(f"{height}x{width}" for height, width in sorted(sizes)[:5])
        more = ", ..." if len(sizes) > 5 else ""
        raise BadInput(
            f"{name}: images of {len(sizes):,} sizes ({shown}{more}), but this network takes one size only; set "
            'data.size, for example data.size=32, or use model.kind = "cnn" with a global head, as in model.head = '
            '"global-mean"'
        )
    for height, width in sizes:
        try:
            network.check_shape(spec, (channels, height, width))
        except BadInput as error:
            raise BadInput(f"{name}: its images of {height}x{width} are too small for this network: {error}") from None
