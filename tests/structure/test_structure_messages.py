"""scripts/messages finds every message with its place, and no message has one of the faults of wording listed here."""

import re
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "messages"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="needs the scripts of the repository")

# What no message may have, and what to write.
FAULTS = {
    r"(?<![Tt]here )\b(?:is|are|was|were) no (?!longer\b|more\b|fewer\b|less\b|\{)": "is not a, are not",
    r"(?<![Tt]here )\bis none\b(?! of)": "is not one",
    r"\bto be had\b|\bnot to be (?:taken|believed)\b": "is not available, cannot be trusted",
    r"\bgoes? on without\b": "leaves out",
    r"\bgoes? in a circle\b|\bbreak it\b": "depend on one another in a circle",
    r"\bis there already\b|\bis there, (?:un|and no)": "exists already",
    r"\bis not there\b(?! any)": "does not exist",
    r"\bfrom a probability of .* on\b|\bfrom \d+ (?:on|up)\b": "at least",
    r"\bare always it\b": "are always used as",
    r"\bkeeps? .* but for\b": "changes only",
    r"\bcannot be told from\b": "is not clearly better than",
    r", say \S+": "for example",
    r"\bthe same command (?:does|probes)\b": "repeat the same command",
    r"\b1 (?:epochs|images|runs|steps) ": "1 epoch",
    r"\bper cent\b": "percent or %",
    r"\btake (?:it|levels) out\b": "remove, use fewer levels",
}
PLANTED = '''
"""A docstring is no message."""

import sys
import warnings

import typer


def command(
    name: str = typer.Option(help="The name of a thing."),
    other: str = typer.Argument("value", metavar="THING"),
) -> None:
    """What the command does."""
    print(f"made {name}", end="no end", file=sys.stderr)
    warnings.warn("an old name", DeprecationWarning, stacklevel=2)
    if not name:
        raise ValueError(
            f"{name!r}: it is empty and {other:>5} "
            'is "full"; write one'
        )
    note = f"one of {len(name):,} very long texts" + " in two parts"
    table = {"a key of four words": "red"}
    raise failed("short", table["and another long key"])


def helper() -> None:
    """This is not the docstring of a command."""


app = typer.Typer()
app.command("make")(command)
'''


def test_planted_messages_are_found_with_their_places(tmp_path):
    folder = tmp_path / "package" / "inner"
    folder.mkdir(parents=True)
    (folder / "planted.py").write_text(PLANTED.lstrip(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, SCRIPT, "package"], cwd=tmp_path, capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert done.stdout.splitlines() == [
        f"package/inner/planted.py:{line}"
        for line in (
            "10: help: The name of a thing.",
            "13: help: What the command does.",
            "14: printed: made {name}",
            "15: warning: an old name",
            '18: error: {name}: it is empty and {other} is "full"; write one',
            "21: text: one of {len(name)} very long texts in two parts",
            "22: text: a key of four words",
            "23: error: short",
            "23: text: and another long key",
        )
    ]


def test_a_path_that_does_not_exist_is_one_line(tmp_path):
    done = subprocess.run([sys.executable, SCRIPT, tmp_path / "none"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path}/none: there is no such file or folder; give a file or folder of Python\n"


def script():
    loader = SourceFileLoader("messages_script", str(SCRIPT))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def test_no_message_has_a_known_fault():
    module = script()
    found = module.messages(module.PACKAGE)
    assert {message.kind for message in found} == {"error", "warning", "printed", "help", "text"}
    wrong = [
        f"{message.path.relative_to(module.PACKAGE)}:{message.line}: {message.text!r}: write {cure!r}"
        for message in found
        for fault, cure in FAULTS.items()
        if re.search(fault, message.text)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "'5' is no index of this list",
        "3 files are no images",
        "Cnn is none; use another",
        "UMAP is not to be had here",
        "data.skip_bad = true goes on without",
        "the same 360 of 1,797 images are always it",
        "a pair is the same from a probability of 49.9% on, by 1,406 validation pairs",
        "1 epochs of 2 s",
    ],
)
def test_the_faults_are_known(text):
    assert any(re.search(fault, text) for fault in FAULTS)


@pytest.mark.parametrize(
    "text", ["there is no such file", "the run is no longer there", "there are no images", "is none of"]
)
def test_plain_sentences_have_none(text):
    assert not any(re.search(fault, text) for fault in FAULTS)
