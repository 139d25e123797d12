"""Errors of smallvision: one line that names the place, what was found and what would work.

The exit status travels with the exception, so that the command line has nothing to decide.
"""

import difflib
from collections.abc import Iterable


class SmallvisionError(Exception):
    """Any failure that smallvision foresees; its text is one line, meant for a person."""

    exit_status = 3


class BadInput(SmallvisionError, ValueError):
    """A file, key, name or value from outside cannot be used. Exit status 2; nothing was written."""

    exit_status = 2


class RunFailed(SmallvisionError):
    """A run began and cannot go on (loss not a number, disk full). Exit status 3; the last checkpoint stays."""


class Interrupted(SmallvisionError):
    """A signal stopped a run, which was saved first. Exit status 128 + the signal's number, as shells expect."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_status = 128 + signal_number


def nearest(word: str, known: Iterable[str]) -> str:
    """A clause that helps somebody who mistyped `word`: the nearest known name, or all of them if none is near.

    Parameters
    ----------
    word : what was given.
    known : the names that would have been accepted.

    Returns
    -------
    str : ``did you mean "epochs"?`` or ``known: a, b, c``.
    """
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else f"known: {', '.join(names)}"
