"""docs/results.md and the README's table say what the committed result files say, and nothing else."""

import json
import statistics
import sys
from pathlib import Path

import pytest

from smallvision.experiment import catalog, load, load_study, studies
from smallvision.study.plan.cases import expand
from smallvision.tasks import metric_in
from smallvision.training.user_objects import with_digests

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import tables  # noqa: E402


def test_the_pages_are_made_of_the_files():
    for path, text in tables.PAGES.items():
        assert path.read_text() == text(), f"{path.name} is not what the files say; run python benchmarks/tables.py"


def test_every_catalog_entry_has_a_row_of_the_experiment_as_it_is():
    for name in catalog():
        found = json.loads((ROOT / "benchmarks" / "results" / "catalog" / f"{name}.json").read_text())
        asked = with_digests(load(name), None, None, None)
        assert found["experiment"] == asked.hash(), (
            f"{name}.json is of an older {name}; run benchmarks/catalog.py {name}"
        )
        for run in found["runs"]:
            correct = run["test"].get("accuracy", 0) * run["test"]["count"]
            assert abs(correct - round(correct)) < 1e-6, "an accuracy is a whole number of images over their number"


@pytest.mark.parametrize("name", [name for name in studies() if name != "digits-smoke"])
def test_every_study_of_the_catalog_has_its_figures(name):
    found = json.loads((ROOT / "benchmarks" / "results" / "studies" / f"{name}.json").read_text())
    study = load_study(name)
    assert found["hash"] == study.hash(), f"{name}.json is of an older {name}; run benchmarks/studies.py {name}"
    assert [row["case"] for row in found["table"]] == list(expand(study).cases)
    key = metric_in(found["table"][0]["validation"]).key
    for row in found["table"]:
        assert [run["seed"] for run in row["runs"]] == list(study.seeds)
        assert (
            "test" in row or row["case"] not in found["choice"]["met_test"]
        )  # others: an equal run met it for another study
        assert statistics.fmean(run["validation"] for run in row["runs"]) == row["validation"][key]
        looks = {run["looks"] for run in row["runs"]}
        assert looks in ({0}, {1}), "a run of a study met the test split twice, or its seeds are not alike"
        assert looks == {1} or "test" not in row


def test_every_try_of_a_recipe_was_on_validation_images_alone():
    for one in json.loads((ROOT / "benchmarks" / "results" / "tuning.json").read_text())["tries"]:
        assert "test" not in one
        tried = load(one["name"], [*one["overrides"], "protocol.test=never"]).hash()
        assert tried == one["experiment"], f"{one['name']} has changed: its overrides no longer say what was tried"
