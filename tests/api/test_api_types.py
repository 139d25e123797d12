"""The Python code of the README and of the documents passes `mypy --strict`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# The names that a person's own code has before the lines of a page.
BEFORE = """
import numpy as np
from torch import Tensor, nn
x_train, y_train, x_test, y_test = (np.zeros(1) for _ in range(4))
images = np.zeros((1, 1, 8, 8), np.uint8)
image_a, image_b = "a.png", "b.png"
class MyNet(nn.Module):
    pass
def my_loss(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.sum()
"""
STUDIES = """
import smallvision as sv
sv.run("digits-smoke").table.frame()
sv.run(sv.load_study("mine.toml")).verdicts
sv.run("digits").curves().savefig("curves.png")
sv.show("digits-smoke").cases
sv.run("digits").no_such_name
"""


def check(folder, texts):
    """What mypy says of texts as modules, a line each."""
    for number, text in enumerate(texts):
        (folder / f"page_{number}.py").write_text(text)
    words = ["-m", "mypy", "--strict", "--no-error-summary", "--config-file", str(ROOT / "pyproject.toml")]
    environment = {**os.environ, "MYPYPATH": str(ROOT / "src")}
    files = sorted(map(str, folder.glob("page_*.py")))
    done = subprocess.run([sys.executable, *words, *files], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert not done.stderr
    return [line for line in done.stdout.splitlines() if "page_" in line]  # of an earlier folder, if mypy remembers it


@pytest.mark.slow
def test_the_code_of_the_pages_has_the_types_that_it_says(tmp_path):
    blocks = [block for page in PAGES for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)]
    blocks = [block for block in blocks if "import smallvision as sv" in block]
    assert len(blocks) > 3
    *clean, other = [*(BEFORE + block for block in blocks), STUDIES]
    said = check(tmp_path, [*clean, other])
    assert [line for line in said if f"page_{len(clean)}.py" not in line] == []
    wrong = [line.partition("error: ")[2].partition(";")[0].removesuffix("  [attr-defined]") for line in said]
    assert wrong == ['"Study" has no attribute "cases"', '"Run" has no attribute "no_such_name"']
