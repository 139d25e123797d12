"""The input that a network is built for: shape of the images, number of classes, mean and deviation of the pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

from smallvision.errors import BadInput, counted
from smallvision.nn.shapes import Shape


@dataclass(frozen=True)
class InputSpec:
    """The images that a network is built for.

    Parameters
    ----------
    shape : (C, H, W) of the images.
    classes : number of outputs, which for a classification is the number of classes, K; networks other than classifiers
        do not use it.
    mean, std : of the training pixels in [0, 1], one number per channel; (0, ..) and (1, ..) leave the pixels as they
        are.

    Raises
    ------
    BadInput : `mean` has another length than the image has channels.
    """

    shape: Shape
    classes: int
    mean: Sequence[float]
    std: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.mean) != self.shape[0]:
            raise BadInput(
                f"data.normalize: {counted(len(self.mean), 'number')} for images of "
                f"{counted(self.shape[0], 'channel')}; write one for "
                "each channel"
            )
