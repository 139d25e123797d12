"""Sets up a study: its cases, the finished runs, checks of the others, and how jobs share the machine.

No torch here.
"""

import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from smallvision.data import datasets
from smallvision.data.datasets.files import locate
from smallvision.errors import BadInput, counted
from smallvision.experiment import Experiment, ProbeSpec, Study
from smallvision.experiment.probe import DEFAULT_TEST, DEFAULT_TRAIN
from smallvision.runs import paths
from smallvision.runs.probes import JSON
from smallvision.runs.read import read_run
from smallvision.study import directory
from smallvision.study.directory import StudyDirectory
from smallvision.study.events import Row, StudyOptions
from smallvision.study.plan import cases as plan_cases
from smallvision.study.plan import jobs
from smallvision.study.plan.jobs import Job, Key, Split, Timing
from smallvision.study.plan.scheduler import Scheduler
from smallvision.study.read import StudyRecord, read_study
from smallvision.study.workers import benchmark
from smallvision.study.workers.pool import Pool

ACCELERATORS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # of NVIDIA, of AMD, and of both under WSL


class Setup:
    """A study before its first run.

    Parameters
    ----------
    study : what is to be run.
    options : where and how.
    pool : has no workers yet; they are started when they are needed.

    Attributes
    ----------
    path : the study's directory.
    before : its content, if it exists already.
    baseline, pairs : from `plan.cases.expand`.
    scheduler : the runs known so far.
    done : the directories of the finished runs, by the key of their job.
    pending : the jobs that are not done.
    sizes : of the pending experiments (and maybe of others), by the first part of their key, as workers report them.

    Raises
    ------
    BadInput : an experiment or its data cannot be used; nothing was written.
    """

    def __init__(self, study: Study, options: StudyOptions, pool: Pool) -> None:
        most = os.cpu_count() or 1
        if options.workers is not None and not 1 <= options.workers <= most:
            raise BadInput(f"--workers: got {options.workers}; expected 1 to {most}, as many as this machine has cores")
        self.study, self.options, self.pool = study, options, pool
        self.path = directory.place(study, options.folder)
        self.before: StudyRecord | None = read_study(self.path) if self.path.exists() else None
        if self.before is not None and self.before.study.identity != study.identity:
            other = "; ".join(paths.differences(self.before.study, study)[:3])
            raise BadInput(
                f"{self.path}: this folder holds another study ({other}); nothing is overwritten, so give this study "
                "another name"
            )
        if self.before is not None:
            _refuse_other_plan(self.before)
        expanded = plan_cases.expand(study)
        self.baseline, self.pairs = expanded.baseline, expanded.pairs
        self.solved: list[dict[str, Any]] = []
        cases = self._matched(expanded.cases) if study.match else expanded.cases
        recorded: Mapping[str, Any] = self.before.plan["search"] if self.before else {"tries": [], "sampler": None}
        self.scheduler = Scheduler(study, cases, recorded["tries"], recorded["sampler"])
        jobs.refuse_one_place(self.scheduler.jobs, options.folder)
        self.done = self._known()
        self.pending = [job for job in self.scheduler.jobs if job.key not in self.done]
        self.sizes = self._checked() if self.pending else {}

    def _known(self) -> dict[Key, Path]:
        """The runs that are finished already. The scheduler takes the tries among them, which may add further jobs."""
        out: dict[Key, Path] = {}
        looked = 0
        while new := self.scheduler.jobs[looked:]:  # the list grows while tries are taken
            looked += len(new)
            out |= jobs.finished(self.options.folder, new)
            for job in [job for job in new if job.key in out and self.scheduler.is_try(job)]:
                self.scheduler.take(job, (read_run(out[job.key]).result or {}).get("validation"))
        return out

    def split(self) -> tuple[Split, str, list[Timing]]:
        """How the jobs share the machine, the reason, and the timings behind it.

        A study keeps its split, since bits depend on the threads.
        """
        begun = self.before.plan if self.before and self.before.plan["workers"] else None
        asked = self.options.workers
        if begun:
            split = Split(begun["workers"], begun["threads"])
            if asked not in (None, split.workers):
                raise BadInput(
                    f"--workers: got {asked}, but this study began with {split} and must keep them, because results "
                    f"depend on the number of threads; leave --workers out, or remove {self.path} to start anew"
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
        timings = benchmark.fastest_ways(self.pool, largest, len(self.pending) + len(self.scheduler.later), images)
        if not timings:
            return Split(1, self._threads(1)), "the only way here", []
        if len(timings) == 1:
            return timings[0].split, "it is over too soon to try another way", timings
        measured = ", ".join(f"{one.images_per_second:,.0f} images/s by {one.split}" for one in timings)
        return jobs.fastest(timings).split, f"measured: {measured}", timings

    def refuse_other_threads(self, split: Split) -> None:
        """Raise BadInput for an unfinished run that was begun with other threads: resuming would change its bits."""
        for job in self.pending:
            path = jobs.path_of(job, self.options.folder, self.done)
            threads = jobs.threads_of(path)
            if split.threads is not None and threads not in (None, split.threads):
                words = ["smallvision", "run", f"{path}/experiment.toml", "--seed", str(job.seed)]
                command = paths.resuming([*words, "--threads", str(threads)], path)
                raise BadInput(
                    f"{path}: this unfinished run began with {counted(threads, 'thread')}, but this study gives its "
                    f"runs "
                    f"{split.threads}; finish it ({command}), or remove it "
                    f"({shlex.join(['smallvision', 'runs', '--remove', str(path)])})"
                )

    def rows(self) -> tuple[Row, ...]:
        """All jobs known so far, and placeholders for those that become known after the search."""
        known = [
            Row(job, jobs.path_of(job, self.options.folder, self.done), job.key in self.done)
            for job in self.scheduler.jobs
        ]
        return (*known, *(Row(job, None, False) for job in self.scheduler.later))

    def notes(self) -> tuple[str, ...]:
        """The widths that were solved before the first run and the probes after the last, in words."""
        of = "parameters" if self.study.match and self.study.match.parameters else "multiply-adds"
        solved = [
            f'case "{one["case"]}": {one["key"]} = {one["width"]} gives {one["size"]:,} {of}' for one in self.solved
        ]
        return (*solved, *([_probed(self.study.probe)] if self.study.probe else []))

    def finished(self) -> StudyRecord | None:
        """The study, if it is finished and all files that it names still exist; else None."""
        if self.before is None or self.before.state["status"] != "finished" or self.pending or self.scheduler.later:
            return None
        if "answer" not in self.before.result:  # from a version that did not compare cases
            return None
        paths = [self.options.folder / run["path"] for row in self.before.table for run in row["runs"]]
        files = [path / "result.json" for path in paths]
        if self.study.probe is not None:
            if "probes" not in self.before.result:
                return None
            files += [self.options.folder / one["path"] / JSON for one in self.before.result["probes"]]
        return self.before if paths and all(file.is_file() for file in files) else None

    def open(self, lock: int | None, split: Split, why: str, timings: list[Timing]) -> StudyDirectory:
        """The study's directory, new or reopened with its lock, with the present plan written. Raises BadInput."""
        command = shlex.join(self.options.command)
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
            "search": {"sampler": self.scheduler.sampler, "tries": self.scheduler.tries()},
            "jobs": [jobs.entry(job, self.options.folder, self.done) for job in self.scheduler.jobs],
        }
        if self.before is None or lock is None:
            return StudyDirectory.create(self.path, self.study, planned, command)
        reopened = StudyDirectory.reopen(self.path, lock, self.before.plan, self.before.state, command)
        reopened.write_plan(**planned)
        return reopened

    def _threads(self, workers: int) -> int | None:
        """Threads for each of `workers` workers that together use the whole machine; None on an accelerator."""
        self.pool.resize(max(1, len(self.pool.workers)))
        self.pool.hello(1)
        return max(1, self.pool.threads // workers) if self.pool.device == "cpu" else None

    def _matched(self, cases: Mapping[str, Experiment]) -> dict[str, Experiment]:
        """The cases with the widths that make them equal in size; widths in plan.json are not solved for again."""
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
        out = {
            name: plan_cases.changed(experiment, widths[name], f'case "{name}"') for name, experiment in cases.items()
        }
        plan_cases.refuse_alike(self.study.name, out)
        return out

    def _checked(self) -> dict[str, dict[str, Any]]:
        """The size of each pending experiment. Workers load its data and try a step, so errors are found early.

        If runs are to be probed, the experiments of finished runs are checked, too.
        """
        distinct = {job.key[0]: job for job in (self.scheduler.jobs if self.study.probe else self.pending)}
        self._fetch([job.experiment for job in distinct.values()])
        self.pool.resize(
            min(len(self.pending) + len(self.scheduler.later), self.options.workers or _at_first(self.options.device))
        )
        probe = self.study.probe.model_dump(mode="json") if self.study.probe else None
        asked = [
            benchmark.task("check", job, identity=key, needed=job.needed, probe=probe) for key, job in distinct.items()
        ]
        return {task["identity"]: answer for task, answer in self.pool.ask(asked)}

    def _fetch(self, experiments: Iterable[Experiment]) -> None:
        """Download missing public data once, with a progress display, before several workers need it."""
        for name in dict.fromkeys(experiment.data.source for experiment in experiments):
            if name in datasets.published():
                locate(datasets.lookup(name), self.options.root)


def _refuse_other_plan(before: StudyRecord) -> None:
    """Raise BadInput where plan.json is not as the study wrote it: splits, widths and tries are taken from it."""
    if before.plan.get("sha256", directory.plan_digest(before.plan)) != directory.plan_digest(before.plan):
        raise BadInput(
            f"{before.path / 'plan.json'}: this file is not as the study wrote it (its sha256 differs); restore it "
            f"from a copy, or remove {before.path}; the runs stay where they are, and no finished run is repeated"
        )


def _probed(spec: ProbeSpec) -> str:
    """How every run is probed, in words."""
    learn, judge = (
        "all" if count == "all" else f"{count:,}" for count in (spec.train or DEFAULT_TRAIN, spec.test or DEFAULT_TEST)
    )
    maps = f"; maps: {', '.join(spec.maps)}" if spec.maps else ""
    return (
        f"in the end every run is probed by {' and '.join(spec.kinds)}, learning from {learn} training images and "
        f"judged on {judge} test images (validation images where there is no test split){maps}"
    )


def _at_first(device: str) -> int:
    """How many workers to start before torch is asked: OMP_NUM_THREADS if it is set, else the cores of this process.

    It is one where an accelerator is likely, since each process would take a part of the accelerator's memory.
    """
    if device != "cpu" and (
        device != "auto" or sys.platform == "darwin" or any(Path(node).exists() for node in ACCELERATORS)
    ):
        return 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(int(limit), cores) if limit.isdigit() and int(limit) else cores
