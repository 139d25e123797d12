"""Tasks about finished runs, done by a study's workers; a task is repeated when its worker dies. No torch here."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from smallvision.errors import BadInput, RunFailed
from smallvision.study.workers.dispatch import WAIT_SECONDS, Dispatcher, busy
from smallvision.study.workers.pool import DEATHS


def each(
    dispatcher: Dispatcher, tasks: Mapping[str, Mapping[str, Any]], stands: Callable[[str], bool], what: str
) -> Iterator[tuple[str, str]]:
    """Have the workers do a task about each of some finished runs.

    Parameters
    ----------
    dispatcher : of the study.
    tasks : by the path of the run.
    stands : whether the files of a task are written, by the path; a worker may die after it has written them.
    what : the task as a participle, for messages: "scored".

    Yields
    ------
    tuple : the path and the name of each step of its task; the path and "" when the task is done.

    Raises
    ------
    BadInput, RunFailed : a task failed.
    Interrupted : a signal came.
    """
    waiting, todo, deaths = set(tasks), list(tasks), 0
    dispatcher.pool.resize(min(max(dispatcher.split.workers, 1), max(len(waiting), len(dispatcher.pool.workers))))
    while waiting:
        for worker in dispatcher.pool.idle()[: len(todo)]:
            dispatcher.pool.give(worker, dict(tasks[todo.pop(0)]))
        for _, task, answer in dispatcher.pool.answers(WAIT_SECONDS):
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
                raise RunFailed(
                    f"{path}: this run cannot be {what}, because worker processes end during it ({answer['message']})"
                )
            if answer["said"] == "failed" and not busy(Path(path)):
                raise (BadInput if answer["kind"] == "BadInput" else RunFailed)(answer["message"])
            todo.append(path)
        if dispatcher.signals.caught:
            dispatcher.stop(dispatcher.signals.caught)
        dispatcher.directory.heartbeat()
