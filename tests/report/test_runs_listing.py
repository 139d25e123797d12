"""The list of runs: what is read of each, which are chosen, in which order, and how they look on a terminal and in a
pipe.
"""

import io
import json
import tomllib
from pathlib import Path

import fake_run
import pytest
from rich.console import Console

from smallvision.api.lists import catalog, find_runs
from smallvision.console import listing
from smallvision.errors import BadInput
from smallvision.experiment import io as experiment_io
from smallvision.experiment import load, to_toml
from smallvision.runs import listing as runs_listing
from smallvision.storage import reading

SMALL = {"epochs": 2, "steps_per_epoch": 30, "count": 40, "shape": (1, 6, 6), "classes": ("a", "b", "c")}
LONG = "a-very-long-name-of-an-experiment-" + "x" * 25


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Three finished runs and an unfinished one, each of another experiment."""
    folder = tmp_path_factory.mktemp("of runs") / "runs"
    for name, seed, accuracy in (("mnist-cnn", 1, 0.9), ("other", 2, 0.5), (LONG, 3, 0.7)):
        fake_run.make(folder / f"{name}-0000000{seed}-s{seed}", name=name, seed=seed, accuracy=accuracy, **SMALL)
    fake_run.make(folder / "unfinished", seed=4, watched=False, **SMALL)
    (folder / "unfinished" / "result.json").unlink()
    state = folder / "unfinished" / "state.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), "status": "failed"}))
    toml = folder / "other-00000002-s2" / "experiment.toml"
    toml.write_text(to_toml(load("digits", ["recipe.learning_rate=0.5"])).replace('name = "digits"', 'name = "other"'))
    return folder


def test_of_a_finished_run_three_files_are_read_and_none_of_them_by_a_slow_parser(runs, monkeypatch):
    opened: list[Path] = []
    parsed: list[str] = []
    real = reading.open_regular
    monkeypatch.setattr(reading, "open_regular", lambda path: (opened.append(Path(path)), real(path))[1])
    monkeypatch.setattr(tomllib, "loads", parsed.append)
    monkeypatch.setattr(experiment_io, "typed", parsed.append)
    paths = [path for path in runs.iterdir() if path.name != "unfinished"]
    assert len(paths) == 3
    for path in paths:
        opened.clear()
        runs_listing._listed(path)
        assert sorted(file.name for file in opened) == ["experiment.toml", "result.json", "state.json"]
    assert parsed == []


def test_of_an_unfinished_run_the_end_of_its_log_is_read(runs, monkeypatch):
    log = runs / "unfinished" / "metrics.jsonl"
    whole = log.read_bytes()
    *first, last = whole.splitlines(keepends=True)
    try:
        log.write_bytes(b"".join(first) * 1000 + last + b'{"epoch": 3, "st')  # cut off while it was written
        read: list[int] = []
        real = runs_listing.open_regular

        class Counted(io.FileIO):
            def read(self, size: int = -1) -> bytes:
                read.append(size)
                return super().read(size)

        monkeypatch.setattr(runs_listing, "open_regular", lambda path: (real(path).close(), Counted(path))[1])
        (row,) = find_runs(runs, ["path=*unfinished"])
        assert (row["status"], row["epochs"]) == ("failed", 2)
        assert sum(read) <= runs_listing.TAIL < log.stat().st_size
    finally:
        log.write_bytes(whole)


def names(rows) -> list[str]:
    return [row["name"][:9] for row in rows]


def test_runs_are_chosen_by_columns_and_by_keys_of_their_experiments(runs):
    assert len(find_runs(runs)) == 4
    assert names(find_runs(runs, ["status=finished"])) == ["a-very-lo", "mnist-cnn", "other"]
    assert names(find_runs(runs, ["test>=70"])) == ["a-very-lo", "mnist-cnn"]
    assert names(find_runs(runs, ["test<70", "status=finished"])) == ["other"]
    assert names(find_runs(runs, ["name!=mnist-cnn"])) == ["a-very-lo", "other"]
    assert names(find_runs(runs, ["name=m*", "epochs==2", "status = finished"])) == ["mnist-cnn"]
    assert names(find_runs(runs, ["recipe.learning_rate=0.5"])) == ["other"]
    assert names(find_runs(runs, ["model.blocks.0.channels=16"])) == ["other"]
    assert names(find_runs(runs, ["data.classes=none", "model.dense=[64]"])) == ["other"]
    assert names(find_runs(runs, ["recipe.clip=0", "test_score=accuracy*", "model.kind=cnn", "seed=3"])) == [
        "a-very-lo"
    ]
    assert find_runs(runs, ["model.kind=mlp"]) == []


def test_a_key_that_a_file_does_not_have_is_at_its_default(runs):
    toml = runs / "other-00000002-s2" / "experiment.toml"
    before = toml.read_text()
    assert "clip = 0.0\n" in before
    try:
        toml.write_text(before.replace("clip = 0.0\n", ""))
        assert "other" in names(find_runs(runs, ["recipe.clip=0"]))
    finally:
        toml.write_text(before)


def test_runs_are_sorted_by_a_column_or_a_key_and_those_without_a_value_are_last(runs):
    by_test = find_runs(runs, sort="test")
    assert [row["test"] for row in by_test][:3] == sorted(row["test"] for row in by_test[:3])
    assert by_test[3]["test"] is None
    assert find_runs(runs, sort="-test")[:3] == by_test[2::-1]
    assert find_runs(runs, sort="-test")[3] == by_test[3]
    assert find_runs(runs, sort="-seed")[0]["seed"] == 4
    assert names(find_runs(runs, sort="-recipe.learning_rate"))[0] == "other"


WRONG = {
    "tset>=98": 'did you mean "test"',
    "lr=0.1": "the key is recipe.learning_rate",
    "recipe.epohcs=3": 'did you mean "recipe.epochs"',
    "batch_size=3": "the key is recipe.batch_size",
    "model.kind": "expected KEY=VALUE",
    "zzzzz=1": "columns: name, task, data",
    "test>=good": ">= needs a number",
}


@pytest.mark.parametrize("condition", WRONG)
def test_a_wrong_condition_is_answered_with_the_near_key(condition, runs):
    with pytest.raises(BadInput, match="--where") as caught:
        find_runs(runs, [condition])
    assert WRONG[condition] in str(caught.value)


def test_a_wrong_column_to_sort_by_is_answered_with_the_near_one(runs):
    with pytest.raises(BadInput, match=r'--sort: .*"secnds"; did you mean "seconds"'):
        find_runs(runs, sort="secnds")
    with pytest.raises(BadInput, match=r'--sort: .*did you mean "minutes"'):
        catalog(sort="-minuts")


def printed(rows, layout, width: int | None) -> list[str]:
    """The lines of a list on a terminal of so many columns, or in a pipe (None)."""
    out = io.StringIO()
    listing.show(
        rows, layout, Console(file=out, width=width or 80, force_terminal=width is not None, color_system=None)
    )
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160, None])
def test_names_and_paths_stand_whole_in_one_line_a_row(width, runs):
    rows = [{**row, "path": f"runs/{row['path'].name}"} for row in find_runs(runs, ["status=finished"])]
    lines = printed(rows, listing.RUNS, width)
    assert len(lines) == 1 + len(rows)
    for line, row in zip(lines[1:], rows, strict=True):
        assert row["name"] in line
        assert line.split()[-1] == row["path"]
        assert width is None or len(line) <= max(width, len(row["path"]))


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_catalog_fits_the_terminal_and_only_its_sentence_is_shortened(width):
    rows = catalog()
    lines = printed(rows, listing.CATALOG, width)
    assert len(lines) == 1 + len(rows)
    assert max(map(len, lines)) <= width
    for line, row in zip(lines[1:], rows, strict=True):
        assert line.split()[0] == row["name"]
        start, _, end = line.partition("…")
        assert not end
        about = start[lines[0].index("about") :]
        assert row["about"].startswith(about)
        assert len(about) >= 15


def test_in_a_pipe_every_column_is_whole_and_no_cell_is_empty():
    rows = catalog()
    lines = printed(rows, listing.CATALOG, None)
    assert lines[0].split() == list(listing.CATALOG.columns)
    for line, row in zip(lines[1:], rows, strict=True):
        name, kind, task, data, model, minutes, about = line.split(maxsplit=6)
        assert (name, kind, task, data, about) == tuple(row[key] for key in ("name", "kind", "task", "data", "about"))
        assert model == (row["model"] or "-")
        assert float(minutes) == pytest.approx(row["minutes"], abs=0.05)


def test_hostile_names_change_no_terminal_and_stay_in_their_line():
    rows = [{"name": "a\x1b[2J\nb", "path": "x/a\u202e"}]
    for width in (80, None):
        lines = printed(rows, listing.Layout({"name": "name", "path": "path"}, ()), width)
        assert len(lines) == 2
        assert not set("".join(lines)) & set("\x1b\u202e")
