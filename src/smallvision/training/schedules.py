"""The learning rate as a pure function of the step, so that a resumed run has nothing to restore."""

import math

from smallvision.experiment.recipe import Constant, Cosine, Exponential, OneCycle, RecipeSpec, StepDecay


def rate(recipe: RecipeSpec, step: int, steps_per_epoch: int) -> float:
    """The learning rate of one step.

    Parameters
    ----------
    recipe : gives `learning_rate`, `epochs` and the schedule.
    step : 0 for the first step of the run.
    steps_per_epoch : steps in each epoch.

    Returns
    -------
    float : equal to torch.optim.lr_scheduler's ExponentialLR and StepLR stepped once an epoch, CosineAnnealingLR and
        OneCycleLR (without momentum cycling) stepped once a step.
    """
    peak, epoch, total = recipe.learning_rate, step // steps_per_epoch, recipe.epochs * steps_per_epoch
    match recipe.schedule:
        case Constant():
            return peak
        case Exponential(gamma=gamma):
            return peak * gamma**epoch
        case StepDecay(epochs=epochs, gamma=gamma):
            return peak * gamma ** (epoch // epochs)
        case Cosine(final=final):
            return _ease(peak, peak * final, step / total)
        case OneCycle(warmup=warmup, start=start, finish=finish, shape=shape):
            turn = warmup * total - 1  # the step at which the rate is highest
            ease = _ease if shape == "cosine" else _straight
            low = peak / start
            if step <= turn:
                return ease(low, peak, step / turn if turn else 1.0)
            return ease(peak, low / finish, min(1.0, (step - turn) / (total - 1 - turn)))


def _ease(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


def _straight(start: float, end: float, share: float) -> float:
    return start + (end - start) * share
