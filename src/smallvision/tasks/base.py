"""What every task gives back: a step's loss and sums, and a split's scores with evidence for each image."""

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor


@dataclass(frozen=True)
class Step:
    """One batch, forward.

    loss  : scalar tensor to differentiate, a mean over the batch.
    sums  : what is reported, each summed over the batch's images and still on the device; "loss" is always there.
    count : images in the batch.
    """

    loss: Tensor
    sums: dict[str, Tensor]
    count: int


@dataclass(frozen=True)
class Scores:
    """One split, scored.

    values   : figures of the whole split.
    count    : images in it.
    evidence : arrays with a row for each image, or for each pair.
    fitted   : what scoring needed beyond the weights, where the task fits something on validation images.
    """

    values: dict[str, float]
    count: int
    evidence: dict[str, np.ndarray] = field(default_factory=dict)
    fitted: dict[str, float] = field(default_factory=dict)
