"""Killed at any moment, a run that is resumed ends with the bits of one that was left alone."""

import json
import os
import random
import signal
import subprocess
import sys

import pytest
import torch

from smallvision.errors import BadInput
from smallvision.experiment import load
from smallvision.training import run
from smallvision.training.run import RunOptions

pytestmark = pytest.mark.slow

# All that a checkpoint could lack at once: momentum, dropout, augmentation, an average, the best epoch.
EVERYTHING = [
    "recipe.epochs=3",
    "recipe.batch_size=16",
    "recipe.optimizer=sgd",
    "recipe.learning_rate=0.05",
    "recipe.momentum=0.9",
    "recipe.nesterov=true",
    "recipe.weight_decay=0.001",
    "recipe.average=0.99",
    "recipe.select=best-validation",
    "recipe.schedule=one-cycle",
    "recipe.clip=2.0",
    "model.dense_dropout=0.2",
    "model.blocks.0.normalization=batch",
    "data.augment=[{kind='crop', padding=1}, {kind='noise'}]",
    "data.limit=600",
    "protocol.test=watched",
]
ADAM = ["recipe.epochs=2", "recipe.optimizer=adamw", "recipe.precision=bf16", "data.limit=600"]
# Every step draws random numbers twice.
NOISY = ["recipe.epochs=2", "data.limit=600", "model.variational=true", "task.denoise.amount=0.1"]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def finish(experiment, path, resume=False, events=None):
    """Run to the end, or abandon it after so many events as a crash would, without a word."""
    running = run.run(experiment, RunOptions(path, seed=3, device="cpu", threads=1), resume)
    for number, _ in enumerate(running, 1):
        if number == events:
            running.close()
            return


def content(path):
    """Everything that must be equal: weights byte for byte, and every line of the logs but for seconds."""
    logs = {}
    for name in ("metrics.jsonl", "steps.jsonl"):
        lines = [json.loads(line) for line in (path / name).read_text().splitlines()]
        logs[name] = [{key: value for key, value in line.items() if key != "seconds"} for line in lines]
    result = json.loads((path / "result.json").read_text())
    for key in ("seconds", "seconds_per_epoch", "images_per_second"):
        del result[key]
    return (path / "model.safetensors").read_bytes(), (path / "evidence.npz").read_bytes(), logs, result


@pytest.mark.parametrize(
    ("name", "overrides"),
    [("digits", EVERYTHING), ("digits", ADAM), ("digits-autoencoder", NOISY)],
    ids=["everything", "adamw bf16", "noisy"],
)
def test_abandoned_after_any_event_and_resumed_it_ends_with_the_same_bits(name, overrides, tmp_path, monkeypatch):
    experiment = load(name, overrides)
    finish(experiment, tmp_path / "whole")
    whole = content(tmp_path / "whole")
    monkeypatch.setattr(run, "SAVE_SECONDS", 0.0)  # a checkpoint at every event: also within epochs
    total = 1 + len(whole[2]["metrics.jsonl"]) + len(whole[2]["steps.jsonl"]) + 3
    for events in range(1, total, 2):
        path = tmp_path / f"after-{events}"
        finish(experiment, path, events=events)
        finish(experiment, path, resume=True, events=2)
        finish(experiment, path, resume=True)
        assert content(path) == whole, f"abandoned after {events} events"


def test_a_checkpoint_older_than_the_logs_cuts_them(tmp_path):
    experiment = load("digits", ADAM)
    finish(experiment, tmp_path / "whole")
    path = tmp_path / "cut"
    finish(experiment, path, events=7)  # the checkpoint is of the epoch's end, the logs go on
    with open(path / "steps.jsonl", "a") as log:
        log.write('{"torn":')
    finish(experiment, path, resume=True)
    assert content(path) == content(tmp_path / "whole")


def command(path, *more):
    words = [
        "run",
        "digits",
        *EVERYTHING,
        "recipe.epochs=15",
        "--seed",
        "3",
        "--threads",
        "1",
        "--device",
        "cpu",
        "--out",
        str(path),
    ]
    return [sys.executable, "-m", "smallvision", *words, *more]


