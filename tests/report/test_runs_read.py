"""Reading a run directory back: unfinished, damaged and hostile ones as well."""

import io
import json
import os
import pickle
import random
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import fake_run
import numpy as np
import pytest

from smallvision.errors import BadInput
from smallvision.experiment import load
from smallvision.report.run.page import page
from smallvision.runs import paths, read
from smallvision.runs.listing import list_runs
from smallvision.runs.read import read_run, status
from smallvision.storage import arrays as stored_arrays
from smallvision.storage import files

SMALL = {"epochs": 2, "steps_per_epoch": 30, "count": 40, "shape": (1, 6, 6), "classes": ("a", "b", "c")}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return fake_run.make(tmp_path / "run", **SMALL)


def refused(path: Path, *words: str) -> str:
    """Reading must fail with one line that holds all the words."""
    with pytest.raises(BadInput) as caught:
        _ = read_run(path).evidence
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 600
    for word in words:
        assert word in text
    return text


def change(path: Path, **values: object) -> None:
    table = json.loads(path.read_text())
    path.write_text(json.dumps({**table, **values}))


def rewrite(path: Path, **arrays: np.ndarray | None) -> None:
    with np.load(path) as old:
        new = {**old, **arrays}
    np.savez_compressed(path, **{name: array for name, array in new.items() if array is not None})


def test_a_finished_run_is_read_whole(run: Path) -> None:
    record = read_run(str(run))
    assert record.path == run
    assert record.experiment.name == "mnist-cnn"
    assert record.experiment_toml == (run / "experiment.toml").read_text()
    assert record.state == json.loads((run / "state.json").read_text())
    assert record.result == json.loads((run / "result.json").read_text())
    assert record.layers == json.loads((run / "layers.json").read_text())
    assert [line["epoch"] for line in record.metrics] == [1, 2]
    assert sum(len(line["loss"]) for line in record.steps) == 60
    with np.load(run / "evidence.npz") as arrays:
        assert record.evidence is not None
        assert set(record.evidence) == set(arrays.files)
        for name in arrays.files:
            np.testing.assert_array_equal(record.evidence[name], arrays[name])
    assert record.evidence is record.evidence


def test_an_unfinished_run_is_read_as_far_as_it_got(tmp_path: Path) -> None:
    record = read_run(fake_run.make(tmp_path / "run", epochs=1, planned=5, status="running"))
    assert record.result is None
    assert record.evidence is None
    assert len(record.metrics) == 1
    for name in ("metrics.jsonl", "steps.jsonl", "layers.json", "environment.json"):
        (tmp_path / "run" / name).unlink()
    record = read_run(tmp_path / "run")
    assert (record.metrics, record.steps, record.layers, record.environment) == ([], [], None, {})


@pytest.mark.parametrize("name", ["metrics.jsonl", "steps.jsonl"])
def test_a_last_line_cut_off_anywhere_is_left_out(tmp_path: Path, name: str) -> None:
    run = fake_run.make(tmp_path / "run", **SMALL, status="running")
    whole = (run / name).read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in range(len(whole) - len(lines[-1]) + 1, len(whole) - 1):
        (run / name).write_bytes(whole[:cut])
        record = read_run(run)
        assert (record.metrics if name == "metrics.jsonl" else record.steps) == [
            json.loads(line) for line in lines[:-1]
        ]
    (run / name).write_bytes(lines[0] + b'{"epoch": 2, "\xc3')
    read_run(run)
    (run / name).write_bytes(b'{"epo\n' + whole)
    refused(run, name, "line 1")
    (run / name).write_bytes(whole + b"5\n")
    refused(run, name, f"line {len(lines) + 1}", "a table")


@pytest.mark.parametrize("name", ["metrics.jsonl", "steps.jsonl"])
def test_a_finished_run_whose_log_lost_whole_lines_is_refused(run: Path, name: str) -> None:
    lines = (run / name).read_bytes().splitlines(keepends=True)
    for left in (lines[:-1], lines[1:], [], [*lines, lines[-1]], [*lines[:-1], lines[-1][:-9]]):
        (run / name).write_bytes(b"".join(left))
        refused(run, name, "it has ", "but ", " says ")
    (run / name).unlink()
    refused(run, name, "has 0 epochs, but result.json says 2" if name == "metrics.jsonl" else "60")
    (run / name).write_bytes(b"".join(lines))
    read_run(run)


