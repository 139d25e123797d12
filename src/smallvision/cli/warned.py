"""Warnings while a command runs: those of libraries are silent, those of a person's own code are one line each."""

import logging
import sys
import sysconfig
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smallvision.errors import first_line

OURS = str(Path(__file__).parents[1])


@contextmanager
def one_line_warnings(tell: Callable[[str], None]) -> Iterator[None]:
    """Show a warning only if it is about a file that is neither a library's nor ours, such as a person's own network.

    What a library's warning means for a result, smallvision says in its own words. With `-W` or PYTHONWARNINGS, Python
    does with warnings what was asked. The filters and the handling are as before at the end.

    Parameters
    ----------
    tell : prints one line.
    """
    if sys.warnoptions:
        yield
        return
    nowhere, root = logging.NullHandler(), logging.getLogger()  # else Python prints what no program handles
    with warnings.catch_warnings():

        def show(message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None) -> None:
            if not _of_a_library(filename):
                tell(f"warning: {filename}, line {lineno}: {first_line(message)}")

        warnings.showwarning = show
        root.addHandler(nowhere)
        try:
            yield
        finally:
            root.removeHandler(nowhere)


def _of_a_library(filename: str) -> bool:
    """Whether a file is Python's, a package's or ours. What has no file, as code in C, counts as a library's."""
    paths = sysconfig.get_paths()
    folders = {OURS, *(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))}
    return not Path(filename).is_absolute() or any(Path(filename).is_relative_to(folder) for folder in folders)
