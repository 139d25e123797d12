"""What a run sets for the whole process is as before when the run is over, however it ends."""

import gc
import io
import os
import random
import signal
import sys
import warnings
from pathlib import Path

import matplotlib.figure  # noqa: F401 (libraries change filters of warnings and variables when they are imported)
import numpy as np
import pytest
import sklearn.datasets  # noqa: F401
import torch
from rich.console import Console

import smallvision as sv
from smallvision.errors import Interrupted, RunFailed
from smallvision.experiment import load
from smallvision.training import device
from smallvision.training import run as training

pytestmark = pytest.mark.slow

FEW = ("data.limit=100", "recipe.epochs=2", "recipe.batch_size=20")


def settings():
    """Everything of the process that a run could change."""
    kernels, products = torch.backends.cudnn, torch.backends.cuda.matmul
    return {
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warn only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "cudnn": (kernels.enabled, kernels.benchmark, kernels.deterministic, kernels.allow_tf32),
        "products": (products.allow_tf32, torch.get_float32_matmul_precision()),
        "default": (torch.get_default_dtype(), torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")),
        "random": (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()),
        "environment": {key: value for key, value in os.environ.items() if key != "PYTEST_CURRENT_TEST"},
        "signals": {one: signal.getsignal(one) for one in signal.valid_signals()},
        "warnings": list(warnings.filters),
        "hooks": (sys.excepthook, sys.unraisablehook, sys.displayhook),
        "folder": os.getcwd(),
        "numpy": np.geterr(),
    }


@pytest.fixture
def asked(monkeypatch):
    """(calls of mallopt in order, settings before the run)."""
    calls = []

    class Library:
        def mallopt(self, *values):
            calls.append(values)
            return 1

        def malloc_trim(self, kept):
            calls.append(("trim", kept))
            return 1

    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: Library())
    monkeypatch.setattr(device, "_kept", device._Kept())
    sv.catalog()
    threads = torch.get_num_threads()
    torch.use_deterministic_algorithms(True, warn_only=True)  # other than the defaults
    torch.set_float32_matmul_precision("medium")
    torch.set_num_threads(2)
    yield calls, settings()
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("highest")
    torch.use_deterministic_algorithms(False)


def given_back(calls):
    return calls[-3:] == [(-3, 128 * 1024), (-1, 128 * 1024), ("trim", 0)] and (-3, 2**30) in calls


def same(before):
    after = settings()
    assert {key: after[key] for key in after if after[key] != before[key]} == {}


def events(tmp_path, *changes):
    asked = load("digits", [*FEW, *changes])
    return training.run(asked, training.RunOptions(tmp_path / "run", device="cpu", threads=1))


def test_at_the_end(tmp_path, asked):
    calls, before = asked
    sv.run("digits", *FEW, out=tmp_path / "run", device="cpu", threads=1, console=Console(file=io.StringIO()))
    same(before)
    assert given_back(calls)


def test_at_an_error(tmp_path, asked):
    calls, before = asked
    with pytest.raises(RunFailed):
        list(events(tmp_path, "recipe.learning_rate=1e30", "recipe.optimizer=sgd"))
    same(before)
    assert given_back(calls)


def test_at_a_signal(tmp_path, asked):
    calls, before = asked

    def stopped():
        for event in events(tmp_path):
            if isinstance(event, training.Progress):
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        stopped()
    same(before)
    assert given_back(calls)


@pytest.mark.parametrize("kind", [training.Started, training.Progress, training.Scoring])
def test_when_the_caller_closes_the_generator(tmp_path, asked, kind):
    calls, before = asked
    run = events(tmp_path)
    next(event for event in run if isinstance(event, kind))
    assert torch.get_num_threads() == 1
    run.close()
    same(before)
    assert given_back(calls)


def test_at_an_error_of_the_display(tmp_path, asked, monkeypatch):
    """The exception holds the frames, and so the generator, as long as it is kept."""
    calls, before = asked
    monkeypatch.setattr("smallvision.console.run._prepared", lambda event: 1 / 0)
    gc.disable()
    try:
        with pytest.raises(ZeroDivisionError) as caught:
            sv.run("digits", *FEW, out=tmp_path / "run", device="cpu", console=Console(file=io.StringIO()))
        same(before)
    finally:
        gc.enable()
    assert given_back(calls)
    assert caught.value.__traceback__ is not None
    monkeypatch.undo()
    shown = Console(file=io.StringIO())
    again = sv.run("digits", *FEW, out=tmp_path / "run", device="cpu", resume=True, console=shown)
    assert again.result["epochs"] == 2  # the lock was given back as well


def test_when_the_test_split_is_scored_later(tmp_path, asked):
    from smallvision.training.evaluate_on_test import evaluate_on_test

    calls, before = asked
    list(events(tmp_path, "protocol.test=never", "recipe.epochs=1"))
    evaluate_on_test(tmp_path / "run", device_name="cpu")
    same(before)
    assert given_back(calls)


@pytest.mark.parametrize("value", [None, ":16:8"])
def test_of_cuda(monkeypatch, value):
    """cuBLAS's variable, TF32 and cuDNN's search for the quickest kernel."""
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    if value is not None:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", value)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.benchmark = True, True
    before = settings()
    try:
        with device.settings_kept():
            device.settle(torch.device("cuda"), None, "fp32", True)
            assert not torch.backends.cuda.matmul.allow_tf32
            assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == (value or ":4096:8")
        same(before)
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.benchmark = False, False
        torch.set_float32_matmul_precision("highest")


def test_memory_that_the_caller_had_kept_stays_kept(asked):
    calls, _ = asked
    device.keep_freed_memory()
    with device.settings_kept():
        device.settle(torch.device("cpu"), None, "fp32", True)
    assert ("trim", 0) not in calls


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_memory_is_returned_to_the_system():
    def resident():
        text = Path("/proc/self/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) * 1024

    with device.settings_kept():
        device.settle(torch.device("cpu"), None, "fp32", True)
        block = torch.ones(25_000_000)
        del block
        held = resident()
    assert resident() < held - 50_000_000
