"""Defines a loss of a verifier: a scalar from a siamese network's representations of a batch and their labels."""

from typing import Protocol

from torch import Tensor

from smallvision.nn.siamese import Siamese

SEMI_HARD = "semi-hard mining"  # one of metrics.collapse.REMEDIES


class PairLoss(Protocol):
    """A loss on the pairs or triplets of a batch.

    Attributes
    ----------
    margin : that distances are to keep; None where the loss has none, so that nothing says which images are near.
    metric : "euclidean" or "cosine", where the loss has distances of its own; None where it has those of the network.
    normalized : whether the loss divides representations by their lengths before it takes distances.
    of_head : whether it is the loss of the dense head. A head beside another loss learns by a cross-entropy of its own.
    no_remedies : those of `metrics.collapse.REMEDIES` that would not help, because they are in use or do not apply.
    """

    @property
    def margin(self) -> float | None: ...
    @property
    def metric(self) -> str | None: ...
    @property
    def normalized(self) -> bool: ...
    @property
    def of_head(self) -> bool: ...
    @property
    def no_remedies(self) -> tuple[str, ...]: ...

    def __call__(self, network: Siamese, representations: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch, a scalar.

        Parameters
        ----------
        network : what made the representations; of it a loss uses the distance, the head and the weights.
        representations : (B, D).
        labels : int64 (B,).
        """
        ...
