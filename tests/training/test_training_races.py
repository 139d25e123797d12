"""Processes at one directory or file at the same time: the loser is told who is at it, and nothing is half-written."""

import errno
import json
import os
import pickle
import shlex
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from smallvision import cli
from smallvision.errors import BadInput, Busy, RunFailed
from smallvision.experiment import load, load_study
from smallvision.report.run import page
from smallvision.runs.directory import RunDirectory
from smallvision.runs.paths import place
from smallvision.runs.read import read_run
from smallvision.runs.unfinished import SAME_CALL, going_on, not_finished
from smallvision.storage.files import failed, new_directory, write_bytes
from smallvision.storage.lock import holder, take_lock
from smallvision.study import directory as studies

SIZES = ("parameters", "multiply_adds", "parameter_bytes", "output_bytes")
FIRST = {"data": "", "seed": 0, "command": "smallvision run digits --threads 2"}

LAYERS = {"input": [1, 8, 8], "rows": [], "totals": dict.fromkeys(SIZES, 0)}


def make(path):
    """A run that has just begun, as `training.run` makes it."""
    experiment = load("digits")
    first = {**FIRST, "experiment": experiment.hash()}
    return RunDirectory.create(path, experiment, first, {}, LAYERS)


@contextmanager
def another_process(body):
    """Another process that has done `body()` and lives until the end of the block; its number."""
    (ready, tell), (wait, end) = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.close(end)
        body()
        os.write(tell, b"x")
        os.read(wait, 1)
        os._exit(0)
    try:
        assert os.read(ready, 1) == b"x"
        yield child
    finally:
        for descriptor in (end, ready, tell, wait):
            os.close(descriptor)
        os.waitpid(child, 0)


