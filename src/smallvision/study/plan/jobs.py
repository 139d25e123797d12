"""What a study has to do: its jobs, which of them are done, in which order, by how many workers. No torch."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Literal

from smallvision.errors import BadInput
from smallvision.experiment import Experiment
from smallvision.experiment.data import DataSpec
from smallvision.experiment.io import load_encoder_experiment
from smallvision.experiment.model.encoder import OnEncoderSpec
from smallvision.experiment.recipe import ProtocolSpec
from smallvision.runs import paths
from smallvision.runs.read import read_run
from smallvision.training.user_objects import with_digests

Key = tuple[str, int]  # an experiment's whole canonical form and a seed: equal keys are one run
PROTOCOLS: tuple[Literal["never", "once", "watched"], ...] = ("never", "once", "watched")


@dataclass(frozen=True)
class Job:
    """One run of a study. `what`: its case, or which try of its case's search, or what needs it.

    `needed`: it is there for others to begin with; it need not have validation images, and when it met the test split is all one.
    `tried`: it is a try of a case's search.
    """

    what: str
    experiment: Experiment
    seed: int
    needed: bool = False
    tried: bool = False

    @cached_property
    def key(self) -> Key:
        """Equal experiments with equal seeds are one run."""
        return self.experiment.identity, self.seed

    @cached_property
    def will_do(self) -> tuple[Experiment, ...]:
        """The experiments whose runs will do, the best first: where it is needed, also those that met the test split at other times."""
        if not self.needed:
            return (self.experiment,)
        return (
            self.experiment,
            *(self.experiment.model_copy(update={"protocol": ProtocolSpec(test=test)}) for test in PROTOCOLS),
        )

    @cached_property
    def needs(self) -> tuple["Job", ...]:
        """The runs that have to be there before it. Raises BadInput, see `needs`."""
        seed = getattr(getattr(self.experiment.model, "encoder", None), "seed", None)
        own = self.seed if seed is None else seed
        return tuple(Job(f"{other.name}, needed by {self.what}", other, own, True) for other in needs(self.experiment))

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"{self.what}, seed {self.seed}" if self.needed else f'case "{self.what}", seed {self.seed}'

    @cached_property
    def images(self) -> DataSpec:
        """What decides which images it works on: its data without the augmentation, which is the batches'."""
        return self.experiment.data.model_copy(update={"augment": ()})


@dataclass(frozen=True)
class Split:
    """How the machine is shared out: so many workers at a time, each with so many threads (None: on an accelerator)."""

    workers: int
    threads: int | None

    def __str__(self) -> str:
        many = f"{self.workers} worker{'s' if self.workers != 1 else ''}"
        return many if self.threads is None else f"{many} of {self.threads} thread{'s' if self.threads != 1 else ''}"


@dataclass(frozen=True)
class Timing:
    """What a split was measured to do: images that all its workers together train on in a second, and what that means."""

    split: Split
    images_per_second: float
    rounds: int  # how often each worker takes a job until all are done

    @property
    def cost(self) -> float:
        """Seconds for all jobs, if each trained on one image."""
        return self.rounds * self.split.workers / self.images_per_second


def needs(experiment: Experiment) -> list[Experiment]:
    """The experiments whose runs this one begins with: that whose encoder it takes over, if it does.

    Where this one trains without the test split, as all do in a study, so does what it needs.

    Raises
    ------
    BadInput : the other experiment is not there, or is no longer what it was when this one was written.
    """
    model = experiment.model
    if not isinstance(model, OnEncoderSpec) or model.weights == "fresh" or model.encoder.experiment is None:
        return []
    name = model.encoder.experiment
    other = with_digests(load_encoder_experiment(model.encoder), None, None, None)
    if model.encoder.digest not in (None, other.training_hash()):
        found = f"hash {other.training_hash()}, expected {model.encoder.digest}"
        raise BadInput(
            f"model.encoder.experiment: {name} has changed since {experiment.name} was written ({found}); "
            "bring the old one back, or leave model.encoder.digest and .model out"
        )
    return (
        [other.model_copy(update={"protocol": experiment.protocol})] if experiment.protocol.test == "never" else [other]
    )


