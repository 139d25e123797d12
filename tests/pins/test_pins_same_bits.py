"""scripts/same-bits finds a single changed bit, number or key, and passes over times and free text."""

import importlib.util
import json
import os
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

SCRIPT = Path(__file__).parents[2] / "scripts" / "same-bits"


@pytest.fixture(scope="module")
def same_bits():
    spec = importlib.util.spec_from_loader("same_bits", SourceFileLoader("same_bits", str(SCRIPT)))
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    spec.loader.exec_module(module)
    sys.dont_write_bytecode = before
    return module


RESULT = {
    "name": "digits",
    "seconds": 1.5,
    "images_per_second": 90.0,
    "test": {"loss": 0.25, "accuracy": 1.0},
    "counts": [3, 4],
    "notes": ["slow"],
}
WEIGHTS = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "b.bias": np.zeros(2, np.float32)}
EVIDENCE = {"labels": np.arange(4), "probabilities": np.linspace(0, 1, 8).reshape(4, 2), "split": np.array("test")}
COUNTERS = {"epoch": 1, "step": 20, "seconds": 1.0, "belongs": {"experiment": "1234", "lengths": [80]}}
METRICS = [{"epoch": 1, "seconds": 1.0, "train": {"loss": 0.5}, "best": True}, {"epoch": 2, "train": {"loss": 0.25}}]


def written(path, content):
    """A file of the kind that its name says."""
    path.parent.mkdir(exist_ok=True)
    if path.name == "checkpoint.safetensors":
        tensors, meta, total = content
        safetensors.numpy.save_file(tensors, path, {"meta": json.dumps(meta), "sha256": total})
    elif path.suffix == ".safetensors":
        safetensors.numpy.save_file(content, path)
    elif path.suffix == ".npz":
        np.savez_compressed(path, **content)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(line) + "\n" for line in content))
    elif path.suffix == ".json":
        path.write_text(json.dumps(content))
    else:
        path.write_text(content)
    return path


def compared(same_bits, folder, name, old, new, except_for=()):
    return same_bits.difference(written(folder / "old" / name, old), written(folder / "new" / name, new), except_for)


def bit_flipped(array):
    changed = array.copy()
    changed.view(np.uint8).reshape(-1)[-1] ^= 1
    return changed


SAME = [
    ("result.json", RESULT, {**RESULT, "seconds": 2.5, "images_per_second": 1.0, "notes": ["fast", "twice"]}),
    ("metrics.jsonl", METRICS, [{**METRICS[0], "seconds": 3.0, "best": False}, METRICS[1]]),
    ("model.safetensors", WEIGHTS, WEIGHTS),
    ("evidence.npz", EVIDENCE, EVIDENCE),
    (
        "checkpoint.safetensors",
        (WEIGHTS, COUNTERS, "00"),
        (
            WEIGHTS,
            {**COUNTERS, "seconds": 2.0, "belongs": {"experiment": "1234", "lengths": [81]}},
            "11",
        ),
    ),
    ("experiment.toml", 'name = "digits"\n', 'name = "digits"\n'),
    ("state.json", {"seed": 1, "pid": 5, "heartbeat": 2.0}, {"seed": 1, "pid": 6, "heartbeat": 3.0}),
    ("plan.json", {"workers": 1, "jobs": [{"hash": "a"}]}, {"workers": 2, "jobs": [{"hash": "a"}]}),
    ("printed.txt", "image a.png: class 3 at 98.10 %", "picture a.png is class 3 with 98.10 %"),
    ("report.html", "<p>1</p>", "<p>2</p>"),
]


@pytest.mark.parametrize(("name", "old", "new"), SAME, ids=[name for name, _, _ in SAME])
def test_times_free_text_and_pages_may_differ(same_bits, tmp_path, name, old, new):
    assert compared(same_bits, tmp_path, name, old, new) is None


