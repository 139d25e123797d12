"""Children forked from one process that has everything imported: limited in time and memory, and what they said.

Forking costs some milliseconds where a new interpreter that imports torch takes seconds. The process that forks has one
thread only: nothing here computes with tensors, its children do.
"""

import ctypes
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MEMORY = 3 * 1024**3  # bytes of address space that a child may take beside what it was forked with
BROKEN = 70  # exit status of a child whose action raised: a fault of the campaign itself
SECONDS = 60.0  # that a child may take, unless the caller says otherwise
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG, <linux/prctl.h>

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit status (minus the signal, if one ended it), and what it wrote.

    `late` is whether it was ended because its time was over.
    """

    status: int
    out: str
    err: str
    seconds: float
    late: bool = False

    @property
    def one_line(self) -> bool:
        """Whether standard error has one line of ours; the command that goes on may stand in a line of its own "
        "below."""
        first, *rest = self.err.removesuffix("\n").split("\n")
        return first.startswith("smallvision: ") and (not rest or (len(rest) == 1 and rest[0].startswith("    ")))

    @property
    def last(self) -> str:
        """The last line on standard error."""
        return (self.err.strip().splitlines() or [""])[-1]


def import_everything() -> None:
    """Load what any child needs, once, without computing anything with it."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    os.environ |= {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "MPLBACKEND": "agg", **threads}
    import PIL.Image
    import torch

    torch.set_num_threads(1)
    PIL.Image.init()


def forked(
    action: Callable[[], int],
    scratch: Path,
    seconds: float = SECONDS,
    memory: int = MEMORY,
    moment: tuple[float, int] | None = None,
) -> Ended:
    """What a forked child does, waited for.

    Parameters
    ----------
    action : done by the child; it returns the exit status.
    scratch : a folder for what the child prints.
    seconds : after which the child, with all it has started in its session, is ended.
    memory : bytes that it may reserve beside those that it was forked with.
    moment : (seconds, signal): a signal that is sent to it after so many seconds.
    """
    return Running(action, scratch, memory).wait(seconds, moment)


def at_once(actions: Sequence[Callable[[], int]], scratch: Path, seconds: float = SECONDS) -> list[Ended]:
    """What several forked children do that begin at the same moment."""
    gate, opener = os.pipe()

    def held(action: Callable[[], int]) -> Callable[[], int]:
        def wait() -> int:
            os.close(opener)
            os.read(gate, 1)  # returns when this process has closed its end
            return action()

        return wait

    running = []
    for number, action in enumerate(actions):
        place = scratch / str(number)
        place.mkdir(parents=True, exist_ok=True)
        running.append(Running(held(action), place, MEMORY))
    os.close(gate)
    os.close(opener)
    return [one.wait(seconds) for one in running]


class Running:
    """A forked child that runs."""

    def __init__(self, action: Callable[[], int], scratch: Path, memory: int) -> None:
        self._scratch = scratch
        files = [os.open(scratch / name, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o644) for name in ("out.txt", "err.txt")]
        sys.stdout.flush()
        sys.stderr.flush()
        self._began = time.monotonic()
        self.pid = os.fork()
        if not self.pid:
            _child(action, files, memory)
        for file in files:
            os.close(file)

    def wait(self, seconds: float, moment: tuple[float, int] | None = None) -> Ended:
        """Wait for its end; the arguments are those of `forked`."""
        late = False
        with _handle(self.pid) as ended:
            if moment is not None and not ended(max(0.0, self._began + moment[0] - time.monotonic())):
                os.kill(self.pid, moment[1])
            if not ended(max(0.0, self._began + seconds - time.monotonic())):
                late = True
                os.killpg(self.pid, signal.SIGKILL)
        _, code = os.waitpid(self.pid, 0)
        took = time.monotonic() - self._began
        names = ("out.txt", "err.txt")
        out, err = ((self._scratch / name).read_text(encoding="utf-8", errors="surrogateescape") for name in names)
        return Ended(os.waitstatus_to_exitcode(code), out, err, took, late)


@contextmanager
def _handle(pid: int) -> Iterator[Callable[[float], bool]]:
    """Yields a function that waits for a process: so many seconds, or until it has ended, which it says."""
    descriptor = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    try:
        yield lambda seconds: bool(poll.poll(1000 * seconds))
    finally:
        os.close(descriptor)


def _child(action: Callable[[], int], files: list[int], memory: int) -> None:
    """The rest of a child's life."""
    status = BROKEN
    try:
        os.setsid()
        die_with_parent()
        _fresh_signals()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for target, file in enumerate(files, 1):
            os.dup2(file, target)
            os.close(file)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        limit_memory(memory)
        status = action()
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                status = status or BROKEN
        os._exit(status)


def _fresh_signals() -> None:
    """The handling of signals that the command begins with; of SIGINT, it is that of smallvision/__main__.py."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def die_with_parent() -> None:
    """Have the kernel end this process when its parent ends."""
    _libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def limit_memory(more: int) -> None:
    """Limit the address space of this process to what it has now and `more` bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def command(*words: str) -> int:
    """`smallvision WORDS` in this process; its exit status."""
    import smallvision.cli

    sys.argv = ["smallvision", *words]
    try:
        smallvision.cli.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
