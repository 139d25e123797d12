"""What it takes to read a row of rows.py, and a command inside the command line's own handling of errors."""

import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from campaign.bases import Original

Change = Callable[[random.Random, bytes], bytes]
Read = Callable[[Path, Original, int], Any]  # (the folder, what was damaged, the number of the input) -> its content


@dataclass(frozen=True)
class Reader:
    """How a row is read.

    Attributes
    ----------
    originals : undamaged files; one is drawn for each input.
    wrong, hostile : the two kinds of damage that know the format.
    read : reads the damaged file in its folder; what it gives is compared where a checksum guards the content.
    """

    originals: Sequence[Original]
    wrong: Change
    hostile: Change
    read: Read


def command(*words: str) -> None:
    """A command of smallvision, inside the command line's own handling of errors."""
    from smallvision.cli import commands

    sys.argv = ["smallvision", *words]
    status = commands.app(list(words), prog_name="smallvision", standalone_mode=False)
    if isinstance(status, int) and status:
        raise SystemExit(status)
