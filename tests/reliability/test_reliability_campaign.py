"""benchmarks/reliability.py finds faults that are planted, and finds none in its share of two minutes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="forks, limits and kills as Linux does"),
]


def python(*words):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run([sys.executable, *map(str, words)], env=env, capture_output=True, text=True, check=False)


def test_faults_that_are_planted_are_found():
    done = python(ROOT / "tests" / "reliability" / "planted.py")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("clean") == found.pop("escaped") == ""
    assert found.pop("swallowed").startswith("read as something else")
    assert found.pop("control character") == "a control character"
    assert found.pop("unforeseen") == found.pop("uncaught") == "an error that nothing foresaw"
    assert found.pop("memory") == "more than 2 GiB of memory"
    assert found.pop("a line beside") == "2 lines"
    assert found.pop("crash") == "the process ended by signal 6"
    assert "element <x5s>" in found.pop("not escaped")
    assert sorted(found) == ["disk", "kill", "race"]
    assert all(found.values()), found


def test_the_share_of_continuous_integration_has_no_fault(tmp_path):
    out = tmp_path / "figures.json"
    words = ["--share", "ci", "--jobs", "1", "--state", tmp_path / "state", "--out", out]
    done = python(ROOT / "benchmarks" / "reliability.py", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())
    assert found["faults"] == []
    assert sum(cell["inputs"] for row in found["inputs"] for cell in row["cells"].values()) > 800
    assert sum(row["byte"] + row["moment"] for row in found["kills"]) >= 6
    assert sum(row["full"] for row in found["disks"]) >= 1
    assert found["names"]["pages"] == 5 * found["names"]["names"] > 0
    again = python(ROOT / "benchmarks" / "reliability.py", *words)  # everything is done
    assert again.returncode == 0, again.stdout + again.stderr
    assert json.loads(out.read_text()) == found
