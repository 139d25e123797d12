"""Studies as a person types them: what is printed, its exit status, and the mistakes people make."""

import json
import os
import re
import subprocess
import sys

import pytest

import smallvision as sv
from smallvision import cli
from smallvision.errors import BadInput
from smallvision.experiment import load_study

pytestmark = pytest.mark.slow


@pytest.fixture
def type_in(monkeypatch, capsys, tmp_path):
    """Run a command line in this process, in an empty folder; gives (exit status, standard output, standard error)."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("COLUMNS", "100")
    # Workers that several tests share were started in another folder.
    monkeypatch.setenv("SMALLVISION_RUNS", str(tmp_path / "here" / "runs"))

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["smallvision", *map(str, words)])
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
        out, err = capsys.readouterr()
        return status, out, err

    return run


SMOKE = ["run", "digits-smoke", "--workers", "1", "--device", "cpu"]


def test_run_show_list_and_showing_again(lent, type_in, tmp_path):
    status, out, err = type_in(*SMOKE, "seeds=2", "set.recipe.epochs=1")
    assert status == 0, err
    assert out.count("done       ") == 4
    assert out.count("test       ") in (2, 4)
    assert "(baseline)" in out
    (study,) = (tmp_path / "here" / "runs" / "studies").iterdir()
    assert f"study   {study}" in out
    rows = {row["case"]: row for row in json.loads((study / "study.json").read_text())["table"]}
    for case, row in rows.items():
        shown = next(line for line in out.splitlines() if line.strip().startswith(case))
        assert f"{100 * row['validation']['accuracy']:.2f} ± {100 * row['validation']['accuracy_sd']:.2f}" in shown
        assert f"{row['parameters']:,}" in shown
    status, again, _ = type_in(*SMOKE, "seeds=2", "set.recipe.epochs=1")
    assert status == 0
    assert again.count("done       ") == 0
    assert again[again.index("digits-smoke: best") :] == out[out.index("digits-smoke: best") :]
    status, out, _ = type_in("run", study / "study.toml", "--quiet")
    assert status == 0, "the study's own file is the same study"
    assert out[out.index("digits-smoke: best") :] == again[again.index("digits-smoke: best") :]
    status, out, err = type_in("show", "digits-smoke", "seeds=2")
    assert status == 0, err
    toml, _, cases = out.partition("Cases")
    file = tmp_path / "shown.toml"
    file.write_text(toml)
    assert load_study(str(file)) == load_study("digits-smoke", ["seeds=2"])
    assert "model.dense = [32]" in re.sub(r"\s+", " ", cases)
    status, out, _ = type_in("list")
    assert status == 0
    (line,) = [line for line in out.splitlines() if "digits-smoke" in line]
    assert "study" in line
    status, out, _ = type_in("runs")
    assert out.count("finished") == 4, "the folder of studies is no run"
    status, out, err = type_in("data", "info", "digits-smoke", "--picture", tmp_path / "grid.png")
    assert status == 0, err


def test_a_dry_run_prints_what_and_how_long_and_writes_nothing(lent, type_in, tmp_path):
    status, out, err = type_in(*SMOKE, "--dry-run", "seeds=2")
    assert status == 0, err
    assert len(re.findall(r"digits-[0-9a-f]{8}-s[01]", out)) == 4
    assert re.search(r"4 runs in about [\d.]+ s by 1 worker of 1 thread", out)
    assert list((tmp_path / "here").iterdir()) == []


BAD = {
    "a seed": (["run", "digits-smoke", "--seed", "0"], "a study has its own seeds"),
    "a directory": (["run", "digits-smoke", "--out", "there"], "SMALLVISION_RUNS"),
    "threads": (["run", "digits-smoke", "--threads", "1"], "--workers"),
    "no workers": ([*SMOKE[:2], "--workers", "0"], "--workers: got 0"),
    "too many workers": ([*SMOKE[:2], "--workers", "100000"], "--workers: got 100000"),
    "workers of one run": (["run", "digits", "--workers", "2"], "digits is an experiment"),
    "a dry run of one run": (["run", "digits", "--dry-run"], "is an experiment"),
    "an unknown device": (["run", "digits-smoke", "--device", "gpu"], "--device"),
    "an experiment's key": ([*SMOKE, "recipe.epochs=2"], "set.recipe.epochs"),
    "an unknown key": ([*SMOKE, "set.recipe.epohcs=2"], 'did you mean "epochs"'),
    "an unknown name": (["run", "digits-smok"], 'did you mean "digits-smoke"'),
    "no validation images": ([*SMOKE, "set.data.validation=0"], 'set."data.validation" = 0.1'),
    "a batch larger than the data": ([*SMOKE, "set.recipe.batch_size=5000"], 'case "cnn": recipe.batch_size: got 5000'),
    "layers that do not fit": (
        [*SMOKE, 'case.0.set={"model.blocks.1.kernel"=15}'],
        'case "cnn": model.blocks.1: kernel 15',
    ),
    "an empty grid": ([*SMOKE, "case=[]", "axes.recipe.epochs=[]"], "axes: recipe.epochs: the list is empty"),
    "a folder that is none": ([*SMOKE, "set.data.source=folder", "set.data.path=/nowhere"], "/nowhere"),
    "a match that cannot be": (
        [*SMOKE, "match={parameters=9, vary=['model.dense.0', 'model.widths.0']}"],
        "the nearest",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_with_status_2_and_nothing_written(case, request, type_in, tmp_path):
    if case != "an unknown device":
        request.getfixturevalue("lent")
    words, said = BAD[case]
    status, out, err = type_in(*words)
    assert status == 2, err
    assert said in err
    assert err.startswith("smallvision: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err + out
    assert list((tmp_path / "here").iterdir()) == []


def test_the_process_of_a_study_does_not_load_torch():
    script = (
        "import sys, smallvision.study.runner, smallvision.console.study, smallvision.api.run\n"
        "from smallvision.study.plan.cases import expand\n"
        "expand(smallvision.experiment.load_any('digits-smoke'))\n"
        "bad = [name for name in ('torch', 'sklearn', 'matplotlib', 'scipy') if name in sys.modules]; "
        "assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_failed_run_ends_with_status_3_and_says_which(lent, type_in):
    words = [
        *SMOKE,
        "seeds=1",
        "set.recipe.epochs=1",
        "case=[{name='good'}, {name='bad', set={'recipe.learning_rate'=1e30}}]",
    ]
    status, out, err = type_in(*words, "baseline=good", 'set.recipe.optimizer="sgd"')
    assert status == 3
    assert 'case "bad", seed 0' in err
    assert err.count("\n") == 1
    assert "failed     bad, seed 0" in out
    assert "done       good, seed 0" in out


def test_in_a_notebook(lent, monkeypatch, tmp_path, tiny):
    monkeypatch.setenv("SMALLVISION_RUNS", str(tmp_path / "runs"))
    study = tiny(seeds=1, epochs=1)
    estimated = sv.preview(study, device="cpu", workers=1)
    assert estimated.total > 0
    done = sv.run(study, device="cpu", workers=1)
    assert [row["case"] for row in done.table] == ["cnn", "mlp"]
    assert sv.open_study(done.path).result == done.result
    assert [run.result["seed"] for run in done.runs("mlp")] == [0]
    assert "smallvision run" in done.state["command"]
    assert done.state["command"].split()[2] == str(done.path / "study.toml"), (
        "a study from Python stands in its directory"
    )
    for name, value in {"model": object(), "loss": len, "data": ([], []), "seed": 0}.items():
        with pytest.raises(BadInput, match=f"^(--)?{name}: tiny is a study"):
            sv.run(study, **{name: value})
    with pytest.raises(BadInput, match="no case"):
        done.runs("other")
    with pytest.raises(BadInput, match="not a study directory"):
        sv.open_study(tmp_path)


def test_a_damaged_study_directory_is_told(lent, monkeypatch, tmp_path, tiny):
    monkeypatch.setenv("SMALLVISION_RUNS", str(tmp_path / "runs"))
    done = sv.run(tiny(seeds=1, epochs=1), device="cpu", workers=1)
    for name in ("plan.json", "state.json", "study.json"):
        good = (done.path / name).read_text()
        for bad in ("", "{", "[]", "3", '{"format_version": 99}', good.replace('"', "'"), "{}"):
            (done.path / name).write_text(bad)
            with pytest.raises(BadInput, match=re.escape(os.fspath(done.path / name))):
                sv.open_study(done.path)
        (done.path / name).write_text(good)
    assert sv.open_study(done.path).result == done.result
