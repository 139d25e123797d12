"""Every place that reads what others wrote is in the campaign of benchmarks/reliability.py."""

import ast
import copy
import json
import sys
from pathlib import Path

import pytest

import smallvision
from smallvision.data.datasets import DATASETS

ROOT = Path(__file__).parents[2]
SOURCE = Path(smallvision.__file__).parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import results  # noqa: E402
from campaign import page, rows  # noqa: E402

# Names of functions and methods that bring the content of a file, of a packed file or of a word into the program.
OPENS = {
    *("open", "read_text", "read_bytes", "fdopen", "memmap", "fromfile", "genfromtxt", "loadtxt"),
    *("open_regular", "read_limited", "open_zip"),  # of smallvision.storage.reading
    *("ZipFile", "TarFile", "GzipFile", "safe_open", "load_file", "loadmat", "Unpickler", "imread"),
}
# The same, of these modules only: "np.load", "json.loads".
OF_MODULES = {
    **{name: {"load", "loads"} for name in ("json", "tomllib", "pickle", "yaml", "np", "numpy", "torch")},
    "csv": {"reader", "DictReader"},
    "safetensors.torch": {"load", "load_file"},
    "safetensors.numpy": {"load", "load_file"},
}
WRITES = {"w", "wb", "a", "ab", "x", "xb"}


def openings(text: str) -> list[int]:
    """The lines of a source file in which something is opened or parsed."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            found += [node.lineno for base in node.bases if ast.unparse(base).rpartition(".")[2] in OPENS]
        if not isinstance(node, ast.Call):
            continue
        module, _, name = ast.unparse(node.func).rpartition(".")
        modes = {one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)}
        writes = modes & WRITES or "O_WRONLY" in ast.unparse(node)
        if (name in OPENS and not writes) or name in OF_MODULES.get(module, ()):
            found.append(node.lineno)
    return found


READING = {
    path.relative_to(SOURCE).as_posix(): found
    for path in sorted(SOURCE.rglob("*.py"))
    if (found := openings(path.read_text()))
}


def test_every_file_that_reads_something_is_in_a_row_of_the_campaign_or_says_why_not():
    known = {parser for row in rows.ROWS for parser in row.parsers} | set(rows.NO_READERS)
    missing = {f"{name}:{lines[0]}" for name, lines in READING.items() if name not in known}
    assert not missing, (
        f"{', '.join(sorted(missing))} opens or parses something; give it a row in benchmarks/campaign/rows.py and a "
        "reader in benchmarks/campaign/readers.py, or name it in NO_READERS with the reason"
    )


def test_no_row_names_a_parser_that_is_gone():
    named = {parser for row in rows.ROWS for parser in row.parsers} | set(rows.NO_READERS)
    assert not {name for name in named if not (SOURCE / name).exists()}


def test_a_parser_that_is_added_is_found():
    assert openings("import json\nx = json.loads(text)\n") == [2]
    assert openings("def f(path):\n    return path.read_bytes()\n") == [2]
    assert openings("class _Own(pickle.Unpickler):\n    pass\n") == [1]
    assert openings("with open(path, 'wb') as file:\n    file.write(b'')\n") == []
    assert openings("x = json.dumps({})\n") == []


@pytest.mark.parametrize("source", sorted(DATASETS))
def test_every_data_set_is_read_by_a_row(source):
    said = {
        "mnist": "IDX",
        "fashion-mnist": "IDX",
        "cifar10": "CIFAR-10, pickled",
        "folder": "folder of images",
        "npz": "arrays (NPZ)",
        "digits": "",  # of scikit-learn
        "arrays": "",  # passed in from Python
    }
    assert source in said, f"the data set {source} has no row in benchmarks/campaign/rows.py"
    assert said[source] in ("", *(row.name for row in rows.ROWS))


def test_every_kind_of_damage_is_given_or_said_to_make_no_sense():
    assert len({row.name for row in rows.ROWS}) == len(rows.ROWS)
    for row in rows.ROWS:
        assert set(row.senseless) < set(rows.KINDS), row.name
        assert all(len(reason) > 20 for reason in row.senseless.values()), row.name


def measured():
    """What a whole campaign without a fault writes."""
    cell = {"inputs": rows.EACH, "different": rows.EACH, "refused": rows.EACH, "read": 0, "faults": 0}
    packages = {"torch": "2", "numpy": "2", "scikit-learn": "1"}
    machine = {"processor": "a processor", "cores": 2, "threads": 1, "device": "cpu", "smallvision": "0"}
    one = {"name": "classify", "about": "a run", "cases": 5, "faults": 0}
    return {
        "seed": 0,
        "environment": {**machine, "packages": packages},
        "kills": [{**one, "byte": 1000, "moment": 2, "signal": 3, "leftovers": 1}],
        "inputs": [
            {"name": row.name, "cells": {kind: dict(cell) for kind in row.kinds}, "senseless": dict(row.senseless)}
            for row in rows.ROWS
        ],
        "disks": [{**one, "full": 4, "file_systems": 2}],
        "writers": [{**one, "done": 5, "told": 35}],
        "names": {"names": 4, "pages": 40, "commands": 80, "refused": 20, "faults": 0},
        "faults": [],
        "fault_count": 0,
    }


def test_the_page_shows_every_figure_with_its_faults():
    found = measured()
    text = page.page(found)
    assert "| kills (SIGKILL), resumed to the same bits | 1 002 | 0 |" in text
    cells = sum(len(row.kinds) for row in rows.ROWS)
    assert f"| {page._number(500 * cells)} | 0 |" in text
    for row in rows.ROWS:
        assert f"\n| {row.name} | " in text
    assert "## Faults\nNone." in text
    found["inputs"][0]["cells"]["truncated"]["faults"] = 7
    found["faults"] = [{"section": "inputs", "case": "IDX:truncated:3", "what": "a\x1b[31m | <b>"}]
    found["fault_count"] = 7
    text = page.page(found)
    assert "**7 faults**" in text
    assert "| `inputs:IDX:truncated:3` | a\\x1b[31m \\| &lt;b> |" in text
    assert "and 6 more" in text


def test_results_without_a_reader_are_out_of_date(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    assert results.problem("reliability") == "is missing"
    assert "Not measured" in page.page(results.read("reliability"))
    good = measured()

    def problem(change):
        found = copy.deepcopy(good)
        change(found)
        (tmp_path / "reliability.json").write_text(json.dumps(found))
        return results.problem("reliability")

    assert problem(lambda found: None) == ""
    assert "lacks the truncated" in problem(lambda found: found["inputs"].pop(0))
    assert "fewer than 500" in problem(lambda found: found["inputs"][0]["cells"]["spliced"].update(inputs=499))
    assert "no more" in problem(lambda found: found["inputs"].append({"name": "gone", "cells": {}, "senseless": {}}))