def test_what_is_no_run_directory_is_refused(tmp_path: Path, run: Path) -> None:
    refused(tmp_path / "nothing", "nothing", "there is no such directory", "smallvision run")
    refused(tmp_path, "there is no experiment.toml")
    refused(run / "state.json", "this is not a directory")
    (run / "result.json").unlink()
    refused(run, "result.json", "finished")


@pytest.mark.parametrize("name", ["state.json", "environment.json", "layers.json", "result.json"])
def test_a_newer_format_is_refused(run: Path, name: str) -> None:
    change(run / name, format_version=2)
    refused(run, name, "format version 2", "update")


WRONG = [
    ("state.json", {"seed": "1"}, "seed"),
    ("state.json", {"seed": True}, "seed"),
    ("state.json", {"seed": -1}, "seed"),
    ("state.json", {"status": None}, "status"),
    ("state.json", {"heartbeat": float("nan")}, "heartbeat"),
    ("state.json", {"format_version": "1"}, "format_version"),
    ("state.json", {"pid": 10**400}, "pid"),
    ("environment.json", {"packages": ["torch"]}, "packages"),
    ("layers.json", {"rows": {"name": "x"}}, "rows"),
    ("layers.json", {"rows": [{"name": "x"}]}, "rows[0]"),
    ("layers.json", {"totals": None}, "totals"),
    ("result.json", {"classes": "abc"}, "classes"),
    ("result.json", {"classes": ["a", 2, "c"]}, "classes[1]"),
    ("result.json", {"test": {"loss": 0.1, "accuracy": 98.4, "count": 3}}, "test.accuracy"),
    ("result.json", {"test": {"loss": float("inf"), "accuracy": 0.9, "count": 3}}, "test.loss"),
    ("result.json", {"classes": ["a", "b"]}, "evidence.npz"),
    ("result.json", {"notes": [["x"]]}, "notes[0]"),
]


@pytest.mark.parametrize(("name", "values", "place"), WRONG)
def test_wrong_types_are_named(run: Path, name: str, values: dict[str, object], place: str) -> None:
    change(run / name, **values)
    refused(run, str(run), place)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 200_000, b'{"a":' * 100_000, b"1" * 10_000]
)
@pytest.mark.parametrize("name", ["state.json", "result.json"])
def test_damaged_json_is_refused(run: Path, name: str, text: bytes) -> None:
    (run / name).write_bytes(text)
    refused(run, name)


def test_damaged_toml_is_refused(run: Path) -> None:
    for text in (b"name = ", b"\xff", b"name = 'x'", b"a = " + b"[" * 100_000):
        (run / "experiment.toml").write_bytes(text)
        refused(run, "experiment.toml")


