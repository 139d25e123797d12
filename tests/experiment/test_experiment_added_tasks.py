"""Tasks that an installed package adds: found by their entry point, and used like the built-in ones."""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from smallvision.assign.keys import refuse_unknown
from smallvision.errors import BadInput
from smallvision.experiment import build, catalog, load, study_to_toml, task, to_toml
from smallvision.experiment.lookup import changed_study
from smallvision.experiment.study import Study
from smallvision.experiment.task import added_kinds, added_task

MODULE = """
from dataclasses import dataclass
from typing import Literal

from smallvision.experiment.base import Fraction
from smallvision.experiment.task import TaskSpec


class TagSpec(TaskSpec):
    kind: Literal["tag"]
    threshold: Fraction = 0.5

    def check(self, experiment):
        super().check(experiment)
        if experiment.data.validation == 0:
            raise ValueError("data.validation: tags are calibrated on validation images; set it, say to 0.1")


@dataclass(frozen=True)
class Task:
    kind: str
    spec: type


TASK = Task("tag", TagSpec)
OTHER = Task("other", TagSpec)
NO_SPEC = Task("nospec", dict)
"""
ENTRY_POINTS = """
[smallvision.tasks]
tag = tagging_for_a_test:TASK
misnamed = tagging_for_a_test:OTHER
nospec = tagging_for_a_test:NO_SPEC
broken = no_such_module_at_all:TASK

[another.group]
elsewhere = tagging_for_a_test:TASK
"""
TABLE = {
    "name": "x",
    "data": {"source": "digits", "validation": 0.1},
    "model": {"kind": "mlp"},
    "task": {"kind": "tag", "threshold": 0.25},
}


@pytest.fixture
def package(tmp_path, monkeypatch) -> Iterator[Path]:
    """A package that is installed as far as importlib.metadata can see, in a folder on sys.path."""
    (tmp_path / "tagging_for_a_test.py").write_text(MODULE)
    info = tmp_path / "tagging-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tagging\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("tagging_for_a_test", None)


def refusal(changes) -> str:
    """The message that refuses TABLE with some of its tables replaced."""
    with pytest.raises(BadInput) as caught:
        build({**TABLE, **changes}, "x")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_added_task_is_read_written_and_hashed_like_a_built_in_one(package):
    experiment = build(TABLE, "x")
    assert type(experiment.task).__name__ == "TagSpec"
    assert experiment.task.threshold == 0.25
    assert experiment.canonical()["task"] == {"kind": "tag", "threshold": 0.25}
    assert build(tomllib.loads(to_toml(experiment)), "x") == experiment
    default = build({**TABLE, "task": {"kind": "tag"}}, "x")
    assert default.canonical()["task"] == {"kind": "tag"}, "a key at its default is not in the hash"
    assert default.hash() == build({**TABLE, "task": {"kind": "tag", "threshold": 0.5}}, "x").hash()
    assert default.hash() != experiment.hash()
    assert load("digits", ["task.kind=tag", "data.validation=0.1"]).task.kind == "tag"


def test_a_study_holds_an_experiment_of_an_added_task(package):
    table = {"name": "s", "base": build(TABLE, "x"), "axes": {"task.threshold": [0.1, 0.2]}}
    study = Study.model_validate(table)
    assert study.base.task.threshold == 0.25
    assert changed_study(study, ["seeds=2"]).base == study.base
    assert tomllib.loads(study_to_toml(study))["base"]["task"] == {"kind": "tag", "threshold": 0.25}


@pytest.mark.parametrize(
    "model",
    [
        {"kind": "mlp"},
        {"kind": "cnn", "blocks": [{"channels": 2}]},
        {"kind": "lenet5"},
        {"kind": "custom"},
        {"kind": "net.py:Net"},
        {"kind": "encoder-classifier", "encoder": {"experiment": "digits"}},
    ],
    ids=lambda model: model["kind"],
)
def test_networks_that_score_classes_learn_added_tasks(package, model):
    assert build({**TABLE, "model": model}, "x").model.kind == model["kind"]


def test_networks_of_another_purpose_do_not(package):
    siamese = {"kind": "siamese", "encoder": {"experiment": "digits"}}
    assert refusal({"model": siamese}) == (
        'x: model.kind: "siamese" judges pairs of images, and the task is to tag; set task.kind = "verify"'
    )
    said = refusal({"model": {"kind": "mlp-autoencoder"}})
    assert said == (
        'x: model.kind: "mlp-autoencoder" makes images, and the task is to tag; set task.kind = "reconstruct"'
    )


def test_errors_in_an_added_task_are_located_like_those_of_a_built_in_one(package):
    assert "x: task.threshold: got 2.0; expected 1 at most" in refusal({"task": {"kind": "tag", "threshold": 2.0}})
    assert refusal({"task": {"kind": "tag", "thershold": 0.5}}) == (
        'x: unknown key task.thershold; did you mean "threshold"?'
    )
    assert refusal({"data": {"source": "digits"}}) == (
        "x: data.validation: tags are calibrated on validation images; set it, say to 0.1"
    )
    assert "data.unseen_classes: only a verifier" in refusal(
        {"data": {"source": "digits", "validation": 0.1, "unseen_classes": [1, 2]}}
    )


def test_what_cannot_be_loaded_or_is_no_task_is_refused_by_the_name_of_its_package(package):
    said = refusal({"task": {"kind": "broken"}})
    assert said.startswith("x: task")
    assert 'kind "broken" comes from the package tagging' in said
    assert "no_such_module_at_all" in said
    for kind in ("misnamed", "nospec"):
        said = refusal({"task": {"kind": kind}})
        assert f'kind "{kind}" comes from the package tagging' in said
        assert f'expected an object with kind = "{kind}" and spec' in said


def test_a_mistyped_kind_is_answered_with_the_nearest_one_also_of_added_tasks(package):
    assert refusal({"task": {"kind": "tga"}}).startswith('x: task.kind: unknown kind "tga"; did you mean "tag"')
    assert refusal({"task": {"kind": "clasify"}}) == ('x: task.kind: unknown kind "clasify"; did you mean "classify"?')
    assert added_kinds() == ["broken", "misnamed", "nospec", "tag"]
    assert added_task("elsewhere") is None, "a group of another program"
    assert "tag" in refusal({"task": {"kind": "elsewhere"}})


def test_without_the_package_only_the_built_in_kinds_are_known():
    assert refusal({}) == 'x: task.kind: unknown kind "tag"; known: classify, reconstruct, verify'
    assert added_kinds() == []


def test_rules_of_an_assignment_may_set_keys_of_an_added_task(package):
    refuse_unknown("task.threshold", "rules")
    with pytest.raises(BadInput, match=r"unknown key task.label_smoothin; did you mean"):
        refuse_unknown("task.label_smoothin", "rules")


def test_no_entry_point_is_looked_up_for_a_built_in_kind(monkeypatch):
    def refused(**words):
        raise AssertionError("entry points were looked up")

    monkeypatch.setattr(task, "entry_points", refused)
    kinds = {load(name).task.kind for name in catalog()}
    assert kinds == {"classify", "reconstruct", "verify"}
    with pytest.raises(BadInput, match="looked up"):
        load("digits", ["task.kind=tag"])
