"""`smallvision assign` as a teacher uses it, with R2's class of five: what is written and printed; nothing on error."""

import csv
import errno
import random
import re
from pathlib import Path

import pytest

import smallvision as sv
from smallvision.assign import Student, assign, read_rules
from smallvision.cli.assign import assign as command
from smallvision.errors import BadInput, RunFailed
from smallvision.experiment import load

PAGE = Path(__file__).parents[2] / "docs" / "assignments.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.M | re.S)
(ROSTER, INDEX), (PRINTED, REFUSED) = ([text for kind, text in BLOCKS if kind == wanted] for wanted in ("csv", "text"))
(SHEET,), (WEEK,) = ([text for kind, text in BLOCKS if kind == wanted] for wanted in ("markdown", "toml"))


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    Path("roster.csv").write_text(ROSTER, encoding="utf-8")


def student(dd, mm, yy, abc):
    return Student("s1", "", {"dd": str(dd), "mm": f"{mm:02d}", "yy": f"{yy:02d}", "abc": f"{abc:03d}"}, 2)


def test_the_references_student_gets_the_references_task():
    (task,) = assign(read_rules("r2"), [student(18, 3, 2, 52)])
    assert task.experiment.hash() == load("fashion-cnn").hash()
    assert task.experiment.canonical() == load("fashion-cnn").canonical()
    assert task.sheet["encoder_layers"] == task.sheet["decoder_layers"] == 4
    assert task.sheet["classification_layer"] == 256
    assert task.sheet["pooling"] == "max"


def test_r2_by_the_words_of_the_reference_for_many_students():
    """The reference's sentences, and the opposite that the file invents, in plain Python beside the rules."""
    draw, rules, seen = random.Random(0), read_rules("r2"), set()
    for _ in range(400):
        dd, mm, yy, abc = draw.randint(1, 31), draw.randint(1, 12), draw.randint(0, 99), draw.randint(0, 999)
        (task,) = assign(rules, [student(dd, mm, yy, abc)])
        seen |= {rule.name for rule in task.rules}
        made, even, four = task.experiment, abc % 2 == 0, abc % 2 == 0 and abc % 10 < 6
        assert made.data.source == ("fashion-mnist" if even else "mnist")
        assert made.model.blocks[0].channels == (10 if even else 8)
        assert task.sheet["encoder_layers"] == task.sheet["decoder_layers"] == (4 if even else 3)
        assert made.model.init == ("he" if mm % 2 else "xavier")
        assert task.sheet["classification_layer"] == (256 if mm % 2 else 128)
        assert (made.data.expand is not None) == (dd % 2 == 0)
        assert (made.data.augment != ()) == (dd % 2 == 1)
        assert made.data.classes == ((1, 3, 5, 7, 9) if (dd + mm + yy) % 2 else (0, 2, 4, 6, 8))
        assert len(made.model.blocks) == task.sheet["convolutional_layers"] == (4 if four else 3)
        pools = [block.pool_kind for block in made.model.blocks if block.pool]
        assert pools == ["max" if mm % 2 else "mean"] == [task.sheet["pooling"]]
        assert (made.model.dense == (256,)) == (sum(map(int, str(abc))) % 2 == 1)
    assert seen == {rule.name for rule in rules.rules}


def test_the_page_shows_what_is_printed_and_written(capsys):
    command("r2", "roster.csv", Path("tasks"))
    printed = capsys.readouterr().out
    assert [line.rstrip() for line in printed.strip("\n").splitlines()] == PRINTED.splitlines()
    assert Path("tasks/index.csv").read_text(encoding="utf-8") == INDEX
    assert Path("tasks/s1.md").read_text(encoding="utf-8") == SHEET
    names = sorted(path.name for path in Path("tasks").iterdir())
    assert names == ["index.csv", *(f"s{n}.{kind}" for n in range(1, 6) for kind in ("md", "toml"))]
    for row in csv.DictReader(INDEX.splitlines()):
        assert load(f"tasks/{row['id']}.toml").hash() == row["experiment"]
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["roster.csv", "tasks"]