def typed(monkeypatch, capsys, *words):
    """(exit status, standard output, standard error) of a command."""
    monkeypatch.setattr(sys, "argv", ["smallvision", *map(str, words)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code, *capsys.readouterr()


def test_every_command_at_a_run_in_training_says_which_process_is_at_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("SMALLVISION_RUNS", str(tmp_path))
    path = place(load("digits"), 0)
    with another_process(lambda: make(path)) as pid:
        before = {file.name: file.read_bytes() for file in path.iterdir()}
        for words in (
            ["run", "digits"],
            ["run", "digits", "--resume"],
            ["runs", "--remove", path],
            ["probe", path],
            ["predict", path, path / "a.png"],
            ["compare", path, path],
            ["run", "digits", 'model={kind="encoder-classifier"}', f"model.encoder={{run='{path}'}}"],
        ):
            status, out, err = typed(monkeypatch, capsys, *words)
            assert (status, err.count("\n")) == (2, 1), (words, err)
            assert out.strip() == ("digits: getting ready" if words[0] == "run" else ""), words
            assert f" (process {pid}, since 20" in err, (words, err)
            assert "another process is" in err
        assert {file.name: file.read_bytes() for file in path.iterdir()} == before
        assert typed(monkeypatch, capsys, "report", path)[::2] == (0, "")  # of what there is so far
    assert "This run is not finished" in (path / "report.html").read_text()
    status, _, err = typed(monkeypatch, capsys, "run", "digits")
    assert status == 2
    assert err.splitlines()[1].startswith(f"    smallvision run digits --out {path} ")
    assert typed(monkeypatch, capsys, "runs", "--remove", path)[0] == 0
    assert list(tmp_path.iterdir()) == []


def test_of_eight_processes_that_begin_a_run_one_makes_it(tmp_path):
    path, (go, start) = tmp_path / "run", os.pipe()
    children = []
    for _ in range(8):
        child = os.fork()
        if not child:
            os.close(start)
            os.read(go, 1)
            status = 1
            try:
                run = make(path)
                status = 0
                run.note(status="finished")
                run.close()
            except Busy as error:
                status = 2 if "another process" in str(error) else 3
            finally:
                os._exit(status)
        children.append(child)
    os.close(go)
    os.close(start)  # all begin
    ended = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    assert ended == [0, *[2] * 7]
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]
    assert json.loads((path / "state.json").read_text())["status"] == "finished"


def test_the_second_process_at_a_study_is_told_so(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("SMALLVISION_RUNS", str(tmp_path))
    path = studies.place(load_study("digits-smoke"), tmp_path)
    path.mkdir(parents=True)
    with another_process(lambda: studies.hold(path)) as pid:
        status, out, err = typed(monkeypatch, capsys, "run", "digits-smoke")
    assert (status, out, err.count("\n")) == (2, "digits-smoke: getting ready\n", 1)
    assert f"{path}: another process is running this study (process {pid}, since 20" in err
    assert [entry.name for entry in path.iterdir()] == ["lock"]


def test_a_report_that_meets_the_end_of_a_run_is_of_the_finished_run(monkeypatch, tmp_path):
    run = make(tmp_path / "run")
    record = read_run(run.path)
    finished = replace(record, state={**record.state, "status": "finished"})
    monkeypatch.setattr(page, "page", lambda one: one.state["status"])
    monkeypatch.setattr(page, "read_run", lambda path: finished)  # what another process has made of it meanwhile
    page.write(record, run.path / "report.html")
    run.close()
    assert (run.path / "report.html").read_text() == "finished"


def test_a_lock_that_was_removed_while_it_was_taken_is_none(monkeypatch, tmp_path):
    from smallvision.storage import lock

    take = lock._lock

    def removed_meanwhile(descriptor):
        (tmp_path / "lock").unlink()
        take(descriptor)

    monkeypatch.setattr(lock, "_lock", removed_meanwhile)
    with pytest.raises(Busy, match="has just removed or replaced this folder; repeat the same command"):
        take_lock(tmp_path, tmp_path, "", "")


def test_who_holds_a_folder(tmp_path):
    assert holder(tmp_path) is None
    with another_process(lambda: take_lock(tmp_path, tmp_path, "", "")) as pid:
        assert holder(tmp_path).startswith(f" (process {pid}, since 20")
    assert holder(tmp_path) is None


def test_the_loser_of_a_race_for_a_new_directory_is_told_so(tmp_path):
    path = tmp_path / "run"

    def lose():
        with new_directory(path, "run directory") as part:
            (part / "mine").write_text("x")
            path.mkdir()
            (path / "theirs").write_text("y")

    with pytest.raises(Busy, match="another process made this run directory at the same time"):
        lose()
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]
    assert [entry.name for entry in path.iterdir()] == ["theirs"]


def test_who_holds_a_lock_is_named(tmp_path):
    lock = take_lock(tmp_path, tmp_path, "another process has it; wait", "")
    with pytest.raises(Busy, match=rf"has it \(process {os.getpid()}, since 20\d\d-.*\); wait"):
        take_lock(tmp_path, tmp_path, "another process has it; wait", "")
    os.truncate(tmp_path / "lock", 0)  # as earlier versions left it
    with pytest.raises(Busy, match="has it; wait"):
        take_lock(tmp_path, tmp_path, "another process has it; wait", "")
    os.close(lock)


def test_eight_writers_of_one_file_leave_one_of_their_contents_whole(tmp_path):
    path, failures = tmp_path / "report.html", []

    def write(number):
        try:
            for _ in range(20):
                write_bytes(path, bytes([number]) * 100_000)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    data = path.read_bytes()
    assert failures == []
    assert len(data) == 100_000
    assert len(set(data)) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_what_killed_writers_left_is_removed(tmp_path):
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    (tmp_path / f".a.json.{child}-1.part").write_text("half")
    (tmp_path / f".a.json.{os.getpid()}-1.part").write_text("of a thread that writes")
    write_bytes(tmp_path / "a.json", b"{}")
    assert {entry.name for entry in tmp_path.iterdir()} == {"a.json", f".a.json.{os.getpid()}-1.part"}


def test_the_directory_that_a_killed_process_was_filling_is_removed_by_the_next(tmp_path):
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    left, fresh, other = (f".run.{child}-a.part", f".run.{child}-b.part", f".run-2.{child}-a.part")
    lives = f".run.{os.getpid()}-a.part"
    for name in (left, fresh, other, lives):
        (tmp_path / name).mkdir()
        if name != fresh:  # which might be of another machine
            os.utime(tmp_path / name, (0, 0))
    make(tmp_path / "run").close()
    assert {entry.name for entry in tmp_path.iterdir()} == {"run", fresh, other, lives}


def test_a_full_disk_names_the_command_that_goes_on(tmp_path):
    full = failed(tmp_path / "a", OSError(errno.ENOSPC, "No space left on device"))
    assert str(full) == (
        f"{tmp_path}/a: there is no space left on the disk; free some space, then repeat the same command"
    )
    full.again = "smallvision run digits --resume"
    assert str(full).endswith("free some space, then go on with: smallvision run digits --resume")
    assert str(pickle.loads(pickle.dumps(full))) == str(full)
    limited = failed(tmp_path / "a", OSError(errno.EFBIG, "File too large"))
    assert str(limited).endswith(
        "a: the file has reached the largest size that is allowed here; raise the limit (ulimit -f), then repeat the "
        "same command"
    )
    assert isinstance(limited, RunFailed)


def test_what_goes_on_with_a_run_is_the_whole_command_wherever_it_lies(monkeypatch, tmp_path):
    monkeypatch.delenv("SMALLVISION_RUNS", raising=False)
    monkeypatch.delenv("SMALLVISION_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    path = place(load("digits"), 0)
    make(path).close()
    assert going_on(read_run(path)) == "smallvision run digits --threads 2 --resume"
    path.rename(tmp_path / "my run")
    record = read_run(tmp_path / "my run")
    assert going_on(record) == f"smallvision run digits --threads 2 --out '{tmp_path}/my run' --resume"
    typed = replace(record, state={**record.state, "command": "smallvision run x.toml --out old --seed 3"})
    assert going_on(typed) == f"smallvision run x.toml --out '{tmp_path}/my run' --seed 3 --resume"
    unknown = replace(record, state={**record.state, "command": ""})
    assert shlex.split(going_on(unknown))[:5] == ["smallvision", "run", f"{record.path}/experiment.toml", "--seed", "0"]
    data = record.experiment.data.model_copy(update={"source": "arrays"})
    of_arrays = replace(unknown, experiment=record.experiment.model_copy(update={"data": data}))
    assert going_on(of_arrays) == SAME_CALL
    with pytest.raises(
        BadInput, match=("the run is not finished, so it has no trained network; go on with: smallvision run ")
    ):
        raise not_finished(record, "it has no trained network")
