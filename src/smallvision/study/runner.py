"""A study from its spec to its figures, as one generator of events. Printing is the body of the caller's `for`. No torch here."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

from smallvision.errors import BadInput, Interrupted, RunFailed
from smallvision.experiment import Study
from smallvision.study import directory
from smallvision.study.events import Estimated, Event, Finished, Place, Planned
from smallvision.study.finalize import conclude
from smallvision.study.read import read_study
from smallvision.study.setup import Start
from smallvision.study.workers import benchmark
from smallvision.study.workers.dispatch import Work
from smallvision.study.workers.pool import Pool
from smallvision.training.signals import Signals


def run(study: Study, place: Place) -> Iterator[Event]:
    """Run a study, or go on with it, until all its files stand. What is finished already, by whomever, is not repeated.

    Parameters
    ----------
    study : what to run.
    place : where and how.

    Yields
    ------
    Planned; then Moved for the runs as they go on, and Added for those that a search makes known; Looked for every run
    that meets the test split; Probing and Probed where representations are probed; Finished.

    Raises
    ------
    BadInput : an experiment, its data or the setting cannot be used; nothing was written.
    RunFailed : some runs failed; the others are finished, and nobody met the test split.
    Interrupted : SIGINT or SIGTERM came; every run under way was saved.
    """
    path = directory.place(study, place.folder)
    with ExitStack() as held, Pool(place.setting) as pool:
        lock = directory.hold(path) if path.exists() else None
        if lock is not None:
            held.callback(os.close, lock)
        start = Start(study, place, pool)
        split, why, timings = start.split()
        planned = Planned(path, start.rows(), split if start.pending else None, why, start.notes())
        over = start.over()
        if over:
            yield planned
            yield Finished(over)
            return
        start.refuse_other_threads(split)
        book = start.open(lock, split, why, timings)
        if lock is None:
            held.callback(book.close)
        try:
            yield planned
            signals = held.enter_context(Signals())  # before, there is nothing that would have to be saved
            work = Work(study, place, pool, book, start.agenda, split, start.done, start.sizes, signals)
            yield from work.jobs()
            yield from conclude(work, start.baseline, start.pairs)
            yield Finished(read_study(path))
        except (RunFailed, BadInput, Interrupted) as error:
            book.note(status="interrupted" if isinstance(error, Interrupted) else "failed", message=str(error))
            raise


def preview(study: Study, place: Place) -> Estimated:
    """What `run` would do, and how long that takes, from a few timed steps. Nothing is written.

    Raises
    ------
    BadInput : as `run`.
    """
    with Pool(place.setting) as pool:
        start = Start(study, place, pool)
        split, why, _ = start.split()
        start.refuse_other_threads(split)
        planned = Planned(start.path, start.rows(), split if start.pending else None, why, start.notes())
        wanted = [*start.pending, *start.agenda.later]
        each = benchmark.estimates(pool, wanted, split) if wanted else {}
        longest_first = sorted((each[job.key[0]] for job in wanted), reverse=True)
        return Estimated(
            planned, {job.key: each[job.key[0]] for job in wanted}, benchmark.total(longest_first, split.workers)
        )
