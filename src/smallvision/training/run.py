"""One run, from an experiment to a finished run directory, as one generator of events.

The caller prints and draws in the body of a `for`; saving and stopping are done here.
"""

import hashlib
import shlex
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import safetensors.torch
import torch

from smallvision.data.imageset import Splits
from smallvision.errors import BadInput, DiskFull, Interrupted, RunFailed
from smallvision.experiment import Experiment
from smallvision.runs import environment as environments
from smallvision.runs.directory import RunDirectory
from smallvision.runs.logs import marks
from smallvision.runs.paths import resuming
from smallvision.runs.read import read_begun
from smallvision.runs.unfinished import SAME_CALL
from smallvision.storage.files import FORMAT_VERSION
from smallvision.tasks import task_of
from smallvision.tasks.base import Learner, Scores
from smallvision.training import checkpoint, device, engine, prepare, results
from smallvision.training.engine import EpochRecord as EpochRecord
from smallvision.training.engine import Progress as Progress
from smallvision.training.fingerprint import UNKNOWN
from smallvision.training.prepare import UserObjects as UserObjects
from smallvision.training.signals import Signals
from smallvision.training.state import TrainState, begin

CHECKPOINT = "checkpoint.safetensors"
SAVE_SECONDS = 30.0  # between two checkpoints within an epoch; no bit depends on when a checkpoint is written


@dataclass(frozen=True)
class RunOptions:
    """Where and how an experiment is run.

    Attributes
    ----------
    path : the run directory.
    seed : decides weights, order and augmentation.
    device : "auto", "cpu", "cuda" or "mps".
    threads : of the CPU; None leaves torch's choice.
    root : where the data sets are; None for the default folder.
    trust_code : whether `kind = "file.py:Net"` may be executed.
    command : repeats the run; it is recorded.
    encoder : the finished run of the experiment whose encoder is taken over.
    """

    path: Path
    seed: int = 0
    device: str = "auto"
    threads: int | None = None
    root: Path | None = None
    trust_code: bool = False
    command: tuple[str, ...] = ()
    encoder: Path | None = None


@dataclass(frozen=True)
class RunContext:
    """What every stage of a run needs and none of them changes."""

    experiment: Experiment
    options: RunOptions
    splits: Splits
    learner: Learner
    directory: RunDirectory
    signals: Signals


@dataclass(frozen=True)
class Started:
    """Data and network are ready and the run directory exists; training begins, or goes on after `epoch` epochs.

    Attributes
    ----------
    path : the run directory.
    counts : images of each split.
    layers : the layer table.
    notes : what a person should know beforehand.
    device, threads : where training runs.
    epoch : epochs that are done already.
    progress : keys of the figures that are printed while training, each with its format.
    epochs : of the recipe.
    """

    path: Path
    counts: dict[str, int]
    layers: dict[str, Any]
    notes: tuple[str, ...]
    device: str
    threads: int
    epoch: int
    progress: tuple[tuple[str, str], ...]
    epochs: int


@dataclass(frozen=True)
class Scoring:
    """Training is over; the named split is about to be scored."""

    split: str


@dataclass(frozen=True)
class Finished:
    """All files of the run are written, except the report."""

    path: Path
    result: dict[str, Any]


Event = Started | Progress | EpochRecord | Scoring | Finished