def ordered(graph: Mapping[Key, Iterable[Key]], names: Mapping[Key, str]) -> list[Key]:
    """The keys in an order in which every one comes after what it needs, else in their own order.

    Parameters
    ----------
    graph : for every key, the keys that it needs.
    names : what messages call them.

    Raises
    ------
    BadInput : needs that go in a circle; the circle is named.
    """
    place = {key: number for number, key in enumerate(graph)}
    sorter: TopologicalSorter[Key] = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " needs ".join(names.get(key, key[0]) for key in reversed(error.args[1]))
        raise BadInput(f"needs go in a circle: {circle}; break it") from None
    out: list[Key] = []
    free: list[Key] = list(sorter.get_ready())
    while free:
        free.sort(key=lambda key: place.get(key, -1))
        out.append(free.pop(0))
        sorter.done(out[-1])
        free += sorter.get_ready()
    return out


def jobs(cases: Mapping[str, Experiment], seeds: Sequence[int]) -> list[Job]:
    """Every run that the cases need, once, in order of need; else seed after seed, so that all cases come on together.

    Raises
    ------
    BadInput : needs that go in a circle.
    """
    return with_needs([Job(case, experiment, seed) for seed in seeds for case, experiment in cases.items()])


def with_needs(wanted: Iterable[Job]) -> list[Job]:
    """These jobs and all that they need, once, in order of need; else in their own order.

    Raises
    ------
    BadInput : needs that go in a circle.
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
    """Where a job's run stands, or will stand."""
    return done.get(job.key) or paths.place(job.experiment, job.seed, runs=folder)


def entry(job: Job, folder: Path, done: Mapping[Key, Path]) -> dict[str, Any]:
    """A job as the plan remembers it: `needed` and `tried` tell it from a case's own; its path starts from `folder`."""
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
    """The threads that an unfinished run on a CPU was begun with; None when there is no such run."""
    try:
        found = json.loads((path / "environment.json").read_text(encoding="utf-8"))
        return int(found["threads"]) if found["device"] == "cpu" else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def finished(folder: Path, wanted: Iterable[Job]) -> dict[Key, Path]:
    """Where the jobs stand that are done already, in whatever directory of the runs' folder, whoever asked for them.

    Raises
    ------
    BadInput : something else is where a job's run would go.
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
        sought: dict[Key, list[Experiment]] = {}  # by the digits of the hash and the seed, which are quick to read
        for job in missing.values():
            for other in job.will_do:
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
            will_do = [there[key] for other in job.will_do if (key := (other.identity, job.seed)) in there]
            if will_do:
                out[job.key] = will_do[0]
    return out


def refuse_one_place(wanted: Iterable[Job], folder: Path) -> None:
    """Raise BadInput where the runs of two different experiments would stand at one place, as the digits in its name are alike."""
    places: dict[Path, Job] = {}
    for job in wanted:
        path = paths.place(job.experiment, job.seed, runs=folder)
        other = places.setdefault(path, job)
        if other.key != job.key:
            differ = "; ".join(paths.differences(other.experiment, job.experiment)[:3])
            raise BadInput(
                f"{path}: {other.title} and {job.title} would both stand here, and are different runs ({differ}); "
                "give one of them another name"
            )


def _finished_hash(file: Path) -> tuple[str, int] | None:
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
        return (str(state["experiment"]), int(state["seed"])) if state["status"] == "finished" else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # no run that could be taken over


def _finished_experiment(path: Path) -> Experiment | None:
    """The experiment of a finished run; None where the run cannot be read."""
    try:
        record = read_run(path)
    except BadInput:
        return None
    return record.experiment if record.result is not None else None


def splits(cores: int, count: int) -> list[Split]:
    """The ways to share `cores` out among `count` jobs that are worth measuring: all for one, and as many workers as can be."""
    many = max(1, min(cores, count))
    return [Split(1, cores)] if many == 1 else [Split(1, cores), Split(many, cores // many)]


def rounds(count: int, workers: int) -> int:
    """How often each worker takes a job until `count` are done."""
    return math.ceil(count / workers)


def fastest(timings: Sequence[Timing]) -> Timing:
    """The split that has all jobs done first; between equals, the one with fewer workers."""
    return min(timings, key=lambda timing: (timing.cost, timing.split.workers))


def size(job: Job, sizes: Mapping[str, Mapping[str, Any]]) -> int:
    """How much a job has to compute: multiply-adds of all its epochs. `sizes`: by the first part of the key, as workers found them."""
    found = sizes.get(job.key[0])
    return job.experiment.recipe.epochs * found["counts"]["train"] * found["multiply_adds"] if found else 0
