"""Regularised cross-entropy of a head that judges pairs, with penalties on large representations and weights.

Koch, Zemel & Salakhutdinov 2015, "Siamese neural networks for one-shot image recognition", section 3.2: the
cross-entropy of a sigmoid on pairs, plus the squared weights. The penalty on representations is like theirs on weights:
without it, a head's probabilities can become more extreme by scaling the representation alone. (Against weight decay:
see Goodfellow, Bengio & Courville 2016, "Deep learning", section 7.1.1; a penalty of λ on squared weights pulls like a
weight decay of 2 λ.)
"""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from smallvision.experiment.task import VerifySpec
from smallvision.losses.pair_distances import every_pair
from smallvision.nn.base import NORMS
from smallvision.nn.siamese import Siamese


@dataclass(frozen=True)
class PairCrossEntropy:
    """The loss of `pair_entropy` as an experiment asks for it; see `losses.base.PairLoss`."""

    representation_penalty: float
    weight_penalty: float
    margin: float | None = None
    metric: str | None = None
    normalized: bool = False
    of_head: bool = True
    no_remedies: tuple[str, ...] = ()

    @classmethod
    def of(cls, spec: VerifySpec) -> "PairCrossEntropy":
        return cls(spec.representation_penalty, spec.weight_penalty)

    def __call__(self, network: Siamese, representations: Tensor, labels: Tensor) -> Tensor:
        one, other, same = every_pair(labels)
        logits = network.logits(representations[one], representations[other])  # (B (B - 1) / 2,)
        penalties = self.representation_penalty, self.weight_penalty
        return pair_entropy(logits, same, representations, trained_weights(network), *penalties)


def trained_weights(network: Siamese) -> list[Tensor]:
    """The weights of a network that are trained, without biases and normalisations."""
    return [
        parameter
        for module in network.modules()
        if not isinstance(module, NORMS)
        for parameter in module.parameters(recurse=False)
        if parameter.requires_grad and parameter.ndim > 1
    ]


def pair_entropy(
    logits: Tensor,
    same: Tensor,
    representations: Tensor,
    weights: Iterable[Tensor],
    representation_penalty: float,
    weight_penalty: float,
) -> Tensor:
    """Binary cross-entropy of pairs + representation_penalty · mean |z|² + weight_penalty · Σ w².

    Parameters
    ----------
    logits : (M,), of pairs: the sigmoid of each is the probability that it is of one class.
    same : bool (M,), whether it is.
    representations : (B, D), those of the batch; |z|² is the squared length of one.
    weights : parameters of any shapes, whose entries w are counted; biases and norms are usually left out.
    representation_penalty, weight_penalty : 0 for none.

    Returns
    -------
    Tensor : a scalar.
    """
    loss = balanced_entropy(logits, same) + representation_penalty * representations.float().square().sum(1).mean()
    for weight in weights:
        loss = loss + weight_penalty * weight.square().sum()
    return loss


def balanced_entropy(logits: Tensor, same: Tensor) -> Tensor:
    """Binary cross-entropy in nats of logits (M,), pairs of one class (bool (M,), `same`) weighing half of it and all
    others half.

    A batch of P classes with K images each has (P − 1) K / (K − 1) times as many pairs of two classes as of one; a
    plain mean would learn to say "not the same". Scored are as many of either kind, and that is the base rate the
    probability is for. A kind that the batch does not have adds nothing.
    """
    each = functional.binary_cross_entropy_with_logits(logits.float(), same.float(), reduction="none")
    shares = (same / same.sum().clamp(min=1) + ~same / (~same).sum().clamp(min=1)) / 2  # (M,)
    return (each * shares).sum()
