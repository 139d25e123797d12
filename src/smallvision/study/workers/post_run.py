"""What is done with finished runs by a study's workers: each a task of its own, done again when its worker dies. No torch here."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from smallvision.errors import BadInput, RunFailed
from smallvision.study.workers.dispatch import WAIT_SECONDS, Work, busy
from smallvision.study.workers.pool import DEATHS


def each(
    work: Work, tasks: Mapping[str, Mapping[str, Any]], stands: Callable[[str], bool], what: str
) -> Iterator[tuple[str, str]]:
    """Have a task done about every one of some finished runs, by all workers.

    Parameters
    ----------
    work : the study under way.
    tasks : by the path of the run.
    stands : whether what a task makes stands, by the path: its worker may die when all is written.
    what : is done, for a message: "scored".

    Yields
    ------
    tuple : the path and what its worker says it does, as it goes on ("step"); the path and "" once it is done.

    Raises
    ------
    BadInput, RunFailed : a task failed.
    Interrupted : a signal came.
    """
    waiting, todo, deaths = set(tasks), list(tasks), 0
    work.pool.resize(min(max(work.split.workers, 1), max(len(waiting), len(work.pool.workers))))
    while waiting:
        for worker in work.pool.idle()[: len(todo)]:
            work.pool.give(worker, dict(tasks[todo.pop(0)]))
        for _, task, answer in work.pool.answers(WAIT_SECONDS):
            path = task["path"]
            if answer["said"] == "step":
                yield path, answer["step"]
                continue
            if answer["said"] == "done" or stands(path):
                waiting.remove(path)
                yield path, ""
                continue
            deaths += answer["said"] == "died"
            if deaths >= DEATHS:
                raise RunFailed(f"{path}: cannot be {what}, worker processes end over it ({answer['message']})")
            if answer["said"] == "failed" and not busy(Path(path)):
                raise (BadInput if answer["kind"] == "BadInput" else RunFailed)(answer["message"])
            todo.append(path)
        if work.signals.caught:
            work.stop(work.signals.caught)
        work.book.heartbeat()