DIFFERENT = [
    ("result.json", RESULT, {**RESULT, "test": {"loss": 0.25000000000000006, "accuracy": 1.0}}, "test.loss"),
    ("result.json", RESULT, {**RESULT, "test": {"loss": 0.25, "accuracy": 1}}, "test.accuracy: 1.0 there, 1 here"),
    ("result.json", RESULT, {**RESULT, "counts": [3, 4, 5]}, "counts: 2 values there, 3 here"),
    ("result.json", RESULT, {**RESULT, "looks": 1}, "looks: only here"),
    ("result.json", RESULT, dict(reversed(RESULT.items())), "another order"),
    ("metrics.jsonl", METRICS, METRICS[:1], "lines: 2 values there, 1 here"),
    ("metrics.jsonl", METRICS, [METRICS[0], {"epoch": 2, "train": {"loss": 0.26}}], "lines.1.train.loss"),
    ("steps.jsonl", METRICS, [{**METRICS[0], "best": False}, METRICS[1]], "lines.0.best"),
    ("model.safetensors", WEIGHTS, {**WEIGHTS, "b.bias": bit_flipped(WEIGHTS["b.bias"])}, "b.bias: byte"),
    ("model.safetensors", WEIGHTS, {"a.weight": WEIGHTS["a.weight"]}, "b.bias: only there"),
    (
        "model.safetensors",
        WEIGHTS,
        {**WEIGHTS, "b.bias": np.zeros(3, np.float32)},
        "F32 [2] there, F32 [3] here",
    ),
    (
        "evidence.npz",
        EVIDENCE,
        {**EVIDENCE, "probabilities": bit_flipped(EVIDENCE["probabilities"])},
        "ties: byte",
    ),
    (
        "evidence.npz",
        EVIDENCE,
        {**EVIDENCE, "labels": np.arange(4, dtype=np.int32)},
        "<i8 [4] there, <i4 [4] here",
    ),
    ("evidence.npz", EVIDENCE, {**EVIDENCE, "extra": np.zeros(1)}, "extra: only here"),
    ("evidence.npz", EVIDENCE, dict(reversed(EVIDENCE.items())), "another order"),
    (
        "checkpoint.safetensors",
        (WEIGHTS, COUNTERS, "0"),
        (WEIGHTS, {**COUNTERS, "step": 21}, "0"),
        "20 there, 21 here",
    ),
    (
        "checkpoint.safetensors",
        (WEIGHTS, COUNTERS, "0"),
        ({**WEIGHTS, "a.weight": bit_flipped(WEIGHTS["a.weight"])}, COUNTERS, "0"),
        "a.weight: byte",
    ),
    ("experiment.toml", "epochs = 1\n", "epochs = 2\n", "line 1"),
    ("state.json", {"seed": 1}, {"seed": 2}, "seed: 1 there, 2 here"),
    ("plan.json", {"jobs": [{"hash": "a"}]}, {"jobs": [{"hash": "b"}]}, "jobs.0.hash"),
    ("printed.txt", "class 3 at 98.10 %", "class 3 at 98.11 %", "98.11"),
]


@pytest.mark.parametrize(("name", "old", "new", "said"), DIFFERENT, ids=[f"{one[0]}, {one[3]}" for one in DIFFERENT])
def test_what_differs_is_found_and_named(same_bits, tmp_path, name, old, new, said):
    assert said in compared(same_bits, tmp_path, name, old, new)


def test_a_key_may_be_excepted_in_one_file_or_in_all(same_bits, tmp_path):
    new = {**RESULT, "looks": 1}
    assert compared(same_bits, tmp_path, "result.json", RESULT, new, ["result.json:looks"]) is None
    assert compared(same_bits, tmp_path, "result.json", RESULT, new, ["*:looks"]) is None
    assert compared(same_bits, tmp_path, "result.json", RESULT, new, ["study.json:looks"]) == "looks: only here"
    assert compared(same_bits, tmp_path, "experiment.toml", 'digest = "1"\n', 'digest = "2"\n', ["*:digest"]) is None


def test_files_that_are_missing_or_damaged_differ(same_bits, tmp_path):
    old = written(tmp_path / "old" / "result.json", RESULT)
    assert same_bits.differing(old.parent, tmp_path / "new", ["result.json"]) == "result.json: only there"
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "result.json").write_text("{")
    assert "result.json: cannot be read" in same_bits.differing(old.parent, tmp_path / "new", ["result.json"])
    assert same_bits.differing(old.parent, old.parent, ["result.json", "report.html"]) is None


@pytest.mark.skipif(sys.platform == "win32", reason="scripts are started by their first line")
def test_a_commit_that_is_none_is_refused_in_one_line():
    assert os.access(SCRIPT, os.X_OK)
    done = subprocess.run([sys.executable, SCRIPT, "no-such-commit"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("same-bits: no-such-commit: ")
    assert done.stderr.count("\n") == 1
