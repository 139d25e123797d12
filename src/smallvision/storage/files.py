"""Files and directories that appear whole or not at all, and JSON that is checked when it is read. No torch.

A file is written under a temporary name in the same folder and then renamed, so a reader never meets half of it.
A directory is filled under a temporary name, too, and renamed when it is complete.
"""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from smallvision.errors import BadInput, RunFailed
from smallvision.storage.schema import check, damaged

FORMAT_VERSION = 1
LARGEST_TEXT = 512 * 1024**2  # bytes of one .json, .jsonl or .toml file


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step; the new content is on the disk before the old content goes.

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


@contextmanager
def new_directory(path: Path, what: str, replace: bool = False) -> Iterator[Path]:
    """Make a directory that appears whole or not at all.

    The body of the `with` fills a temporary directory in the same folder. At its end the temporary directory is renamed
    to `path`; after an exception it is removed and `path` is as it was.

    Parameters
    ----------
    path : the final name. Missing folders above it are made.
    what : what messages call it, such as "run directory".
    replace : whether a directory that is at `path` gives way. The folder above then belongs to the caller alone, and
        temporary directories that killed processes have left there are removed first.

    Yields
    ------
    Path : the temporary directory, empty.

    Raises
    ------
    BadInput : something is at `path` already, or no directory can be made there.
    RunFailed : with `replace`, where only the disk can be the cause: it is full or refuses.
    """
    part = old = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if replace:
            for left in path.parent.glob(".*.part"):
                shutil.rmtree(left, ignore_errors=True)
        part = Path(tempfile.mkdtemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent))
        part.chmod(0o755)
        yield part
        if replace and path.exists():  # a directory with files in it cannot be renamed over
            old = path.with_name(f".{path.name}.old.part")
            os.rename(path, old)
        os.rename(part, path)  # refuses a directory that is there and not empty
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)
    except BaseException as error:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
        if old is not None and old.exists() and not path.exists():
            os.rename(old, path)
        if not isinstance(error, OSError):
            raise
        if replace:
            raise failed(path, error) from None
        raise BadInput(f"{path}: no {what} can be made here: {error.strerror or error}") from None


def read_bytes(file: Path, owner: str = "run") -> bytes:
    """The content of a text file of a run, a study or a probe, of limited size.

    Parameters
    ----------
    file : a .json, .jsonl or .toml file.
    owner : what such a file belongs to, for messages: "run", "study" or "probe".

    Raises
    ------
    BadInput : the file cannot be read or is larger than LARGEST_TEXT.
    """
    try:
        size = file.stat().st_size
        if size > LARGEST_TEXT:
            raise BadInput(f"{file}: {size:,} bytes, more than {LARGEST_TEXT:,}; no {owner} writes such a file")
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror or error}); restore it from a copy") from None


def read_json(file: Path, shape: Any, owner: str = "run") -> Any:
    """The value of a JSON file, after a check of its size, format version and shape.

    Parameters
    ----------
    file, owner : as for `read_bytes`.
    shape : what the file has to hold, in the language of `storage.schema`.

    Raises
    ------
    BadInput : the file cannot be read, is too large, is no valid JSON, has a newer format or another shape.
    """
    try:
        value = json.loads(read_bytes(file, owner))
    except BadInput:
        raise
    except (RecursionError, ValueError) as error:
        raise damaged(file, f"not valid JSON: {error}") from None
    version = value.get("format_version") if isinstance(value, dict) else None
    if type(version) is int and version > FORMAT_VERSION:
        newer = f"format {version}, of a newer smallvision; this one reads up to {FORMAT_VERSION}"
        raise BadInput(f"{file}: {newer}; update smallvision")
    check(value, shape, file)
    return value


def failed(path: Path, error: OSError) -> RunFailed:
    """The error for a file that could not be written, with its cause and a cure."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunFailed(f"{path}: no space left on the disk; free some, then go on with --resume")
    return RunFailed(f"{path}: cannot be written: {error.strerror or error}")
