"""Losses and miners of pytorch-metric-learning (Musgrave, Belongie & Lim 2020, arXiv 2008.09164), by name, where it is
installed."""

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from smallvision.errors import BadInput, nearest
from smallvision.nn.siamese import Siamese

PREFIX = "metric."


@dataclass(frozen=True, eq=False)
class LibraryLoss:
    """A loss of the library, after a miner of the library if there is one. Distances are the loss's own, not the
    network's.

    Parameters
    ----------
    loss : takes (B, D) representations and (B,) labels, and what was mined.
    miner : None for what the loss does by itself.
    """

    loss: nn.Module
    miner: nn.Module | None

    of_head: ClassVar[bool] = False
    metric: ClassVar[str] = "euclidean"
    no_remedies: ClassVar[tuple[str, ...]] = ()

    def __call__(self, network: Siamese, representations: Tensor, labels: Tensor) -> Tensor:
        """A scalar, of representations (B, D) and labels (B,)."""
        # The library's distances are matrix products, which half precision would round too much, as in
        # pair_distances.py.
        with torch.autocast(representations.device.type, enabled=False):
            representations = representations.float()
            mined = () if self.miner is None else (self.miner(representations, labels),)
            value: Tensor = self.loss(representations, labels, *mined)
        return value

    @property
    def margin(self) -> float | None:
        """The margin that distances are to keep; None of a loss that has none, or is not on distances."""
        margin, distance = getattr(self.loss, "margin", None), getattr(self.loss, "distance", None)
        return float(margin) if isinstance(margin, int | float) and not getattr(distance, "is_inverted", True) else None

    @property
    def normalized(self) -> bool:
        """Whether the loss sees representations at length 1."""
        return bool(getattr(getattr(self.loss, "distance", None), "normalize_embeddings", False))


def loss(name: str, mining: str | None, options: Mapping[str, Any], mining_options: Mapping[str, Any]) -> LibraryLoss:
    """A loss of the library, and a miner.

    Parameters
    ----------
    name : "metric.<class>", a class of pytorch_metric_learning.losses.
    mining : "metric.<class>" of pytorch_metric_learning.miners, or None or "all" for what the loss does by itself.
    options, mining_options : arguments that they are made with; their own defaults otherwise.

    Raises
    ------
    BadInput : the library is not installed, has no such class, the class cannot be made so or has weights of its own.
    """
    instance = _made("losses", name, "task.loss", options)
    return LibraryLoss(
        instance, None if mining in (None, "all") else _made("miners", str(mining), "task.mining", mining_options)
    )


def _made(kind: str, name: str, key: str, options: Mapping[str, Any]) -> Any:
    try:
        library = importlib.import_module(f"pytorch_metric_learning.{kind}")
    except ImportError:
        raise BadInput(
            f'{key}: "{name}" needs pytorch-metric-learning, which is not installed; install it with pip install '
            '"smallvision[metric]", or use "triplet" or "contrastive"'
        ) from None
    wanted = name.removeprefix(PREFIX)
    known = [word for word, value in vars(library).items() if inspect.isclass(value) and issubclass(value, nn.Module)]
    if wanted not in known:
        raise BadInput(f'{key}: pytorch-metric-learning has no "{wanted}" among its {kind}; {nearest(wanted, known)}')
    try:
        instance = getattr(library, wanted)(**options)
    except (TypeError, ValueError, AttributeError, AssertionError) as error:
        how = f"{key}_options = {dict(options)}" if options else "its defaults"
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadInput(
            f'{key}: "{name}" cannot be made with {how} ({reason}); set {key}_options, or use another one'
        ) from None
    if list(instance.parameters()):
        raise BadInput(
            f'{key}: "{name}" has its own weights, which would not be trained; use one that only compares images '
            "with one another"
        )
    return instance
