"""A fourth task, in a package of its own, goes all the way: trained, selected, resumed, reported, compared, studied."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from page_reading import Page

pytestmark = pytest.mark.slow  # every test runs commands in processes of their own
PACKAGE = Path(__file__).parent / "task"
EXPERIMENT = """
name = "counting"
[data]
source = "digits"
validation = 0.2
[model]
kind = "mlp"
widths = [32]
[task]
kind = "regress"
[recipe]
epochs = 4
batch_size = 64
optimizer = "adam"
learning_rate = 0.01
select = "best-validation"
"""
STUDY = """
name = "counting-widths"
seeds = [0, 1]
question = "Is a wider network nearer?"
base = "counting.toml"
[[case]]
name = "narrow"
set = { "model.widths" = [4] }
[[case]]
name = "wide"
set = { "model.widths" = [64] }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("regression")
    (folder / "counting.toml").write_text(EXPERIMENT)
    return folder


def smallvision(folder: Path, *words: str, status: int = 0) -> str:
    path = os.pathsep.join([str(PACKAGE), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "smallvision", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "80", "SMALLVISION_RUNS": str(folder / "runs")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def run_folder(folder: Path, seed: int) -> Path:
    (found,) = (folder / "runs").glob(f"counting-*-s{seed}")
    return found


@pytest.fixture(scope="module")
def runs(folder: Path) -> list[Path]:
    for seed in range(2):
        smallvision(folder, "run", "counting.toml", "--seed", str(seed), "--threads", "1")
    return [run_folder(folder, seed) for seed in range(2)]


def test_it_learns_and_the_best_epoch_is_selected(runs: list[Path]) -> None:
    result = json.loads((runs[0] / "result.json").read_text())
    epochs = [json.loads(line) for line in (runs[0] / "metrics.jsonl").read_text().splitlines()]
    errors = [epoch["validation"]["mae"] for epoch in epochs]
    assert result["selected"] == {"epoch": 1 + int(np.argmin(errors)), "by": "best-validation"}
    assert result["validation"]["mae"] == pytest.approx(min(errors))
    assert result["test"]["mae"] < 2.0, "the mean alone is off by 2.5"
    with np.load(runs[0] / "evidence.npz") as evidence:
        assert result["test"]["mae"] == pytest.approx(np.abs(evidence["outputs"] - evidence["labels"]).mean(), rel=1e-5)


def test_it_is_listed_and_its_page_shows_its_score(folder: Path, runs: list[Path]) -> None:
    score = json.loads((runs[0] / "result.json").read_text())["test"]["mae"]
    assert f"{score:.3f}" in smallvision(folder, "runs")
    page = Page((runs[0] / "report.html").read_text())
    assert f"{score:.3f}" in page.one("p.verdict").text
    assert f"{score:.3f}" in page.one("tr[data-split=test]").text


def test_a_run_that_is_stopped_goes_on_to_the_same_bits(folder: Path, runs: list[Path]) -> None:
    script = (
        "import sys; from smallvision.training import run as training; from smallvision.experiment import load\n"
        "from pathlib import Path\n"
        "place = training.RunOptions(Path(sys.argv[1]), 0, device='cpu', threads=1)\n"
        "events = training.run(load('counting.toml'), place)\n"
        "for event in events:\n"
        "    if isinstance(event, training.EpochRecord) and event.epoch == 2: break\n"
    )
    path = os.pathsep.join([str(PACKAGE), os.environ.get("PYTHONPATH", "")])
    stopped = subprocess.run(
        [sys.executable, "-c", script, "stopped"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert stopped.returncode == 0, stopped.stderr
    assert not (folder / "stopped" / "result.json").exists()
    smallvision(folder, "run", "counting.toml", "--out", "stopped", "--resume", "--device", "cpu", "--threads", "1")
    assert (folder / "stopped" / "model.safetensors").read_bytes() == (runs[0] / "model.safetensors").read_bytes()


def test_runs_of_it_are_compared_by_the_error_of_each_image(folder: Path, runs: list[Path]) -> None:
    smallvision(folder, "run", "counting.toml", "model.widths=[2]", "--threads", "1")
    (narrow,) = set((folder / "runs").glob("counting-*-s0")) - {runs[0]}
    said = smallvision(folder, "compare", str(narrow), str(runs[0]), "--out", "compared.html")
    scores = [json.loads((path / "result.json").read_text())["test"]["mae"] for path in (narrow, runs[0])]
    assert all(f"{score:.3f}" in said for score in scores)
    page = Page((folder / "compared.html").read_text())
    assert f"{scores[1]:.3f}" in page.text
    verdict = page.one(".answer").text
    assert f"{abs(scores[0] - scores[1]):.3f}" in verdict, "the difference in the metric's own unit"
    assert "points" not in verdict


def test_recipes_of_it_are_compared_over_seeds(folder: Path) -> None:
    script = (
        "import smallvision as sv\n"
        "paths = [[sv.run('counting.toml', 'recipe.epochs=1', f'model.widths=[{width}]', seed=seed, threads=1).path\n"
        "          for seed in range(5)] for width in (2, 64)]\n"
        "found = sv.compare(*paths[0], *paths[1])\n"
        "print(found.verdicts[0].kind, found.verdicts[0].runs, found.verdicts[0].verdict)\n"
    )
    path = os.pathsep.join([str(PACKAGE), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "SMALLVISION_RUNS": str(folder / "seeds")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "recipes (5, 5) A is better", "the second side, with 64 units, is A"


def test_a_study_of_it_ends_with_an_answer_and_a_page(folder: Path) -> None:
    (folder / "study.toml").write_text(STUDY)
    said = smallvision(folder, "run", "study.toml")
    (study,) = (folder / "runs" / "studies").iterdir()
    found = json.loads((study / "study.json").read_text())
    assert found["choice"]["winner"] == "wide"
    means = {row["case"]: row["validation"]["mae"] for row in found["table"]}
    assert means["wide"] < means["narrow"]
    assert f"{means['wide']:.3f}" in said
    assert f"{means['wide']:.3f}" in (study / "report.html").read_text()


def test_where_the_package_is_not_installed_the_kind_is_refused(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "smallvision", "run", "counting.toml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "task" in done.stderr
    assert "regress" in done.stderr