def test_the_page_shows_rules_that_work_and_the_errors_they_give():
    Path("week3.toml").write_text(WEEK, encoding="utf-8")
    Path("class.csv").write_text("id;number\nada;123456\nbob;030450\n")
    command("./week3.toml", "class.csv", Path("out"))
    assert "matriculation number 030450" in Path("out/bob.md").read_text(encoding="utf-8")
    Path("lost.csv").write_text("id;number\nada;123456\nbob;30450\n")
    with pytest.raises(BadInput) as lost:
        command("./week3.toml", "lost.csv", Path("no"))
    Path("week3.toml").write_text(WEEK.replace(', "sheet.question"', ""), encoding="utf-8")
    with pytest.raises(BadInput) as never:
        command("./week3.toml", "class.csv", Path("no"))
    assert [f"smallvision: {one.value}" for one in (lost, never)] == REFUSED.splitlines()
    assert not Path("no").exists()


@pytest.mark.slow
def test_what_is_written_runs(monkeypatch):
    monkeypatch.setenv("SMALLVISION_RUNS", "runs")
    rules = 'name = "quick"\n[inputs]\nn = {}\n[set]\ndata = { source = "digits", limit = 200 }\nmodel.kind = "mlp"\n'
    rules += '[[rule]]\nname = "all"\nwhen = "n >= 0"\nset = { recipe.epochs = 1 }\n'
    Path("quick.toml").write_text(rules)
    Path("class.csv").write_text("id,n\nada,7\n")
    command("quick.toml", "class.csv", Path("tasks"))
    done = sv.run("tasks/ada.toml")
    assert done.result["name"] == "quick-ada"
    assert done.result["epochs"] == 1


def test_names_are_shown_as_they_are():
    Path("roster.csv").write_text(ROSTER.replace("Ada Lovelace", "*Ada* <b>_L_ [x](y)"), encoding="utf-8")
    command("r2", "roster.csv", Path("tasks"))
    assert r"\*Ada\* \<b\>\_L\_ \[x\](y)" in Path("tasks/s1.md").read_text(encoding="utf-8")
    assert "*Ada* <b>_L_ [x](y)" in Path("tasks/index.csv").read_text(encoding="utf-8")


UNFIT = {
    "data.classes = [1, 3, 5, 7, 9]|data.classes = [1, 3, 12]": (
        "student s1 (line 2): data.classes: fashion-mnist has no class 12"
    ),
    "kernel = 5, padding = 1, channels = 64|kernel = 25, channels = 64": (
        "student s1 (line 2): model.blocks.3: kernel 25"
    ),
    "epochs = 15|epochs = 0": "student s1 (line 2): recipe.epochs: got 0",
    "abc % 2 == 1|abc % 2 == 3": "student s3 (line 4): data.source is never set",
}


@pytest.mark.parametrize(("change", "message"), UNFIT.items(), ids=range(len(UNFIT)))
def test_nothing_is_written_when_one_student_has_no_task(change, message):
    from smallvision.assign import rules

    old, new = change.split("|")
    text = rules.assignments()["r2"].read_text(encoding="utf-8")
    assert old in text
    Path("mine.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BadInput, match=re.escape(message)):
        command("mine.toml", "roster.csv", Path("tasks"))
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["mine.toml", "roster.csv"]


def test_out_is_new_or_an_empty_folder():
    Path("full").mkdir()
    (Path("full") / "mine.txt").write_text("mine")
    Path("empty").mkdir()
    for out, message in {
        "full": "exists already and is not empty",
        "roster.csv": "exists already and is not empty",
        "roster.csv/tasks": "is a file and cannot contain a folder",
        "empty/../full": "exists already and is not empty",
        "a\0b": "a folder cannot be made here",
        "~nobody-is-called-so/x": "no home folder of that name",
    }.items():
        with pytest.raises(BadInput, match=message):
            command("r2", "roster.csv", Path(out))
    assert [path.name for path in Path("full").iterdir()] == ["mine.txt"]
    for out in ("empty", "new/folder"):
        command("r2", "roster.csv", Path(out))
        assert len(list(Path(out).iterdir())) == 11


def test_the_folder_one_stands_in_is_not_replaced(monkeypatch):
    Path("here").mkdir()
    monkeypatch.chdir("here")
    with pytest.raises(BadInput, match="is the current folder"):
        command("r2", "../roster.csv", Path("."))


def test_a_full_disk_leaves_nothing(monkeypatch):
    written = []

    def refuse(path, text, **options):
        written.append(path)
        if len(written) == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(path, text, **options)

    original = Path.write_text
    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(RunFailed, match="tasks: the folder cannot be written: No space left on device; nothing was"):
        command("r2", "roster.csv", Path("tasks"))
    assert len(written) == 5
    assert [path.name for path in Path.cwd().iterdir()] == ["roster.csv"]
