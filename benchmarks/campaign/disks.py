"""Full disks: one line, nothing half-written, and the same bits when there is room again.

Two ways: a file system of so many bytes, where this process may mount one (Linux, root), and otherwise every write from
a random byte on refused with the system's own error.
"""

import ctypes
import json
import os
import random
from pathlib import Path
from typing import Any

from campaign import children
from campaign.inputs import CAUGHT_LATE, CONTROL
from campaign.scenarios import SCENARIOS, Reference, Stage, reference
from campaign.writes import FullDisk, places

_NEW_MOUNTS = 0x20000  # CLONE_NEWNS, <linux/sched.h>
_PRIVATE = 0x44000  # MS_REC | MS_PRIVATE, <sys/mount.h>
_REMOUNT = 32  # MS_REMOUNT
ROOM = 64 * 1024**2  # bytes, when there is room again
PAGE = 4096

_libc = ctypes.CDLL(None, use_errno=True)


class Filling:
    """One scenario with its undisturbed command, made once and used for all of its cases."""

    def __init__(self, name: str, folder: Path) -> None:
        self.scenario = SCENARIOS[name]
        self.reference: Reference = reference(self.scenario, folder)
        self._bytes = sum(path.stat().st_size for path in self.reference.place.rglob("*") if path.is_file())

    def case(self, seed: int, folder: Path) -> dict[str, Any]:
        """Fill the disk, make room, compare.

        Returns
        -------
        dict : `way` ("file system" or "write"), `full` (whether the disk was full before the end), `failure`.
        """
        draw = random.Random(f"disks {self.scenario.name} {seed}")
        stage = Stage(self.scenario, folder, self.reference.start)
        try:
            if seed % 2 == 0 and can_mount(folder):
                results = folder / "result.json"
                size = PAGE * (4 + draw.randrange(1 + self._bytes // PAGE))
                ended = children.forked(
                    lambda: self._mounted(stage, size, results), stage.scratch, seconds=600, memory=2**40
                )
                if ended.status:
                    return {"way": "file system", "full": True, "failure": f"the case itself failed: {ended.last}"}
                return dict(json.loads(results.read_text()))
            writes = FullDisk(stage.place, places(self.reference.log[False], draw))
            ended = stage.give(self.scenario.words, writes)
            full = writes.refused()
            failure = self._judged(stage, ended) if full else ""
            return {"way": "write", "full": full, "failure": failure or self._again(stage, full)}
        finally:
            stage.remove()

    def _mounted(self, stage: Stage, size: int, results: Path) -> int:
        """The case on a file system of so many bytes that only this process and its children see."""
        _mount(stage.place, size)
        try:
            stage.fill()
        except OSError:  # it is full from the begin: what is there belongs to the case, not to the command
            _remount(stage.place, ROOM)
            stage.fill()
            _remount(stage.place, PAGE * (used(stage.place) // PAGE + 1))
        ended = stage.give(self.scenario.words)
        full = ended.status != 0
        failure = self._judged(stage, ended) if full else ""
        _remount(stage.place, ROOM)
        found = {"way": "file system", "full": full, "failure": failure or self._again(stage, full)}
        results.write_text(json.dumps(found))
        return 0

    def _judged(self, stage: Stage, ended: children.Ended) -> str:
        """What is wrong with the end of a command on a full disk; "" if nothing is."""
        lines = ended.err.strip("\n").split("\n")
        if stage.left_behind():
            return "workers outlive their study"
        if (
            ended.status not in (2, 3)
            or not ended.one_line
            or CAUGHT_LATE in ended.err
            or any(map(CONTROL.search, lines))
        ):
            return f"exit status {ended.status}: {ended.err[-300:]!r}"
        if "o space left" not in ended.err:
            return f"does not say that the disk is full: {ended.err[-300:]!r}"
        left = stage.leftovers()
        return f"half-written: {', '.join(left)}" if left else ""

    def _again(self, stage: Stage, full: bool) -> str:
        ended = stage.give(self.scenario.words + (self.scenario.again if full else ()))
        if ended.status or ended.err:
            return f"given again: exit status {ended.status}: {ended.last}"
        stage.left_behind()
        return self.reference.differs(stage.place)


def used(folder: Path) -> int:
    """The bytes in use of a file system."""
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def _mount(folder: Path, size: int) -> None:
    if _libc.unshare(_NEW_MOUNTS) or _libc.mount(b"none", b"/", None, _PRIVATE, None):
        raise OSError(ctypes.get_errno(), "no mounts of its own")
    if _libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=%d" % size):
        raise OSError(ctypes.get_errno(), "no file system in memory")


def _remount(folder: Path, size: int) -> None:
    if _libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", _REMOUNT, b"size=%d" % size):
        raise OSError(ctypes.get_errno(), "its size cannot be changed")


def can_mount(folder: Path) -> bool:
    """Whether a child may mount a file system of its own."""
    place = folder / "mounted"
    place.mkdir(parents=True, exist_ok=True)

    def mount() -> int:
        _mount(place, PAGE)
        return 0

    return not children.forked(mount, folder, seconds=10).status
