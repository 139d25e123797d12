"""docs/notebook.ipynb in a fresh kernel: pictures and tables show by themselves, and no progress stays in the file."""

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
LONGEST = 1000  # characters of text that a cell may store


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def data(cell, kind):
    return [out["data"][kind] for out in cell.outputs if kind in out.get("data", {})]


def test_it_is_stored_without_outputs():
    notebook = nbformat.read(NOTEBOOK, 4)
    nbformat.validate(notebook)
    assert [cell.outputs or cell.execution_count for cell in code(notebook)] == [None] * len(code(notebook))


@pytest.mark.slow
def test_it_runs_and_shows_what_it_should(tmp_path, monkeypatch):
    monkeypatch.setenv("SMALLVISION_RUNS", str(tmp_path / "runs"))
    notebook = nbformat.read(NOTEBOOK, 4)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()  # raises where a cell does
    cells = {cell.source.splitlines()[-1]: cell for cell in code(notebook)}
    for drawn in ("run.curves()", "run.confusion()", "run.mistakes(12)"):
        assert len(data(cells[drawn], "image/png")) == 1
    for table in ("run", "run.metrics.frame()", "sv.compare(run, other)", 'sv.layers("digits")', "sv.catalog()"):
        assert len(data(cells[table], "text/html")) == 1
    assert "<svg" in data(cells["run"], "text/html")[0]
    texts = [text for cell in cells.values() for text in data(cell, "text/plain")]
    assert max(map(len, texts)) < LONGEST
    stored = "\n".join(texts) + "".join(out.get("text", "") for cell in cells.values() for out in cell.outputs)
    assert not re.search(r"epoch \d|images/s|ipywidgets|Warning|site-packages", stored)
    assert "note: " in stored  # which stays, unlike progress
