"""The two logs of a run, which are appended, and what a checkpoint remembers of them. No torch.

A checkpoint has the length and the sha256 of each log at its moment, and the content, if that is not too long. When the
run is resumed, what follows is cut off, and a log that was damaged meanwhile is put back.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smallvision.errors import BadInput, RunFailed
from smallvision.storage.files import failed, read_bytes, write_bytes
from smallvision.storage.reading import open_regular, require_regular
from smallvision.storage.schema import check

LOGS = ("metrics.jsonl", "steps.jsonl")  # appended; everything else is replaced whole
LARGEST_KEPT = 1024**2  # bytes of a log that a checkpoint holds; 1 MB takes some 20 ms at each


@dataclass(frozen=True)
class LogMark:
    """A log at the moment of a checkpoint.

    Attributes
    ----------
    length : bytes.
    sha256 : of these bytes; None in checkpoints of earlier versions.
    content : the bytes; None where they are too many, and in checkpoints of earlier versions.
    """

    length: int = 0
    sha256: str | None = hashlib.sha256().hexdigest()
    content: bytes | None = field(default=b"", repr=False)


class Log:
    """One log being written. Lines are appended, so that a reader sees them at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (closed by close)
        before = path.read_bytes()
        self._length, self._hash = len(before), hashlib.sha256(before)
        self._content: bytearray | None = bytearray(before) if self._length <= LARGEST_KEPT else None

    def append(self, record: dict[str, Any]) -> None:
        """Add one line. Raises RunFailed when the disk is full."""
        data = json.dumps(record, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        left = memoryview(data)
        try:
            while left:  # a disk that fills up takes a part
                left = left[self._file.write(left) or 0 :]
        except OSError as error:
            raise failed(self.path, error) from None
        self._length += len(data)
        self._hash.update(data)
        if self._length > LARGEST_KEPT:
            self._content = None
        elif self._content is not None:
            self._content += data

    def mark(self) -> LogMark:
        """What a checkpoint remembers of this log, once it is on the disk. Raises RunFailed."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise failed(self.path, error) from None
        kept = None if self._content is None else bytes(self._content)
        return LogMark(self._length, self._hash.hexdigest(), kept)

    def settle(self) -> None:
        """Put the log back, should something else have changed it while it was written. Raises RunFailed."""
        if _intact(self.path, self.mark()):
            return
        if self._content is None:
            raise RunFailed(f"{self.path}: another program changed this file during the run; start the run anew")
        write_bytes(self.path, bytes(self._content))

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):  # a full disk was reported when it was met
            self._file.close()


def cut(path: Path, mark: LogMark, epochs: int, shape: Any) -> str:
    """Bring a log to what it was at a checkpoint.

    Parameters
    ----------
    path : the log; the caller holds the lock of its run.
    mark : what the checkpoint remembers of it.
    epochs : the checkpoint's finished epochs.
    shape : of a line, for `storage.schema.check`.

    Returns
    -------
    str : a sentence, if the log was damaged and has been put back; else "".

    Raises
    ------
    BadInput : the log is damaged, and the checkpoint does not hold it.
    RunFailed : the disk is full or refuses.
    """
    try:
        if path.exists():
            require_regular(path)
        intact = mark.sha256 is not None and _intact(path, mark, longer=True)
        if intact or (mark.sha256 is None and _readable(path, mark.length, epochs, shape)):
            path.touch()
            os.truncate(path, mark.length)
            return ""
    except OSError as error:
        raise BadInput(f"{path}: the file cannot be read or written: {error.strerror or error}") from None
    if mark.content is None:
        raise BadInput(
            f"{path}: the file is damaged before the place where the checkpoint resumes; restore it from a copy, or "
            f"remove the run and start it anew: smallvision runs --remove {path.parent}"
        )
    write_bytes(path, mark.content)
    return f"{path.name} was damaged and has been restored from the checkpoint"


def _intact(path: Path, mark: LogMark, longer: bool = False) -> bool:
    """Whether a log begins with what is remembered of it, and has no more than that unless it may be `longer`."""
    if not path.exists():
        return mark.length == 0 and longer
    size = path.stat().st_size
    if size < mark.length or (size > mark.length and not longer):
        return False
    hashed, left = hashlib.sha256(), mark.length
    with open_regular(path) as file:
        while left and (part := file.read(min(left, 1 << 20))):
            hashed.update(part)
            left -= len(part)
    return hashed.hexdigest() == mark.sha256


def _readable(path: Path, length: int, epochs: int, shape: Any) -> bool:
    """Whether the first `length` bytes of a log of an earlier version are whole lines of its shape, in order."""
    if not path.exists():
        return length == 0
    data = read_bytes(path)[:length]
    if len(data) < length or (data and not data.endswith(b"\n")):
        return False
    try:
        lines = [json.loads(line) for line in data.split(b"\n")[:-1]]
        for number, line in enumerate(lines, start=1):
            check(line, shape, path, f"line {number}")
    except (RecursionError, ValueError):  # BadInput is a ValueError
        return False
    steps = [line["step"] for line in lines]
    if path.name == LOGS[0] and [line["epoch"] for line in lines] != [*range(1, epochs + 1)]:
        return False
    return steps == sorted(set(steps))


def marks(lengths: Mapping[str, int], sha256: Mapping[str, str], contents: Mapping[str, bytes]) -> dict[str, LogMark]:
    """The marks of both logs, from what a checkpoint has of them; empty logs where it has nothing.

    Parameters
    ----------
    lengths, sha256, contents : by the name of the log. The latter two lack what the checkpoint does not have.
    """
    return {
        name: LogMark(lengths[name], sha256.get(name), contents.get(name)) if name in lengths else LogMark()
        for name in LOGS
    }
