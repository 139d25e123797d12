"""Optimisers by name: those of torch, fused if the device supports it."""

from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from smallvision.experiment.recipe import RecipeSpec

FUSED = ("cpu", "cuda")  # device types on which torch has fused kernels of all three


def build(recipe: RecipeSpec, model: nn.Module) -> Optimizer:
    """The recipe's optimiser over the model's own parameter groups (no weight decay on norms and biases).

    A group's `rate` (1 by default) is multiplied by the recipe's learning rate; see `set_rate`.
    In Adam weight decay is L2 regularisation (Kingma & Ba 2014); in AdamW it is decoupled (Loshchilov & Hutter 2017).
    """
    groups: list[dict[str, Any]] = model.parameter_groups(recipe.weight_decay)  # type: ignore[operator]
    device: torch.device = next(model.parameters()).device
    fused = device.type in FUSED
    if recipe.optimizer == "sgd":
        return SGD(groups, recipe.learning_rate, recipe.momentum, nesterov=recipe.nesterov, fused=fused)
    kind: type[Adam] = AdamW if recipe.optimizer == "adamw" else Adam  # in torch AdamW is an Adam
    return kind(groups, recipe.learning_rate, recipe.betas, fused=fused)


def set_rate(optimizer: Optimizer, learning_rate: float) -> None:
    """Set the learning rate of a step: each group gets its `rate` times that of the schedule."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group.get("rate", 1.0)
