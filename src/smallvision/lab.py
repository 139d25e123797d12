"""The straight line, from an experiment to a finished run directory, as one generator of events.

Whoever runs it prints and draws in the body of a `for`; saving and stopping are done here.
"""

import copy
import hashlib
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import safetensors.torch
import torch
from torch import Tensor, nn

from smallvision import nn as networks
from smallvision import outcome
from smallvision.data import augment, batches, images
from smallvision.data.images import Splits
from smallvision.errors import BadInput, Interrupted, RunFailed
from smallvision.experiment import Experiment
from smallvision.nn import summary
from smallvision.runs import environment as environments
from smallvision.runs.directory import RunDirectory
from smallvision.runs.files import FORMAT_VERSION
from smallvision.runs.read import read_run
from smallvision.tasks import TASKS, Scores
from smallvision.train import checkpoint, device, engine
from smallvision.train.engine import EpochRecord as EpochRecord
from smallvision.train.engine import Progress as Progress
from smallvision.train.signals import Signals
from smallvision.train.state import TrainState, begin

SAVE_SECONDS = 30.0                        # within an epoch; when a checkpoint is written decides no bits


@dataclass(frozen=True)
class Passed:
    """What a person passes in from Python in place of a source, a network or a loss."""

    splits: Splits | None = None
    model: nn.Module | None = None
    loss: Callable[[Tensor, Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Place:
    """Where and how to run: what decides a run's bits beside the experiment, and is recorded with it."""

    path: Path
    seed: int = 0
    device: str = "auto"
    threads: int | None = None
    root: Path | None = None               # where the data sets are
    trust_code: bool = False               # whether `kind = "file.py:Net"` may be executed
    command: tuple[str, ...] = ()          # repeats the run


@dataclass(frozen=True)
class Prepared:
    """Data and network are ready, the run directory stands; training begins (or goes on after `epoch` epochs)."""

    path: Path
    counts: dict[str, int]
    layers: dict[str, Any]
    notes: tuple[str, ...]
    device: str
    threads: int
    epoch: int


@dataclass(frozen=True)
class Scoring:
    """Training is over; the named split is about to be scored."""

    split: str


@dataclass(frozen=True)
class Finished:
    """All files of the run stand, the report excepted."""

    path: Path
    result: dict[str, Any]


Event = Prepared | Progress | EpochRecord | Scoring | Finished


def run(experiment: Experiment, place: Place, resume: bool = False, passed: Passed | None = None) -> Iterator[Event]:
    """Run an experiment, or go on with an unfinished one, to a finished run directory.

    Parameters
    ----------
    experiment : what to run.
    place : where and how.
    resume : go on with the unfinished run at `place.path`; False: nothing may be there yet.
    passed : a person's own data, network or loss.

    Yields
    ------
    Prepared, then Progress and EpochRecord, then Scoring for each split, then Finished.

    Raises
    ------
    BadInput : data, network, directory or setting cannot be used; nothing was written.
    RunFailed : the loss is no number any more, or the disk is full; the last good checkpoint stays.
    Interrupted : SIGINT or SIGTERM came; everything is saved.
    """
    with device.settings_kept():
        where = device.resolve(place.device)
        recipe = experiment.recipe
        threads = device.settle(where, place.threads, recipe.precision, recipe.deterministic)
        now = environments.describe(where.type, device.name_of(where), threads, recipe.precision, recipe.deterministic)
        before = _unfinished(place.path, now) if resume else None
        passed = passed or Passed()
        splits = _splits(experiment, place, passed, where)
        model = _model(experiment, place, passed, splits)
        task = TASKS[experiment.task.kind](experiment.task, passed.loss)
        layers = summary.table(model, splits.train.shape)
        model = model.to(where)
        if engine.channels_last(model):
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]   # torch has it, its stubs not
        _rehearse(model, task, splits, experiment, where)
        state = begin(model, recipe)
        directory = _open(experiment, place, now, layers, state, before, _digest(splits))
        try:
            with Signals() as signals, torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
                counts = {name: len(split) for name, split in splits.named().items()}
                notes = (*splits.notes, *getattr(model, "notes", ()))
                yield Prepared(place.path, counts, layers, notes, where.type, threads, state.epoch)
                yield from _train(state, task, splits, experiment, place, directory, signals)
                yield from _score(state, task, splits, experiment, place, directory, signals, layers, notes)
        except (RunFailed, BadInput, Interrupted) as error:
            with suppress(RunFailed):                      # a full disk takes no note either
                directory.note(status="interrupted" if isinstance(error, Interrupted) else "failed", message=str(error))
            raise
        finally:
            directory.close()


def _splits(experiment: Experiment, place: Place, passed: Passed, where: torch.device) -> Splits:
    """The data on the device, checked against what the experiment asks of it."""
    splits = passed.splits.to(where) if passed.splits else images.load(experiment.data, place.root, where)
    if experiment.protocol.test == "never":
        splits = replace(splits, test=None)
    for split in splits.named().values():
        if len(split.groups) > 1:
            sizes = ", ".join(sorted({f"{group.shape[2]}x{group.shape[3]}" for group in split.groups})[:5])
            raise BadInput(f"{split.name}: images of {len(split.groups)} sizes ({sizes}, ...); set data.size, for example data.size=32")
    engine.steps(experiment.recipe, len(splits.train))
    if splits.validation is None and (experiment.recipe.select != "last" or experiment.recipe.patience):
        raise BadInput("recipe.select and recipe.patience need validation images, and this data has none; set data.validation, say 0.1")
    return splits


def _model(experiment: Experiment, place: Place, passed: Passed, splits: Splits) -> nn.Module:
    """The network before its first step, on the CPU; a module passed in is copied, so that its owner keeps it as it is."""
    train = splits.train
    try:
        if passed.model is not None:
            module = copy.deepcopy(passed.model).cpu()
            return networks.adopt(module, train.shape, len(train.classes), splits.mean, splits.std)
        spec, classes = experiment.model, len(train.classes)
        return networks.build(spec, train.shape, classes, splits.mean, splits.std, place.seed, place.trust_code)
    except (RuntimeError, MemoryError) as error:
        raise BadInput(f"model: cannot be built ({str(error).splitlines()[0]}); make its layers smaller") from None


def _rehearse(model: nn.Module, task: engine.Task, splits: Splits, experiment: Experiment, where: torch.device) -> None:
    """One step on a copy, with the smallest batch there will be, so that what cannot be trained is said before a file is written."""
    recipe, train = experiment.recipe, splits.train
    rest = len(train) % recipe.batch_size
    smallest = rest if rest and not recipe.drop_last else recipe.batch_size
    rows = torch.arange(min(smallest, 2), device=where)
    generator = torch.Generator(where)
    actor = copy.deepcopy(model).train()
    with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
        batch = next(batches.epoch(train, [rows]))
        batch = augment.build(experiment.data.augment)(batch, generator.manual_seed(0))
        try:
            task.step(actor, batch, generator).loss.backward()  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError) as error:
            cure = "; recipe.drop_last = true leaves a last batch of one image out" if smallest == 1 else ""
            reason = str(error).splitlines()[0]
            raise BadInput(f"model: cannot be trained on a batch of {smallest} image(s): {reason}{cure}") from None


