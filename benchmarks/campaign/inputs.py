"""Damaged inputs: each ends in one clean line, or in a valid reading, within its memory and its time.

A forked child reads many inputs, one after another; what it could not survive is read once more by a child of its own.
"""

import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from campaign import children, damage
from campaign.bases import Bases, Original
from campaign.folders import SPECIAL, rearranged, special
from campaign.readers import readers
from campaign.reading import Reader
from campaign.rows import ROWS, Row

ATTEMPTS = 20  # to damage a file so that it is another one
TOGETHER = 50  # inputs of one child
SECONDS = 20.0  # that one input may take
MEMORY = 2 * 1024**3  # bytes of address space, beside what the child was forked with
LONGEST_LINE = 1000  # characters, of an error
GUARDED = ("truncated", "bit flips", "spliced")  # damage that a checksum tells
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
NO_MEMORY = "there is not enough memory ("
CAUGHT_LATE = "--debug shows where"  # what the command line says of an error that nothing foresaw


class Damaging:
    """Gives damaged inputs to the readers.

    Parameters
    ----------
    bases : the undamaged inputs.
    folder : for the children's files.
    """

    def __init__(self, bases: Bases, folder: Path) -> None:
        self.bases, self.folder = bases, folder
        self.readers, self.strangers = readers(bases), bases.strangers()
        self.rows = {row.name: row for row in ROWS}
        folder.mkdir(parents=True, exist_ok=True)

    def read(self, row: str, kind: str, seeds: list[int]) -> Iterator[dict[str, Any]]:
        """Read damaged inputs.

        Yields
        ------
        dict : `seed`, `ended` ("refused" or "read"), `failure` ("" if it is clean), `said` (the line).
        """
        waiting = list(seeds)
        while waiting:
            done = self._together(row, kind, waiting)
            yield from done
            waiting = waiting[len(done) :]
            if waiting and (not done or "survived" not in done[-1]):
                yield self._alone(row, kind, waiting.pop(0))

    def _together(self, row: str, kind: str, seeds: list[int]) -> list[dict[str, Any]]:
        """What one child could read before it ended."""
        results = self.folder / "results.jsonl"
        results.unlink(missing_ok=True)
        some = seeds[:TOGETHER]
        children.forked(
            lambda: self._child(row, kind, some, results), self.folder, seconds=SECONDS * len(some), memory=MEMORY
        )
        found = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
        return [{**one, "survived": True} for one in found] if len(found) == len(some) else found

    def _alone(self, row: str, kind: str, seed: int) -> dict[str, Any]:
        """The reading of an input that ended its child."""
        results = self.folder / "results.jsonl"
        results.unlink(missing_ok=True)
        ended = children.forked(
            lambda: self._child(row, kind, [seed], results), self.folder, seconds=2 * SECONDS, memory=MEMORY
        )
        if results.exists() and results.stat().st_size:
            return dict(json.loads(results.read_text()))
        if ended.status == children.BROKEN:
            raise RuntimeError(f"{row}, {kind}, {seed}: the campaign itself fails: {ended.err[-2000:]}")
        hung = ended.late or ended.status == -signal.SIGALRM
        how = f"longer than {SECONDS:.0f} s" if hung else f"the process ended by signal {-ended.status}"
        return {"seed": seed, "digest": str(seed), "ended": "neither", "failure": how, "said": ended.last[:200]}

    def _child(self, row: str, kind: str, seeds: list[int], results: Path) -> int:
        reader, about = self.readers[row], self.rows[row]
        home = self.folder / "work"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        out = os.open(results, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
        from smallvision.rendering import embed

        embed.svg = lambda figure, alt, prefix: "<svg></svg>"
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        for seed in seeds:
            draw = random.Random(f"inputs {row} {kind} {seed}")
            original = draw.choice(list(reader.originals))
            work = _furnished(home, original)
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            try:
                damaged = self._damage(draw, about, reader, original, kind, work)
                if damaged == original.data and damaged:
                    found = {"ended": "read", "failure": "", "said": "the damage changed nothing"}
                else:
                    new = Original(damaged if damaged is not None else b"", original.path, original.others)
                    given = _given(reader, work, new, seed)
                    found = judged(given)
                    if about.checksum and kind in GUARDED and found["ended"] == "read" and given.content:
                        whole = _given(reader, _furnished(home, original), original, seed)
                        if whole.content != given.content:
                            found["failure"] = f"read as something else, in spite of its {about.checksum}"
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            digest = hashlib.sha256(damaged or f"{original.path} {seed}".encode()).hexdigest()[:10]
            os.write(out, json.dumps({"seed": seed, "digest": digest, **found}).encode() + b"\n")
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
        return 0

    def _damage(
        self, draw: random.Random, row: Row, reader: Reader, original: Original, kind: str, work: Path
    ) -> bytes | None:
        """Put damage into the folder; the new content, None where something else than a file lies there now."""
        if row.name == "folder of images":
            rearranged(draw, kind, work, self.bases)
            return None
        if kind == "swapped files" and original.path and draw.random() < 0.1:
            special(draw.choice(SPECIAL), work / original.path)
            return None
        whole = {one.data for one in reader.originals} if kind in GUARDED else {original.data}
        data = next(
            (data for _ in range(ATTEMPTS) if (data := self._damaged(draw, reader, original, kind)) not in whole),
            original.data,
        )
        if original.path:
            (work / original.path).write_bytes(data)
        return data

    def _damaged(self, draw: random.Random, reader: Reader, original: Original, kind: str) -> bytes:
        data = original.data
        if kind == "truncated":
            return damage.truncated(draw, data)
        if kind == "bit flips":
            return damage.bit_flips(draw, data)
        if kind == "spliced":
            return damage.spliced(draw, data, [one.data for one in reader.originals])
        if kind == "wrong field":
            return reader.wrong(draw, data)
        if kind == "hostile value":
            return reader.hostile(draw, data)
        siblings = [one.data for one in reader.originals if one.data != data]
        return damage.swapped(draw, siblings if siblings and draw.random() < 0.2 else self.strangers)


@dataclass(frozen=True)
class Given:
    """What a reading gave: its exit status, what it printed, and the content that it read."""

    status: int
    out: str
    err: str
    content: Any


def _furnished(home: Path, original: Original) -> Path:
    """A folder with what lies beside a file, the file itself undamaged."""
    work = home / "w"
    shutil.rmtree(work, ignore_errors=True)
    if original.others is not None:
        shutil.copytree(original.others, work, symlinks=True)
    else:
        work.mkdir()
    if original.path and original.data:
        (work / original.path).write_bytes(original.data)
    os.chdir(work)
    return work


def _given(reader: Reader, work: Path, original: Original, number: int) -> Given:
    """Read as the command line does, with its handling of errors."""
    import smallvision.cli
    from smallvision.cli import commands

    content: list[Any] = [None]
    app = commands.app

    def read(**_: Any) -> int:
        commands.app = app
        content[0] = reader.read(work, original, number)
        return 0

    for descriptor in (1, 2):
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
    status = 0
    with warnings.catch_warnings():  # so that each warning is shown again
        sys.argv = ["smallvision"]
        commands.app = read
        try:
            smallvision.cli.main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            status = 1
            traceback.print_exc()
        finally:
            commands.app = app
    texts = []
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        with contextlib.suppress(ValueError, OSError):
            stream.flush()
        texts.append(os.pread(descriptor, 1_000_000, 0).decode("utf-8", "surrogateescape"))
    return Given(status, *texts, content[0])


def judged(given: Given) -> dict[str, Any]:
    """What one reading was: refused in one clean line, read, or at fault."""
    status, out, err = given.status, given.out, given.err
    lines, failure = err.strip("\n").split("\n") if err.strip() else [], ""
    last = lines[-1] if lines else ""
    if "Traceback" in err:
        failure, last = "a traceback", f"{last} ({_deepest(err)})"
    elif CAUGHT_LATE in err:
        failure = "an error that nothing foresaw"
    elif NO_MEMORY in err:
        failure = f"more than {MEMORY // 1024**3} GiB of memory"
    elif status == 0 and lines:
        failure = "a line beside a valid reading"
    elif status not in (0, 2, 3):
        failure = f"exit status {status}"
    elif status and len(lines) != 1 and not (len(lines) == 2 and lines[1].startswith("    ")):  # the command to give
        failure = f"{len(lines)} lines"
    elif CONTROL.search(out) or CONTROL.search(err.rstrip("\n")):
        failure = "a control character"
    elif status and not lines[0].startswith("smallvision: "):
        failure = "another line than ours"
    elif len(last) > LONGEST_LINE:
        failure = "a line of more than 1 000 characters"
    ended = "read" if status == 0 else "refused"
    return {"ended": ended, "failure": failure, "said": last[:400]}


def _deepest(err: str) -> str:
    """Where in our own code a traceback ends: file and line."""
    found = re.findall(r'File "[^"]*smallvision/([^"]+)", line (\d+)', err)
    return ":".join(found[-1]) if found else "not in our own code"
