"""Where progress is shown: on the terminal, or in a notebook as one line that changes and is gone at the end."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich import console as rich_console

from smallvision.console.run import Console

BETWEEN = 0.2  # seconds between two changes of the line, so that a notebook is not flooded
KEPT = ("note:", "note ", "warning:", "failed")  # lines that begin so stay in the notebook


def console() -> rich_console.Console:
    """A console for where the program runs."""
    return NotebookConsole() if in_notebook() else Console()


def in_notebook() -> bool:
    """Whether the process is the kernel of a notebook. IPython in a terminal is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


class NotebookConsole(Console):
    """A console whose lines replace each other in the output of a cell; notes and warnings stay.

    Nothing of the progress is left in the notebook's file once `closing` has ended.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        super().__init__(force_jupyter=False, force_terminal=False, no_color=True, width=100)
        self._clock = clock
        self._line: Any = None  # IPython's handle of what is displayed
        self._changed = float("-inf")

    def print(self, *objects: Any, **options: Any) -> None:
        """Show what would be printed in place of the last line; a note or a warning stays, above or below it."""
        with self.capture() as caught:
            super().print(*objects, **options)
        text = caught.get().strip("\n")
        if text.lstrip().startswith(KEPT):
            _display(text)
        elif text.strip():
            self.progress(text.splitlines()[-1] if len(objects) == 1 and isinstance(objects[0], str) else text)

    def progress(self, text: str) -> None:
        """Show a line in place of the last one, unless that is too new to be read."""
        now = self._clock()
        if now - self._changed < BETWEEN:
            return
        self._changed = now
        if self._line is None:
            self._line = _display(text, display_id=True)
        else:
            self._line.update(_plain(text), raw=True)

    def finish(self) -> None:
        """Take the line away."""
        if self._line is not None:
            self._line.update(_plain(""), raw=True)
        self._line, self._changed = None, float("-inf")


@contextmanager
def closing(shown: rich_console.Console) -> Iterator[None]:
    """Take the line of a notebook away at the end, whatever happens."""
    try:
        yield
    finally:
        if isinstance(shown, NotebookConsole):
            shown.finish()


def _plain(text: str) -> dict[str, str]:
    return {"text/plain": text}


def _display(text: str, **options: Any) -> Any:
    """Show text in the output of a cell; with `display_id`, the handle by which it can be replaced."""
    from IPython import display

    show: Any = display.display
    return show(_plain(text), raw=True, **options)
