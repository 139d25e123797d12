"""Cards and tables for notebooks, and the line that shows progress there."""

import json
import sys
from types import SimpleNamespace

import pytest
from page_reading import Page

import smallvision as sv
from smallvision.console import output
from smallvision.errors import BadInput
from smallvision.rendering.cards import LayerTable, Rows, card

HOSTILE = "<script>alert(1)</script>\x1b[31m"
ROWS = [
    {"epoch": 1, "train": {"loss": 0.5, "accuracy": 0.25}, "classes": ["a", "b"], "path": None},
    {"epoch": 2, "train": {"loss": 0.125, "accuracy": 0.5}, "extra": {"deep": {"key": True}}},
]


def test_rows_become_the_frame_that_pandas_makes_of_nested_json():
    pandas = pytest.importorskip("pandas")
    frame = Rows(ROWS).frame()
    expected = pandas.json_normalize(ROWS)
    expected["classes"] = ["a, b", None]
    pandas.testing.assert_frame_equal(frame[sorted(frame)], expected[sorted(expected)], check_dtype=False)


def test_a_frame_without_pandas_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(BadInput, match="frame: pandas is not installed; install it with: pip install pandas"):
        Rows(ROWS).frame()


def test_tables_and_cards_show_text_as_it_is():
    table = Page(Rows([{HOSTILE: HOSTILE, "number": 0.123456789}])._repr_html_())
    shown = Page(card(HOSTILE, [(HOSTILE, HOSTILE)], [HOSTILE]))
    for page in (table, shown):
        assert "<script>alert(1)</script>\\x1b[31m" in page.text
        assert not page.all("script")
    assert "0.1235" in table.text


def test_long_tables_are_cut_and_say_so():
    page = Page(Rows({"number": number} for number in range(1000))._repr_html_())
    assert "940 more rows are not shown" in page.text
    assert "59" in page.text
    assert "61" not in page.text.split()


def test_a_layer_table_is_the_content_of_the_file():
    table = sv.layers("digits")
    assert isinstance(table, LayerTable)
    assert json.loads(json.dumps(table)) == dict(table)
    assert f"{table['totals']['parameters']:,} parameters" in Page(table._repr_html_()).text
    with pytest.raises(BadInput, match="digits-smoke: a study has the networks of its cases"):
        sv.layers("digits-smoke")


class Display:
    """Stands for IPython's display: what a cell's output holds in the end."""

    def __init__(self):
        self.outputs = []

    def display(self, data, raw, display_id=False):
        assert raw
        self.outputs.append(data)
        place = len(self.outputs) - 1

        def update(data, raw):
            self.outputs[place] = data

        return SimpleNamespace(update=update) if display_id else None


@pytest.fixture
def shown(monkeypatch):
    display = Display()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(display=display))
    return display


def test_a_notebook_shows_one_line_that_changes_and_keeps_notes_only(shown):
    times = iter([0.0, 0.05, 1.0, 2.0])
    console = output.NotebookConsole(clock=lambda: next(times))

    def train():
        console.print("1,221 train images")
        console.progress("too soon to be read")
        assert shown.outputs == [{"text/plain": "1,221 train images"}]
        console.print("note: there is no test split")
        console.progress("epoch 1, 5 of 39 steps")
        console.print("[bold]epoch 1[/]  train loss 0.5")
        assert shown.outputs[0] == {"text/plain": "epoch 1  train loss 0.5"}
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), output.closing(console):
        train()
    assert shown.outputs == [{"text/plain": ""}, {"text/plain": "note: there is no test split"}]


@pytest.mark.parametrize("shell", [None, SimpleNamespace(), SimpleNamespace(kernel=1)])
def test_only_a_kernel_is_a_notebook(monkeypatch, shell):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert output.in_notebook() == hasattr(shell, "kernel")
    assert isinstance(output.console(), output.NotebookConsole) == hasattr(shell, "kernel")
