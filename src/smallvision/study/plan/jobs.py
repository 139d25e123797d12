"""The jobs of a study: which of them are done, in which order they are run, and by how many workers. No torch."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Literal

from smallvision.errors import BadInput, counted
from smallvision.experiment import Experiment
from smallvision.experiment.data import DataSpec
from smallvision.experiment.io import load_encoder_experiment
from smallvision.experiment.model.encoder import OnEncoderSpec
from smallvision.experiment.recipe import ProtocolSpec
from smallvision.runs import paths
from smallvision.runs.read import read_run
from smallvision.storage.files import LARGEST_TEXT
from smallvision.storage.reading import read_limited
from smallvision.training.user_objects import with_digests

Key = tuple[str, int]  # the canonical form of an experiment and a seed; jobs with equal keys are the same run
PROTOCOLS: tuple[Literal["never", "once", "watched"], ...] = ("never", "once", "watched")


@dataclass(frozen=True)
class Job:
    """One run of a study.

    Attributes
    ----------
    what : the name for people: the case, the try of its search, or the job that needs it.
    needed : a prerequisite of another job. It needs no validation split, and any test protocol is accepted.
    tried : a try of a case's search.
    """

    what: str
    experiment: Experiment
    seed: int
    needed: bool = False
    tried: bool = False

    @cached_property
    def key(self) -> Key:
        """Jobs with equal keys are the same run."""
        return self.experiment.identity, self.seed

    @cached_property
    def accepted(self) -> tuple[Experiment, ...]:
        """The experiments whose runs are accepted, best first: for a prerequisite, those with any test protocol."""
        if not self.needed:
            return (self.experiment,)
        return (
            self.experiment,
            *(self.experiment.model_copy(update={"protocol": ProtocolSpec(test=test)}) for test in PROTOCOLS),
        )

    @cached_property
    def needs(self) -> tuple["Job", ...]:
        """The runs that have to be finished before this one. Raises BadInput, see `needs`."""
        seed = getattr(getattr(self.experiment.model, "encoder", None), "seed", None)
        own = self.seed if seed is None else seed
        return tuple(Job(f"{other.name}, needed by {self.what}", other, own, True) for other in needs(self.experiment))

    @property
    def title(self) -> str:
        """The name in messages."""
        return f"{self.what}, seed {self.seed}" if self.needed else f'case "{self.what}", seed {self.seed}'

    @cached_property
    def images(self) -> DataSpec:
        """The spec of its images: its data without augmentation, which is applied to batches."""
        return self.experiment.data.model_copy(update={"augment": ()})


@dataclass(frozen=True)
class Split:
    """How jobs share the machine: the workers at a time and the threads of each (None: on an accelerator)."""

    workers: int
    threads: int | None

    def __str__(self) -> str:
        workers = counted(self.workers, "worker")
        return workers if self.threads is None else f"{workers} of {counted(self.threads, 'thread')}"


@dataclass(frozen=True)
class Timing:
    """The measured speed of a split: images per second of all its workers together."""

    split: Split
    images_per_second: float
    rounds: int  # jobs that each worker runs, one after the other

    @property
    def cost(self) -> float:
        """Seconds for all jobs if each trained on one image."""
        return self.rounds * self.split.workers / self.images_per_second


def needs(experiment: Experiment) -> list[Experiment]:
    """The experiments whose runs this one needs: the one whose encoder it takes over, if it does.

    If this one trains without the test split, as in a study, the needed one does, too.

    Raises
    ------
    BadInput : the other experiment does not exist, or has changed since this one was written.
    """
    model = experiment.model
    if not isinstance(model, OnEncoderSpec) or model.weights == "fresh" or model.encoder.experiment is None:
        return []
    name = model.encoder.experiment
    other = with_digests(load_encoder_experiment(model.encoder), None, None, None)
    if model.encoder.digest not in (None, other.training_hash()):
        found = f"hash {other.training_hash()}, expected {model.encoder.digest}"
        raise BadInput(
            f"model.encoder.experiment: {name} has changed since {experiment.name} was written ({found}); restore "
            "the old one, or leave out model.encoder.digest and .model"
        )
    return (
        [other.model_copy(update={"protocol": experiment.protocol})] if experiment.protocol.test == "never" else [other]
    )


def ordered(graph: Mapping[Key, Iterable[Key]], names: Mapping[Key, str]) -> list[Key]:
    """The keys ordered so that each comes after those that it needs, else in their own order.

    Parameters
    ----------
    graph : key -> the keys that it needs.
    names : key -> its name in messages.

    Raises
    ------
    BadInput : jobs that need each other in a circle; the message names the circle.
    """
    place = {key: number for number, key in enumerate(graph)}
    sorter: TopologicalSorter[Key] = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " needs ".join(names.get(key, key[0]) for key in reversed(error.args[1]))
        raise BadInput(f"the experiments depend on one another in a circle ({circle}); change one of them") from None
    out: list[Key] = []
    free: list[Key] = list(sorter.get_ready())
    while free:
        free.sort(key=lambda key: place.get(key, -1))
        out.append(free.pop(0))
        sorter.done(out[-1])
        free += sorter.get_ready()
    return out


def jobs(cases: Mapping[str, Experiment], seeds: Sequence[int]) -> list[Job]:
    """Every run of the cases and of their prerequisites, once; prerequisites first, else seed after seed.

    Raises
    ------
    BadInput : jobs that need each other in a circle.
    """
    return with_needs([Job(case, experiment, seed) for seed in seeds for case, experiment in cases.items()])


def with_needs(wanted: Iterable[Job]) -> list[Job]:
    """These jobs and their prerequisites, once; prerequisites first, else in their own order.

    Raises
    ------
    BadInput : jobs that need each other in a circle.
    """
    found: dict[Key, Job] = {}
    graph: dict[Key, list[Key]] = {}
    waiting = list(wanted)
    while waiting:
        job = waiting.pop(0)
        if job.key in found:
            continue
        found[job.key] = job
        graph[job.key] = [other.key for other in job.needs]
        waiting += job.needs
    return [found[key] for key in ordered(graph, {key: job.what for key, job in found.items()})]


def path_of(job: Job, folder: Path, done: Mapping[Key, Path]) -> Path:
    """The directory of a job's run, which exists or will."""
    return done.get(job.key) or paths.place(job.experiment, job.seed, runs=folder)


