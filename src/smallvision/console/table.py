"""Tables whose titles and captions are lines of their own: rich wraps both at the width of the table."""

from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text


class TitledTable(Table):
    """rich's table, with the look of all tables here, under its title and above its caption.

    Parameters
    ----------
    title, caption : text with rich's markup; "" for none.
    """

    def __init__(self, title: str = "", caption: str = "", **options: Any) -> None:
        super().__init__(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), **options)
        self.above, self.beneath = title, caption

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The parts from top to bottom."""
        if self.above:
            yield _line(console, self.above, "table.title")
        yield from super().__rich_console__(console, options)
        if self.beneath:
            yield _line(console, self.beneath, "table.caption")


def _line(console: Console, text: str, style: str) -> Text:
    return console.render_str(text, style=style, highlight=False)
