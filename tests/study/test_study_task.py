"""A study whose cases have another task than its base experiment is judged by the metric of the cases."""

import json
import subprocess
import sys

import pytest

from smallvision.experiment import load_study
from smallvision.study.plan import cases

STUDY = """
name = "other-task"
question = "Do more widths help to reconstruct?"
base = "digits"
seeds = 1
[set]
task = { kind = "reconstruct" }
"data.augment" = []
"data.limit" = 300
"recipe.epochs" = 1
[[case]]
name = "small"
set = { model = { kind = "mlp-autoencoder", widths = [16], representation = 4 } }
[[case]]
name = "large"
set = { model = { kind = "mlp-autoencoder", widths = [32], representation = 8 } }
"""


def test_the_task_is_that_of_the_cases(tmp_path):
    (tmp_path / "study.toml").write_text(STUDY)
    study = load_study(str(tmp_path / "study.toml"))
    assert study.base.task.kind == "classify"
    assert cases.task(study).kind == "reconstruct"


@pytest.mark.slow
def test_it_runs_and_shows_the_metric_of_the_cases(tmp_path):
    (tmp_path / "study.toml").write_text(STUDY)
    done = subprocess.run(
        [sys.executable, "-m", "smallvision", "run", "study.toml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (tmp_path / "runs" / "studies").iterdir()
    (first, second) = json.loads((folder / "study.json").read_text())["table"]
    for row in (first, second):
        assert f"{row['validation']['mse']:.5f}" in done.stdout
        assert f"{row['validation']['mse']:.5f}" in (folder / "report.html").read_text()
