"""The word for a data source is checked against the data package's table, wherever an experiment is read or made."""

import subprocess
import sys

import pytest

import smallvision as sv
from smallvision.data.datasets import check_source
from smallvision.data.load import load as load_data
from smallvision.errors import BadInput
from smallvision.experiment import load
from smallvision.experiment.data import DataSpec, refuse_unknown_source

STUDY = """
name = "two"
base = "digits"
seeds = 2
[[case]]
name = "known"
set = { "recipe.epochs" = 2 }
[[case]]
name = "unknown"
set = { "data.source" = "minst" }
"""


def test_a_source_that_is_not_in_the_table_is_refused_with_the_nearest_one():
    with pytest.raises(BadInput, match=r'^data.source: unknown source "minst"; did you mean "mnist"\?$'):
        refuse_unknown_source("minst", ["cifar10", "mnist"])
    with pytest.raises(BadInput, match=r'^data.source: unknown source "x"; known: cifar10, mnist$'):
        refuse_unknown_source("x", iter(["mnist", "cifar10"]))
    refuse_unknown_source("mnist", ["cifar10", "mnist"])


@pytest.mark.parametrize("source", ["digits", "mnist", "fashion-mnist", "cifar10", "arrays", "folder", "npz"])
def test_every_source_that_can_be_loaded_is_known(source):
    check_source(DataSpec(source=source, path="x" if source in ("folder", "npz") else None))


def test_words_files_and_objects_are_all_checked(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text('name = "a"\n[data]\nsource = "minst"\n[model]\nkind = "mlp"\n')
    for call in (
        lambda: sv.show("digits", "data.source=minst"),
        lambda: sv.show(str(file)),
        lambda: sv.run(load(str(file)), out=tmp_path / "b"),
        lambda: sv.run("digits", "data.source=minst", out=tmp_path / "b"),
        lambda: load_data(DataSpec(source="minst")),
        lambda: sv.run("digits-siamese", 'model.encoder={experiment="digits", set={"data.source"="minst"}}'),
    ):
        with pytest.raises(BadInput, match=r'data.source: unknown source "minst"; did you mean "mnist"\?$'):
            call()
    assert not (tmp_path / "b").exists()


def test_a_case_of_a_study_is_named_with_its_source(tmp_path, monkeypatch):
    monkeypatch.setenv("SMALLVISION_RUNS", str(tmp_path / "runs"))
    file = tmp_path / "two.toml"
    file.write_text(STUDY)
    with pytest.raises(BadInput, match=r'two: case "unknown": data.source: unknown source "minst"'):
        sv.run(str(file))
    with pytest.raises(BadInput, match=r'data.source: unknown source "minst"'):
        sv.preview(str(file))


def test_the_check_loads_no_torch():
    code = (
        "import sys; import smallvision as sv; from smallvision.data.datasets import check_source; "
        "from smallvision.experiment import load; check_source(load('digits').data); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
