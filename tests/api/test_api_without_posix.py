"""Where Python has no fcntl, resource and POSIX signals, as on Windows: runs are read, and an experiment is run.

The names are taken away in a process of its own, once the libraries are loaded: theirs for Windows do without them.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from smallvision.experiment import load, to_toml

OLD = Path(__file__).parents[1] / "training" / "formats" / "version-1"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the stand-in for msvcrt locks by flock, and reads /proc"),
]

ABSENT = '''
import asyncio, concurrent.futures, multiprocessing, os, shutil, signal, subprocess, sys, tempfile, types
import urllib.request
import fcntl as real
import jinja2, matplotlib.figure, matplotlib.backends.backend_agg, numpy, PIL.Image, platformdirs, pooch, pydantic
import rich.console, rich.live, rich.progress, rich.table, safetensors.torch, scipy.special, scipy.stats
import sklearn.datasets, tomli_w, torch, tqdm, typer
import torch.optim

assert not [name for name in sys.modules if name.partition(".")[0] == "smallvision"]
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "readline", "syslog", "posix_ipc"):
    sys.modules[name] = None
for name in dir(signal):
    if name.startswith("SIG") and not name.startswith("SIG_"):
        if name not in ("SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM", "SIGBREAK"):
            delattr(signal, name)
for name in ("alarm", "setitimer", "pause", "sigwait", "pthread_kill", "pthread_sigmask", "siginterrupt"):
    delattr(signal, name)
for name in """fork forkpty getuid geteuid getgid getegid getgroups getpgid getpgrp getsid setsid setuid setgid
        killpg uname sched_getaffinity sched_setaffinity getloadavg chown lchown fchown mkfifo mknod pread
        pwrite preadv pwritev statvfs fstatvfs sysconf nice O_NONBLOCK O_NOFOLLOW O_DIRECTORY O_CLOEXEC
        posix_fadvise posix_fallocate sendfile sync lockf""".split():
    if hasattr(os, name):
        delattr(os, name)
shutil._use_fd_functions = False
rename = os.rename


def no_open_files(source, target):
    """Windows renames no folder in which a file is open."""
    inside = os.path.abspath(source) + os.sep
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.readlink("/proc/self/fd/" + number).startswith(inside):
                raise PermissionError(13, "a file in it is open", str(source))
        except FileNotFoundError:
            pass
    rename(source, target)


os.rename = no_open_files
'''

WITH_LOCKS = """

def locking(descriptor, mode, count):
    assert (mode, count) == (msvcrt.LK_NBLCK, 1)
    assert os.lseek(descriptor, 0, os.SEEK_CUR) > os.fstat(descriptor).st_size, "who holds it can no longer be read"
    try:
        real.flock(descriptor, real.LOCK_EX | real.LOCK_NB)
    except BlockingIOError:
        raise PermissionError(13, "Permission denied") from None


msvcrt = types.ModuleType("msvcrt")
msvcrt.LK_NBLCK, msvcrt.locking = 2, locking
sys.modules["msvcrt"] = msvcrt
"""

USED = """
import smallvision as sv
from smallvision.cli import main
from smallvision.errors import BadInput


def command(*words):
    sys.argv = ["smallvision", *words]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (words, end.code)


command("list")
command("show", "digits")
command("runs")
assert len(sv.find_runs()) == 2
one, other = sv.open_run("runs/one"), sv.open_run("runs/other")
assert one.result["test"]["count"] == 360
assert one.report().exists()
sv.compare("runs/one", "runs/other")
command("report", "runs/other")
command("compare", "runs/one", "runs/other")
"""

TRAINED = (
    USED
    + """
few = ("recipe.epochs=1", "data.limit=200")
run = sv.run("digits", *few, out="runs/new", threads=1)
assert sv.open_run("runs/new").record.state["status"] == "finished"

from smallvision.runs.directory import unlocked

with unlocked(run.path):
    try:
        unlocked(run.path).__enter__()
    except BadInput as error:
        assert "another process is writing this run (process " + str(os.getpid()) in str(error), error
    else:
        raise AssertionError("the lock was taken twice")

from pathlib import Path
from smallvision.experiment import load
from smallvision.training import run as training

stopped = training.run(load("digits", few), training.RunOptions(Path("runs/stopped"), threads=1))
next(stopped), next(stopped)
stopped.close()
again = sv.run("digits", *few, out="runs/stopped", threads=1, resume=True)
assert again.result["model_sha256"] == run.result["model_sha256"]
"""
)

REFUSED = (
    USED
    + """
try:
    sv.run("digits", "recipe.epochs=1", "data.limit=200", out="runs/new", threads=1)
except BadInput as error:
    assert "no file locks" in str(error) and "\\n" not in str(error)
else:
    raise AssertionError("it was run")
assert sorted(os.listdir("runs")) == ["one", "other"]
"""
)


@pytest.mark.parametrize("program", [ABSENT + WITH_LOCKS + TRAINED, ABSENT + REFUSED], ids=["Windows", "no locks"])
def test_runs_are_read_and_made(program, tmp_path):
    for name in ("one", "other"):
        shutil.copytree(OLD, tmp_path / "runs" / name)
    changed = load(str(OLD / "experiment.toml"), ["recipe.learning_rate=0.5"])
    for name in ("state.json", "result.json", "experiment.toml"):
        file = tmp_path / "runs" / "other" / name
        text = to_toml(changed) if name == "experiment.toml" else file.read_text()
        file.write_text(text.replace(load(str(OLD / "experiment.toml")).hash(), changed.hash()))
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