def _digest(splits: Splits) -> str:
    """sha256 of which images with which labels are in which split."""
    hashed = hashlib.sha256()
    for name, split in splits.named().items():
        hashed.update(name.encode())
        hashed.update(split.ids.cpu().numpy().tobytes())
        hashed.update(split.labels.cpu().numpy().tobytes())
    return hashed.hexdigest()


def _unfinished(path: Path, now: dict[str, Any]) -> dict[str, Any]:
    """The state of the run to go on with; refused where the setting would give other bits."""
    record = read_run(path)
    different = environments.differences(record.environment, now)
    if different:
        raise BadInput(
            f"{path}: cannot be resumed here, the bits would differ ({'; '.join(different)}); "
            "resume as it began, or start anew in another --out"
        )
    return record.state


def _open(
    experiment: Experiment,
    place: Place,
    now: dict[str, Any],
    layers: dict[str, Any],
    state: TrainState,
    before: dict[str, Any] | None,
    data: str,
) -> RunDirectory:
    """A new run directory; or the unfinished one, with `state` filled from its checkpoint if it came that far."""
    if before is None:
        first = {"experiment": experiment.hash(), "seed": place.seed, "data": data, "command": shlex.join(place.command)}
        return RunDirectory.create(place.path, experiment, first, now, layers)
    if before.get("data", data) != data:
        raise BadInput(f"{place.path}: the images or labels are not those this run began with; start anew in another --out")
    saved = place.path / "checkpoint.safetensors"
    lengths: dict[str, int] = {}
    if saved.exists():
        belongs = checkpoint.load(state, saved)
        if (belongs["experiment"], belongs["seed"]) != (experiment.hash(), place.seed):
            found = f"experiment {belongs['experiment']} with seed {belongs['seed']}"
            raise BadInput(f"{saved}: is the checkpoint of {found}; put the right one back, or start anew in another --out")
        lengths = belongs["lengths"]
    return RunDirectory.reopen(place.path, before, lengths)


