"""Runs a study, from its spec to study.json, as one generator of events; the caller prints. No torch here."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

from smallvision.errors import BadInput, Interrupted, RunFailed
from smallvision.experiment import Study
from smallvision.study import directory
from smallvision.study.events import Estimated, Event, Finished, Planned, StudyOptions
from smallvision.study.finalize import finalize
from smallvision.study.read import read_study
from smallvision.study.setup import Setup
from smallvision.study.workers import benchmark
from smallvision.study.workers.dispatch import Dispatcher
from smallvision.study.workers.pool import Pool
from smallvision.training.signals import Signals


def run(study: Study, options: StudyOptions) -> Iterator[Event]:
    """Run a study, or go on with it, until all its files are written. Runs that are finished already are not repeated.

    Parameters
    ----------
    study : what to run.
    options : where and how.

    Yields
    ------
    Planned; then Moved for every change of a run, and Added for runs that a search makes known; Evaluated for every run
    that is scored on the test split; Probing and Probed if representations are probed; Finished.

    Raises
    ------
    BadInput : an experiment, its data or an option cannot be used; nothing was written.
    RunFailed : some runs failed; the others are finished, and no run was scored on the test split.
    Interrupted : SIGINT, SIGTERM or SIGHUP came; every run that was training is saved.
    """
    path = directory.place(study, options.folder)
    with ExitStack() as held, Pool(options.setting) as pool:
        lock = directory.hold(path) if path.exists() else None
        if lock is not None:
            held.callback(os.close, lock)
        setup = Setup(study, options, pool)
        split, why, timings = setup.split()
        planned = Planned(path, setup.rows(), split if setup.pending else None, why, setup.notes())
        finished = setup.finished()
        if finished:
            yield planned
            yield Finished(finished)
            return
        setup.refuse_other_threads(split)
        study_directory = setup.open(lock, split, why, timings)
        if lock is None:
            held.callback(study_directory.close)
        try:
            yield planned
            signals = held.enter_context(Signals())  # until here there is nothing to save
            dispatcher = Dispatcher(setup, study_directory, split, signals)
            yield from dispatcher.jobs()
            yield from finalize(dispatcher, setup.baseline, setup.pairs)
            yield Finished(read_study(path))
        except (RunFailed, BadInput, Interrupted) as error:
            study_directory.note(
                status="interrupted" if isinstance(error, Interrupted) else "failed", message=str(error)
            )
            raise


def preview(study: Study, options: StudyOptions) -> Estimated:
    """The plan of `run` and how long it takes, from a few timed steps. Nothing is written.

    Raises
    ------
    BadInput : as `run`.
    """
    with Pool(options.setting) as pool:
        setup = Setup(study, options, pool)
        split, why, _ = setup.split()
        setup.refuse_other_threads(split)
        planned = Planned(setup.path, setup.rows(), split if setup.pending else None, why, setup.notes())
        wanted = [*setup.pending, *setup.scheduler.later]
        each = benchmark.estimates(pool, wanted, split) if wanted else {}
        longest_first = sorted((each[job.key[0]] for job in wanted), reverse=True)
        return Estimated(
            planned, {job.key: each[job.key[0]] for job in wanted}, benchmark.total(longest_first, split.workers)
        )
