"""docs/convolution.md prints what the commands print, and quotes lines that are in the code."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import smallvision

PAGE = Path(__file__).parents[2] / "docs" / "convolution.md"
COMMANDS = re.findall(r"```\n\$ (smallvision conv [^\n]*)\n(.*?)\n```", PAGE.read_text(), flags=re.DOTALL)
LINES = [
    line
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    for line in block.splitlines()
]


def test_there_is_something_to_compare():
    assert len(COMMANDS) >= 4
    assert len(LINES) >= 8


@pytest.mark.slow
@pytest.mark.parametrize(("command", "printed"), COMMANDS, ids=[command for command, _ in COMMANDS])
def test_the_page_prints_what_the_command_prints(command, printed):
    terminal = {"COLUMNS": "100", "LINES": "50", "FORCE_COLOR": "1", "TERM": "dumb"}  # in a pipe nothing is wrapped
    environment = {**os.environ, **terminal, "PYTHONIOENCODING": "utf-8"}
    words = [sys.executable, "-m", "smallvision", *shlex.split(command)[1:]]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert [line.rstrip() for line in (done.stdout + done.stderr).rstrip("\n").split("\n")] == printed.split("\n")


@pytest.mark.parametrize("line", LINES)
def test_every_line_quoted_is_in_the_code(line):
    code = "\n".join(path.read_text() for path in (Path(smallvision.__file__).parent / "conv").glob("*.py"))
    assert line.strip() in code