def _train(
    state: TrainState,
    task: engine.Task,
    splits: Splits,
    experiment: Experiment,
    place: Place,
    directory: RunDirectory,
    signals: Signals,
) -> Iterator[Progress | EpochRecord]:
    """Train; after each event what it says is on disk, and a checkpoint where one is due."""
    saved = time.monotonic()
    for event in engine.train(state, task, splits, experiment, place.seed):
        if isinstance(event, EpochRecord):
            directory.append("metrics.jsonl", {key: value for key, value in asdict(event).items() if value is not None})
        else:
            line = {"epoch": event.epoch, "step": event.step, "examples": event.examples, "loss": event.losses, "seconds": event.seconds}
            directory.append("steps.jsonl", line)
        if isinstance(event, EpochRecord) or time.monotonic() - saved > SAVE_SECONDS:
            _save(state, experiment, place, directory)
            saved = time.monotonic()
        directory.heartbeat()
        yield event
        if signals.caught:
            _save(state, experiment, place, directory)
            _stop(signals.caught, place)


def _save(state: TrainState, experiment: Experiment, place: Place, directory: RunDirectory) -> None:
    belongs = {"experiment": experiment.hash(), "seed": place.seed, "lengths": directory.lengths()}
    checkpoint.save(state, place.path / "checkpoint.safetensors", belongs)


def _stop(signal_number: int, place: Place) -> NoReturn:
    again = shlex.join([*place.command, "--resume"]) if place.command else "the same call with resume=True"
    raise Interrupted(f"stopped and saved in {place.path}; go on with: {again}", signal_number)


def _score(
    state: TrainState,
    task: engine.Task,
    splits: Splits,
    experiment: Experiment,
    place: Place,
    directory: RunDirectory,
    signals: Signals,
    layers: dict[str, Any],
    notes: tuple[str, ...],
) -> Iterator[Scoring | Finished]:
    """Score every split once with the selected weights, and write what the run found."""
    model = state.scored
    chosen = experiment.recipe.select == "best-validation" and state.best is not None
    if chosen and state.best is not None:
        model.load_state_dict(state.best.weights)
    fitted = task.fit(model, splits.train, splits.validation)
    scores: dict[str, Scores] = {}
    for name, split in splits.named().items():
        yield Scoring(name)
        scores[name] = task.score(model, split, fitted)
        engine.finite(name, scores[name].values, state, experiment.recipe.learning_rate)
        if signals.caught:
            _stop(signals.caught, place)
    tensors = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in model.state_dict().items()}
    weights = safetensors.torch.save(tensors, {"format_version": str(FORMAT_VERSION)})
    selected = {"epoch": state.best.epoch if chosen and state.best else state.epoch, "by": experiment.recipe.select}
    result = outcome.result(experiment, splits, layers, state, scores, selected)
    result |= {"seed": place.seed, "notes": list(notes), "model_sha256": hashlib.sha256(weights).hexdigest()}
    directory.finish(result, outcome.evidence(model, splits, experiment, scores), weights)
    yield Finished(place.path, result)
