"""What is found out before a study's first run: its cases, what is done already, whether the rest can be run, and how. No torch here."""

import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from smallvision.data import datasets
from smallvision.data.datasets.files import locate
from smallvision.errors import BadInput
from smallvision.experiment import Experiment, ProbeSpec, Study
from smallvision.experiment.probe import DEFAULT_TEST, DEFAULT_TRAIN
from smallvision.runs import paths
from smallvision.runs.probes import JSON
from smallvision.runs.read import read_run
from smallvision.study import directory
from smallvision.study.directory import StudyDirectory
from smallvision.study.events import Place, Row
from smallvision.study.plan import cases as expand
from smallvision.study.plan import jobs
from smallvision.study.plan.jobs import Job, Key, Split, Timing
from smallvision.study.plan.scheduler import Agenda
from smallvision.study.read import StudyRecord, read_study
from smallvision.study.workers import benchmark
from smallvision.study.workers.pool import Pool
from smallvision.tasks import task_of

ACCELERATORS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA's, AMD's, and either's under Windows' Linux


class Start:
    """A study before its first run.

    Parameters
    ----------
    study : what is to be run.
    place : where and how.
    pool : without workers yet; they are started where something has to be asked of them.

    Attributes
    ----------
    path : the study's directory. before : what stands there already.
    baseline, pairs : as `expand` gives them.
    agenda : the runs known so far. done : those that stand, and where. pending : the others.
    sizes : of the pending experiments at least, by the first part of their key, as workers found them.

    Raises
    ------
    BadInput : an experiment or its data cannot be used; nothing was written.
    """

    def __init__(self, study: Study, place: Place, pool: Pool) -> None:
        most = os.cpu_count() or 1
        if place.workers is not None and not 1 <= place.workers <= most:
            raise BadInput(f"--workers: got {place.workers}; expected 1 to {most}, as many as this machine has cores")
        self.study, self.place, self.pool = study, place, pool
        self.path = directory.place(study, place.folder)
        self.before: StudyRecord | None = read_study(self.path) if self.path.exists() else None
        if self.before is not None and self.before.study.identity != study.identity:
            other = "; ".join(paths.differences(self.before.study, study)[:3])
            raise BadInput(
                f"{self.path}: holds another study ({other}); nothing is overwritten, give this one another name"
            )
        found = expand.expand(study)
        self.baseline, self.pairs = found.baseline, found.pairs
        self.solved: list[dict[str, Any]] = []
        cases = self._matched(found.cases) if study.match else found.cases
        recorded: Mapping[str, Any] = self.before.plan["search"] if self.before else {"tries": [], "sampler": None}
        self.agenda = Agenda(study, cases, recorded["tries"], recorded["sampler"])
        jobs.refuse_one_place(self.agenda.jobs, place.folder)
        self.done = self._known()
        self.pending = [job for job in self.agenda.jobs if job.key not in self.done]
        self.sizes = self._checked() if self.pending else {}

    def _known(self) -> dict[Key, Path]:
        """What is done already. Tries among it, made for another study, tell the agenda what comes after them."""
        out: dict[Key, Path] = {}
        looked = 0
        while new := self.agenda.jobs[looked:]:  # which grows by what becomes known
            looked += len(new)
            out |= jobs.finished(self.place.folder, new)
            for job in [job for job in new if job.key in out and self.agenda.is_try(job)]:
                scores = (read_run(out[job.key]).result or {}).get("validation")
                self.agenda.take(
                    job, {key: scores[key] for key in (task_of(job.experiment).metric.key, "loss")} if scores else None
                )
        return out

    def split(self) -> tuple[Split, str, list[Timing]]:
        """How the machine is shared out, why, and what was timed to decide it. Once decided it stands: threads decide bits."""
        begun = self.before.plan if self.before and self.before.plan["workers"] else None
        asked = self.place.workers
        if begun:
            split = Split(begun["workers"], begun["threads"])
            if asked not in (None, split.workers):
                raise BadInput(
                    f"--workers: got {asked}, but this study began with {split}, and threads decide bits, so that stands; "
                    f"leave --workers out, or remove {self.path} to begin anew"
                )
            timings = [
                Timing(Split(t["workers"], t["threads"]), t["images_per_second"], t["rounds"]) for t in begun["timings"]
            ]
            return split, str(begun["why"]), timings
        if not self.pending:
            return Split(0, None), "nothing is left to be run", []
        if asked is not None:
            return Split(asked, self._threads(asked)), "as asked by --workers", []
        largest = max(self.pending, key=lambda job: jobs.size(job, self.sizes))
        images = largest.experiment.recipe.epochs * self.sizes[largest.key[0]]["counts"]["train"]
        timings = benchmark.fastest_ways(self.pool, largest, len(self.pending) + len(self.agenda.later), images)
        if not timings:
            return Split(1, self._threads(1)), "the only way here", []
        if len(timings) == 1:
            return timings[0].split, "it is over too soon to try another way", timings
        measured = ", ".join(f"{one.images_per_second:,.0f} images/s by {one.split}" for one in timings)
        return jobs.fastest(timings).split, f"measured: {measured}", timings

    def refuse_other_threads(self, split: Split) -> None:
        """Raise BadInput for an unfinished run that was begun with other threads: going on with it would change its bits."""
        for job in self.pending:
            path = jobs.path_of(job, self.place.folder, self.done)
            threads = jobs.threads_of(path)
            if split.threads is not None and threads not in (None, split.threads):
                raise BadInput(
                    f"{path}: is there, unfinished, begun with {threads} thread(s), and this study gives its runs {split.threads}; "
                    f"finish it (smallvision run {path}/experiment.toml --seed {job.seed} --threads {threads} --resume), "
                    f"or remove it (smallvision runs --remove {path})"
                )

    def rows(self) -> tuple[Row, ...]:
        """Every job known so far, and stand-ins for those that become known after the search."""
        known = [
            Row(job, jobs.path_of(job, self.place.folder, self.done), job.key in self.done) for job in self.agenda.jobs
        ]
        return (*known, *(Row(job, None, False) for job in self.agenda.later))

    def notes(self) -> tuple[str, ...]:
        """What was solved before the first run, and what comes after the last, in words."""
        of = "parameters" if self.study.match and self.study.match.parameters else "multiply-adds"
        solved = [
            f'case "{one["case"]}": {one["key"]} = {one["width"]} gives {one["size"]:,} {of}' for one in self.solved
        ]
        return (*solved, *([_probed(self.study.probe)] if self.study.probe else []))

    def over(self) -> StudyRecord | None:
        """The finished study, when everything that it says still stands; else None."""
        if self.before is None or self.before.state["status"] != "finished" or self.pending or self.agenda.later:
            return None
        if "answer" not in self.before.result:  # of a smallvision that did not compare yet
            return None
        paths = [self.place.folder / run["path"] for row in self.before.table for run in row["runs"]]
        files = [path / "result.json" for path in paths]
        if self.study.probe is not None:
            if "probes" not in self.before.result:
                return None
            files += [self.place.folder / one["path"] / JSON for one in self.before.result["probes"]]
        return self.before if paths and all(file.is_file() for file in files) else None

    def open(self, lock: int | None, split: Split, why: str, timings: list[Timing]) -> StudyDirectory:
        """The study's directory, new or (with its lock) gone on with, with the plan as it is now. Raises BadInput."""
        command = shlex.join(self.place.command)
        planned = {
            "workers": split.workers,
            "threads": split.threads,
            "why": why,
            "match": self.solved,
            "timings": [
                {
                    "workers": one.split.workers,
                    "threads": one.split.threads,
                    "rounds": one.rounds,
                    "images_per_second": one.images_per_second,
                }
                for one in timings
            ],
            "search": {"sampler": self.agenda.sampler, "tries": self.agenda.tries()},
            "jobs": [jobs.entry(job, self.place.folder, self.done) for job in self.agenda.jobs],
        }
        if self.before is None or lock is None:
            return StudyDirectory.create(self.path, self.study, planned, command)
        book = StudyDirectory.reopen(self.path, lock, self.before.plan, self.before.state, command)
        book.write_plan(**planned)
        return book

    def _threads(self, workers: int) -> int | None:
        """Threads for each of so many workers, so that the machine is full and not more; None on an accelerator."""
        self.pool.resize(max(1, len(self.pool.workers)))
        self.pool.hello(1)
        return max(1, self.pool.threads // workers) if self.pool.device == "cpu" else None

    def _matched(self, cases: Mapping[str, Experiment]) -> dict[str, Experiment]:
        """The cases with the widths that make them equal in size; as the study's plan remembers them, where it does."""
        wanted = self.study.match
        assert wanted is not None
        self.solved = list(self.before.plan["match"]) if self.before else []
        if {one["case"] for one in self.solved} != set(cases):
            self._fetch(cases.values())
            self.pool.resize(1)
            more = {
                "vary": wanted.vary,
                "within": wanted.within,
                "parameters": wanted.parameters,
                "multiply_adds": wanted.multiply_adds,
            }
            asked = [
                benchmark.task("match", Job(name, experiment, 0), case=name, **more)
                for name, experiment in cases.items()
            ]
            self.solved = [
                {"case": task["case"], "key": answer["key"], "width": answer["width"], "size": answer["size"]}
                for task, answer in self.pool.ask(asked)
            ]
        widths = {one["case"]: {one["key"]: one["width"]} for one in self.solved}
        out = {name: expand.changed(experiment, widths[name], f'case "{name}"') for name, experiment in cases.items()}
        expand.refuse_alike(self.study.name, out)
        return out

    def _checked(self) -> dict[str, dict[str, Any]]:
        """How large each pending experiment is; workers load its data and try a step, so that none is refused after others ran.

        Where runs are to be probed, those of experiments that stand already are looked at, too.
        """
        distinct = {job.key[0]: job for job in (self.agenda.jobs if self.study.probe else self.pending)}
        self._fetch([job.experiment for job in distinct.values()])
        self.pool.resize(
            min(len(self.pending) + len(self.agenda.later), self.place.workers or _at_first(self.place.device))
        )
        probe = self.study.probe.model_dump(mode="json") if self.study.probe else None
        asked = [
            benchmark.task("check", job, identity=key, needed=job.needed, probe=probe) for key, job in distinct.items()
        ]
        return {task["identity"]: answer for task, answer in self.pool.ask(asked)}

    def _fetch(self, experiments: Iterable[Experiment]) -> None:
        """Get public data that is missing, once and with its progress shown, before several workers want it."""
        for name in dict.fromkeys(experiment.data.source for experiment in experiments):
            if name in datasets.published():
                locate(datasets.lookup(name), self.place.root)


def _probed(spec: ProbeSpec) -> str:
    """What every run is probed with, in words."""
    learn, judge = (
        "all" if count == "all" else f"{count:,}" for count in (spec.train or DEFAULT_TRAIN, spec.test or DEFAULT_TEST)
    )
    maps = f"; maps: {', '.join(spec.maps)}" if spec.maps else ""
    return (
        f"in the end every run is probed by {' and '.join(spec.kinds)}, learning from {learn} training images and judged on {judge} "
        f"test images (validation images where there is no test split){maps}"
    )


def _at_first(device: str) -> int:
    """How many workers to start before torch is asked: a person's own limit, else the cores that are ours.

    One where an accelerator is likely: each process would take its share of that one's memory.
    """
    if device != "cpu" and (
        device != "auto" or sys.platform == "darwin" or any(Path(node).exists() for node in ACCELERATORS)
    ):
        return 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(int(limit), cores) if limit.isdigit() and int(limit) else cores
