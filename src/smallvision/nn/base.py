"""The class of all networks: pixels to features, the part that encodes, and parameter groups."""

from abc import ABC, abstractmethod
from typing import Any, Self

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from smallvision.experiment.model.base import Activation


class Model(nn.Module, ABC):
    """A network that takes pixels in [0, 1] and standardises them itself; `nn.registry` has the table of all networks.

    Attributes
    ----------
    any_size : whether H and W may differ from batch to batch; then `forward` and `encode` also take a batch's mask.
    last_activation : the activation after the last layer that encodes. It decides the gain of a layer that another
        network puts after it.
    """

    any_size: bool = False
    last_activation: Activation = "none"

    @abstractmethod
    def encode(self, pixels: Tensor) -> Tensor:
        """Features (B, D) of pixels (B, C, H, W) in [0, 1]."""

    @abstractmethod
    def encoder_part(self) -> Self:
        """This network without what `encode` does not use, changed in place; `encode` still works afterwards.

        Raises
        ------
        BadInput : a person's own network without a dense layer, since nothing says which of its layers encode.
        """

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """What an optimiser takes: every parameter once, normalisations and biases without weight decay.

        Parameters
        ----------
        weight_decay : for the weights of dense and convolutional layers.

        Returns
        -------
        list of {"params": list of parameters, "weight_decay": float}; groups that would be empty are left out.
        """
        return parameter_groups(self, weight_decay)


class Classifier(Model):
    """A network with one output per class: what `encode` gives goes through its last layer, `output`."""

    @abstractmethod
    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (B, K) of pixels (B, C, H, W) in [0, 1]: unnormalised, so the loss applies the softmax."""

    def encoder_part(self) -> Self:
        del self.output
        return self


NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.LocalResponseNorm)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The groups of `Model.parameter_groups`, for any module.

    Shrinking a scale or a shift regularises nothing: whatever has one dimension or belongs to a normalisation is left
    alone (He et al. 2019, "Bag of tricks", 3.1).
    """
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    seen: set[nn.Parameter] = set()
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            if parameter not in seen:  # a parameter shared by two modules goes in once
                seen.add(parameter)
                (free if parameter.ndim < 2 or isinstance(module, NORMS) else decayed).append(parameter)
    pairs = ((decayed, weight_decay), (free, 0.0))
    return [{"params": params, "weight_decay": decay} for params, decay in pairs if params]
