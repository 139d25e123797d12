"""scripts/steps.sh prints the time by step once, at the end; a step that fails stops the script with its status."""

import re
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
pytestmark = pytest.mark.skipif(not SCRIPTS.exists(), reason="needs the scripts of the repository")


def bash(code):
    words = ["bash", "-c", f"set -euo pipefail; . '{SCRIPTS}/steps.sh'; {code}"]
    return subprocess.run(words, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)


def steps(text):
    """Name -> what stands behind its seconds."""
    told = text.split("Time by step:\n")[1]
    return {
        found[1]: found[2].strip() for line in told.splitlines() if (found := re.fullmatch(r"(.*?) +\d+ s(.*)", line))
    }


def test_every_step_is_told_and_the_total():
    done = bash("step one true; step 'two words' echo said")
    assert done.returncode == 0
    assert done.stdout.startswith("said\n")
    assert steps(done.stdout) == {"one": "", "two words": "", "total": ""}


def test_a_step_that_fails_is_told_and_stops_the_script():
    done = bash("step good true; step bad bash -c 'exit 7'; step never true")
    assert done.returncode == 7
    assert steps(done.stdout) == {"good": "", "bad": "failed", "total": ""}


def test_a_script_called_by_another_leaves_the_printing_to_it():
    inner = f"set -euo pipefail; . '{SCRIPTS}/steps.sh'; step inner true"
    done = bash(f'step outer true; bash -c "{inner}"')
    assert done.stdout.count("Time by step:") == 1
    assert steps(done.stdout) == {"outer": "", "inner": "", "total": ""}
