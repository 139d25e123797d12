"""The straight line, from an experiment to a finished run directory, as one generator of events.

Whoever runs it prints and draws in the body of a `for`; saving and stopping are done here.
"""

import hashlib
import shlex
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import safetensors.torch
import torch

from smallvision.data.imageset import Splits
from smallvision.errors import BadInput, Interrupted, RunFailed
from smallvision.experiment import Experiment
from smallvision.runs import environment as environments
from smallvision.runs.directory import RunDirectory
from smallvision.runs.read import read_run
from smallvision.storage.files import FORMAT_VERSION
from smallvision.tasks import task_of
from smallvision.tasks.base import Learner, Scores
from smallvision.training import checkpoint, device, engine, prepare, results
from smallvision.training.engine import EpochRecord as EpochRecord
from smallvision.training.engine import Progress as Progress
from smallvision.training.fingerprint import UNKNOWN
from smallvision.training.prepare import Passed as Passed
from smallvision.training.signals import Signals
from smallvision.training.state import TrainState, begin

CHECKPOINT = "checkpoint.safetensors"
SAVE_SECONDS = 30.0  # within an epoch; when a checkpoint is written decides no bits


@dataclass(frozen=True)
class Place:
    """Where and how to run: what decides a run's bits beside the experiment, and is recorded with it."""

    path: Path
    seed: int = 0
    device: str = "auto"
    threads: int | None = None
    root: Path | None = None  # where the data sets are
    trust_code: bool = False  # whether `kind = "file.py:Net"` may be executed
    command: tuple[str, ...] = ()  # repeats the run
    encoder: Path | None = None  # the finished run of the experiment whose encoder is taken over


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
    progress: tuple[tuple[str, str], ...]  # keys of the figures that are printed while training, each with its format


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
        begun = (place.path / CHECKPOINT).exists()  # which has all weights already
        giver = None if begun else prepare.giver(experiment, place.seed, place.encoder)
        prepared = prepare.ready(experiment, place.seed, where, place.root, place.trust_code, passed, giver)
        splits, learner, layers = prepared.splits, prepared.learner, prepared.layers
        state = begin(prepared.model, recipe)
        taken = prepare.taken(giver, place.path.parent) if giver is not None else (before or {}).get("encoder")
        directory = _open(experiment, place, now, layers, state, before, prepare.digest(splits), taken)
        try:
            with Signals() as signals, torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
                counts = {name: len(split) for name, split in splits.named().items()}
                slow = device.notes(where, recipe.precision)
                notes = (
                    *splits.notes,
                    *getattr(prepared.model, "notes", ()),
                    *prepared.notes,
                    *prepare.told(taken),
                    *slow,
                )
                yield Prepared(
                    place.path, counts, layers, notes, where.type, threads, state.epoch, task_of(experiment).progress
                )
                yield from _train(state, learner, splits, experiment, place, directory, signals)
                yield from _score(state, learner, splits, experiment, place, directory, signals, layers, notes)
        except (RunFailed, BadInput, Interrupted) as error:
            with suppress(RunFailed):  # a full disk takes no note either
                directory.note(status="interrupted" if isinstance(error, Interrupted) else "failed", message=str(error))
            raise
        finally:
            directory.close()


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
    taken: dict[str, Any] | None,
) -> RunDirectory:
    """A new run directory; or the unfinished one, with `state` filled from its checkpoint if it came that far."""
    if before is None:
        first = {
            "experiment": experiment.hash(),
            "seed": place.seed,
            "data": data,
            "command": shlex.join(place.command),
        }
        first |= {"encoder": taken} if taken is not None else {}
        return RunDirectory.create(place.path, experiment, first, now, layers)
    if before.get("data", data) != data:
        raise BadInput(
            f"{place.path}: the images or labels are not those this run began with; start anew in another --out"
        )
    saved = place.path / CHECKPOINT
    lengths: dict[str, int] = {}
    if saved.exists():
        belongs = checkpoint.load(state, saved)
        if (belongs["experiment"], belongs["seed"]) != (experiment.hash(), place.seed):
            found = f"experiment {belongs['experiment']} with seed {belongs['seed']}"
            raise BadInput(
                f"{saved}: is the checkpoint of {found}; put the right one back, or start anew in another --out"
            )
        lengths = belongs["lengths"]
    return RunDirectory.reopen(place.path, before, lengths)


def _train(
    state: TrainState,
    learner: Learner,
    splits: Splits,
    experiment: Experiment,
    place: Place,
    directory: RunDirectory,
    signals: Signals,
) -> Iterator[Progress | EpochRecord]:
    """Train; after each event what it says is on disk, and a checkpoint where one is due."""
    saved = time.monotonic()
    for event in engine.train(state, learner, splits, experiment, place.seed):
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
            _save(state, experiment, place, directory)
            saved = time.monotonic()
        directory.heartbeat()
        yield event
        if signals.caught:
            _save(state, experiment, place, directory)
            _stop(signals.caught, place, experiment)


def _save(state: TrainState, experiment: Experiment, place: Place, directory: RunDirectory) -> None:
    belongs = {"experiment": experiment.hash(), "seed": place.seed, "lengths": directory.lengths()}
    checkpoint.save(state, place.path / CHECKPOINT, belongs)


def _stop(signal_number: int, place: Place, experiment: Experiment) -> NoReturn:
    if any(str(digest).startswith(UNKNOWN) for digest in prepare.digests(experiment)):
        why = "no fingerprint can tell what was passed in, so it is not resumed; start anew"
        raise Interrupted(f"stopped in {place.path}; {why}", signal_number)
    again = shlex.join([*place.command, "--resume"]) if place.command else "the same call with resume=True"
    raise Interrupted(f"stopped and saved in {place.path}; go on with: {again}", signal_number)


def _score(
    state: TrainState,
    learner: Learner,
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
    fitted = learner.calibrate(model, splits.train, splits.validation)
    scores: dict[str, Scores] = {}
    for name, split in splits.named().items():
        yield Scoring(name)
        scores[name] = learner.score(model, split, fitted)
        engine.finite(name, scores[name].values, state, experiment.recipe.learning_rate)
        if signals.caught:
            _stop(signals.caught, place, experiment)
    tensors = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in model.state_dict().items()}
    weights = safetensors.torch.save(tensors, {"format_version": str(FORMAT_VERSION)})
    selected = {"epoch": state.best.epoch if chosen and state.best else state.epoch, "by": experiment.recipe.select}
    result = results.result(experiment, splits, layers, state, scores, selected)
    result |= {"seed": place.seed, "notes": list(notes), "model_sha256": hashlib.sha256(weights).hexdigest()}
    directory.finish(result, results.evidence(model, splits, experiment, scores), weights)
    yield Finished(place.path, result)
