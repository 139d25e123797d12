"""TrainState: everything that changes while training, and exactly what a checkpoint holds."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from smallvision.data.doubles import has_doubles
from smallvision.experiment.recipe import RecipeSpec
from smallvision.nn.made import copied
from smallvision.training import optimizers


@dataclass
class Best:
    """The best epoch so far by the task's merit on the validation split, with its weights."""

    epoch: int
    merit: tuple[float, ...]
    weights: dict[str, Tensor]


@dataclass
class TrainState:
    """Everything that changes. The random state is not part of it: batch b of epoch k draws from (seed, k, b) alone.

    epoch     : the epoch under way, 0 for the first; equal to the recipe's epochs when training is over
    batch     : batches done in this epoch
    step      : steps done in total
    examples  : images seen in total
    sums      : the totals of the learner, summed over this epoch so far, on the device
    count     : images in the sums
    since_best: epochs since the best one
    seconds   : time spent in training steps so far, over all sessions
    """

    model: nn.Module
    optimizer: Optimizer
    average: nn.Module | None = None
    epoch: int = 0
    batch: int = 0
    step: int = 0
    examples: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)
    count: int = 0
    best: Best | None = None
    since_best: int = 0
    seconds: float = 0.0

    @property
    def scored(self) -> nn.Module:
        """The network that is scored: the averaged one, if there is an average."""
        return self.average if self.average is not None else self.model

    def add(self, sums: dict[str, Tensor], count: int) -> None:
        """Add one batch's sums, without reading them from the device."""
        for name, value in sums.items():
            if name in self.sums:
                self.sums[name].add_(value)
            else:
                self.sums[name] = value.to(torch.float64 if has_doubles(value.device) else torch.float32)
        self.count += count

    @torch.no_grad()
    def update_average(self, decay: float) -> None:
        """Move the averaged weights towards the present ones; faster in early steps, so that the start is forgotten."""
        if self.average is None:
            return
        share = 1 - min(decay, (1 + self.step) / (10 + self.step))
        for mean, now in zip(self.average.parameters(), self.model.parameters(), strict=True):
            mean.lerp_(now, share)
        for kept, buffer in zip(self.average.buffers(), self.model.buffers(), strict=True):
            kept.copy_(buffer)


def begin(model: nn.Module, recipe: RecipeSpec) -> TrainState:
    """The state before the first step. The model is already on its device and in its memory format."""
    average = copied(model).requires_grad_(False) if recipe.average else None
    return TrainState(model, optimizers.build(recipe, model), average)
