"""Warnings while a call from Python works: those of the libraries that smallvision uses do not stand beside its lines.

Warnings of a person's own network, loss or script are shown as before.
"""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

OURS = Path(__file__).parents[1]
LIBRARIES = ("joblib", "matplotlib", "numba", "numpy", "optuna", "PIL", "pooch", "scipy", "sklearn", "torch", "umap")


@contextmanager
def quiet(own_code: bool = False) -> Iterator[None]:
    """Drop warnings about files of smallvision and of LIBRARIES; what they mean for a result, smallvision says itself.

    With `-W` or PYTHONWARNINGS, Python does with all warnings what was asked. Whoever handles the log of a library gets
    it as before. Filters and handling are as before at the end.

    Parameters
    ----------
    own_code : whether a network or a loss of the person's own runs; then torch's warnings may be about it, and stay.
    """
    if sys.warnoptions:
        yield
        return
    silent = {name for name in LIBRARIES if not (own_code and name == "torch")}
    with ExitStack() as held:
        held.enter_context(warnings.catch_warnings())
        before = warnings.showwarning

        def show(message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None) -> None:
            if not _of(filename, silent):
                before(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        for name in silent:  # without any handler Python prints the warnings of a log
            logger, nowhere = logging.getLogger(name), logging.NullHandler()
            logger.addHandler(nowhere)
            held.callback(logger.removeHandler, nowhere)
        yield


def _of(filename: str, libraries: set[str]) -> bool:
    """Whether a file is smallvision's or one of these libraries'."""
    path = Path(filename)
    parts = path.parts
    return path.is_relative_to(OURS) or any(
        folder in ("site-packages", "dist-packages") and name in libraries for folder, name in pairwise(parts)
    )
