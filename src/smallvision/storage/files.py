"""Writing so that a reader never meets half a file: to a temporary name beside it, then renamed over it."""

import errno
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from smallvision.errors import RunFailed

FORMAT_VERSION = 1
VALIDATION_EVIDENCE = (
    "evidence-validation.npz"  # what evidence.npz was before a run met the test split: recipes are compared by it
)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step, on disk before the old content goes.

    Raises
    ------
    RunFailed : the disk is full or refuses; the old file stays as it was and the temporary one is gone.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        with suppress(OSError):  # on a file system that became read-only
            part.unlink(missing_ok=True)
        raise failed(path, error) from None


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace `path` by `value` as indented JSON, its format version first. Raises RunFailed as `write_bytes` does."""
    text = json.dumps({"format_version": FORMAT_VERSION, **value}, indent=1, allow_nan=False)
    write_bytes(path, text.encode() + b"\n")


def failed(path: Path, error: OSError) -> RunFailed:
    """What went wrong with `path`, and what to do about it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunFailed(f"{path}: no space left on the disk; free some, then go on with --resume")
    return RunFailed(f"{path}: cannot be written: {error.strerror or error}")
