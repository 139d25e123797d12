"""Lists as text, a line a row: on a terminal as many columns as fit, in a pipe or a file all of them, and nothing cut.

Names and paths are never broken and never cut, so that they can be copied.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from smallvision.errors import printable

GAP = "  "  # between columns
EMPTY = "-"  # an empty cell where a program may count columns
LEAST_PROSE = 40  # characters of a sentence; with fewer it says little


@dataclass(frozen=True)
class Layout:
    """Which columns a list has.

    Attributes
    ----------
    columns : keys of the rows, in their order, each with its heading.
    leave_out : the columns that a narrow terminal does without, the least important first.
    prose : the column that is shortened to what is left; it is the last. "" where there is none.
    last : the columns that go when nothing else is left but paths.
    """

    columns: Mapping[str, str]
    leave_out: tuple[str, ...]
    prose: str = ""
    last: tuple[str, ...] = ()


CATALOG = Layout(
    {name: name for name in ("name", "kind", "task", "data", "model", "minutes", "about")},
    leave_out=("model", "data", "task", "kind", "minutes"),
    prose="about",
)
RUNS = Layout(
    {name: name for name in ("name", "seed", "status", "epochs", "test", "seconds", "model", "data", "path")},
    leave_out=("data", "model", "seconds", "epochs", "seed"),
    last=("status", "test"),
)


def show(rows: Sequence[Mapping[str, Any]], layout: Layout, console: Console) -> None:
    """Print a list."""
    wide = console.is_terminal or console.is_jupyter
    head, *lines = list_lines(rows, layout, console.width if wide else None)
    console.print(Text.assemble((head, "bold"), "\n", "\n".join(lines)), soft_wrap=True, highlight=False)


def show_json(value: Any) -> None:
    """Print rows, or a table of values, as JSON, whole and unrounded."""
    print(json.dumps(value, indent=1, default=_plain))


def _plain(value: Any) -> Any:
    """A path as text, a number of numpy as one of Python."""
    return value.item() if hasattr(value, "item") else str(value)


def list_lines(rows: Sequence[Mapping[str, Any]], layout: Layout, width: int | None) -> list[str]:
    """The heading and a line for each row.

    Parameters
    ----------
    rows : at least the columns of the layout.
    layout : the columns, and which of them may go.
    width : columns of the terminal; None for a pipe or a file, where nothing is left out.
    """
    cells = {key: [_cell(row.get(key)) for row in rows] for key in layout.columns}
    kept = list(layout.columns)
    if width is None:
        return _aligned(cells, kept, layout, None)
    if not any(cells.get(layout.prose, ())) and layout.prose in kept:
        kept.remove(layout.prose)
    for key in (*layout.leave_out, *_said_by_the_path(cells), *layout.last):
        if _needed(cells, kept, layout) <= width:
            break
        kept.remove(key)
    return _aligned(cells, kept, layout, width)


def _said_by_the_path(cells: Mapping[str, Sequence[str]]) -> list[str]:
    """The name, where the last part of every path begins with it, so that it stands there in whole."""
    pairs = zip(cells.get("name", ()), cells.get("path", ()), strict=False)
    said = "path" in cells and all(Path(path).name.startswith(name) for name, path in pairs)
    return ["name"] if said else []


def _needed(cells: Mapping[str, Sequence[str]], kept: Sequence[str], layout: Layout) -> int:
    widths = [
        min(LEAST_PROSE, _widest(cells, key, layout)) if key == layout.prose else _widest(cells, key, layout)
        for key in kept
    ]
    return sum(widths) + len(GAP) * (len(kept) - 1)


def _widest(cells: Mapping[str, Sequence[str]], key: str, layout: Layout) -> int:
    return max(map(cell_len, (layout.columns[key], *cells[key])))


def _aligned(cells: Mapping[str, Sequence[str]], kept: Sequence[str], layout: Layout, width: int | None) -> list[str]:
    columns = []
    used = 0
    for key in kept:
        column = [layout.columns[key], *cells[key]]
        if width is None:
            column = [cell or EMPTY for cell in column]
        if key != kept[-1]:
            size = max(map(cell_len, column))
            used += size + len(GAP)
            right = all(_is_number(cell) for cell in column[1:])
            column = [_filled(cell, size, right) for cell in column]
        elif key == layout.prose and width is not None:
            column = [_shortened(cell, max(width - used, 1)) for cell in column]
        columns.append(column)
    return [GAP.join(line).rstrip() for line in zip(*columns, strict=True)]


def _filled(cell: str, size: int, right: bool) -> str:
    spaces = " " * (size - cell_len(cell))
    return spaces + cell if right else cell + spaces


def _shortened(cell: str, size: int) -> str:
    """A sentence cut at a word, with an ellipsis."""
    if cell_len(cell) <= size:
        return cell
    cut = set_cell_size(cell, size - 1)
    words = cut[: cut.rfind(" ")] if " " in cut[size // 2 :] else cut
    return words.rstrip(" ,;:") + "…"


def _is_number(cell: str) -> bool:
    return cell in ("", EMPTY) or cell.replace(".", "", 1).isdigit()


def _cell(value: Any) -> str:
    """A value as it stands in a list; numbers have no separators, so that they can be copied."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}" if value < 1000 else f"{value:.0f}"
    if isinstance(value, list | tuple):
        return "x".join(map(str, value))
    return printable(str(value))
