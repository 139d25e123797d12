"""benchmarks/tables.py: a result that is missing, damaged or of an older experiment is shown as "not measured".

No test here needs a committed result file: each writes its own, right for the catalog of today, and then changes it.
"""

import json
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from smallvision.experiment import catalog, load, load_study, studies
from smallvision.study.plan.cases import expand
from smallvision.training.user_objects import with_digests

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import catalog_tables  # noqa: E402
import results  # noqa: E402
import speed_tables  # noqa: E402
import tables  # noqa: E402

PAGES = ("results.md", "results/catalog.md", "results/speed.md")
ENTRY, STUDY = "catalog/mnist-mlp", "studies/digits-smoke"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of results."""
    for name in ("catalog", "studies"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    return tmp_path


def write(folder, name, content):
    (folder / f"{name}.json").write_text(json.dumps(content))


def entry(**changes):
    """What benchmarks/catalog.py writes of two seeds of mnist-mlp."""
    run = {
        "epochs": 3,
        "median_epoch_seconds": 2.0,
        "looks": 1,
        "train": {"accuracy": 0.5},
        "test": {"accuracy": 0.9, "loss": 0.25, "count": 10_000},
    }
    packages = {"torch": "2", "numpy": "2", "scikit-learn": "1"}
    environment = {
        "processor": "a processor",
        "cores": 2,
        "threads": 1,
        "device": "cpu",
        "smallvision": "0",
        "packages": packages,
    }
    made = {
        "name": "mnist-mlp",
        "experiment": with_digests(load("mnist-mlp"), None, None, None).hash(),
        "parameters": 12_345,
        "multiply_adds": 6_789,
        "precision": "fp32",
        "environment": environment,
        "runs": [run, json.loads(json.dumps(run))],
    }
    return made | changes


def study(**changes):
    """What benchmarks/studies.py writes of digits-smoke, as far as it is judged by."""
    spec = load_study("digits-smoke")
    cases = list(expand(spec).cases)
    table = [
        {
            "case": case,
            "validation": {"accuracy": 0.5},
            "test": {"accuracy": 0.5},
            "runs": [{"seed": seed, "validation": 0.5, "looks": 1} for seed in spec.seeds],
        }
        for case in cases
    ]
    return {"hash": spec.hash(), "choice": {"met_test": cases}, "table": table} | changes


def row_of(text, name, shown=""):
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {shown or f'`{name}`'} |")]
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.mark.slow
def test_the_pages_can_be_made_of_the_files_that_there_are():
    for path, text in tables.PAGES.items():
        made = text()
        assert len(made) > 1000 or "Not measured: `python" in made, path
        if path.suffix == ".svg":
            ElementTree.fromstring(made)


def test_the_pages_can_be_made_without_any_file(folder):
    for path, text in tables.PAGES.items():
        assert "ot measured" in text(), path
    page, entries, speed = (tables.PAGES[ROOT / "docs" / name]() for name in PAGES)
    for name in catalog():
        assert "not measured" in row_of(page, name)
        assert "not measured" in row_of(entries, name)
    for name in studies():
        own = tables.PAGES[ROOT / "docs" / "results" / f"{name}.md"]()
        assert own.endswith(f"\n\nNot measured: `python benchmarks/studies.py {name}`.\n")
        assert "not measured" in row_of(page, name, f"[`{name}`](results/{name}.md)")
    for title in ("Throughput", "Time to the reference's accuracy", "Tools for representations"):
        assert f"## {title}\n\nNot measured: `" in speed
    for name in ("convolution", "resolution", "tuning"):
        assert "Not measured: `" in tables.PAGES[ROOT / "docs" / "results" / f"{name}.md"]()
    assert [name for name, *_ in results.stale()] == results.names()


def test_a_result_of_the_experiment_of_today_is_shown(folder):
    write(folder, ENTRY, entry())
    assert results.problem(ENTRY) == ""
    row = row_of(catalog_tables.catalog(), "mnist-mlp")
    assert row[:5] == ["`mnist-mlp`", "96.4", "90.00 ± 0.00", "2", "96.47"]
    row = row_of(catalog_tables.summary(), "mnist-mlp")
    assert row == ["`mnist-mlp`", "MNIST", "96.4", "90.00 ± 0.00", "2", "3", "6.0"]
    assert ENTRY not in [name for name, *_ in results.stale()]


@pytest.mark.parametrize(
    ("tampered", "reason"),
    [
        (entry(experiment="0" * 64), "is of an older mnist-mlp"),
        (entry(runs=[]), "has no run"),
        (entry(runs=[{"test": {"accuracy": 0.98765, "count": 10}}]), "no whole number of images"),
        (entry(runs=[{"test": {"accuracy": 0.5}}]), "lacks what the tables show (KeyError: 'count')"),
        (["a list"], "is no JSON table"),
    ],
)
def test_a_result_that_is_not_of_today_is_not_measured_and_listed(folder, tampered, reason):
    write(folder, ENTRY, tampered)
    assert reason in results.problem(ENTRY)
    assert row_of(catalog_tables.catalog(), "mnist-mlp")[:5] == ["`mnist-mlp`", "96.4", "not measured", "", "96.47"]
    assert row_of(catalog_tables.summary(), "mnist-mlp")[:4] == ["`mnist-mlp`", "MNIST", "96.4", "not measured"]
    (listed,) = [what for what in results.stale() if what[0] == ENTRY]
    assert listed[1] == results.problem(ENTRY)


def test_a_file_cut_short_is_not_measured(folder):
    (folder / f"{ENTRY}.json").write_text(json.dumps(entry())[:-20])
    assert results.problem(ENTRY) == "is no JSON table"
    assert "not measured" in row_of(catalog_tables.catalog(), "mnist-mlp")


def test_a_study_of_today_is_good(folder):
    write(folder, STUDY, study())
    assert results.problem(STUDY) == ""


def change(made, place, value):
    *path, last = place
    inner = made
    for step in path:
        inner = inner[step]
    inner[last] = value
    return made


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (["hash"], "0" * 64, "is of an older digits-smoke"),
        (["table", 0, "case"], "another", "is of an older digits-smoke"),
        (["table", 0, "runs", 0, "seed"], 99, "has other seeds"),
        (["table", 0, "validation", "accuracy"], 0.625, "is not the mean of the runs"),
        (["table", 0, "runs", 0, "looks"], 2, "met the test split twice"),
        (["table", 0, "validation"], None, "lacks what the tables show"),
    ],
)
def test_a_study_that_is_not_of_today_is_listed(folder, place, value, reason):
    write(folder, STUDY, change(study(), place, value))
    assert reason in results.problem(STUDY)
    assert results.read(STUDY) is None


def test_a_case_that_met_the_test_split_has_its_score(folder):
    made = study()
    del made["table"][0]["test"]
    write(folder, STUDY, made)
    assert "has no test score" in results.problem(STUDY)


def test_tries_of_an_older_recipe_are_left_out_and_listed(folder):
    def attempt(overrides, of):
        experiment = load("digits", [*of, "protocol.test=never"]).hash()
        scores = {"accuracy": 0.5, "loss": 1.0}
        return {
            "name": "digits",
            "experiment": experiment,
            "overrides": overrides,
            "train": scores,
            "validation": scores,
            "epochs": 2,
        }

    true, old = attempt(["recipe.epochs=2"], ["recipe.epochs=2"]), attempt(["recipe.epochs=3"], ["recipe.epochs=4"])
    write(folder, "tuning", {"tries": [true]})
    assert results.problem("tuning") == ""
    write(folder, "tuning", {"tries": [true, old, old | {"name": "no-such-entry"}]})
    assert results.problem("tuning") == "has tries of an older digits, no-such-entry"
    assert "recipe.epochs=2" in speed_tables.tuning()
    assert "recipe.epochs=3" not in speed_tables.tuning()
    write(folder, "tuning", {"tries": [true | {"test": {"accuracy": 1.0}}]})
    assert "scored on the test split" in results.problem("tuning")


def test_a_new_entry_of_the_catalog_has_a_row_without_any_file(folder, monkeypatch):
    monkeypatch.setattr(catalog_tables, "entries", lambda: [*catalog(), "new"])
    monkeypatch.setattr(catalog_tables, "load", lambda name: load("digits" if name == "new" else name))
    assert row_of(catalog_tables.catalog(), "new")[:3] == ["`new`", "", "not measured"]


def test_the_command_lists_what_to_measure_and_how(folder, capsys):
    write(folder, ENTRY, entry(experiment="0" * 64))
    tables.main(["--stale"])
    out = capsys.readouterr().out
    said = "benchmarks/results/catalog/mnist-mlp.json is of an older mnist-mlp; measure it with:\n    "
    assert said + "python benchmarks/catalog.py mnist-mlp --seeds 2\n" in out
    said = "benchmarks/results/studies/digits-smoke.json is missing; measure it with:\n    "
    assert said + "python benchmarks/studies.py digits-smoke\n" in out
    assert f"{len(results.names())} of {len(results.names())} results are to be measured again" in out


def test_check_names_a_page_that_is_not_what_the_files_say(folder, tmp_path, monkeypatch, capsys):
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    shutil.copy(ROOT / "README.md", page)
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    made = tables.filled(page, {"results": catalog_tables.summary()})
    monkeypatch.setattr(tables, "PAGES", {page: lambda: made})
    page.write_text(made)
    with pytest.raises(SystemExit) as end:
        tables.main(["--check"])
    assert end.value.code == 0
    page.write_text(made.replace("not measured", "99.9", 1))
    with pytest.raises(SystemExit) as end:
        tables.main(["--check"])
    assert end.value.code == 1
    assert "docs/page.md is not what the files say" in capsys.readouterr().err
