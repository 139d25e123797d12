"""The code of docs/extending.md: read from the page, written into a copy of the package, and run there.

A block of the page names its file in its first line, after "#" if it is new and after "---" if it is changed. Changes
are lines with "+", "-" or " " before them, and "@@" stands between two places. The lines that a change expects have to
be in the file exactly once.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import smallvision

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extending.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = """
import shlex, sys
from smallvision.cli import main
for words in sys.argv[1:]:
    sys.argv = shlex.split(words)
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""


@dataclass(frozen=True)
class Change:
    """One section of the page, worked into a copy of the package.

    Attributes
    ----------
    folder : the copy is in its `src/`, and commands run in the folder itself.
    commands : those of the section.
    """

    folder: Path
    commands: tuple[str, ...]

    def run(self, then: str = "") -> tuple[list[Path], Any]:
        """Run the commands of the section in one process, and then some code that prints JSON.

        Returns
        -------
        tuple of the run directories, in the order in which they were made, and what was printed; None without code.
        """
        done = subprocess.run(
            [sys.executable, "-c", RUN + then, *self.commands],
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": str(self.folder / "src"),
                "COLUMNS": "80",
                "SMALLVISION_RUNS": str(self.folder / "runs"),
                "SMALLVISION_DATA": str(self.folder / "data"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        printed = json.loads(done.stdout.splitlines()[-1]) if then else None
        folders = (path for path in (self.folder / "runs").iterdir() if (path / "result.json").exists())
        return sorted(folders, key=lambda path: (path / "experiment.toml").stat().st_mtime_ns), printed


def sections() -> dict[str, str]:
    """The text of each numbered section of the page, by its title."""
    parts = re.split(r"^## \d+\. (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands(title: str) -> tuple[str, ...]:
    """The commands of a section."""
    blocks = (block for kind, block in BLOCK.findall(sections()[title]) if kind == "console")
    return tuple(line.removeprefix("$ ") for block in blocks for line in block.splitlines())


def files(title: str, folder: Path) -> dict[str, str]:
    """The new text of each file that a section makes or changes, by its name below the folder."""
    out: dict[str, str] = {}
    for kind, block in BLOCK.findall(sections()[title]):
        head, _, rest = block.partition("\n")
        mark, _, name = head.partition(" ")
        if kind == "diff":
            assert mark == "---", f"{title}: a diff begins with {head}"
            out[name] = changed((folder / name).read_text(encoding="utf-8"), rest, name)
        elif kind != "console":
            assert mark == "#", f"{title}: a block begins with {head}"
            assert not (folder / name).exists(), f"{name} is there already"
            out[name] = rest
    return out


def worked_in(title: str, folder: Path) -> Change:
    """A copy of the package in the `src/` of a folder, with the code of a section."""
    if not (folder / "src").exists():
        shutil.copytree(Path(smallvision.__file__).parent, folder / "src" / "smallvision")
    for name, text in files(title, folder).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return Change(folder, commands(title))


def changed(text: str, diff: str, name: str) -> str:
    """The text of a file after the changes of a block."""
    for place in re.split(r"^@@\n", diff, flags=re.MULTILINE):
        lines = place.splitlines(keepends=True)
        assert all(line[0] in " +-" or line == "\n" for line in lines), f"{name}: {place}"
        before = "".join(line[1:] for line in lines if line[0] != "+")
        after = "".join(line[1:] for line in lines if line[0] != "-")
        assert text.count(before) == 1, f"{name} has {text.count(before)} times:\n{before}"
        text = text.replace(before, after)
    return text
