"""The training loop of every task, as a generator: the caller saves, prints and stops in the body of its `for`.

Sums are read from the device only when the loop yields. It can be checkpointed and resumed at every yield.
"""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from smallvision.data import transforms
from smallvision.data.batching import batch as batches
from smallvision.data.batching import buckets, pk_sampler, samplers
from smallvision.data.imageset import ImageSet, Splits
from smallvision.data.seeds import mix
from smallvision.errors import BadInput, RunFailed, counted
from smallvision.experiment import Experiment
from smallvision.experiment.recipe import RecipeSpec
from smallvision.tasks.base import Learner
from smallvision.training.optimizers import set_rate
from smallvision.training.schedules import rate
from smallvision.training.state import Best, TrainState

PROGRESS_STEPS = 20  # steps, not seconds: results must not depend on the speed of the machine


@dataclass(frozen=True)
class Progress:
    """Progress in an epoch. `losses`: one per step since the last Progress; `values`: averages of the epoch so far."""

    epoch: int
    step: int
    steps: int
    examples: int
    losses: list[float]
    values: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class EpochRecord:
    """The record of a finished epoch in `metrics.jsonl`. `epoch` counts from 1; `test` is set only if it is watched.

    `best`: whether it is the best epoch so far, by the score that selects the weights; None if nothing selects.
    `alarm`: a warning that should not wait until training is over.
    """

    epoch: int
    step: int
    examples: int
    learning_rate: float
    seconds: float
    train: dict[str, float]
    validation: dict[str, float] | None = None
    test: dict[str, float] | None = None
    best: bool | None = None
    alarm: str | None = None


def train(
    state: TrainState, learner: Learner, splits: Splits, experiment: Experiment, seed: int
) -> Iterator[Progress | EpochRecord]:
    """Train from where `state` is to the end of the recipe, changing `state`.

    With images of several sizes each bucket may have a batch that is smaller than the recipe's. The gradient of such a
    batch is weighted by its number of images: its mean loss is multiplied by count / batch_size. If all images have one
    size, only the last batch of an epoch can be smaller, and it has full weight, as in other libraries.

    Parameters
    ----------
    state : from `state.begin`, or from a checkpoint.
    learner : gives the loss and the scores.
    splits : uint8 images on the model's device.
    experiment : recipe, augmentation and protocol are read from it.
    seed : decides, with epoch and batch, everything random.

    Yields
    ------
    Progress every PROGRESS_STEPS steps and at an epoch's end; then that epoch's EpochRecord.

    Raises
    ------
    RunFailed : the loss is no longer a finite number; the step is named.
    BadInput : a batch is larger than the training split.
    """
    recipe, images = experiment.recipe, splits.train
    device = images.labels.device
    seed_torch = torch.default_generator.manual_seed if device.type == "cpu" else torch.manual_seed
    vary = transforms.build(experiment.data.augment, len(images.classes))
    generator = torch.Generator(device)
    spatial = channels_last(state.model)
    parts = buckets.assign(images, recipe.batch_size)
    steps_per_epoch = steps(recipe, len(images), parts)
    while state.epoch < recipe.epochs and not _out_of_patience(state, recipe.patience):
        order = rows(recipe, images, seed, state.epoch, parts)
        losses: list[Tensor] = []
        state.model.train()
        began = time.perf_counter()
        for batch in batches.epoch(images, order[state.batch :]):
            seed_torch(mix(seed, state.epoch, state.batch, 0))  # dropout draws from torch's own generator
            batch = vary(batch, generator.manual_seed(mix(seed, state.epoch, state.batch, 1)))
            if spatial:
                batch = replace(batch, pixels=batch.pixels.contiguous(memory_format=torch.channels_last))
            learning_rate = rate(recipe, state.step, steps_per_epoch)
            set_rate(state.optimizer, learning_rate)
            with autocast(device, recipe.precision):
                step = learner.step(state.model, batch, generator)
            short = parts is not None and step.count < recipe.batch_size
            weighed = step.loss * (step.count / recipe.batch_size) if short else step.loss
            weighed.backward()  # type: ignore[no-untyped-call]
            if recipe.clip:
                nn.utils.clip_grad_norm_(state.model.parameters(), recipe.clip)
            state.optimizer.step()
            state.optimizer.zero_grad(set_to_none=True)
            state.batch, state.step, state.examples = state.batch + 1, state.step + 1, state.examples + step.count
            state.update_average(recipe.average)
            state.add(step.totals, step.count)
            losses.append(step.loss.detach())
            if state.batch % PROGRESS_STEPS == 0 or state.batch == steps_per_epoch:
                read = _finite(torch.stack(losses).tolist(), state, learning_rate)
                losses = []
                state.seconds += time.perf_counter() - began
                values = learner.averages(_read(state.sums), state.count)
                total = steps_per_epoch * recipe.epochs
                yield Progress(state.epoch + 1, state.step, total, state.examples, read, values, state.seconds)
                state.model.train()
                began = time.perf_counter()
        yield _close_epoch(state, learner, splits, experiment, rate(recipe, state.step - 1, steps_per_epoch))