def entry(job: Job, folder: Path, done: Mapping[Key, Path]) -> dict[str, Any]:
    """The entry of a job in plan.json. Its path is relative to `folder`."""
    path = path_of(job, folder, done).relative_to(folder).as_posix()
    return {
        "case": job.what,
        "seed": job.seed,
        "hash": job.experiment.hash(),
        "path": path,
        "needed": job.needed,
        "tried": job.tried,
    }


def threads_of(path: Path) -> int | None:
    """The threads with which an unfinished run on a CPU was begun; None if there is no such run."""
    try:
        found = json.loads(read_limited(path / "environment.json", LARGEST_TEXT, "this file of a run"))
        return int(found["threads"]) if found["device"] == "cpu" else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def finished(folder: Path, wanted: Iterable[Job]) -> dict[Key, Path]:
    """The directories of the jobs that are done already, whatever their names in the folder of runs.

    Raises
    ------
    BadInput : something else is at the place of a job's run.
    """
    out: dict[Key, Path] = {}
    missing: dict[Key, Job] = {}
    for job in wanted:
        path = paths.place(job.experiment, job.seed, runs=folder)
        if paths.standing(path, job.experiment, job.seed) == "finished":
            out[job.key] = path
        else:
            missing[job.key] = job
    if missing and folder.is_dir():
        sought: dict[Key, list[Experiment]] = {}  # by hash and seed, which are quick to read
        for job in missing.values():
            for other in job.accepted:
                sought.setdefault((other.hash(), job.seed), []).append(other)
        there: dict[Key, Path] = {}
        for state in sorted(folder.glob("[!.]*/state.json")):
            found = _finished_hash(state)
            standing = _finished_experiment(state.parent) if found in sought else None
            if found is None or standing is None:
                continue
            for other in sought[found]:
                if paths.same(standing, other):
                    there.setdefault((other.identity, found[1]), state.parent)
        for job in missing.values():
            accepted = [there[key] for other in job.accepted if (key := (other.identity, job.seed)) in there]
            if accepted:
                out[job.key] = accepted[0]
    return out


def refuse_one_place(wanted: Iterable[Job], folder: Path) -> None:
    """Raise BadInput if two different experiments have the same run directory, since their hashes are equal."""
    places: dict[Path, Job] = {}
    for job in wanted:
        path = paths.place(job.experiment, job.seed, runs=folder)
        other = places.setdefault(path, job)
        if other.key != job.key:
            differ = "; ".join(paths.differences(other.experiment, job.experiment)[:3])
            raise BadInput(
                f"{path}: {other.title} and {job.title} are different runs ({differ}), but both would be written "
                "here; give one of them another name"
            )


def _finished_hash(file: Path) -> tuple[str, int] | None:
    try:
        state = json.loads(read_limited(file, LARGEST_TEXT, "this file of a run"))
        return (str(state["experiment"]), int(state["seed"])) if state["status"] == "finished" else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # not a run that can be used


def _finished_experiment(path: Path) -> Experiment | None:
    """The experiment of a finished run; None if the run cannot be read."""
    try:
        record = read_run(path)
    except BadInput:
        return None
    return record.experiment if record.result is not None else None


def splits(cores: int, count: int) -> list[Split]:
    """The splits of `cores` cores among `count` jobs that are worth timing: one worker, and as many as possible."""
    most = max(1, min(cores, count))
    return [Split(1, cores)] if most == 1 else [Split(1, cores), Split(most, cores // most)]


def rounds(count: int, workers: int) -> int:
    """How many of `count` jobs each worker runs, one after the other."""
    return math.ceil(count / workers)


def fastest(timings: Sequence[Timing]) -> Timing:
    """The timing of the split that finishes all jobs first; of equals, the one with fewer workers."""
    return min(timings, key=lambda timing: (timing.cost, timing.split.workers))


def size(job: Job, sizes: Mapping[str, Mapping[str, Any]]) -> int:
    """The multiply-adds of all epochs of a job. `sizes`: by the first part of the key, as workers report them."""
    found = sizes.get(job.key[0])
    return job.experiment.recipe.epochs * found["counts"]["train"] * found["multiply_adds"] if found else 0
