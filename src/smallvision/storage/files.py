"""Files and directories that appear whole or not at all, and JSON that is checked when it is read. No torch.

A file is written under a temporary name in the same folder and then renamed, so a reader never meets half of it.
A directory is filled under a temporary name, too, and renamed when it is complete.
"""

import errno
import glob
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from smallvision.errors import BadInput, Busy, DiskFull, RunFailed
from smallvision.storage.lock import holder
from smallvision.storage.reading import read_limited
from smallvision.storage.schema import check, damaged

FORMAT_VERSION = 1
LARGEST_TEXT = 32 * 1024**2  # bytes of one .json or .toml file
LARGEST_LOG = 512 * 1024**2  # bytes of one .jsonl file
LARGEST_LINE = 4 * 1024**2  # bytes of one line of it; parsed, it takes some ten times as many
LEFT_SECONDS = 60.0  # a directory is filled in much less


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step; the new content is on the disk before the old content goes.

    Raises
    ------
    RunFailed : the disk is full or refuses; the old file stays as it was and the temporary one is gone.
    """
    part = path.with_name(f".{path.name[:100]}.{os.getpid()}-{threading.get_ident()}.part")
    _remove_left(path)
    try:
        part.unlink(missing_ok=True)  # of a killed process; a pipe or a link there is not written to
        with open(part, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as error:  # a signal, too, may come here
        with suppress(OSError):  # on a file system that became read-only
            part.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise failed(path, error) from None


def _remove_left(path: Path) -> None:
    """Remove the temporary files of `path` that killed processes have left."""
    with suppress(OSError):
        for left in path.parent.glob(f".{glob.escape(path.name[:100])}.*-*.part"):
            pid = left.name.removesuffix(".part").rpartition(".")[2].partition("-")[0]
            if pid.isdigit() and not lives(int(pid)):
                left.unlink(missing_ok=True)


def lives(pid: int) -> bool:
    """Whether a process exists. True on systems other than POSIX, where this cannot be checked."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # somebody else's
    return True


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
        all temporary directories there are removed first; otherwise those of `path` that killed processes have left.

    Yields
    ------
    Path : the temporary directory, empty.

    Raises
    ------
    BadInput : something is at `path` already, or no directory can be made there.
    Busy : another process has made `path` meanwhile.
    RunFailed : with `replace`, where only the disk can be the cause: it is full or refuses.
    """
    part = old = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        begin = f".{path.name[:100]}."
        for left in path.parent.glob(".*.part" if replace else f"{glob.escape(begin)}*.part"):
            if replace or _is_left(left, begin):
                shutil.rmtree(left, ignore_errors=True)
        part = Path(tempfile.mkdtemp(prefix=f"{begin}{os.getpid()}-", suffix=".part", dir=path.parent))
        part.chmod(0o755)
        yield part
        if replace and path.exists():  # a directory with files in it cannot be renamed over
            old = path.with_name(f".{path.name}.old.part")
            os.rename(path, old)
        try:
            os.rename(part, path)  # refuses a directory that is there and not empty
        except OSError as error:
            if replace or error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise Busy(
                f"{path}: another process made this {what} at the same time{holder(path) or ''}; wait until it has "
                "ended, then repeat the same command"
            ) from None
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
        raise BadInput(f"{path}: a {what} cannot be made here: {error.strerror or error}") from None


def _is_left(part: Path, begin: str) -> bool:
    """Whether a temporary directory is of a killed process: none of its number is there, and it is a minute old.

    The folder may be shared with another machine, whose processes cannot be seen from here.
    """
    pid = part.name.removeprefix(begin).partition("-")[0]
    try:
        return pid.isdigit() and not lives(int(pid)) and time.time() - part.stat().st_mtime > LEFT_SECONDS
    except OSError:
        return False


def read_bytes(file: Path, owner: str = "run", limit: int | None = None) -> bytes:
    """The content of a text file of a run, a study or a probe, of limited size.

    Parameters
    ----------
    file : a .json, .jsonl or .toml file.
    owner : what such a file belongs to, for messages: "run", "study" or "probe".
    limit : its largest size in bytes; LARGEST_TEXT unless given.

    Raises
    ------
    BadInput : the file cannot be read, is not a regular file, or is larger than `limit`.
    """
    try:
        return read_limited(file, LARGEST_TEXT if limit is None else limit, f"this file of a {owner}")
    except OSError as error:
        raise BadInput(f"{file}: the file cannot be read ({error.strerror or error}); restore it from a copy") from None


def read_json(file: Path, shape: Any, owner: str = "run") -> Any:
    """The value of a JSON file, after a check of its size, format version and shape.

    Parameters
    ----------
    file, owner : as for `read_bytes`.
    shape : what the file has to hold, in the language of `storage.schema`.

    Raises
    ------
    BadInput : the file cannot be read, is too large, is not valid JSON, has a newer format or another shape.
    """
    try:
        value = json.loads(read_bytes(file, owner))
    except BadInput:
        raise
    except (RecursionError, ValueError) as error:
        raise damaged(file, f"the file is not valid JSON: {error}") from None
    version = value.get("format_version") if isinstance(value, dict) else None
    if type(version) is int and version > FORMAT_VERSION:
        newer = (
            f"the file has format version {version}, of a newer smallvision; this one reads versions up to "
            f"{FORMAT_VERSION}"
        )
        raise BadInput(f"{file}: {newer}; update smallvision")
    check(value, shape, file)
    return value


def failed(path: Path, error: OSError) -> RunFailed:
    """The error for a file that could not be written, with its cause and a cure."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"{path}: there is no space left on the disk")
    if error.errno == errno.EFBIG:
        return DiskFull(
            (f"{path}: the file has reached the largest size that is allowed here"), cure="raise the limit (ulimit -f)"
        )
    return RunFailed(f"{path}: the file cannot be written: {error.strerror or error}")
