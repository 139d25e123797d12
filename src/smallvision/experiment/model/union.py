"""The table of all networks' specs, and their union. A new network also needs a class and an entry in `nn/`."""

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from smallvision.experiment.model.autoencoders import ComboAutoencoderSpec, ConvAutoencoderSpec, MlpAutoencoderSpec
from smallvision.experiment.model.base import NetworkSpec
from smallvision.experiment.model.classifiers import CnnSpec, CustomSpec, Lenet5Spec, MlpSpec
from smallvision.experiment.model.encoder import EncoderSpec
from smallvision.experiment.model.encoder_classifier import EncoderClassifierSpec
from smallvision.experiment.model.siamese import SiameseSpec

MODEL_SPECS: dict[str, type[NetworkSpec]] = {
    "mlp": MlpSpec,
    "cnn": CnnSpec,
    "lenet5": Lenet5Spec,
    "mlp-autoencoder": MlpAutoencoderSpec,
    "conv-autoencoder": ConvAutoencoderSpec,
    "combo-autoencoder": ComboAutoencoderSpec,
    "encoder-classifier": EncoderClassifierSpec,
    "siamese": SiameseSpec,
}


def _tag(value: Any) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    if isinstance(kind, str) and (kind == "custom" or ":" in kind):
        return "custom"
    return str(kind)


ModelSpec = Annotated[
    Annotated[MlpSpec, Tag("mlp")]
    | Annotated[CnnSpec, Tag("cnn")]
    | Annotated[Lenet5Spec, Tag("lenet5")]
    | Annotated[MlpAutoencoderSpec, Tag("mlp-autoencoder")]
    | Annotated[ConvAutoencoderSpec, Tag("conv-autoencoder")]
    | Annotated[ComboAutoencoderSpec, Tag("combo-autoencoder")]
    | Annotated[EncoderClassifierSpec, Tag("encoder-classifier")]
    | Annotated[SiameseSpec, Tag("siamese")]
    | Annotated[CustomSpec, Tag("custom")],
    Discriminator(_tag),
]

# EncoderSpec.model holds a ModelSpec, which is known from here on: pydantic resolves the reference once for each class.
EncoderSpec.model_rebuild(_types_namespace={"ModelSpec": ModelSpec})
EncoderClassifierSpec.model_rebuild()
SiameseSpec.model_rebuild()
