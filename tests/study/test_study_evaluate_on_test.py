"""A later look at the test split finds what the run would have found itself, and is counted."""

import json

import numpy as np
import pytest
import torch

from smallvision.comparison.predictions import scored
from smallvision.errors import BadInput
from smallvision.experiment import load
from smallvision.runs.read import read_run
from smallvision.training import evaluate_on_test as looking
from smallvision.training import run
from smallvision.training.evaluate_on_test import look
from smallvision.training.run import Place

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
    list(run.run(load("digits", [*overrides, f"protocol.test={test}"]), Place(path, seed=3, device="cpu", threads=1)))
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
    found = look(later)
    expected, record = read_run(once), read_run(later)
    assert record.result == found
    assert found["test"] == expected.result["test"]
    assert found["looks"] == 1
    assert found["counts"] == expected.result["counts"]
    assert record.evidence.keys() == expected.evidence.keys()
    for name, array in expected.evidence.items():
        np.testing.assert_array_equal(record.evidence[name], array, err_msg=name)
    same = {key: value for key, value in before.result.items() if key not in ("looks", "counts")}
    assert {key: found[key] for key in same} == same, "nothing else of the result has changed"


def test_what_was_known_of_validation_images_stays_beside_it(tmp_path):
    path = finish(tmp_path / "run", CONV, "never")
    before = read_run(path)
    held = scored(before, "validation")
    assert str(held["split"]) == "validation"
    look(path)
    after = read_run(path)
    assert str(after.evidence["split"]) == "test"
    kept = scored(after, "validation")
    assert kept.keys() == held.keys()
    for name in held:
        np.testing.assert_array_equal(kept[name], held[name])
    with pytest.raises(BadInput, match="has no answers to validation images"):
        scored(read_run(finish(tmp_path / "once", CONV, "once")), "validation")


def test_every_look_is_counted_and_finds_the_same(tmp_path):
    path = finish(tmp_path / "run", CONV, "never")
    first = look(path)
    second = look(path)
    assert (first["looks"], second["looks"]) == (1, 2)
    assert first["test"] == second["test"]
    assert str(scored(read_run(path), "validation")["split"]) == "validation"


@pytest.mark.parametrize("number", [0, 1, 2])
def test_killed_before_its_last_file_a_look_has_told_nobody_anything(number, tmp_path, monkeypatch):
    path = finish(tmp_path / "run", CONV, "never")
    whole = finish(tmp_path / "whole", CONV, "never")
    written = []

    def dies(write):
        def instead(file, content):
            if len(written) == number:
                raise KeyboardInterrupt
            written.append(file)
            write(file, content)

        return instead

    with monkeypatch.context() as patched:
        patched.setattr(looking, "write_bytes", dies(looking.write_bytes))
        patched.setattr(looking, "write_json", dies(looking.write_json))
        with pytest.raises(KeyboardInterrupt):
            look(path)
    assert "test" not in read_run(path).result
    look(path)
    look(whole)
    for name in ("evidence.npz", "evidence-validation.npz", "model.safetensors"):
        assert (path / name).read_bytes() == (whole / name).read_bytes(), name
    assert json.loads((path / "result.json").read_text())["looks"] == 1


def test_what_cannot_be_looked_at_is_refused_and_left_as_it_is(tmp_path):
    path = finish(tmp_path / "run", CONV, "never")
    running = run.run(load("digits", CONV), Place(tmp_path / "unfinished", device="cpu", threads=1))
    next(running)
    with pytest.raises(BadInput, match="another process"):
        look(tmp_path / "unfinished")
    running.close()
    with pytest.raises(BadInput, match="not finished"):
        look(tmp_path / "unfinished")
    state = json.loads((path / "state.json").read_text())
    (path / "state.json").write_text(json.dumps({**state, "data": "0" * 64}))
    before = files(path)
    with pytest.raises(BadInput, match="not those this run was trained on"):
        look(path)
    (path / "model.safetensors").write_bytes(b"other")
    with pytest.raises(BadInput, match=r"model\.safetensors|not those"):
        look(path)
    assert files(path).keys() == before.keys()
    assert (path / "result.json").read_bytes() == before["result.json"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="no run directory"):
        look(tmp_path / "empty")
    assert files(tmp_path / "empty") == {}
