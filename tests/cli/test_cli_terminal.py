"""What a command prints on a terminal of 80 columns and in a pipe: nothing broken, nothing late, no line too many."""

import io
import re
import subprocess
import sys

import pytest

from smallvision.cli.data import channel_rows
from smallvision.cli.stopping import command_apart
from smallvision.console.epochs import MOST_LINES, EpochLines, step
from smallvision.console.run import Console, rows_table
from smallvision.errors import counted
from smallvision.tasks import TASKS
from smallvision.training.engine import EpochRecord

FIGURES = {"loss": 2.30259, "accuracy": 0.98462, "balanced_accuracy": 0.5, "mse": 0.01, "kl": 1.5}
FIGURES |= {"pair_accuracy": 0.75, "head": 0.25}


def records(epochs, splits=("train", "validation"), alarm=None):
    more = dict.fromkeys(splits, FIGURES)
    return [
        EpochRecord(epoch, 10 * epoch, 100 * epoch, 0.1, 1.5 * epoch, **more, alarm=alarm if epoch == 3 else None)
        for epoch in range(1, epochs + 1)
    ]


def printed(width, progress, epochs, found):
    """The lines of a training on a terminal of so many columns, or in a pipe (None)."""
    out = io.StringIO()
    options = {"width": width, "force_terminal": True} if width else {}
    lines = EpochLines(Console(file=out, color_system=None, **options), progress, epochs)
    for record in found:
        lines.add(record)
    lines.end()
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("splits", [("train",), ("train", "validation"), ("train", "validation", "test")])
@pytest.mark.parametrize("kind", TASKS)
def test_the_lines_of_epochs_fit_the_terminal_and_say_the_validation_score(kind, splits, width):
    task = TASKS[kind]
    lines = printed(width, task.progress, 10_000_000, records(3, splits))
    assert max(map(len, lines)) <= width
    assert len(lines) == 5
    form = dict(task.progress)[task.metric.key if task.metric.key in dict(task.progress) else "pair_accuracy"]
    score = form.format(FIGURES[task.metric.key if task.metric.key in FIGURES else "pair_accuracy"])
    if width >= 60 or len(splits) < 3:
        assert score in lines[2]
    assert lines[4].split()[0] == "3"
    assert lines[1].split()[0] == "epoch"
    assert len(lines[1].split()) >= len(lines[2].split())


@pytest.mark.parametrize("epochs", [1, 2, 20, 21, 100, 399, 400, 401, 999, 5000, 123_456])
def test_in_a_pipe_a_training_has_some_lines_with_the_first_and_the_last_epoch(epochs):
    lines = printed(None, TASKS["classify"].progress, epochs, records(epochs) if epochs < 5001 else [])
    if lines:
        said = [int(re.match(r"epoch +(\d+)   train loss 2\.3026 accuracy 98\.46%", line)[1]) for line in lines]
        assert said[0] == 1
        assert said[-1] == epochs
        assert said == sorted(set(said))
        assert min(epochs, 8) <= len(said) <= MOST_LINES + 2
    assert MOST_LINES / 3 < epochs / step(epochs) <= MOST_LINES or epochs <= MOST_LINES


def test_training_that_stops_early_ends_with_its_last_epoch_and_an_alarm_is_always_said():
    lines = printed(None, TASKS["classify"].progress, 1000, records(33, alarm="the representation collapses"))
    assert [line.split()[1] for line in lines if line.startswith("epoch")] == ["1", "3", "33"]
    assert lines[2] == "the representation collapses"


def test_in_a_pipe_nothing_is_wrapped_whatever_columns_says(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    out, words = io.StringIO(), "a sentence of many words " * 20
    console = Console(file=out)
    console.print(words)
    table = rows_table([{"name": "x" * 100, "path": "y/" * 100}], title="a title of many words " * 10)
    table.beneath = "a caption of many words " * 10
    console.print(table)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert lines[0] == words.rstrip()
    assert ("a title of many words " * 10).rstrip() in lines
    assert ("a caption of many words " * 10).rstrip() in lines
    assert any("y/" * 100 in line for line in lines)


def test_a_title_is_wrapped_at_the_terminal_and_not_at_its_table():
    out, title = io.StringIO(), "a title that is wider than its table, and narrower than 80 columns"
    Console(file=out, width=80, force_terminal=True, color_system=None).print(rows_table([{"a": 1}], title))
    assert out.getvalue().splitlines()[0].rstrip() == title


AT_ONCE = """
import builtins, sys
sys.argv = ["smallvision", *WORDS]
heavy = ("torch", "numpy", "pydantic", "typer", "rich", "scipy")
real = builtins.print
class Said(BaseException): pass
def said(*words, **options):
    real(*words, *[name for name in heavy if name in sys.modules], **options)
    raise Said
builtins.print = said
from smallvision.__main__ import main
try: main()
except Said: pass
"""


@pytest.mark.parametrize("words", [["run", "digits"], ["run", "digits-smoke", "--dry-run"]])
def test_run_says_something_before_a_heavy_library_is_loaded(words):
    script = AT_ONCE.replace("WORDS", repr(words))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"{words[1]}: getting ready\n"


COMMAND = "smallvision run digits --out 'a b' --resume"


@pytest.mark.parametrize(
    ("line", "apart"),
    [
        (f"saved in x; go on with: {COMMAND}", f"saved in x; go on with:\n    {COMMAND}"),
        (f"what had begun goes on with: {COMMAND}", f"what had begun goes on with:\n    {COMMAND}"),
        (f"go on with (in Python: resume=True): {COMMAND}", f"go on with (in Python: resume=True):\n    {COMMAND}"),
        (f"saved; go on with: RUNS='a b' {COMMAND}", f"saved; go on with: RUNS='a b' {COMMAND}"),
        (f"saved; go on with: RUNS=a {COMMAND}", f"saved; go on with:\n    RUNS=a {COMMAND}"),
        ("saved; go on with: sv.run('digits', resume=True)", "saved; go on with: sv.run('digits', resume=True)"),
        ("recipe.epochs: got 0", "recipe.epochs: got 0"),
    ],
)
def test_the_command_that_goes_on_stands_on_a_line_of_its_own(line, apart):
    assert command_apart(line) == apart


def test_one_thing_is_not_several():
    assert [counted(number, "epoch") for number in (0, 1, 2, 1200)] == [
        "0 epochs",
        "1 epoch",
        "2 epochs",
        "1,200 epochs",
    ]
    assert [counted(number, "class", "classes") for number in (1, 3)] == ["1 class", "3 classes"]


def test_means_and_deviations_have_four_digits_and_the_sample_one_only_where_it_differs():
    found = {"mean": [0.1306604], "std": [0.3081078], "std_sample": [0.30810780], "min": [0.0], "max": [1.0]}
    assert channel_rows(found) == [{"channel": "0", "mean": "0.1307", "std": "0.3081", "min": "0", "max": "1"}]
    found["std_sample"] = [0.3099]
    assert channel_rows(found)[0]["std_sample"] == "0.3099"
