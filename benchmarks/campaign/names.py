"""Hostile names through every page and command: no element of a page arises from a name, and no control character
reaches the terminal.
"""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from campaign import children
from campaign.inputs import CAUGHT_LATE, CONTROL

MARK = "x5s"  # in every name that would be an element or an attribute
NAMES = (
    f"<{MARK}>",
    f"<script {MARK}>",
    f"<img src={MARK} onerror={MARK}>",
    f'"><svg onload={MARK}>',
    f"' {MARK}='1",
    f'" {MARK}="1',
    f"<!-- {MARK}",
    f"]]><{MARK}>",
    f"&lt;{MARK}&gt;",
    f"{{{{ {MARK} }}}}",
    f"{{% {MARK} %}}",
    f"javascript:{MARK}",
    "$x^2$",
    "$\\frac{$",
    "a $ b",
    "[bold]x[red]",
    "[link=x]",
    "| a | b |",
    "`a` **b** # c",
    "%s %d {0} {x}",
    "\\n \\x1b \\u202e",
    "\u202eabc\u202c",
    "\u2066abc",
    "a\u200fb",
    "a\x1b[31mred",
    "a\x1b]8;;x\x07b",
    "a\x07b",
    "a\rb",
    "a\nb",
    "a\x85b",
    "a\x9b31mb",
    "a\x7fb",
    "\ufeffa",
    "\u200b",
    " a ",
    "con",
    "x" * 200,
    "é" * 100,
    "\U0001f600" * 60,
    "漢字",
    "\u0627\u0644\u0639",
)
_C01 = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class _Elements(HTMLParser):
    """Collects what a name has become in a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open = tag
        if MARK in tag:
            self.found.append(f"an element <{tag}>")
        for name, value in attrs:
            if MARK in name or (MARK in (value or "") and (name in ("src", "href", "style") or name.startswith("on"))):
                self.found.append(f"an attribute {name} of <{tag}>")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in ("script", "style") and MARK in data:
            self.found.append(f"content of <{self._open}>")

    def handle_comment(self, data: str) -> None:
        if MARK in data:
            self.found.append("a comment")


def in_page(path: Path) -> str:
    """What is wrong with a page; "" if nothing is."""
    text = path.read_text(encoding="utf-8")
    elements = _Elements()
    elements.feed(text)
    elements.close()
    if elements.found:
        return f"{path.name}: {elements.found[0]} arises from a name"
    found = _C01.search(text)
    return f"{path.name}: has the control character U+{ord(found[0]):04X}" if found else ""


def in_words(ended: children.Ended) -> str:
    """What is wrong with what a command printed; "" if nothing is."""
    lines = ended.err.removesuffix("\n").split("\n")
    if "Traceback" in ended.err or CAUGHT_LATE in ended.err or ended.status not in (0, 2, 3):
        return f"exit status {ended.status}: {ended.err[-300:]!r}"
    if ended.status and not ended.one_line:
        return f"{len(lines)} lines: {ended.err[:300]!r}"
    if not ended.status and ended.err:
        return f"a line beside its answer: {ended.err[-300:]!r}"
    found = next(filter(None, map(CONTROL.search, [ended.out, *lines])), None)
    return f"prints the control character U+{ord(found[0]):04X}" if found else ""


EXPERIMENT = """
name = "named"
about = {about}
[data]
source = "folder"
path = "pictures"
validation = 0.25
[model]
kind = "cnn"
blocks = [{{ channels = 4, kernel = 3, pool = 2 }}]
dense = [{dense}]
[task]
kind = "classify"
[recipe]
epochs = 1
batch_size = 8
optimizer = "adam"
learning_rate = 1e-3
"""
STUDY = """
name = "named"
question = {about}
base = "./e.toml"
seeds = 1
[[case]]
name = {case}
set = {{ "model.dense" = [4] }}
[[case]]
name = "plain"
set = {{ "model.dense" = [5] }}
"""
RULES = """
name = "named"
about = {about}
text = {about}
[inputs]
abc = {{ about = {about}, digits = 3 }}
[set]
data.source = "digits"
model.kind = "cnn"
model.blocks = [{{ channels = 4, kernel = 3 }}]
model.dense = [8]
[[rule]]
name = "one"
when = "abc >= 0"
say = {about}
[rule.set]
recipe.epochs = 1
"""


class Naming:
    """Every command with one hostile name wherever a person can write one."""

    def case(self, number: int, folder: Path) -> dict[str, Any]:
        """Give the commands.

        Returns
        -------
        dict : `pages` and `commands`, how many there were; `refused`, how many commands refused the name; `failure`.
        """
        name = NAMES[number % len(NAMES)]
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder, self._out = folder, {"pages": 0, "commands": 0, "refused": 0, "failure": ""}
        try:
            self._furnish(name)
            self._commands(name)
            return self._out
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _furnish(self, name: str) -> None:
        from PIL import Image

        from smallvision.experiment.io import toml

        about = toml({"x": name}).partition("=")[2].strip()
        self._write("e.toml", EXPERIMENT.format(about=about, dense=6))
        self._write("other.toml", EXPERIMENT.format(about=about, dense=7).replace('"named"', '"other"'))
        self._write("s.toml", STUDY.format(about=about, case=about))
        self._write("plain.toml", STUDY.format(about=about, case='"first"'))
        self._write("rules.toml", RULES.format(about=about))
        quoted = '"' + name.replace('"', '""') + '"'
        self._write("roster.csv", f"id,abc,name\ns1,052,{quoted}\n")
        made = np.random.default_rng(3)
        for label in (name, "plain", "z"):
            for split, count in (("train", 8), ("test", 3)):
                place = self._folder / "pictures" / split / label.replace("/", "\u2215")
                try:
                    place.mkdir(parents=True)
                except OSError:
                    continue
                for place_of in range(count):
                    pixels = made.integers(0, 256, (8, 8), np.uint8)
                    Image.fromarray(pixels).save(place / f"{place_of}.png")
        try:
            shutil.copy(self._folder / "pictures/test/z/0.png", self._folder / f"{name.replace('/', '')}.png")
        except OSError:
            shutil.copy(self._folder / "pictures/test/z/0.png", self._folder / "n.png")

    def _write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text, encoding="utf-8", newline="")

    def _commands(self, name: str) -> None:
        alone = ("--device", "cpu", "--threads", "1")
        image = f"./{name.replace('/', '')}.png"
        image = image if (self._folder / image).exists() else "./n.png"
        self._give("data", "info", "pictures", "--picture", "grid.png")
        self._give("data", "info", image)
        self._give("show", name)
        self._give("show", "digits", f"name={name}")
        self._give("show", "digits", f"{name}=1")
        self._give("show", "./s.toml")
        self._give("conv", "shape", name)
        self._give("compare", name, name)
        self._give("run", "./e.toml", "--out", "one", *alone)
        self._give("run", "./other.toml", "--out", "two", *alone)
        self._give("predict", "one", image)
        self._give("predict", "one", name)
        self._give("probe", "one", "--train", "9", "--test", "6", "--maps", "pca")
        self._give("compare", "one", "two", "--out", "compared.html")
        self._give("report", "one", "two", "--out", "many.html")
        self._give("runs", ".")
        for study in ("./s.toml", "./plain.toml"):
            self._give("run", study, "--workers", "1", "--device", "cpu", "--quiet")
        self._give("assign", "./rules.toml", "./roster.csv", "--out", "sheets")
        self._give("run", "digits", "recipe.epochs=0", "--out", name or "x")
        for page in sorted(self._folder.rglob("*.html")):
            self._out["pages"] += 1
            self._out["failure"] = self._out["failure"] or in_page(page)
        for sheet in sorted((self._folder / "sheets").glob("*.md")):
            self._out["pages"] += 1
            if _C01.search(sheet.read_text(encoding="utf-8")):
                self._out["failure"] = self._out["failure"] or f"{sheet.name}: has a control character"

    def _give(self, *words: str) -> None:
        import os

        from campaign import workers

        def action() -> int:
            os.chdir(self._folder)
            os.environ["SMALLVISION_RUNS"] = "runs"
            return children.command(*(word.replace("\0", "") for word in words))

        words = tuple(f"./{word}" if word.startswith("-") and word == words[-1] else word for word in words)
        ended = children.forked(workers.forked_workers(action, self._folder / "workers.txt"), self._folder, seconds=300)
        self._out["commands"] += 1
        self._out["refused"] += ended.status != 0
        wrong = in_words(ended)
        if wrong:
            self._out["failure"] = self._out["failure"] or f"{' '.join(words[:2])}: {wrong}"