def run(
    experiment: Experiment, options: RunOptions, resume: bool = False, passed: UserObjects | None = None
) -> Generator[Event, None, None]:
    """Run an experiment, or go on with an unfinished run, until the run directory is finished.

    Parameters
    ----------
    experiment : what to run.
    options : where and how.
    resume : go on with the unfinished run at `options.path`. If False, nothing may be there yet.
    passed : the user's own data, network or loss.

    Yields
    ------
    Started, then Progress and EpochRecord, then Scoring for each split, then Finished.

    Raises
    ------
    BadInput : data, network, directory or a setting cannot be used; nothing was written.
    RunFailed : the loss is not finite any more, or the disk is full; the last good checkpoint stays.
    Interrupted : SIGINT, SIGTERM or SIGHUP came; everything is saved.
    """
    with device.settings_kept():  # to the end, an error, or the moment when the caller closes this generator
        where = device.resolve(options.device)
        recipe = experiment.recipe
        threads = device.settle(where, options.threads, recipe.precision, recipe.deterministic)
        now = environments.describe(where.type, device.name_of(where), threads, recipe.precision, recipe.deterministic)
        before = _unfinished(options.path, now) if resume else None
        begun = (options.path / CHECKPOINT).exists()  # a checkpoint has all weights, those of the encoder included
        encoder = None if begun else prepare.encoder_run(experiment, options.seed, options.encoder)
        prepared = prepare.prepare(experiment, options.seed, where, options.root, options.trust_code, passed, encoder)
        splits, layers = prepared.splits, prepared.layers
        state = begin(prepared.model, recipe)
        origin = (
            prepare.provenance(encoder, options.path.parent) if encoder is not None else (before or {}).get("encoder")
        )
        data = prepare.digest(splits)
        if before is None:
            directory = _create(experiment, options, now, layers, data, origin)
        else:
            directory = _reopen(experiment, options, state, before, data)
        try:
            with Signals() as signals, torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
                counts = {name: len(split) for name, split in splits.named().items()}
                notes = (
                    *splits.notes,
                    *getattr(prepared.model, "notes", ()),
                    *prepared.notes,
                    *prepare.provenance_note(origin),
                    *device.notes(where, recipe.precision),
                )
                progress = task_of(experiment).progress
                said = (*notes, *directory.mended)  # what was put back is no matter of the result
                planned = experiment.recipe.epochs
                yield Started(options.path, counts, layers, said, where.type, threads, state.epoch, progress, planned)
                context = RunContext(experiment, options, splits, prepared.learner, directory, signals)
                yield from _train(context, state)
                yield from _score(context, state, layers, notes)
        except (RunFailed, BadInput, Interrupted) as error:
            if isinstance(error, DiskFull):
                error.again = _again(options)
            with suppress(RunFailed):  # on a full disk the note cannot be written, either
                directory.note(status="interrupted" if isinstance(error, Interrupted) else "failed", message=str(error))
            raise
        finally:
            directory.close()


def _unfinished(path: Path, now: dict[str, Any]) -> dict[str, Any]:
    """The state of the run that is resumed. Raises BadInput where the environment `now` would give other bits."""
    state, environment = read_begun(path)
    different = environments.differences(environment, now)
    if different:
        raise BadInput(
            f"{path}: this run cannot be resumed here, because its results would differ ({'; '.join(different)}); "
            "resume it with the settings it began with, or start anew in another --out"
        )
    return state


def _create(
    experiment: Experiment,
    options: RunOptions,
    environment: dict[str, Any],
    layers: dict[str, Any],
    data: str,
    origin: dict[str, Any] | None,
) -> RunDirectory:
    """A new run directory. `data`: the digest of the images; `origin`: the run whose encoder was taken over."""
    first = {
        "experiment": experiment.hash(),
        "seed": options.seed,
        "data": data,
        "command": shlex.join(options.command),
    }
    first |= {"encoder": origin} if origin is not None else {}
    return RunDirectory.create(options.path, experiment, first, environment, layers)