def test_a_file_too_large_to_be_ours_is_not_read(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST_TEXT", 400)
    refused(run, "bytes, and this file of a run may have at most 400")


@pytest.mark.slow
def test_bytes_changed_at_random_are_refused_or_make_a_page(run: Path) -> None:
    chance = random.Random(0)
    names = [
        "experiment.toml",
        "state.json",
        "environment.json",
        "metrics.jsonl",
        "steps.jsonl",
        "layers.json",
        "result.json",
    ]
    pages = 0
    messages = []
    for trial in range(210):
        file = run / names[trial % len(names)]
        good = file.read_bytes()
        bad = bytearray(good)
        if chance.random() < 0.3:
            del bad[chance.randrange(len(bad)) :]
        else:
            for _ in range(chance.choice([1, 1, 4, 30])):
                bad[chance.randrange(len(bad))] = chance.choice(
                    [chance.randrange(256), ord(chance.choice('0129"{}[],.-eE'))]
                )
        file.write_bytes(bad)
        try:
            record = read_run(run)
            _ = record.evidence
            if pages < 4:
                pages += 1
                page(record)
        except BadInput as error:
            messages.append(str(error))
        file.write_bytes(good)
    assert pages == 4
    assert len(messages) > 50
    assert not [text for text in messages if "\n" in text]


def test_evidence_changed_at_random_is_refused_or_whole(run: Path) -> None:
    chance = random.Random(1)
    file = run / "evidence.npz"
    good = file.read_bytes()
    messages = []
    for _ in range(150):
        bad = bytearray(good)
        if chance.random() < 0.3:
            del bad[chance.randrange(len(bad)) :]
        else:
            for _ in range(chance.choice([1, 2, 20])):
                bad[chance.randrange(len(bad))] = chance.randrange(256)
        file.write_bytes(bad)
        try:
            assert read_run(run).evidence is not None
        except BadInput as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert all("evidence.npz" in text and "\n" not in text for text in messages)


class Opened:
    """Unpickling this makes a file: what must never happen."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, (str(self.path),))


def test_nothing_is_unpickled(run: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    np.savez(run / "evidence.npz", labels=np.array([Opened(trap)], dtype=object))
    refused(run, "evidence.npz")
    (run / "evidence.npz").write_bytes(pickle.dumps(Opened(trap)))
    refused(run, "evidence.npz")
    assert not trap.exists()


def _npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode() + b" " * (64 - (len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def test_bombs_and_lying_headers_are_refused_unread(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = run / "evidence.npz"
    lies = _npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000,), }", b"\0" * 64)
    for content in (
        lies,
        _npy("{'descr': '<i8', 'fortran_order': False, 'shape': (-8,), }"),
        b"\x93NUMPY\x09\x09",
        b"",
        b"x" * 99,
    ):
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("labels.npy", content)
        refused(run, "evidence.npz")
    monkeypatch.setattr(stored_arrays, "LARGEST_ARRAYS", 10_000_000)
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("labels.npy", "w", force_zip64=True) as out,
    ):
        out.write(_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (12000000,), }"))
        for _ in range(12):
            out.write(bytes(1_000_000))
    refused(run, "evidence.npz", "bytes when unpacked")


def test_evidence_that_contradicts_itself_is_refused(run: Path) -> None:
    file = run / "evidence.npz"
    good = file.read_bytes()
    with np.load(file) as arrays:
        labels, predictions, confusion = (arrays[name] for name in ("labels", "predictions", "confusion"))
        mistakes, pixels, first = (arrays[name] for name in ("mistake_index", "mistake_pixels", "first_index"))
    right = np.flatnonzero(labels == predictions)[: len(mistakes)]
    cases: list[tuple[dict[str, np.ndarray | None], str]] = [
        ({"labels": None}, "labels"),
        ({"labels": labels + 3}, "labels"),
        ({"labels": labels.astype(float)}, "labels"),
        ({"labels": labels[:-1]}, "labels"),
        ({"confusion": confusion.T[::-1]}, "confusion"),
        ({"first_index": first - 1}, "first_index"),
        ({"first_index": first + 99}, "first_index"),
        ({"mistake_pixels": pixels.astype(np.uint16)}, "mistake_pixels"),
        ({"mistake_pixels": None}, "mistake_pixels"),
        ({"mistake_index": right}, "mistake_index"),
        ({"split": np.array("tset")}, "split"),
        ({"filters": np.full((1, 1, 3, 3), np.nan, np.float32)}, "filters"),
    ]
    for arrays, word in cases:
        rewrite(file, **arrays)
        refused(run, "evidence.npz", word)
        file.write_bytes(good)
    assert read_run(run).evidence is not None


def test_runs_are_listed_and_broken_ones_named(tmp_path: Path) -> None:
    fake_run.make(tmp_path / "a", **SMALL)
    fake_run.make(tmp_path / "b", **{**SMALL, "status": "running"})
    fake_run.make(tmp_path / "c", **SMALL)
    fake_run.make(tmp_path / "d", **{**SMALL, "test": False, "watched": False})
    (tmp_path / "c" / "state.json").write_text("{")
    (tmp_path / "other").mkdir()
    (tmp_path / "file.txt").write_text("x")
    a, b, c, d = list_runs(tmp_path)
    assert (a["name"], a["seed"], a["status"], a["epochs"], a["problem"]) == ("mnist-cnn", 1, "finished", 2, "")
    assert a["hash"] == read_run(tmp_path / "a").experiment.hash()
    assert a["path"] == tmp_path / "a"
    assert a["test_accuracy"] == read_run(tmp_path / "a").result["test"]["accuracy"]
    assert a["seconds"] == 62.4
    assert (b["status"], b["epochs"], b["seconds"]) == ("stopped, resumable", 2, 4.0)
    assert (c["name"], c["status"], c["epochs"]) == ("c", "broken", None)
    assert "state.json" in c["problem"]
    assert d["test_accuracy"] is None
    with pytest.raises(BadInput, match="no-such"):
        list_runs(tmp_path / "no-such")


def test_running_means_that_the_process_lives() -> None:
    now = time.time()
    state = {"status": "running", "pid": os.getpid(), "heartbeat": now}
    assert status(state) == "running"
    assert status({**state, "heartbeat": now - 10_000}) == "running"  # a long epoch
    assert status({**state, "heartbeat": None}) == "running"
    assert status({**state, "pid": 2**22 + 1}) == "stopped, resumable"
    assert status({**state, "pid": 2**62}) == "stopped, resumable"
    assert status({**state, "pid": None, "heartbeat": None}) == "stopped, resumable"
    assert status({**state, "status": "failed"}) == "failed"


def test_where_no_process_can_be_asked_the_heartbeat_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(read.os, "name", "nt")
    monkeypatch.setattr(read.os, "kill", None)
    state = {"status": "running", "pid": os.getpid(), "heartbeat": now}
    assert status(state) == "running"
    assert status({**state, "heartbeat": now - 10_000}) == "stopped, resumable"
    assert status({**state, "heartbeat": None}) == "stopped, resumable"


def closed(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """What is in these folders may not be looked at; tests run as root, whom nothing is forbidden."""
    real = os.stat

    def stat(path: Any, *rest: Any, **options: Any) -> os.stat_result:
        if isinstance(path, Path) and path.parent in folders:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *rest, **options)

    monkeypatch.setattr(os, "stat", stat)


def test_one_folder_that_may_not_be_entered_does_not_hide_the_other_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        fake_run.make(tmp_path / name, **SMALL)
    (tmp_path / "loop").symlink_to("loop")
    closed(monkeypatch, tmp_path / "b")
    a, b, c = list_runs(tmp_path)
    assert (a["status"], b["status"], c["status"]) == ("finished", "broken", "finished")
    assert b["problem"].startswith(f"{tmp_path / 'b'}: Permission denied")
    refused(tmp_path / "b", "Permission denied")


def test_places_that_cannot_be_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loop").symlink_to("loop")
    refused(tmp_path / ("x" * 300), "name too long")
    refused(tmp_path / "loop")
    refused(tmp_path / "loop" / "run")
    with pytest.raises(BadInput, match="name too long"):
        list_runs(tmp_path / ("x" * 300))
    experiment = load("digits")
    for path, word in ((tmp_path / ("x" * 300), "name too long"), (tmp_path / "loop", "leads nowhere")):
        with pytest.raises(BadInput, match=rf"{word}.*choose another --out"):
            paths.standing(path, experiment, 0)
    assert paths.standing(tmp_path / "free", experiment, 0) == "nothing"
    (tmp_path / "closed").mkdir()
    closed(monkeypatch, tmp_path / "closed")
    with pytest.raises(BadInput, match=r"Permission denied; choose another --out"):
        paths.standing(tmp_path / "closed" / "run", experiment, 0)


def test_a_state_nested_without_end_is_something_else(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("[" * 100_000)
    with pytest.raises(BadInput, match="not a run directory"):
        paths.standing(tmp_path, load("digits"), 0)


def test_home_is_where_a_person_says_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    experiment = load("digits")
    assert paths.place(experiment, 0, "~/run") == tmp_path / "run"
    monkeypatch.setenv("SMALLVISION_RUNS", "~/runs")
    assert paths.place(experiment, 3) == tmp_path / "runs" / f"digits-{experiment.hash()}-s3"
    with pytest.raises(BadInput, match="no home folder of that name"):
        paths.place(experiment, 0, "~nosuchuser/run")


def test_reading_imports_nothing_heavy(run: Path) -> None:
    code = (
        "import sys; from smallvision.runs.read import read_run; from smallvision.runs.listing import list_runs;"
        "import smallvision.report.run.page, smallvision.metrics.intervals;"
        f"r = read_run({str(run)!r}); r.evidence; list_runs({str(run.parent)!r});"
        "print([m for m in ('torch', 'matplotlib', 'scipy', 'sklearn', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", io.StringIO(done.stderr).read()


def test_a_line_of_millions_of_bytes_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fake_run.make(tmp_path / "run", **SMALL)
    lines = (run / "steps.jsonl").read_bytes().splitlines(keepends=True)
    monkeypatch.setattr(read, "LARGEST_LINE", len(lines[0]) + 100)
    read_run(run)
    (run / "steps.jsonl").write_bytes(b"".join([lines[0], b" " * 200 + lines[1], *lines[2:]]))
    refused(
        run, "steps.jsonl", f"line 2 has {len(lines[1]) + 199} bytes, and a line may have at most {len(lines[0]) + 100}"
    )
