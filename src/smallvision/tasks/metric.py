"""Losses and miners of pytorch-metric-learning (Musgrave, Belongie & Lim 2020, arXiv 2008.09164), by name, where it is installed."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from smallvision.errors import BadInput, nearest

PREFIX = "metric."
Loss = Callable[[Tensor, Tensor], Tensor]                 # (B, D) representations, (B,) labels -> scalar


def loss(name: str, mining: str | None) -> Loss:
    """A loss of the library with its own defaults, after a miner of the library if one is named.

    Parameters
    ----------
    name : "metric.<class>", a class of pytorch_metric_learning.losses.
    mining : "metric.<class>" of pytorch_metric_learning.miners, or None for what the loss does by itself.

    Raises
    ------
    BadInput : the library is not installed, has no such class, or the class needs arguments or has weights of its own.
    """
    of = _made("losses", name, "task.loss")
    if mining is None or mining == "all":
        plain: Loss = of
        return plain
    miner = _made("miners", mining, "task.mining")

    def mined(representations: Tensor, labels: Tensor) -> Tensor:
        found: Tensor = of(representations, labels, miner(representations, labels))
        return found

    return mined


def _made(kind: str, name: str, key: str) -> Any:
    try:
        room = importlib.import_module(f"pytorch_metric_learning.{kind}")
    except ImportError:
        raise BadInput(f'{key}: "{name}" needs pytorch-metric-learning, which is not installed; '
                       'pip install "smallvision[metric]", or use "triplet" or "contrastive"') from None
    wanted = name.removeprefix(PREFIX)
    known = [one for one, value in vars(room).items() if inspect.isclass(value) and issubclass(value, nn.Module)]
    if wanted not in known:
        raise BadInput(f'{key}: pytorch-metric-learning has no "{wanted}" among its {kind}; {nearest(wanted, known)}')
    try:
        made = getattr(room, wanted)()
    except (TypeError, ValueError) as error:
        raise BadInput(f'{key}: "{name}" cannot be made with its defaults ({str(error).splitlines()[0]}); use another') from None
    if list(made.parameters()):
        raise BadInput(f'{key}: "{name}" has weights of its own, which would not be trained; use one that compares images with one another')
    return made
