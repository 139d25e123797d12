"""A later look at the test split finds what the run would have found itself, and is counted."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from smallvision.comparison.predictions import common, scored
from smallvision.errors import BadInput
from smallvision.experiment import load
from smallvision.report.run import page as pages
from smallvision.report.study.cases import Run
from smallvision.runs.read import read_run
from smallvision.storage import files as writing
from smallvision.training import run
from smallvision.training.evaluate_on_test import evaluate_on_test
from smallvision.training.run import RunOptions

pytestmark = pytest.mark.slow

CONV = [
    "recipe.epochs=2",
    "data.limit=500",
    "model.blocks.0.normalization=batch",
    "recipe.average=0.9",
    "recipe.select=best-validation",
]
EXPANDED = ["recipe.epochs=1", "data.limit=100", "data.expand={noise=0.1}", "model={kind='mlp'}"]


def finish(path, overrides, test):
    before = torch.get_num_threads()
    list(
        run.run(
            load("digits", [*overrides, f"protocol.test={test}"]), RunOptions(path, seed=3, device="cpu", threads=1)
        )
    )
    torch.set_num_threads(before)
    return path


def files(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


@pytest.mark.parametrize("overrides", [CONV, EXPANDED], ids=["convolutions", "expanded"])
def test_a_later_look_equals_the_look_at_the_end_of_a_run_bit_for_bit(overrides, tmp_path):
    once, later = finish(tmp_path / "once", overrides, "once"), finish(tmp_path / "later", overrides, "never")
    assert (once / "model.safetensors").read_bytes() == (later / "model.safetensors").read_bytes()
    before = read_run(later)
    assert "test" not in before.result
    assert before.result["looks"] == 0
    found = evaluate_on_test(later)
    expected, record = read_run(once), read_run(later)
    assert record.result == found
    assert found["test"] == expected.result["test"]
    assert found["looks"] == 1
    assert found["counts"] == expected.result["counts"]
    assert record.evidence.keys() == expected.evidence.keys()
    for name, array in expected.evidence.items():
        np.testing.assert_array_equal(record.evidence[name], array, err_msg=name)
    same = {key: value for key, value in before.result.items() if key not in ("looks", "counts", "class_counts")}
    assert found["class_counts"] == expected.result["class_counts"]
    assert {key: found[key] for key in same} == same, "nothing else of the result has changed"


def test_what_was_known_of_validation_images_stays_beside_it(tmp_path):
    path = finish(tmp_path / "run", CONV, "never")
    before = read_run(path)
    held = scored(before, "validation")
    assert str(held["split"]) == "validation"
    evaluate_on_test(path)
    after = read_run(path)
    assert str(after.evidence["split"]) == "test"
    kept = scored(after, "validation")
    assert kept.keys() == held.keys()
    for name in held:
        np.testing.assert_array_equal(kept[name], held[name])
    with pytest.raises(BadInput, match="this run has no answers to validation images"):
        scored(read_run(finish(tmp_path / "once", CONV, "once")), "validation")


def test_every_look_is_counted_and_finds_the_same(tmp_path):
    path = finish(tmp_path / "run", CONV, "never")
    first = evaluate_on_test(path)
    second = evaluate_on_test(path)
    assert (first["looks"], second["looks"]) == (1, 2)
    assert first["test"] == second["test"]
    assert str(scored(read_run(path), "validation")["split"]) == "validation"


TRAIN_ALONE = ["recipe.epochs=1", "data.limit=100", "data.validation=0", "recipe.select=last", "recipe.patience=0"]
MOMENTS = 8  # four files, each written to disk under another name and then renamed


def shows_the_test_split(path):
    """Whether any file of a run, even a half-written one, has scores or answers of test images; by numpy and json."""
    if "test" in json.loads((path / "result.json").read_text()):
        return True
    for file in [*path.glob("*.npz"), *path.glob(".*.npz.part")]:
        with np.load(file) as arrays:
            if str(arrays["split"]) == "test":
                return True
    return False


def counted(path):
    return json.loads((path / "result.json").read_text())["looks"]


def stopping(monkeypatch, moment, stop):
    """Have `stop` called at the n-th moment of writing: before a file is on disk, or before it replaces the old one."""
    passed = []

    def at(call):
        def instead(*arguments):
            if len(passed) == moment:
                stop()
            passed.append(call)
            return call(*arguments)

        return instead

    monkeypatch.setattr(writing.os, "fsync", at(os.fsync))
    monkeypatch.setattr(writing.os, "replace", at(os.replace))
    return passed


def interrupt():
    raise KeyboardInterrupt


def interrupted(path, moment):
    with pytest.MonkeyPatch.context() as patched:
        stopping(patched, moment, interrupt)
        with pytest.raises(KeyboardInterrupt):
            evaluate_on_test(path)


@pytest.fixture(scope="module")
def never(tmp_path_factory):
    """Finished runs that have not met the test split, with validation images and without, never to be changed."""
    folder = tmp_path_factory.mktemp("never")
    return {
        "validation": finish(folder / "validation", CONV, "never"),
        "train": finish(folder / "train", TRAIN_ALONE, "never"),
    }


@pytest.fixture(scope="module")
def looked(never, tmp_path_factory):
    """The same runs after one look."""
    folder = tmp_path_factory.mktemp("looked")
    out = {name: shutil.copytree(path, folder / name) for name, path in never.items()}
    for path in out.values():
        evaluate_on_test(path)
    return out


def test_the_moments_of_a_look_are_all_stopped_at(never, tmp_path, monkeypatch):
    passed = stopping(monkeypatch, None, interrupt)
    evaluate_on_test(shutil.copytree(never["validation"], tmp_path / "run"))
    assert len(passed) == MOMENTS


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_look_killed_at_any_moment_is_counted_before_it_is_seen_and_can_be_repeated(moment, never, looked, tmp_path):
    path = shutil.copytree(never["validation"], tmp_path / "run")
    held = scored(read_run(path), "validation")
    interrupted(path, moment)
    assert counted(path) or not shows_the_test_split(path)
    assert moment < 4 or counted(path) == 1
    record = read_run(path)
    assert record.look_began == (counted(path) > 0)
    assert "test" not in record.result
    assert str(record.evidence["split"]) == "validation", "nobody is shown what is not in the result"
    assert common([record]) == "validation"
    with pytest.raises(BadInput, match="this run has no answers to test images"):
        scored(record, "test")
    for name, array in scored(record, "validation").items():
        np.testing.assert_array_equal(array, held[name], err_msg=name)
    page = pages.page(record)
    assert ("A look at the test split began afterwards and did not end" in page) == record.look_began
    assert ("The test split was not looked at" in page) == (not record.look_began)
    assert Run("a case", 3, "run", record).looks == counted(path)
    interrupted(path, min(moment, MOMENTS - 3))  # what is kept already is not written again
    assert counted(path) <= 1, "what is repeated is the same look"
    evaluate_on_test(path)
    record = read_run(path)
    assert not record.look_began
    assert record.result == read_run(looked["validation"]).result
    assert record.result["looks"] == 1
    for name in ("evidence.npz", "evidence-validation.npz", "model.safetensors"):
        assert (path / name).read_bytes() == (looked["validation"] / name).read_bytes(), name


@pytest.mark.parametrize("moment", range(MOMENTS - 2))
def test_a_killed_look_of_a_run_without_validation_images_shows_nothing_of_the_test_split(
    moment, never, looked, tmp_path
):
    path = shutil.copytree(never["train"], tmp_path / "run")
    interrupted(path, moment)
    assert counted(path) or not shows_the_test_split(path)
    record = read_run(path)
    assert record.evidence is None or str(record.evidence["split"]) == "train"
    with pytest.raises(
        BadInput, match="began but did not end" if record.evidence is None else "scored on its training images only"
    ):
        common([record])
    assert ("A look at the test split began afterwards and did not end" in pages.page(record)) == (counted(path) == 1)
    evaluate_on_test(path)
    assert read_run(path).result == read_run(looked["train"]).result
    assert (path / "evidence.npz").read_bytes() == (looked["train"] / "evidence.npz").read_bytes()


@pytest.mark.parametrize("moment", range(MOMENTS - 2))
def test_a_second_look_that_is_killed_is_counted_too(moment, looked, tmp_path):
    path = shutil.copytree(looked["validation"], tmp_path / "run")
    interrupted(path, moment)
    assert counted(path) == (1 if moment < 2 else 2)
    record = read_run(path)
    assert not record.look_began
    assert common([record]) == "test"
    first = read_run(looked["validation"])
    assert record.result["test"] == first.result["test"]
    for name, array in first.evidence.items():
        np.testing.assert_array_equal(record.evidence[name], array, err_msg=name)


@pytest.mark.parametrize("moment", [3, 4, 6, 7])
def test_a_process_that_is_killed_while_it_looks_has_been_counted(moment, never, looked, tmp_path):
    path = shutil.copytree(never["validation"], tmp_path / "run")
    program = (
        "import os, signal, sys\nfrom pathlib import Path\nimport pytest\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_study_evaluate_on_test import evaluate_on_test, stopping\n"
        "with pytest.MonkeyPatch.context() as patched:\n"
        f"    stopping(patched, {moment}, lambda: os.kill(os.getpid(), signal.SIGKILL))\n"
        f"    evaluate_on_test(Path({str(path)!r}), device_name='cpu')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert counted(path) == (moment > 3)
    assert counted(path) or not shows_the_test_split(path)
    assert common([read_run(path)]) == "validation"
    evaluate_on_test(path)
    assert read_run(path).result == read_run(looked["validation"]).result


@pytest.mark.parametrize("kind", ["validation", "train"])
def test_a_look_that_an_earlier_version_did_not_count_is_told_and_repeated(kind, never, looked, tmp_path):
    """Earlier versions wrote evidence first, then the result with scores and count."""
    path = shutil.copytree(looked[kind], tmp_path / "run")
    shutil.copy(never[kind] / "result.json", path / "result.json")
    record = read_run(path)
    assert record.result["looks"] == 0
    assert record.look_began
    assert record.evidence is None if kind == "train" else str(record.evidence["split"]) == "validation"
    assert "A look at the test split began afterwards and did not end" in pages.page(record)
    assert Run("a case", 3, "run", record).looks == 1
    evaluate_on_test(path)
    assert read_run(path).result == read_run(looked[kind]).result
    for file in looked[kind].glob("*.npz"):
        assert (path / file.name).read_bytes() == file.read_bytes()


def test_what_cannot_be_looked_at_is_refused_and_left_as_it_is(tmp_path):
    path = finish(tmp_path / "run", CONV, "never")
    running = run.run(load("digits", CONV), RunOptions(tmp_path / "unfinished", device="cpu", threads=1))
    next(running)
    with pytest.raises(BadInput, match="another process"):
        evaluate_on_test(tmp_path / "unfinished")
    running.close()
    with pytest.raises(BadInput, match="not finished"):
        evaluate_on_test(tmp_path / "unfinished")
    state = json.loads((path / "state.json").read_text())
    (path / "state.json").write_text(json.dumps({**state, "data": "0" * 64}))
    before = files(path)
    with pytest.raises(BadInput, match="not those that this run was trained on"):
        evaluate_on_test(path)
    (path / "model.safetensors").write_bytes(b"other")
    with pytest.raises(BadInput, match=r"model\.safetensors|not those"):
        evaluate_on_test(path)
    assert files(path).keys() == before.keys()
    assert (path / "result.json").read_bytes() == before["result.json"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="not a run directory"):
        evaluate_on_test(tmp_path / "empty")
    assert files(tmp_path / "empty") == {}
