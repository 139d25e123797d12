"""The table of a verifier's losses. A new loss is one file here and one line in LOSSES; an experiment then names it in
task.loss."""

from collections.abc import Callable

from smallvision.errors import BadInput, nearest
from smallvision.experiment.task import VerifySpec
from smallvision.losses import pml
from smallvision.losses.base import PairLoss
from smallvision.losses.contrastive import Contrastive
from smallvision.losses.pair_bce import PairCrossEntropy
from smallvision.losses.triplet import Triplet

LOSSES: dict[str, Callable[[VerifySpec], PairLoss]] = {
    "triplet": Triplet.of,
    "contrastive": Contrastive.of,
    "cross-entropy": PairCrossEntropy.of,
}


def build(spec: VerifySpec) -> PairLoss:
    """The loss that `task.loss` names: one of LOSSES, or one of pytorch-metric-learning, whose names begin with
    "metric.".

    Raises
    ------
    BadInput : there is no such loss, or the library refuses its options.
    """
    if spec.loss.startswith(pml.PREFIX):
        return pml.loss(spec.loss, spec.mining, spec.loss_options, spec.mining_options)
    if spec.loss not in LOSSES:
        raise BadInput(f'task.loss: there is no loss "{spec.loss}"; {nearest(spec.loss, LOSSES)}')
    return LOSSES[spec.loss](spec)
