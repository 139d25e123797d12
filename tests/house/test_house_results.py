"""docs/results.md and the README's table say what the committed result files say, and nothing else."""

import json
import sys
from pathlib import Path

from smallvision.experiment import catalog, load

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import tables  # noqa: E402


def test_the_pages_are_made_of_the_files():
    for path, text in tables.PAGES.items():
        assert path.read_text() == text(), f"{path.name} is not what the files say; run python benchmarks/tables.py"


def test_every_catalog_entry_has_a_row_of_the_experiment_as_it_is():
    for name in catalog():
        found = json.loads((ROOT / "benchmarks" / "results" / "catalog" / f"{name}.json").read_text())
        assert found["experiment"] == load(name).hash(), f"{name}.json is of an older {name}; run benchmarks/catalog.py {name}"
        for run in found["runs"]:
            correct = run["test"]["accuracy"] * run["test"]["count"]
            assert abs(correct - round(correct)) < 1e-6, "an accuracy is a whole number of images over their number"


def test_every_try_of_a_recipe_was_on_validation_images_alone():
    for one in json.loads((ROOT / "benchmarks" / "results" / "tuning.json").read_text())["tries"]:
        assert "test" not in one
        tried = load(one["name"], [*one["overrides"], "protocol.test=never"]).hash()
        assert tried == one["experiment"], f"{one['name']} has changed: its overrides no longer say what was tried"
