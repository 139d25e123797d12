"""The runs of a study, given to workers one after the other and followed to their end. No torch here."""

import shlex
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from smallvision.errors import BadInput, Interrupted, RunFailed
from smallvision.experiment import Study
from smallvision.runs import paths
from smallvision.runs.directory import unlocked
from smallvision.runs.read import read_run
from smallvision.study.directory import StudyDirectory
from smallvision.study.events import Added, Event, Moved, Place, Row
from smallvision.study.plan import jobs as plan
from smallvision.study.plan.jobs import Job, Key, Split
from smallvision.study.plan.scheduler import Agenda
from smallvision.study.workers import benchmark
from smallvision.study.workers.pool import DEATHS, Pool, Worker
from smallvision.tasks import task_of
from smallvision.training.signals import Signals

WAIT_SECONDS = 0.2  # how soon a signal is seen
ASIDE_SECONDS = 1.0  # how often a run that another process is doing is looked at


class Work:
    """A study that is under way.

    Parameters
    ----------
    study, place : what is run, and where.
    pool : of workers.
    book : the study's directory.
    agenda : the runs known so far.
    split : workers at a time, and threads of each.
    done : where the runs stand that are finished already.
    sizes : of experiments, by the first part of their jobs' keys; the largest runs go first, so that none is left over at the end.
    signals : whether one came.
    """

    def __init__(
        self,
        study: Study,
        place: Place,
        pool: Pool,
        book: StudyDirectory,
        agenda: Agenda,
        split: Split,
        done: Mapping[Key, Path],
        sizes: Mapping[str, Mapping[str, Any]],
        signals: Signals,
    ) -> None:
        self.study, self.place, self.pool, self.book, self.agenda = study, place, pool, book, agenda
        self.split, self.sizes, self.signals = split, sizes, signals
        self.done = dict(done)
        self.failed: dict[Key, tuple[Job, str]] = {}
        self._queue: list[Job] = []
        self._aside: list[Job] = []
        self._doing: dict[str, Job] = {}  # by the path of the run
        self._deaths: Counter[Key] = Counter()  # of workers over a job since it last came further

    def jobs(self) -> Iterator[Event]:
        """Run what is not finished, whatever becomes known on the way too.

        Raises
        ------
        RunFailed : some runs failed; the others are finished.
        Interrupted : a signal came; every run under way was saved.
        """
        for job in [job for job in self.agenda.jobs if job.key in self.done]:
            yield from self._taken(job)
        self._queue += [job for job in self.agenda.jobs if job.key not in self.done and job not in self._queue]
        self.pool.resize(min(self.split.workers, len(self._queue) + len(self.agenda.later)))
        looked = time.monotonic()
        while self._queue or self._aside or self._doing:
            yield from self._give()
            for worker, task, answer in self.pool.answers(WAIT_SECONDS):
                yield from self._heard(worker, task, answer)
            if self._aside and time.monotonic() - looked > ASIDE_SECONDS:
                self._queue, self._aside, looked = [*self._queue, *self._aside], [], time.monotonic()
            if self.signals.caught:
                self.stop(self.signals.caught)
            self.book.heartbeat()
        fatal = [(job, why) for job, why in self.failed.values() if not self.agenda.is_try(job)]
        texts = [f"{job.title}: {why}" for job, why in fatal]
        texts += [f'case "{name}": {why}' for name, why in self.agenda.failed.items()]
        if texts:
            more = f" (and {len(texts) - 1} more)" if len(texts) > 1 else ""
            raise RunFailed(
                f"{len(texts)} of {len(self.agenda.jobs)} runs failed, the others are finished: {texts[0]}{more}; mend it and run the "
                "study again, or leave the case out: what is finished is not repeated"
            )

    def _give(self) -> Iterator[Event]:
        """Give every idle worker a job that can be run now."""
        for worker in self.pool.idle():
            job = self._next(worker)
            if job is None:
                return
            self._queue.remove(job)
            path = plan.path_of(job, self.place.folder, self.done)
            failed = [other for other in job.needs if other.key in self.failed]
            if failed:
                yield from self._not_taken(job, f"needs {failed[0].experiment.name}, which failed")
            elif (standing := _standing(path, job)) == "finished":
                yield from self._taken(job)
            elif standing not in ("nothing", "unfinished"):
                yield from self._not_taken(job, standing)
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
        """The job for a worker: one that others need, before others; one whose data it has in memory; the largest; the first."""
        free = [
            job for job in self._queue if all(other.key in self.done or other.key in self.failed for other in job.needs)
        ]
        return max(
            free, key=lambda job: (job.needed, job.images == worker.kept, plan.size(job, self.sizes)), default=None
        )

    def _heard(self, worker: Worker, task: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[Event]:
        """What an answer means for its job."""
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
                yield from self._taken(job)
            case "died":
                del self._doing[task["path"]]
                self._deaths[job.key] += 1
                if self._deaths[job.key] >= DEATHS:
                    yield from self._not_taken(
                        job, f"its worker process ended {DEATHS} times without an epoch ({answer['message']})"
                    )
                else:
                    self._queue.insert(0, job)
                    yield Moved(job, "again", message=answer["message"])
            case "failed":
                del self._doing[task["path"]]
                if _standing(path, job) == "finished":
                    yield from self._taken(job)  # by another process, at the same time
                elif answer["kind"] == "Interrupted" or (answer["kind"] == "BadInput" and busy(path)):
                    self._aside.append(job)
                    yield Moved(
                        job, "elsewhere" if answer["kind"] == "BadInput" else "again", message=answer["message"]
                    )
                else:
                    yield from self._not_taken(job, answer["message"])

    def _taken(self, job: Job) -> Iterator[Event]:
        """A run is finished: take its scores, and the jobs that become known by them."""
        path = plan.path_of(job, self.place.folder, self.done)
        try:
            result = read_run(path).result or {}
        except BadInput as error:
            yield from self._not_taken(job, str(error))
            return
        scores = result.get("validation")
        if not scores and not job.needed:
            yield from self._not_taken(job, f"{path} is finished, but was never scored on validation images")
            return
        self.done[job.key] = path
        yield Moved(job, "done", result["epochs"], 1.0, scores, result["seconds"])
        yield from self._known(
            job, {key: scores[key] for key in (task_of(job.experiment).metric.key, "loss")} if scores else None
        )

    def _not_taken(self, job: Job, why: str) -> Iterator[Event]:
        self.failed[job.key] = job, why
        yield Moved(job, "failed", message=why)
        yield from self._known(job, None)

    def _known(self, job: Job, scores: Mapping[str, float] | None) -> Iterator[Event]:
        """Tell the agenda; what becomes known is queued, and the plan is written, so that a search goes on where it was."""
        new = self.agenda.take(job, scores)
        elsewhere = plan.finished(self.place.folder, new)
        self.done |= elsewhere
        if self.study.search:
            search = {"sampler": self.agenda.sampler, "tries": self.agenda.tries()}
            jobs = [plan.entry(one, self.place.folder, self.done) for one in self.agenda.jobs]
            self.book.write_plan(search=search, jobs=jobs)
        if new:
            yield Added(
                tuple(Row(one, plan.path_of(one, self.place.folder, self.done), one.key in self.done) for one in new)
            )
        for one in new:
            if one.key in elsewhere:
                yield from self._taken(one)
            else:
                self._queue.append(one)

    def stop(self, signal_number: int) -> NoReturn:
        """Have every run under way saved, and say how to go on. Raises Interrupted."""
        self.pool.stop()
        again = shlex.join(self.place.command) if self.place.command else "the same call"
        raise Interrupted(f"stopped and saved in {self.book.path}; go on with: {again}", signal_number)

    def _command(self, job: Job, path: Path) -> list[str]:
        """The command line that repeats one run."""
        words = ["smallvision", "run", str(path / "experiment.toml"), "--seed", str(job.seed)]
        words += ["--device", self.place.device] if self.place.device != "auto" else []
        words += ["--threads", str(self.split.threads)] if self.split.threads else []
        words += ["--root", str(self.place.root)] if self.place.root else []
        return [*words, "--trust-code"] if self.place.trust_code else words


def _standing(path: Path, job: Job) -> str:
    """What is where a job's run goes: "nothing", "finished", "unfinished"; or in a sentence, what is there and is not its run."""
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
