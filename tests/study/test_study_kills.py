"""kill -9 of a study or of any of its workers, at any moment: run again, it ends as an undisturbed study does."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from smallvision.runs.read import read_run, status
from smallvision.study import directory
from smallvision.study.read import read_study

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the workers of a study in /proc"),
]

EPOCHS = 10


def workers_of(pid):
    """The worker processes of a study."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [
            int(child)
            for child in children
            if "smallvision.study.workers.process" in Path(f"/proc/{child}/cmdline").read_text()
        ]
    except OSError:
        return []


def logged(folder):
    """Bytes that all runs have logged so far.

    The moments of kills are drawn in bytes, so that a slow machine is tested as hard as a fast one.
    """
    return sum(path.stat().st_size for path in folder.glob("[!.]*/steps.jsonl"))


def begin(file, folder, workers=2):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "SMALLVISION_RUNS": str(folder)}
    words = ["run", str(file), "--workers", str(workers), "--device", "cpu"]
    return subprocess.Popen(
        [sys.executable, "-m", "smallvision", *words], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def await_end(workers):
    """Wait for processes to end, as they do by themselves when their study has ended; the limit is for a broken one."""
    limit = time.monotonic() + 600
    while left := [worker for worker in workers if Path(f"/proc/{worker}").exists()]:
        assert time.monotonic() < limit, f"{len(left)} workers outlive their study"
        time.sleep(0.01)


def without_times(result):
    text = json.dumps({key: value for key, value in result.items() if key != "commands"}, sort_keys=True)
    table = json.loads(text)
    for row in table["table"]:
        del row["seconds"]
    return table


def test_ten_random_kills_lose_nothing_double_nothing_and_leave_no_worker_behind(lent, tiny, finish, content, tmp_path):
    study, folder = tiny(seeds=3, epochs=EPOCHS), tmp_path / "killed"
    whole, _ = finish(study, tmp_path / "whole", workers=2)
    total = logged(tmp_path / "whole")
    draw, kills, process = random.Random(11), [], None
    for number in range(10):
        until = total * (number + draw.random()) / 11
        if process is None or process.poll() is not None:
            process = begin(tmp_path / "tiny.toml", folder)
        while process.poll() is None and logged(folder) < until:
            time.sleep(0.001)
        alive = workers_of(process.pid)
        victim = process.pid if number % 4 == 0 or not alive else draw.choice(alive)
        if process.poll() is None:
            os.kill(victim, signal.SIGKILL)
            kills.append(victim == process.pid)
        if victim == process.pid:
            process.wait()
            await_end(alive)
    if process.poll() is not None:
        process = begin(tmp_path / "tiny.toml", folder)
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert len(kills) >= 8, "the study was over before it could be killed"
    assert {True, False} == set(kills)
    assert content(folder) == content(tmp_path / "whole")
    record = read_study(directory.place(study, folder))
    assert without_times(record.result) == without_times(whole.result)
    assert {run.result["looks"] for case in record.result["choice"]["met_test"] for run in record.runs(case)} == {1}
    assert status(record.state) == "finished"


@pytest.mark.parametrize(("number", "code", "workers"), [(signal.SIGINT, 130, 2), (signal.SIGTERM, 143, 1)])
def test_a_signal_stops_all_runs_saved_and_says_how_to_go_on(number, code, workers, tiny, tmp_path):
    study, folder = tiny(seeds=1, epochs=4000), tmp_path / "runs"
    process = begin(tmp_path / "tiny.toml", folder, workers)
    while process.poll() is None and len(list(folder.glob("digits*/checkpoint.safetensors"))) < workers:
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate()
    text = said.decode()
    assert process.returncode == code, text
    assert text.count("\n") == 2
    assert text.splitlines()[0].endswith("go on with:")
    assert " smallvision run " in text.splitlines()[1]
    assert "Traceback" not in text
    record = read_study(directory.place(study, folder))
    assert record.state["status"] == "interrupted"
    runs = [read_run(path) for path in folder.glob("digits*")]
    assert [run.state["status"] for run in runs] == ["interrupted"] * workers
    assert all((run.path / "checkpoint.safetensors").exists() for run in runs)
