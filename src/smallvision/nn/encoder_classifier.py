"""A classifier on another network's encoder (reference system R2, task 4): fresh, taken over, frozen or at its own
rate."""

from torch import Tensor, nn

from smallvision.experiment.model.encoder_classifier import EncoderClassifierSpec
from smallvision.nn.base import Classifier, Model
from smallvision.nn.init import initialized
from smallvision.nn.input_spec import InputSpec
from smallvision.nn.mlp import dense
from smallvision.nn.pretrained import OnEncoder


class EncoderClassifier(OnEncoder, Classifier):
    """The encoder of another network, dense layers, one output per class.

    The encoder brings the standardisation of its own training images with its weights.

    Parameters
    ----------
    spec : rate, dense layers, initialisation of what is new.
    inputs : shape and number of classes of the images; mean and std are not used, since the encoder standardises the
        pixels.
    network : the whole other network, with fresh weights; what does not encode is taken out of it.

    Raises
    ------
    BadInput : nothing tells which layers of the other network encode.
    """

    def __init__(self, spec: EncoderClassifierSpec, inputs: InputSpec, network: Model) -> None:
        super().__init__()
        width = self.place_encoder(network, spec.rate, inputs.shape)
        self.last_activation = spec.dense_activation if spec.dense else self.encoder.last_activation
        self.dense = dense(width, spec.dense, spec.dense_activation, spec.dense_dropout, spec.init)
        output = nn.Linear((width, *spec.dense)[-1], inputs.classes)
        self.output = initialized(output, spec.init, self.last_activation)
        self.train()  # a frozen encoder stays in evaluation mode

    def encode(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.dense(self.encoder.encode(pixels))  # (B, D)
        return features

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.output(self.encode(pixels))  # (B, K)
        return logits