def _reopen(
    experiment: Experiment, options: RunOptions, state: TrainState, before: dict[str, Any], data: str
) -> RunDirectory:
    """The directory of an unfinished run; `state` is filled from its checkpoint, if there is one.

    Raises
    ------
    BadInput : the images, whose digest is `data`, or the checkpoint are not those of the run.
    """
    if before.get("data", data) != data:
        raise BadInput(
            f"{options.path}: the images or labels are not those that this run began with; start anew in another --out"
        )
    saved = options.path / CHECKPOINT
    beside = checkpoint.Beside(experiment.hash(), options.seed, marks({}, {}, {}))
    if saved.exists():
        beside = checkpoint.load(state, saved)
        if (beside.experiment, beside.seed) != (experiment.hash(), options.seed):
            found = f"experiment {beside.experiment} with seed {beside.seed}"
            raise BadInput(
                f"{saved}: this is the checkpoint of {found}; restore the right one, or start anew in another --out"
            )
    return RunDirectory.reopen(options.path, before, beside.logs, beside.files, state.epoch)


def _train(context: RunContext, state: TrainState) -> Iterator[Progress | EpochRecord]:
    """Train, logging every event and saving a checkpoint after every epoch and at least every SAVE_SECONDS."""
    directory, signals = context.directory, context.signals
    saved = time.monotonic()
    for event in engine.train(state, context.learner, context.splits, context.experiment, context.options.seed):
        if isinstance(event, EpochRecord):
            directory.append("metrics.jsonl", {key: value for key, value in asdict(event).items() if value is not None})
        else:
            line = {
                "epoch": event.epoch,
                "step": event.step,
                "examples": event.examples,
                "loss": event.losses,
                "seconds": event.seconds,
            }
            directory.append("steps.jsonl", line)
        if isinstance(event, EpochRecord) or time.monotonic() - saved > SAVE_SECONDS:
            _save(context, state)
            saved = time.monotonic()
        directory.heartbeat()
        yield event
        if signals.caught:
            _save(context, state)
            _stop(context, signals.caught)


def _save(context: RunContext, state: TrainState) -> None:
    directory = context.directory
    beside = checkpoint.Beside(context.experiment.hash(), context.options.seed, directory.logs(), directory.files())
    checkpoint.save(state, context.options.path / CHECKPOINT, beside)


def _stop(context: RunContext, signal_number: int) -> NoReturn:
    path = context.options.path
    if any(str(digest).startswith(UNKNOWN) for digest in prepare.digests(context.experiment)):
        why = "what was passed in has no fingerprint, so this run cannot be resumed; start anew"
        raise Interrupted(f"stopped in {path}; {why}", signal_number)
    raise Interrupted(f"stopped and saved in {path}", signal_number, _again(context.options))


def _again(options: RunOptions) -> str:
    """What goes on with the run: a command, or a call where it was begun in Python."""
    return resuming(options.command, options.path) if options.command else SAME_CALL


def _score(
    context: RunContext, state: TrainState, layers: dict[str, Any], notes: tuple[str, ...]
) -> Iterator[Scoring | Finished]:
    """Score every split once with the selected weights, and write the result."""
    experiment, splits, learner, directory = context.experiment, context.splits, context.learner, context.directory
    model = state.scored
    selected = {"epoch": state.epoch, "by": experiment.recipe.select}
    if experiment.recipe.select == "best-validation" and state.best is not None:
        model.load_state_dict(state.best.weights)
        selected["epoch"] = state.best.epoch
    fitted = learner.calibrate(model, splits.train, splits.validation)
    scores: dict[str, Scores] = {}
    for name, split in splits.named().items():
        yield Scoring(name)
        scores[name] = learner.score(model, split, fitted)
        engine.finite(name, scores[name].values, state, experiment.recipe.learning_rate)
        if context.signals.caught:
            _stop(context, context.signals.caught)
    tensors = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in model.state_dict().items()}
    weights = safetensors.torch.save(tensors, {"format_version": str(FORMAT_VERSION)})
    result = results.result(experiment, splits, layers, state, scores, selected)
    digest = hashlib.sha256(weights).hexdigest()
    result |= {"seed": context.options.seed, "notes": list(notes), "model_sha256": digest}
    directory.finish(result, results.evidence(model, splits, experiment, scores), weights)
    yield Finished(context.options.path, result)
