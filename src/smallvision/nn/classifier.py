"""What every network is to the rest of smallvision: pixels to logits, pixels to features, and its parameter groups."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase


class Classifier(nn.Module, ABC):
    """A network that takes pixels in [0, 1] and standardises them itself; see `MODELS` for those there are.

    Where `any_size` is true, H and W may differ from batch to batch, and `forward` and `encode` also take a batch's mask.
    """

    any_size: bool = False

    @abstractmethod
    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (B, K) of pixels (B, C, H, W) in [0, 1]: unnormalised, so the loss applies the softmax."""

    @abstractmethod
    def encode(self, pixels: Tensor) -> Tensor:
        """Features (B, D) of pixels (B, C, H, W) in [0, 1]: what the last layer sees."""

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


NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.LocalResponseNorm)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The groups of `Classifier.parameter_groups`, for any module.

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
