"""The workers of a study forked from the study's process, in the place of new interpreters that import torch.

They run the same `smallvision.study.workers.process.main` over the same pipes; only their start is another one.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from campaign import children
from campaign.writes import HIGH

OUTLIVES = 20.0  # seconds after which a worker whose study has ended counts as left behind


class ForkedWorker:
    """What study.workers.pool needs of subprocess.Popen."""

    started: Path | None = None  # a file that gets the process id of every worker as a line

    def __init__(self, words: Sequence[str], stdin: int, stdout: int, stderr: Any, start_new_session: bool) -> None:
        (read_in, write_in), (read_out, write_out) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if not self.pid:
            _serve(read_in, write_out, stderr.fileno())
        os.close(read_in)
        os.close(write_out)
        if ForkedWorker.started is not None:
            with open(ForkedWorker.started, "a") as file:
                file.write(f"{self.pid}\n")
        self.stdin, self.stdout = open(write_in, "wb"), open(read_out, "rb", buffering=0)  # noqa: SIM115
        self._status: int | None = None

    def wait(self) -> int:
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._status

    def poll(self) -> int | None:
        if self._status is None:
            pid, code = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(code) if pid else None
        return self._status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _serve(read_in: int, write_out: int, errors: int) -> None:
    from smallvision.study.workers import process

    try:
        os.setsid()
        for target, descriptor in ((0, read_in), (1, write_out), (2, errors)):
            os.dup2(descriptor, target)
        os.closerange(3, HIGH)  # the lock of the study, and the pipes of other workers
        children._fresh_signals()
        process.main()
    finally:
        os._exit(0)


def forked_workers(action: Callable[[], int], started: Path) -> Callable[[], int]:
    """An action in which the workers of studies are forked; `started` gets their process ids."""

    def acted() -> int:
        from smallvision.study.workers import pool

        ForkedWorker.started = started
        pool.subprocess = _Subprocess  # type: ignore[attr-defined]
        return action()

    return acted


class _Subprocess:
    """Stands for the module subprocess in study.workers.pool."""

    import subprocess as _own

    PIPE = _own.PIPE
    TimeoutExpired = _own.TimeoutExpired
    Popen = ForkedWorker


def left_behind(started: Path) -> list[int]:
    """The workers that have not ended some time after their study has; they are ended then."""
    pids = [int(line) for line in started.read_text().split()] if started.exists() else []
    until = time.monotonic() + OUTLIVES
    while alive := [pid for pid in pids if _lives(pid)]:
        if time.monotonic() > until:
            for pid in alive:
                os.kill(pid, signal.SIGKILL)
            return alive
        time.sleep(0.005)
    return []


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False
