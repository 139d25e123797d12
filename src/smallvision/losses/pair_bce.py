"""Regularised cross-entropy: a head says of each pair whether it is of one class, and large representations and weights cost.

Koch, Zemel & Salakhutdinov 2015, "Siamese neural networks for one-shot image recognition", section 3.2: the cross-entropy of a sigmoid
on pairs, plus the squared weights. The penalty on representations is theirs for weights, taken to what the encoder gives: without it
a head's answers can grow surer by scaling the representation alone. (Against weight decay: see Goodfellow, Bengio & Courville 2016,
"Deep learning", section 7.1.1; a penalty of λ on squared weights pulls like a weight decay of 2 λ.)
"""

from collections.abc import Iterable

from torch import Tensor
from torch.nn import functional


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
    """Binary cross-entropy in nats of logits (M,), pairs of one class (bool (M,), `same`) weighing half of it and all others half.

    A batch of P classes with K images each has (P − 1) K / (K − 1) times as many pairs of two classes as of one; a plain mean would
    learn to say "not the same". Scored are as many of either kind, and that is the base rate the probability is for. A kind that
    the batch does not have adds nothing.
    """
    each = functional.binary_cross_entropy_with_logits(logits.float(), same.float(), reduction="none")
    shares = (same / same.sum().clamp(min=1) + ~same / (~same).sum().clamp(min=1)) / 2  # (M,)
    return (each * shares).sum()
