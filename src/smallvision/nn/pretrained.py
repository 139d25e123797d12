"""Networks that begin with another network's encoder: how it is put in place, frozen, and given trained weights."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from smallvision.errors import BadInput, first_line
from smallvision.nn.base import Model, parameter_groups
from smallvision.nn.shapes import Shape


class OnEncoder(Model):
    """What the networks share that begin with another network's encoder: a learning rate of its own, or none at all.

    At rate 0 the encoder is frozen: its parameters have no gradient, its batch normalisations keep their statistics,
    and its dropout drops nothing.

    Attributes
    ----------
    encoder : `encoder.encode` makes features of pixels (B, C, H, W) in [0, 1].
    rate : the encoder's learning rate as a multiple of the recipe's.
    frozen : whether the rate is 0.
    """

    encoder: Model
    rate: float
    frozen: bool

    def place_encoder(self, network: Model, rate: float, shape: Shape) -> int:
        """Make the part of `network` that encodes this network's encoder.

        Parameters
        ----------
        network : the whole other network, with fresh weights; what does not encode is taken out of it.
        rate : the encoder's learning rate as a multiple of the recipe's; 0 freezes it.
        shape : (C, H, W) of the images.

        Returns
        -------
        int : D, how many features the encoder makes of an image.

        Raises
        ------
        BadInput : nothing tells which layers of the network encode.
        """
        width = getattr(network, "representation", None) or getattr(getattr(network, "output", None), "in_features", 0)
        self.encoder = network.encoder_part()
        self.rate, self.frozen = rate, rate == 0
        if self.frozen:
            self.encoder.requires_grad_(False)
        if all(parameter.is_meta for parameter in self.encoder.parameters()):  # it is only counted, see `nn.size`
            return int(width or 0)
        return features(self.encoder, shape)

    def train(self, mode: bool = True) -> Self:
        """Training mode or not, for all but a frozen encoder, which stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """The parameter groups of every network; the encoder's groups come first and have its `rate`, and a frozen
        encoder has none."""
        parts = [part for name, part in self.named_children() if name != "encoder"]
        new = [group for part in parts for group in parameter_groups(part, weight_decay)]
        if self.frozen:
            return new
        return [{**group, "rate": self.rate} for group in self.encoder.parameter_groups(weight_decay)] + new


def features(encoder: Model, shape: Shape) -> int:
    """D, how many values describe an image of `shape` (C, H, W). Raises BadInput where the encoder cannot be called."""
    encoder.eval()
    try:
        with torch.no_grad():
            encoded = encoder.encode(torch.zeros(2, *shape))
    except RuntimeError as error:
        raise BadInput(f"model.encoder: the encoder cannot be taken from its network ({first_line(error)})") from None
    return encoded.shape[1]


def take_over(encoder: nn.Module, weights: Mapping[str, Tensor], name: str) -> None:
    """Copy an encoder's weights and buffers from those of a whole network, in place.

    Parameters
    ----------
    encoder : as `Model.encoder_part` gives it, on the CPU.
    weights : the state of the whole network; what the encoder does not have is left out. Of the last layer of a
        variational encoder, which makes means and variances, the rows of the means are taken.
    name : what the weights are of, for the message.

    Raises
    ------
    BadInput : the weights do not fit the encoder.
    """
    taken = {
        key: weights[key][: len(value)] if value.ndim else weights[key]
        for key, value in encoder.state_dict().items()
        if key in weights
    }
    try:
        encoder.load_state_dict(taken)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise BadInput(f"model.encoder: {name}: its weights do not fit the encoder ({reason})") from None


def refuse_other_shape(theirs: Sequence[int], ours: Sequence[int], name: str) -> None:
    """Raise BadInput unless the encoder, of the run or experiment `name`, is for images (C, H, W) of the same shape."""
    if tuple(theirs) != tuple(ours):
        one, other = ("x".join(map(str, shape)) for shape in (theirs, ours))
        raise BadInput(
            f"model.encoder: {name} was trained on images of {one}, but these are of {other}; use an encoder for "
            "images of this shape"
        )
