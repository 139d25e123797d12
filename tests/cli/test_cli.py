"""The command line as a person types it: what it prints, its exit status, and the mistakes people make."""

import errno
import json
import os
import sys

import numpy as np
import pytest
from PIL import Image

from smallvision import cli

pytestmark = pytest.mark.slow  # real runs, pages or processes for most tests

SHORT = ["recipe.epochs=2", "data.limit=400"]


@pytest.fixture
def type_in(monkeypatch, capsys, tmp_path):
    """Run a command line in this process, in an empty folder; gives (exit status, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("SMALLVISION_RUNS", raising=False)

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


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of digits, made once."""
    import smallvision as sv

    return sv.run("digits", *SHORT, out=tmp_path_factory.mktemp("runs") / "digits").path


def test_list_names_every_entry(type_in):
    status, out, _ = type_in("list")
    assert status == 0
    for name in ("digits", "mnist-mlp", "mnist-cnn", "mnist-cnn3", "fashion-cnn", "cifar10-cnn"):
        assert name in out


def test_show_prints_toml_that_reads_back_then_the_layers(type_in):
    import tomllib

    from smallvision.experiment import build, load

    status, out, _ = type_in("show", "mnist-cnn", "recipe.epochs=3")
    assert status == 0
    toml, _, table = out.partition("\nLayers")
    assert build(tomllib.loads(toml), "shown") == load("mnist-cnn", ["recipe.epochs=3"])
    assert "47,658" in table
    assert "506,240" in table


@pytest.mark.slow
def test_run_report_runs_and_showing_again(type_in, tmp_path):
    status, out, err = type_in("run", "digits", *SHORT)
    assert status == 0, err
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.startswith("digits-")
    assert run.name.endswith("-s0")
    assert str(run.relative_to(tmp_path)) in out
    assert "report.html" in out
    for split in ("train", "validation", "test"):
        assert split in out
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    status, out, _ = type_in("run", "digits", *SHORT)
    assert status == 0
    assert "test" in out
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before, "a finished run is shown, not repeated"
    status, out, _ = type_in("runs")
    assert status == 0
    assert "finished" in out
    moved = tmp_path / "elsewhere"
    run.rename(moved)
    status, out, _ = type_in("report", moved, "--out", tmp_path / "page.html")
    assert status == 0
    assert (tmp_path / "page.html").read_text().lower().startswith("<!doctype html>")
    status, out, _ = type_in("runs", "--remove", moved)
    assert status == 0
    assert not moved.exists()


def test_quiet_prints_the_result_only(type_in, tmp_path):
    status, out, err = type_in("run", "digits", *SHORT, "--quiet", "--out", tmp_path / "q")
    assert status == 0
    assert "epoch   1" not in out
    assert "test" in out
    assert err == ""


