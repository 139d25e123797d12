"""The pool of worker processes of a study: they are started, given tasks, replaced when they die, and stopped.

Workers (`study.workers.process`) exchange JSON lines with the pool. Each has a session of its own, so Ctrl-C in a
terminal reaches only the study, which then stops its workers. A worker ends when the study does. No torch here.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import IO, Any

from smallvision.errors import BadInput, RunFailed

DEATHS = 5  # of workers over one task, without progress in between, before the task fails
STOP_SECONDS = 60.0  # for a worker to save its run


class Worker:
    """One process. `task` is its present task, None while it is idle; `kept` is the spec of the data in its memory."""

    def __init__(self, setting: dict[str, Any]) -> None:
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "smallvision.study.workers.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            start_new_session=True,
        )
        self.ready = False
        self.task: dict[str, Any] | None = None
        self.kept: Any = None
        self._cut = b""
        self.send(setting)

    def send(self, message: dict[str, Any]) -> None:
        """Write one line. A process that has died is noticed when its answers are read."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()

    def read(self) -> tuple[list[dict[str, Any]], bool]:
        """The answers that have arrived, and whether more can follow."""
        assert self.process.stdout is not None
        data = os.read(self.process.stdout.fileno(), 2**16)
        *lines, self._cut = (self._cut + data).split(b"\n")
        return [json.loads(line) for line in lines], bool(data)

    def last_words(self) -> str:
        """How the process ended, and its last line on standard error."""
        status = self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return f"{how}: {lines[-1]}" if lines else how

    def close(self) -> None:
        """End the process at once."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


class Pool:
    """A number of workers. Used in a `with`, at whose end all processes are ended.

    Parameters
    ----------
    setting : the first message to every worker: {"device", "root", "trust_code"}.

    Attributes
    ----------
    device : the kind of device that the workers use ("cpu", "cuda", "mps"); known when one is ready.
    threads : the threads that torch chooses in one process; known when one worker is ready.
    """

    def __init__(self, setting: dict[str, Any]) -> None:
        self.workers: list[Worker] = []
        self.device, self.threads = "", 0
        self._setting = setting
        self._early = 0  # consecutive deaths of workers that were not ready yet
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        while self.workers:
            self._drop(self.workers[-1])
        self._selector.close()

    def resize(self, count: int) -> None:
        """Start workers or end idle ones until there are `count`."""
        while len(self.workers) < count:
            worker = Worker(self._setting)
            assert worker.process.stdout is not None
            self._selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
            self.workers.append(worker)
        for worker in [worker for worker in self.workers if worker.task is None][: len(self.workers) - count]:
            self._drop(worker)

    def idle(self) -> list[Worker]:
        """The workers that wait for a task."""
        return [worker for worker in self.workers if worker.ready and worker.task is None]

    def give(self, worker: Worker, task: dict[str, Any]) -> None:
        """Give a task to an idle worker."""
        worker.task = task
        worker.send(task)

    def answers(self, seconds: float) -> Iterator[tuple[Worker, dict[str, Any], dict[str, Any]]]:
        """The answers that arrive within `seconds`: (worker, task, answer).

        A worker that died is replaced; the answer for its task is {"said": "died", "message": ...}.

        Raises
        ------
        BadInput : the setting cannot be used (no such device).
        RunFailed : several workers died before they were ready.
        """
        for key, _ in self._selector.select(seconds):
            worker: Worker = key.data
            answers, alive = worker.read()
            for answer in answers:
                if answer["said"] == "hello":
                    worker.ready, self.device, self.threads, self._early = True, answer["device"], answer["threads"], 0
                elif not worker.ready:
                    raise BadInput(answer["message"])
                else:
                    task = worker.task
                    assert task is not None
                    if answer["said"] in ("done", "failed"):
                        worker.task = None
                    yield worker, task, answer
            if not alive:
                task, reason = worker.task, worker.last_words()
                self._early += not worker.ready
                if self._early >= DEATHS:
                    raise RunFailed(f"worker processes end before they can begin ({reason})")
                count = len(self.workers)
                self._drop(worker)
                self.resize(count)
                if task is not None:
                    yield worker, task, {"said": "died", "message": reason}

    def ask(self, tasks: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Have all workers do tasks with one answer each: (task, answer), in the order in which they are done.

        Raises
        ------
        BadInput, RunFailed : a task failed, or workers died over it.
        """
        waiting, out, deaths = list(tasks), 0, 0
        while waiting or out:
            for worker in self.idle()[: len(waiting)]:
                self.give(worker, waiting.pop(0))
                out += 1
            for _, task, answer in self.answers(1.0):
                if answer["said"] == "died":
                    deaths += 1
                    if deaths >= DEATHS:
                        raise RunFailed(f"worker processes end before they can answer ({answer['message']})")
                    waiting.insert(0, task)
                    out -= 1
                elif answer["said"] == "failed":
                    raise (BadInput if answer["kind"] == "BadInput" else RunFailed)(answer["message"])
                else:
                    out -= 1
                    yield task, answer

    def hello(self, count: int) -> None:
        """Wait until `count` workers are ready."""
        while sum(worker.ready for worker in self.workers) < min(count, len(self.workers)):
            for _ in self.answers(1.0):
                pass

    def stop(self) -> None:
        """Have every worker save its run; wait for them for at most STOP_SECONDS."""
        for worker in self.workers:
            with suppress(ProcessLookupError):
                worker.process.send_signal(signal.SIGINT)
        until = time.monotonic() + STOP_SECONDS
        while any(worker.task is not None for worker in self.workers) and time.monotonic() < until:
            for key, _ in self._selector.select(0.5):
                worker = key.data
                answers, alive = worker.read()
                if not alive or any(answer["said"] in ("done", "failed") for answer in answers):
                    worker.task = None
                    self._selector.unregister(key.fileobj)

    def _drop(self, worker: Worker) -> None:
        self.workers.remove(worker)
        with suppress(KeyError, ValueError):
            assert worker.process.stdout is not None
            self._selector.unregister(worker.process.stdout)
        worker.close()
