"""Exit statuses, as a shell sees them: 0, 2 for bad input, 3 for a run that failed, 130 and 143 for a stopped one."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow  # real runs, pages or processes for most tests

ENDLESS = [
    "run",
    "digits",
    "recipe.epochs=100000",
    "recipe.batch_size=8",
    "data.limit=100",
    "--threads",
    "1",
    "--device",
    "cpu",
]
SHORT = ["run", "digits", "recipe.epochs=1", "data.limit=100", "--threads", "1", "--device", "cpu", "--quiet"]
STATUSES = {
    "a run to its end": (0, SHORT),
    "the catalog": (0, ["list"]),
    "a name that nothing has": (2, ["show", "no-such-experiment"]),
    "a value of the wrong type": (2, ["run", "digits", "recipe.epochs=many"]),
    "an option that no command has": (2, ["list", "--no-such-option"]),
    "a loss that is no number": (3, [*SHORT, "recipe.epochs=3", "recipe.optimizer=sgd", "recipe.learning_rate=1e30"]),
}
PATIENCE = 300  # seconds until a process that hangs fails the test; nothing passes or fails sooner by it


def begin(words, folder):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "SMALLVISION_RUNS": str(folder / "runs")}
    command = [sys.executable, "-m", "smallvision", *words]
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Status and standard error of every command, run at the same time, because each mostly starts up."""
    begun = {name: begin(words, tmp_path_factory.mktemp("status")) for name, (_, words) in STATUSES.items()}
    return {name: (process.communicate(timeout=PATIENCE)[1], process.returncode) for name, process in begun.items()}


@pytest.mark.parametrize("name", STATUSES)
def test_each_ending_has_its_status_and_no_traceback(name, ended):
    said, status = ended[name]
    assert status == STATUSES[name][0], said
    assert "Traceback" not in said
    assert bool(said) == (status != 0), said


def stopped(words, folder, number):
    """The status and standard error of a run that gets a signal once it has written more steps than there were."""
    log = folder / "run" / "steps.jsonl"
    before, until = log.stat().st_size if log.exists() else 0, time.monotonic() + PATIENCE
    process = begin(words, folder)
    while process.poll() is None and not (log.exists() and log.stat().st_size > before) and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE)
    return process.returncode, said


def test_an_interrupted_run_is_saved_resumes_and_ends_by_sigterm_with_143(tmp_path):
    words = [*ENDLESS, "--out", str(tmp_path / "run")]
    status, said = stopped(words, tmp_path, signal.SIGINT)
    assert status == 130, said
    assert json.loads((tmp_path / "run" / "state.json").read_text())["status"] == "interrupted"
    saved = (tmp_path / "run" / "checkpoint.safetensors").read_bytes()
    status, said = stopped([*words, "--resume"], tmp_path, signal.SIGTERM)
    assert status == 143, said
    assert (tmp_path / "run" / "checkpoint.safetensors").read_bytes() != saved, "the resumed run went no further"
    assert "Traceback" not in said