def test_predict_takes_files_of_any_size_and_mode(type_in, finished, tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (8, 8), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(rng.integers(0, 255, (300, 200, 4), np.uint8)).save(tmp_path / "b.png")
    Image.fromarray(rng.integers(0, 255, (20, 31, 3), np.uint8)).convert("P").save(tmp_path / "c.gif")
    status, out, err = type_in("predict", finished, tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.gif")
    assert status == 0, err
    assert out.count("%") >= 6


def test_predict_agrees_with_the_test_evidence(finished):
    """A test image saved as a file and predicted from it gets the probabilities that the run recorded for it."""
    import smallvision as sv

    run = sv.open_run(finished)
    evidence = run.record.evidence
    probabilities = run.predict(evidence["first_pixels"])
    np.testing.assert_allclose(probabilities, evidence["probabilities"][:20], atol=1e-5)


BAD = {
    "unknown experiment": (["run", "mnist-cmn"], 'did you mean "mnist-cnn"'),
    "unknown key": (["run", "digits", "recipe.epohcs=2"], "recipe.epohcs"),
    "wrong type": (["run", "digits", "recipe.epochs=two"], "recipe.epochs"),
    "unknown class": (["run", "digits", 'data.classes=["0", "eleven"]'], "eleven"),
    "batch larger than the data": (["run", "digits", "recipe.batch_size=5000"], "recipe.batch_size: got 5000"),
    "layers that do not fit": (["run", "digits", "model.blocks.1.kernel=15"], "model.blocks.1"),
    "pooling to nothing": (["run", "digits", "model.blocks.0.pool=9"], "model.blocks.0"),
    "missing data": (["run", "mnist", "--root", "/nowhere"], "mnist"),
    "a folder that is none": (["run", "digits", "data.source=folder", "data.path=/nowhere"], "/nowhere"),
    "unknown device": (["run", "digits", "--device", "gpu"], "--device"),
    "no threads": (["run", "digits", "--threads", "0"], "--threads"),
    "too many threads": (["run", "digits", "--threads", "1000000000"], "--threads"),
    "a seed beyond 63 bits": (["run", "digits", "--seed", str(2**63)], "seed"),
    "reflection beyond the image": (
        ["run", "digits", "data.augment=[{kind='crop', padding=8, fill='reflect'}]"],
        "reflects 8",
    ),
    "a last batch of one with batch norm": (
        ["run", "digits", "data.limit=65", "recipe.batch_size=64", "model={kind='mlp', normalization='batch'}"],
        "recipe.drop_last",
    ),
    "a network beyond any memory": (["run", "digits", "model={kind='mlp', widths=[900000, 900000]}"], "smaller"),
    "a picture where it cannot be": (
        ["data", "info", "digits", "--picture", "/proc/nowhere/x.png"],
        "/proc/nowhere/x.png",
    ),
    "negative seed": (["run", "digits", "--seed", "-1"], "seed"),
    "code not trusted": (["run", "digits", "model={kind='net.py:Net'}"], "net.py"),
    "no run": (["report", "/nowhere"], "/nowhere"),
    "no run to predict with": (["predict", "/nowhere", "a.png"], "/nowhere"),
    "no run to remove": (["runs", "--remove", "/nowhere"], "/nowhere"),
    "unknown data set": (["data", "info", "mnsit"], 'did you mean "mnist"'),
    "unknown data set to get": (["data", "get", "mnsit"], 'did you mean "mnist"'),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_with_status_2_and_nothing_written(case, type_in, tmp_path):
    words, said = BAD[case]
    status, out, err = type_in(*words)
    assert status == 2, err
    assert said in err
    assert err.startswith("smallvision: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err + out
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback(type_in):
    status, _, err = type_in("run", "mnist-cmn", "--debug")
    assert status == 2
    assert "Traceback" in err


def test_predict_refuses_what_is_no_image(type_in, finished, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    status, _, err = type_in("predict", finished, tmp_path / "a.png")
    assert status == 2
    assert "a.png" in err
    assert err.count("\n") == 1


def test_a_directory_that_holds_something_else_is_left_alone(type_in, finished, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("words")
    status, _, err = type_in("run", "digits", *SHORT, "--out", tmp_path / "thesis")
    assert status == 2
    assert "nothing is overwritten" in err
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "words"
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    status, _, err = type_in("run", "digits", "recipe.epochs=3", "--out", finished)
    assert status == 2
    assert "recipe.epochs: 2 there, 3 asked" in err
    status, _, err = type_in("run", "digits", *SHORT, "--seed", "4", "--out", finished)
    assert status == 2
    assert "seed: 0 there, 4 asked" in err
    status, _, err = type_in("run", "digits", *SHORT, "recipe.precision=bf16", "--resume", "--out", finished)
    assert status == 2
    assert "recipe.precision: fp32 there, bf16 asked" in err
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before
    status, _, err = type_in("runs", "--remove", tmp_path / "thesis")
    assert status == 2
    assert (tmp_path / "thesis" / "chapter.tex").exists()


def test_a_loss_that_is_no_number_stops_at_once_and_keeps_the_last_checkpoint(type_in, tmp_path):
    words = [
        "run",
        "digits",
        "recipe.optimizer=sgd",
        "recipe.learning_rate=1e30",
        "recipe.schedule=constant",
        "recipe.epochs=4",
    ]
    status, _, err = type_in(*words, "--out", tmp_path / "run")
    assert status == 3
    assert "recipe.learning_rate" in err
    assert "recipe.clip" in err
    assert err.count("\n") == 1
    assert json.loads((tmp_path / "run" / "state.json").read_text())["status"] == "failed"


def test_a_full_disk_stops_with_one_line_and_status_3(type_in, tmp_path, monkeypatch):
    from smallvision.storage import files
    from smallvision.training import checkpoint

    def full(path, data):
        raise files.failed(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "write_bytes", full)
        status, _, err = type_in("run", "digits", *SHORT, "--out", tmp_path / "run")
    assert status == 3
    assert "no space left" in err
    assert "--resume" in err
    status, _, err = type_in("run", "digits", *SHORT, "--out", tmp_path / "run", "--resume")
    assert status == 0, err
    assert (tmp_path / "run" / "result.json").exists()


def test_a_full_disk_under_the_logs_stops_with_one_line_and_status_3(type_in, tmp_path, monkeypatch):
    from smallvision.runs.directory import RunDirectory

    begin = RunDirectory.__init__

    def full(self, *args):
        begin(self, *args)
        self._logs["steps.jsonl"].close()
        self._logs["steps.jsonl"]._file = open("/dev/full", "ab", buffering=0)  # noqa: SIM115

    with monkeypatch.context() as patched:
        patched.setattr(RunDirectory, "__init__", full)
        status, _, err = type_in("run", "digits", *SHORT, "--out", tmp_path / "run")
    assert status == 3
    assert "no space left" in err
    message, command = err.splitlines()
    assert message.endswith("go on with:")
    assert command.startswith(f"    smallvision run digits {' '.join(SHORT)} --out {tmp_path / 'run'}")
    assert command.endswith(" --resume")
    status, _, err = type_in("run", "digits", *SHORT, "--out", tmp_path / "run", "--resume")
    assert status == 0, err


def test_an_update_that_throws_the_weights_away_after_the_last_loss_is_told(type_in, tmp_path):
    words = [
        "recipe.epochs=1",
        "recipe.batch_size=1200",
        "recipe.drop_last=true",
        "recipe.optimizer=sgd",
        "recipe.learning_rate=1e30",
    ]
    status, _, err = type_in("run", "digits", *words, "recipe.schedule=constant", "--out", tmp_path / "run")
    assert status == 3
    assert "recipe.learning_rate" in err
    assert "Traceback" not in err


def test_a_report_made_on_the_way_is_made_anew_at_the_end(type_in, tmp_path):
    from smallvision.experiment import load
    from smallvision.training import run

    running = run.run(load("digits", SHORT), run.RunOptions(tmp_path / "run"))
    next(running)
    running.close()
    assert type_in("report", tmp_path / "run")[0] == 0
    assert type_in("run", "digits", *SHORT, "--out", tmp_path / "run", "--resume")[0] == 0
    assert "95" in (tmp_path / "run" / "report.html").read_text()
    assert "test images" in (tmp_path / "run" / "report.html").read_text()


def test_names_that_look_like_markup(type_in, tmp_path):
    status, out, err = type_in("run", "digits", *SHORT, "--quiet", "--out", tmp_path / "a[b]" / "[")
    assert status == 0, err
    assert "a[b]" in out


def test_data_info_leaves_other_files_alone(type_in, tmp_path):
    (tmp_path / "digits.png").write_bytes(b"my own picture")
    status, _, err = type_in("data", "info", "digits")
    assert status == 2
    assert "--picture" in err
    assert (tmp_path / "digits.png").read_bytes() == b"my own picture"
    (tmp_path / "digits.png").unlink()
    assert type_in("data", "info", "digits")[0] == 0
    assert type_in("data", "info", "digits")[0] == 0, "its own picture is replaced"


def test_removing_takes_broken_runs_and_leaves_links(type_in, finished, tmp_path):
    import shutil

    broken = shutil.copytree(finished, tmp_path / "broken")
    (broken / "state.json").write_text("{")
    link = tmp_path / "link"
    link.symlink_to(finished)
    assert type_in("runs", "--remove", link)[0] == 2
    assert (finished / "result.json").exists()
    assert type_in("runs", "--remove", broken)[0] == 0
    assert not broken.exists()


def test_a_swapped_model_file_is_refused(type_in, finished, tmp_path):
    import shutil

    run = shutil.copytree(finished, tmp_path / "copy")
    data = bytearray((run / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (run / "model.safetensors").write_bytes(bytes(data))
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    status, _, err = type_in("predict", run, tmp_path / "a.png")
    assert status == 2
    assert "model.safetensors" in err


def test_an_unfinished_run_says_how_to_go_on(type_in, tmp_path):
    from smallvision.experiment import load
    from smallvision.training import run

    running = run.run(load("digits", SHORT), run.RunOptions(tmp_path / "run"))
    next(running)
    running.close()
    status, _, err = type_in("run", "digits", *SHORT, "--out", tmp_path / "run")
    assert status == 2
    assert "--resume" in err
    status, _, _ = type_in("run", "digits", *SHORT, "--out", tmp_path / "run", "--resume")
    assert status == 0


def test_data_list_and_info(type_in, tmp_path):
    status, out, _ = type_in("data", "list")
    assert status == 0
    assert "fashion-mnist" in out
    status, out, err = type_in("data", "info", "digits")
    assert status == 0, err
    assert "CC BY 4.0" in out
    assert (tmp_path / "digits.png").stat().st_size > 1000
