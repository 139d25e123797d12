"""Dispatches the runs of a study to workers and follows them to their end. No torch here."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from smallvision.errors import BadInput, Interrupted, RunFailed, counted
from smallvision.runs import paths
from smallvision.runs.directory import unlocked
from smallvision.runs.paths import resuming
from smallvision.runs.read import read_run
from smallvision.study.directory import StudyDirectory
from smallvision.study.events import Added, Event, Moved, Row
from smallvision.study.plan import jobs as plan
from smallvision.study.plan.jobs import Job, Key, Split
from smallvision.study.setup import Setup
from smallvision.study.workers import benchmark
from smallvision.study.workers.pool import DEATHS, Worker
from smallvision.training.signals import Signals

WAIT_SECONDS = 0.2  # between two checks for a signal
ASIDE_SECONDS = 1.0  # between two checks of a run that another process is doing


class Dispatcher:
    """Gives the jobs of a study to workers until all of them are done.

    Parameters
    ----------
    setup : the study with its options, scheduler, pool, finished runs and sizes.
    directory : the study's.
    split : workers at a time, and the threads of each.
    signals : tell whether SIGINT, SIGTERM or SIGHUP came.

    Attributes
    ----------
    done : the directories of the finished runs, by the key of their job.
    failed : the jobs that failed, each with the reason, by their key.
    """

    def __init__(self, setup: Setup, directory: StudyDirectory, split: Split, signals: Signals) -> None:
        self.study, self.options, self.pool, self.scheduler = setup.study, setup.options, setup.pool, setup.scheduler
        self.directory, self.split, self.signals = directory, split, signals
        self.done: dict[Key, Path] = dict(setup.done)
        self.failed: dict[Key, tuple[Job, str]] = {}
        self._sizes = setup.sizes
        self._queue: list[Job] = []
        self._aside: list[Job] = []
        self._doing: dict[str, Job] = {}  # by the path of the run
        self._deaths: Counter[Key] = Counter()  # of workers over a job since its last finished epoch

    def jobs(self) -> Iterator[Event]:
        """Run all jobs that are not finished, and those that become known meanwhile.

        Raises
        ------
        RunFailed : some runs failed; the others are finished.
        Interrupted : a signal came; every run that was training is saved.
        """
        for job in [job for job in self.scheduler.jobs if job.key in self.done]:
            yield from self._finished(job)
        self._queue += [job for job in self.scheduler.jobs if job.key not in self.done and job not in self._queue]
        self.pool.resize(min(self.split.workers, len(self._queue) + len(self.scheduler.later)))
        looked = time.monotonic()
        while self._queue or self._aside or self._doing:
            yield from self._give()
            for worker, task, answer in self.pool.answers(WAIT_SECONDS):
                yield from self._answered(worker, task, answer)
            if self._aside and time.monotonic() - looked > ASIDE_SECONDS:
                self._queue, self._aside, looked = [*self._queue, *self._aside], [], time.monotonic()
            if self.signals.caught:
                self.stop(self.signals.caught)
            self.directory.heartbeat()
        fatal = [(job, why) for job, why in self.failed.values() if not self.scheduler.is_try(job)]
        texts = [f"{job.title}: {why}" for job, why in fatal]
        texts += [f'case "{name}": {why}' for name, why in self.scheduler.failed.items()]
        if texts:
            more = f" (and {len(texts) - 1} more)" if len(texts) > 1 else ""
            raise RunFailed(
                f"{len(texts)} of {counted(len(self.scheduler.jobs), 'run')} failed, and the others are finished: "
                f"{texts[0]}{more}; correct this and run the study again, or leave the case out; finished runs are "
                "not repeated"
            )

    def _give(self) -> Iterator[Event]:
        """Give each idle worker a job that can be run now."""
        for worker in self.pool.idle():
            job = self._next(worker)
            if job is None:
                return
            self._queue.remove(job)
            path = plan.path_of(job, self.options.folder, self.done)
            failed = [other for other in job.needs if other.key in self.failed]
            if failed:
                yield from self._failed(job, f"needs {failed[0].experiment.name}, which failed")
            elif (standing := _standing(path, job)) == "finished":
                yield from self._finished(job)
            elif standing not in ("nothing", "unfinished"):
                yield from self._failed(job, standing)
            elif str(path) in self._doing or busy(path):
                self._aside.append(job)
                yield Moved(job, "elsewhere")
            else:
                command = self._command(job, path)
                more = {"path": str(path), "seed": job.seed, "threads": self.split.threads, "command": command}
                self._doing[str(path)] = job
                worker.kept = job.images
                self.pool.give(worker, benchmark.task("run", job, **more))
                yield Moved(job, "running")

    def _next(self, worker: Worker) -> Job | None:
        """The job for a worker: prerequisites first, then jobs whose data it has in memory, then the largest."""
        free = [
            job for job in self._queue if all(other.key in self.done or other.key in self.failed for other in job.needs)
        ]
        return max(
            free, key=lambda job: (job.needed, job.images == worker.kept, plan.size(job, self._sizes)), default=None
        )

    def _answered(self, worker: Worker, task: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[Event]:
        """Update the job of an answer."""
        job, path = self._doing[task["path"]], Path(task["path"])
        match answer["said"]:
            case "begun":
                yield Moved(job, "running", answer["epoch"])
            case "progress":
                yield Moved(job, "running", answer["epoch"], answer["step"] / answer["steps"])
            case "epoch":
                self._deaths[job.key] = 0
                share = answer["epoch"] / job.experiment.recipe.epochs
                yield Moved(job, "running", answer["epoch"], share, answer["validation"], answer["seconds"])
            case "done":
                del self._doing[task["path"]]
                yield from self._finished(job)
            case "died":
                del self._doing[task["path"]]
                self._deaths[job.key] += 1
                if self._deaths[job.key] >= DEATHS:
                    yield from self._failed(
                        job, f"its worker process ended {DEATHS} times without finishing an epoch ({answer['message']})"
                    )
                else:
                    self._queue.insert(0, job)
                    yield Moved(job, "again", message=answer["message"])
            case "failed":
                del self._doing[task["path"]]
                if _standing(path, job) == "finished":
                    yield from self._finished(job)  # by another process, at the same time
                elif answer["kind"] == "Interrupted" or (answer["kind"] == "BadInput" and busy(path)):
                    self._aside.append(job)
                    yield Moved(
                        job, "elsewhere" if answer["kind"] == "BadInput" else "again", message=answer["message"]
                    )
                else:
                    yield from self._failed(job, answer["message"])

    def _finished(self, job: Job) -> Iterator[Event]:
        """Record that a run is finished: its scores, and the jobs that become known by them."""
        path = plan.path_of(job, self.options.folder, self.done)
        try:
            result = read_run(path).result or {}
        except BadInput as error:
            yield from self._failed(job, str(error))
            return
        scores = result.get("validation")
        if not scores and not job.needed:
            yield from self._failed(job, f"{path} is finished, but was never scored on validation images")
            return
        self.done[job.key] = path
        yield Moved(job, "done", result["epochs"], 1.0, scores, result["seconds"])
        yield from self._report(job, scores)

    def _failed(self, job: Job, why: str) -> Iterator[Event]:
        self.failed[job.key] = job, why
        yield Moved(job, "failed", message=why)
        yield from self._report(job, None)

    def _report(self, job: Job, scores: Mapping[str, float] | None) -> Iterator[Event]:
        """Pass scores to the scheduler, write the plan, so that a search can be resumed, and queue the new jobs."""
        new = self.scheduler.take(job, scores)
        elsewhere = plan.finished(self.options.folder, new)
        self.done |= elsewhere
        if self.study.search:
            search = {"sampler": self.scheduler.sampler, "tries": self.scheduler.tries()}
            jobs = [plan.entry(known, self.options.folder, self.done) for known in self.scheduler.jobs]
            self.directory.write_plan(search=search, jobs=jobs)
        if new:
            yield Added(
                tuple(
                    Row(added, plan.path_of(added, self.options.folder, self.done), added.key in self.done)
                    for added in new
                )
            )
        for added in new:
            if added.key in elsewhere:
                yield from self._finished(added)
            else:
                self._queue.append(added)

    def stop(self, signal_number: int) -> NoReturn:
        """Have every run that is training saved, and raise Interrupted, which says how to resume."""
        self.pool.stop()
        again = resuming(self.options.command) if self.options.command else "the same call"
        raise Interrupted(f"stopped and saved in {self.directory.path}", signal_number, again)

    def _command(self, job: Job, path: Path) -> list[str]:
        """The command line of one run."""
        words = ["smallvision", "run", str(path / "experiment.toml"), "--seed", str(job.seed)]
        words += ["--device", self.options.device] if self.options.device != "auto" else []
        words += ["--threads", str(self.split.threads)] if self.split.threads else []
        words += ["--root", str(self.options.root)] if self.options.root else []
        return [*words, "--trust-code"] if self.options.trust_code else words


def _standing(path: Path, job: Job) -> str:
    """The state of a job's run: "nothing", "finished" or "unfinished"; or a sentence about what is there instead."""
    try:
        return paths.standing(path, job.experiment, job.seed)
    except BadInput as error:
        return str(error)


def busy(path: Path) -> bool:
    """Whether another process is writing a run."""
    if not path.is_dir():
        return False
    try:
        with unlocked(path):
            return False
    except BadInput:
        return True
