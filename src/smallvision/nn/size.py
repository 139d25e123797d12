"""How much memory a network needs, computed before any of it is allocated: it is built on torch's meta device.

Tensors there have shapes and no memory (https://docs.pytorch.org/docs/stable/meta.html), so that layers of millions of
values are counted in milliseconds. It is not called there: that would make torch import its compiler, for seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from smallvision.data import memory
from smallvision.errors import BadInput
from smallvision.experiment.model.base import NetworkSpec
from smallvision.experiment.text import flat

# Whole numbers of a spec that make a network no larger, however large they are.
HARMLESS = ("stride", "pool", "pool_stride", "depth", "seed")


@dataclass(frozen=True)
class Size:
    """Bytes of a network's weights and buffers, and of what its dense layers and convolutions make of one image."""

    weights: int | None  # None: too many to count
    outputs: int = 0


def measure(build: Callable[[], nn.Module]) -> Size | None:
    """The size of a network that is not built yet.

    Parameters
    ----------
    build : makes the network; it is called with torch's meta device as the default.

    Returns
    -------
    Size, or None where the network cannot be built without values.

    Raises
    ------
    BadInput : as `build` does.
    """
    try:
        with torch.device("meta"):
            model = build()
    except BadInput:
        raise
    except (RuntimeError, TypeError, ValueError) as error:
        return Size(None) if _uncountable(error) else None
    weights = sum(tensor.numel() * tensor.element_size() for tensor in (*model.parameters(), *model.buffers()))
    values = sum(module.out_features for module in model.modules() if isinstance(module, nn.Linear))
    return Size(weights, 4 * (values + sum(getattr(module, "map_values", 0) for module in model.modules())))


def _uncountable(error: Exception) -> bool:
    """Whether torch says that a tensor would have more bytes than it can count."""
    return any(word in str(error).lower() for word in ("overflow", "too large", "storage size", "invalid size"))


def refuse(size: Size | None, spec: NetworkSpec, available: int, copies: int = 1, batch: int = 0) -> None:
    """Refuse a network that does not fit into memory.

    Parameters
    ----------
    size : as `measure` gives it; None is not refused.
    spec : the network's; its largest number is named.
    available : bytes of memory.
    copies : how many times the weights are in memory at once; in training their gradients, and more.
    batch : images whose outputs are kept for the gradients.

    Raises
    ------
    BadInput : names the key, what it would take, and what there is.
    """
    if size is None:
        return
    whole = None if size.weights is None else copies * size.weights + batch * size.outputs
    if whole is not None and whole <= available:
        return
    key, value = largest(spec)
    need = "more memory than can be expressed" if whole is None else f"{memory.human(whole)} of memory"
    of = "the network" if batch == 0 else f"training it in batches of {batch:,}"
    parts = "" if size.weights is None else f" (its weights {memory.human(size.weights)})"
    raise BadInput(
        f"{key} = {value:,}: {of} would take {need}{parts}, but only {memory.human(available)} are available; make "
        f"{key}{' or recipe.batch_size' if batch else ''} smaller"
    )


def largest(spec: NetworkSpec) -> tuple[str, int]:
    """The key of a network's largest whole number that can make it large, and that number."""
    numbers = {
        f"model.{key}": value
        for key, value in flat(spec.model_dump(mode="json", exclude_none=True)).items()
        if type(value) is int and key.rpartition(".")[2] not in HARMLESS
    }
    key = max(numbers, key=lambda key: numbers[key], default="model.kind")
    return key, numbers.get(key, 0)