def size(path):
    return path.stat().st_size if path.exists() else 0


def test_kill_9_at_random_moments_through_the_command_line(tmp_path):
    """The moment is drawn in bytes of the log, not in seconds: a slow machine is tested as hard as a fast one."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole = subprocess.run(command(tmp_path / "whole"), env=env, capture_output=True, text=True, check=False)
    assert whole.returncode == 0, whole.stderr
    path, draw, kills = tmp_path / "killed", random.Random(7), 0
    for _ in range(3):
        until = size(path / "steps.jsonl") + draw.randrange(1, 2500)
        process = subprocess.Popen(
            command(path, "--resume"), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        while process.poll() is None and size(path / "steps.jsonl") < until:
            pass
        kills += process.poll() is None
        process.kill()
        process.wait()
    assert kills >= 2, "the run was over before it could be killed"
    last = subprocess.run(command(path, "--resume"), env=env, capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    assert content(path) == content(tmp_path / "whole")
    assert (path / "report.html").exists()
    assert not (path / "checkpoint.safetensors").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_at_once_and_prints_the_command_that_resumes(number, status, tmp_path):
    path = tmp_path / "stopped"
    process = subprocess.Popen(command(path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and size(path / "steps.jsonl") < 300:
        pass
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == status, said
    assert "go on with:\n    smallvision run digits" in said
    assert said.endswith(" --resume\n")
    assert "Traceback" not in said
    assert json.loads((path / "state.json").read_text())["status"] == "interrupted"
    assert (path / "checkpoint.safetensors").exists()
    assert not (path / "result.json").exists()


def abandoned(tmp_path):
    path = tmp_path / "run"
    finish(load("digits", ADAM), path, events=7)
    assert (path / "checkpoint.safetensors").exists()
    return path


def test_a_damaged_checkpoint_is_refused(tmp_path):
    path = abandoned(tmp_path)
    file = path / "checkpoint.safetensors"
    good = file.read_bytes()
    draw = random.Random(1)
    for _ in range(20):
        bad = bytearray(good)
        bad[draw.randrange(len(bad))] ^= 1 << draw.randrange(8)
        file.write_bytes(bytes(bad))
        with pytest.raises(BadInput, match=r"checkpoint\.safetensors"):
            finish(load("digits", ADAM), path, resume=True)
    for length in (0, 7, 100, len(good) - 1):
        file.write_bytes(good[:length])
        with pytest.raises(BadInput, match=r"checkpoint\.safetensors"):
            finish(load("digits", ADAM), path, resume=True)
    file.write_bytes(good)
    finish(load("digits", ADAM), path, resume=True)


def test_another_runs_checkpoint_is_refused(tmp_path):
    path = abandoned(tmp_path)
    other = tmp_path / "other"
    finish(load("digits", [*ADAM, "recipe.learning_rate=0.001"]), other, events=7)
    (path / "checkpoint.safetensors").write_bytes((other / "checkpoint.safetensors").read_bytes())
    with pytest.raises(BadInput, match="this is the checkpoint of experiment"):
        finish(load("digits", ADAM), path, resume=True)
    wide = tmp_path / "wide"
    finish(load("digits", [*ADAM, "model.dense=[32]"]), wide, events=7)
    (path / "checkpoint.safetensors").write_bytes((wide / "checkpoint.safetensors").read_bytes())
    with pytest.raises(BadInput, match="the network needs"):
        finish(load("digits", ADAM), path, resume=True)


def test_resume_with_other_threads_is_refused_with_the_reason(tmp_path):
    path = abandoned(tmp_path)
    with pytest.raises(BadInput, match="threads: 1 then, 2 now"):
        list(run.run(load("digits", ADAM), RunOptions(path, seed=3, device="cpu", threads=2), resume=True))


def test_one_process_at_a_time(tmp_path):
    experiment, path = load("digits", ADAM), tmp_path / "run"
    running = run.run(experiment, RunOptions(path, seed=3, device="cpu", threads=1))
    next(running)
    with pytest.raises(BadInput, match="another process"):
        finish(experiment, path, resume=True)
    running.close()
    finish(experiment, path, resume=True)
