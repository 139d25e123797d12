"""Ctrl-C in Python: one line with the call that goes on, in a notebook, in a script, while training and afterwards."""

import json
import os
import shlex
import signal
import subprocess
import sys

import pytest

import smallvision as sv
from smallvision.errors import BadInput, Interrupted, SmallvisionError, Stopped
from smallvision.runs.directory import unlocked

SMALL = ["recipe.epochs=2", "data.limit=60", "recipe.batch_size=20", "model.dense=[4]"]


@pytest.fixture
def interrupted(monkeypatch):
    """Every checkpoint is followed by the signal that is given, which no shell or nohup has made ignored."""
    from smallvision.training import run

    before = {one: signal.signal(one, signal.SIG_DFL) for one in (signal.SIGHUP, signal.SIGTERM)}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)

    save, number = run._save, [signal.SIGINT]

    def then_signal(context, state):
        save(context, state)
        if number[0] is not None and context.signals.caught is None:
            signal.raise_signal(number[0])

    monkeypatch.setattr(run, "_save", then_signal)
    yield number
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.slow
def test_a_run_that_is_stopped_says_the_call_that_goes_on(interrupted, monkeypatch, tmp_path):
    monkeypatch.delenv("SMALLVISION_DATA", raising=False)
    monkeypatch.setenv("SMALLVISION_RUNS", str(tmp_path / "my runs"))
    call = f"sv.run('digits', {', '.join(map(repr, SMALL))}, seed=3, device='cpu', resume=True)"
    with pytest.raises(Interrupted) as stopped:
        sv.run("digits", *SMALL, seed=3, device="cpu")
    (path,) = (tmp_path / "my runs").iterdir()
    assert str(stopped.value) == f"stopped and saved in {path}; go on with: {call}"
    assert stopped.value._render_traceback_() == [f"Interrupted: {stopped.value}"]
    assert stopped.value.exit_status == 130
    words = ["smallvision", "run", "digits", *SMALL, "--seed", "3", "--device", "cpu", "--out", str(path), "--resume"]
    assert stopped.value.line(stopped.value.again).endswith(f"go on with: {shlex.join(words)}")
    assert shlex.join(words) in json.loads((path / "state.json").read_text())["message"]
    with pytest.raises(BadInput) as there:
        sv.run("digits", *SMALL, seed=3, device="cpu")
    assert str(there.value).endswith(f"go on with (in Python: resume=True): {shlex.join(words)}")
    interrupted[0] = signal.SIGHUP
    with pytest.raises(SmallvisionError) as again:
        eval(call)
    assert again.value.exit_status == 129
    interrupted[0] = None
    assert sv.run("digits", *SMALL, seed=3, device="cpu", resume=True).result["epochs"] == 2


@pytest.mark.slow
def test_ctrl_c_during_the_report_is_a_keyboard_interrupt_of_one_line(monkeypatch, tmp_path):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start what is behind without one
    monkeypatch.setattr(sv.Run, "report", lambda self: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Stopped) as stopped:
        sv.run("digits", *SMALL, out=tmp_path / "run")
    assert isinstance(stopped.value, KeyboardInterrupt)
    assert "resume=True)" in stopped.value._render_traceback_()[0]
    monkeypatch.undo()
    assert (sv.run("digits", *SMALL, out=tmp_path / "run").path / "report.html").exists()
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
def test_a_checkpoint_that_a_killed_process_left_in_a_finished_run_goes(tmp_path):
    path = sv.run("digits", *SMALL, out=tmp_path / "run").path
    before = {file.name: file.read_bytes() for file in path.iterdir() if file.name != "lock"}
    (path / "checkpoint.safetensors").write_bytes(b"left")
    with unlocked(path):
        sv.run("digits", *SMALL, out=path)  # another process is at the run, so nothing is removed
    assert (path / "checkpoint.safetensors").exists()
    sv.run("digits", *SMALL, out=path)
    assert {file.name: file.read_bytes() for file in path.iterdir() if file.name != "lock"} == before


SCRIPT = """
import signal
import smallvision as sv
from smallvision.training import run
save = run._save
def then_signal(context, state):
    save(context, state)
    if context.signals.caught is None:
        signal.raise_signal(signal.SIGINT)
run._save = then_signal
try:
    int("x")
except ValueError:
    pass
sv.run("digits", "recipe.epochs=2", "data.limit=60", out="here")
"""


@pytest.mark.slow
def test_a_script_ends_by_one_line_and_the_status_of_the_signal(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 130, ended.stderr
    (line,) = ended.stderr.splitlines()
    call = "sv.run('digits', 'recipe.epochs=2', 'data.limit=60', out='here', resume=True)"
    assert line == f"smallvision: stopped and saved in here; go on with: {call}"


def test_the_call_has_what_was_given_and_nothing_else():
    from smallvision.api.interruptions import _call

    options = {"seed": None, "out": "a b", "threads": 2, "trust_code": None}
    said = _call("digits", ["x=1"], options, {"model": object(), "data": None})
    assert said == "sv.run('digits', 'x=1', out='a b', threads=2, model=model, resume=True)"
