"""Probing as a person does it, at the command line and in Python: what is printed, refused and interrupted."""

import io
import json
import re
import shutil
import sys

import pytest
import torch
from rich.console import Console

import smallvision as sv
from smallvision import cli
from smallvision.api import finished
from smallvision.console import probe
from smallvision.errors import BadInput
from smallvision.experiment import ProbeSpec
from smallvision.experiment.probe import PROBES
from smallvision.probing import run as probing
from smallvision.runs.probes import SOURCES

pytestmark = pytest.mark.slow

SMALL = ("--train", "200", "--test", "50", "--maps", "pca")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run, never to be changed."""
    path = tmp_path_factory.mktemp("runs") / "digits"
    return sv.run("digits-autoencoder", "recipe.epochs=2", out=path, threads=1, console=Console(quiet=True)).path


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def without_report(monkeypatch):
    """Reports are not what a test is about, and take seconds."""
    monkeypatch.setattr(finished.Run, "report", lambda self: self.path / "report.html")


@pytest.fixture
def type_in(monkeypatch, capsys):
    """Run a command line in this process; gives (exit status, standard output, standard error)."""
    monkeypatch.setenv("COLUMNS", "160")

    def typed(*words):
        monkeypatch.setattr(sys, "argv", ["smallvision", *map(str, words)])
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
        return status, *capsys.readouterr()

    return typed


def test_a_probe_prints_its_scores_and_where_it_is_and_is_then_shown_again(run, type_in):
    status, out, err = type_in("probe", run, *SMALL)
    assert (status, err) == (0, "")
    (folder,) = (run / "probes").iterdir()
    result = json.loads((folder / "probe.json").read_text())
    for source in result["sources"]:
        assert source["title"].partition(",")[0] in out
        for one in source["probes"]:
            assert f"{100 * one['accuracy']:.2f}" in out
            assert f"{100 * one['interval'][0]:.1f} - {100 * one['interval'][1]:.1f}" in out
            assert f"F1 {100 * one['macro_f1']:.2f}" in out
    assert "By the linear probe the representation is" in out
    assert f"probe   {folder}" in out
    assert result["command"] == f"smallvision probe {run} --train 200 --test 50 --maps pca"
    before = (folder / "probe.json").read_bytes()
    status, again, _ = type_in("probe", run, *SMALL)
    assert status == 0
    assert "this probe stands already, so it is shown and not repeated" in again
    assert out[out.index("digits-autoencoder:") :] == again[again.index("digits-autoencoder:") :]
    assert (folder / "probe.json").read_bytes() == before


def test_the_report_is_written_again(run, type_in):
    old = (run / "report.html").read_text()
    type_in("probe", run, *SMALL, "--kinds", "linear")
    new = (run / "report.html").read_text()
    assert new != old
    assert "--kinds linear" in new
    (run / "report.html").unlink()
    type_in("probe", run, *SMALL, "--kinds", "linear")
    assert (run / "report.html").read_text() == new


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--train", "99999"], 'train: 99,999 images are too many .* at most 1,180, or "all"'),
        (["--train", "101"], "train: 101 images cannot be divided equally among 10 classes; use 100"),
        (["--test", "few"], '--test: got "few"; expected a number of images, or "all"'),
        (["--kinds", "knn,liner"], 'kinds: .*"liner" is not known; did you mean "linear"'),
        (["--kinds", ""], "expected at least one of knn, linear"),
        (["--maps", "tsn"], 'maps: .*"tsn" is not known; did you mean "tsne"'),
        (["--seed", "-1"], "seed: got -1"),
    ],
)
def test_bad_input_is_one_line_and_status_2(run, type_in, words, said):
    status, _, err = type_in("probe", run, *words)
    assert status == 2
    assert err.startswith("smallvision: ")
    assert err.count("\n") == 1
    assert re.search(said, err)
    assert not (run / "probes").exists()


def test_a_folder_that_is_no_run_is_named(tmp_path, type_in):
    assert type_in("probe", tmp_path)[0] == 2


@pytest.mark.usefixtures("without_report")
def test_an_interrupted_probe_leaves_nothing_and_says_so(run, type_in, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(probing.PROBES, "linear", interrupted)
        status, _, err = type_in("probe", run, *SMALL)
    assert (status, err.count("\n")) == (130, 1)
    assert "the probe was stopped and nothing was written" in err
    assert not (run / "probes").exists()
    sv.open_run(run).probe(train=100, test=50, kinds=["knn"], maps=(), console=Console(quiet=True))


@pytest.mark.usefixtures("without_report")
def test_python_gives_the_record_and_the_run_lists_those_standing(run):
    here, shown = sv.open_run(run), io.StringIO()
    assert here.probes == []
    found = here.probe(train=100, test=50, kinds=["knn"], maps=(), console=Console(file=shown, width=100))
    assert [one.path for one in here.probes] == [found.path]
    assert found.spec == ProbeSpec(train=100, test=50, kinds=("knn",), maps=())
    assert found.evidence["predictions"].shape == (4, 2, 50)
    assert "untrained encoder" in shown.getvalue()
    with pytest.raises(BadInput, match="train: got -5"):
        here.probe(train=-5)


@pytest.mark.usefixtures("without_report")
def test_a_classifier_is_probed_too(tmp_path):
    run = sv.run(
        "digits", "recipe.epochs=1", "data.limit=400", out=tmp_path / "run", threads=1, console=Console(quiet=True)
    )
    found = run.probe(train=100, test=50, kinds=["knn"], maps=(), console=Console(quiet=True))
    assert [source["name"] for source in found.result["sources"]] == list(SOURCES)
    assert found.result["sources"][0]["title"] == "representation, 64 values"


@pytest.mark.usefixtures("without_report")
def test_arrays_from_python_are_passed_again(tmp_path):
    from sklearn.datasets import load_digits

    content = load_digits()
    pixels, labels = (content.images * 15).astype("uint8"), content.target
    data = {"x_train": pixels[:900], "y_train": labels[:900], "x_test": pixels[900:1200], "y_test": labels[900:1200]}
    run = sv.run(
        "digits",
        "recipe.epochs=1",
        "data.validation=0",
        data=data,
        out=tmp_path / "run",
        threads=1,
        console=Console(quiet=True),
    )
    small = {"train": 200, "test": 50, "kinds": ["knn"], "maps": (), "console": Console(quiet=True)}
    with pytest.raises(BadInput, match="pass the arrays themselves"):
        run.probe(**small)
    found = run.probe(**small, data=data)
    assert (found.result["command"], found.result["chosen_on"]) == ("", "training images held out")


def test_the_command_that_repeats_a_probe_has_what_is_not_a_default():
    command = finished.probe_command("a/run", ProbeSpec(), None, False)
    assert command == ("smallvision", "probe", "a/run")
    spec = ProbeSpec(train="all", test=100, kinds=("knn",), maps=(), seed=3)
    command = finished.probe_command("a/run", spec, "data", True)
    assert " ".join(command[3:]) == "--kinds knn --train all --test 100 --maps none --seed 3 --root data --trust-code"


def test_every_probe_and_source_has_its_words():
    kinds = {probe for names in PROBES.values() for probe in names}
    assert kinds == set(probe.HEADERS) == set(probe.SHORT) == set(probe.BY) == set(probing.PROBES)
    assert set(SOURCES) == {"representation", *probe.AGAINST}