def steps(recipe: RecipeSpec, count: int, parts: Tensor | None = None) -> int:
    """Steps in an epoch over `count` images, in the buckets `parts` where they have several sizes.

    Raises BadInput when a batch is larger than that.
    """
    if recipe.order == "classes":
        return pk_sampler.steps(count, recipe.classes_per_batch, recipe.images_per_class)
    if recipe.batch_size > count:
        raise BadInput(
            f"recipe.batch_size: got {recipe.batch_size}, but the training split has {counted(count, 'image')}; set "
            f"that number or "
            "less"
        )
    return samplers.steps(count, recipe.batch_size, recipe.drop_last, parts)


def rows(recipe: RecipeSpec, images: ImageSet, seed: int, epoch: int, parts: Tensor | None = None) -> list[Tensor]:
    """The batches of an epoch as indices into `images`; `parts` are the buckets of images of several sizes.

    Raises
    ------
    BadInput : a batch is larger than the data; with order "classes", images of several sizes, or too few of a class.
    """
    if recipe.order != "classes":
        steps(recipe, len(images), parts)  # a batch larger than the data is refused
        return samplers.ORDERS[recipe.order](images.labels, recipe.batch_size, recipe.drop_last, seed, epoch, parts)
    if parts is not None:
        raise BadInput(
            f'recipe.order: "classes" needs images of one size, but {images.name} has {len(images.groups)} sizes; '
            "set data.size"
        )
    try:
        return pk_sampler.by_class(
            images.labels, recipe.classes_per_batch, recipe.images_per_class, seed, epoch, images.classes
        )
    except BadInput as error:
        raise BadInput(f"recipe.{error}") from None


def _close_epoch(
    state: TrainState, learner: Learner, splits: Splits, experiment: Experiment, learning_rate: float
) -> EpochRecord:
    """Score the splits that the protocol allows, keep the best weights, and begin the next epoch."""
    recipe = experiment.recipe
    watched = experiment.protocol.test == "watched" and splits.test is not None
    fitted = (
        learner.calibrate(state.scored, splits.train, splits.validation)
        if splits.validation is not None or watched
        else None
    )
    scored = learner.score(state.scored, splits.validation, fitted) if splits.validation is not None else None
    validation, alarm = (scored.values, learner.warning(state.scored, scored)) if scored is not None else (None, None)
    test = learner.score(state.scored, splits.test, fitted).values if watched and splits.test is not None else None
    selects, best = recipe.select == "best-validation", None
    if validation is not None:
        merit = learner.selection_key(validation)
        better = state.best is None or merit > state.best.merit
        state.since_best = 0 if better else state.since_best + 1
        best = better if selects else None
        if better and (selects or recipe.patience):
            weights = {name: value.detach().clone() for name, value in state.scored.state_dict().items()}
            state.best = Best(state.epoch + 1, merit, weights)
    train = learner.averages(_read(state.sums), state.count)
    for split, values in (("train", train), ("validation", validation), ("test", test)):
        finite(split, values, state, learning_rate)
    state.epoch, state.batch, state.sums, state.count = state.epoch + 1, 0, {}, 0
    return EpochRecord(
        state.epoch, state.step, state.examples, learning_rate, state.seconds, train, validation, test, best, alarm
    )


def _out_of_patience(state: TrainState, patience: int) -> bool:
    return patience > 0 and state.since_best >= patience


def _read(sums: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in sums.items()}


def finite(split: str, values: dict[str, float] | None, state: TrainState, learning_rate: float) -> None:
    """Raise RunFailed if a score is not finite, since the last update has destroyed the weights."""
    for name, value in (values or {}).items():
        if not math.isfinite(value):
            raise RunFailed(
                f"the {split} {name} is {value} after step {state.step}; lower recipe.learning_rate (it was "
                f"{learning_rate:.3g}), or set recipe.clip, for example to 1.0"
            )


def _finite(losses: list[float], state: TrainState, learning_rate: float) -> list[float]:
    wrong = [i for i, loss in enumerate(losses) if not math.isfinite(loss)]
    if wrong:
        bad = state.step - len(losses) + 1 + wrong[0]
        raise RunFailed(
            f"the loss is {losses[wrong[0]]} at step {bad} (epoch {state.epoch + 1}); lower recipe.learning_rate (it "
            f"was {learning_rate:.3g}), or set recipe.clip, for example to 1.0"
        )
    return losses


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """bf16: matrix products and convolutions in bfloat16, weights and sums in fp32; fp32: nothing."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def channels_last(model: nn.Module) -> bool:
    """Whether the network has convolutions, and so runs with its channels in the last place in memory."""
    return any(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in model.modules())
