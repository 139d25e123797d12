"""Plants faults in smallvision and says which of them the campaign finds: `python planted.py`, in a process of its own.

It prints a JSON object: the name of each planted fault with what was found, "" where nothing was.
"""

import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from campaign.disks import Filling
from campaign.inputs import Damaging
from campaign.kills import Killing
from campaign.names import in_page
from campaign.reading import Reader
from campaign.rows import Row
from campaign.warm import warm
from campaign.writers import Racing

from smallvision.errors import BadInput

CASES = 8  # at most, until a fault is found


def until_found(case: Callable[[int, Path], dict], folder: Path) -> str:
    """What the first of some cases finds."""
    for seed in range(CASES):
        if found := case(seed, folder)["failure"]:
            return found
    return ""


def not_atomic(folder: Path, what: Callable[[str, Path], Any]) -> str:
    """A writer that writes into the file itself."""
    from smallvision.runs import directory
    from smallvision.storage import files
    from smallvision.training import checkpoint

    def write_bytes(path: Path, data: bytes) -> None:
        try:
            with open(path, "wb", buffering=0) as file:
                for start in range(0, len(data), 512):
                    file.write(data[start : start + 512])
        except OSError as error:
            raise files.failed(path, error) from None

    kept = what("classify", folder / "reference")
    own, modules = files.write_bytes, (files, directory, checkpoint)
    for module in modules:
        module.write_bytes = write_bytes
    try:
        return until_found(kept.case, folder / "case")
    finally:
        for module in modules:
            module.write_bytes = own


def without_lock(folder: Path) -> str:
    """A run directory that is filled under its final name, with a lock that everybody gets."""
    import os
    from contextlib import contextmanager

    from smallvision.runs import directory

    @contextmanager
    def new_directory(path: Path, what: str, replace: bool = False) -> Iterator[Path]:
        path.mkdir(parents=True, exist_ok=True)
        yield path

    kept, own = Racing("classify", folder / "reference"), (directory.take_lock, directory.new_directory)
    directory.take_lock = lambda folder, *_: os.open(folder / "lock", os.O_CREAT | os.O_RDWR)
    directory.new_directory = new_directory
    try:
        return until_found(kept.case, folder / "case")
    finally:
        directory.take_lock, directory.new_directory = own


def read_by(read: Callable[[Path], object], folder: Path, checksum: str = "", kind: str = "bit flips") -> str:
    """What the campaign finds of a reader."""
    from campaign.bases import Original

    original = Original(random.Random(1).randbytes(300), "a.bin")
    damaging = Damaging.__new__(Damaging)
    damaging.folder, damaging.strangers = folder, [b"another"]
    damaging.rows = {"own": Row("own", (), checksum=checksum)}
    reader = Reader(
        [original], lambda draw, data: data[1:], lambda draw, data: data * 2, lambda at, *_: read(at / "a.bin")
    )
    damaging.readers = {"own": reader}
    folder.mkdir(parents=True, exist_ok=True)
    return next((one["failure"] for one in damaging.read("own", kind, [1, 2, 3]) if one["failure"]), "")


def clean(path: Path) -> None:
    raise BadInput(f"{path.name}: damaged")


def with_control(path: Path) -> None:
    print("a\x1b[31m is the name")


def unforeseen(path: Path) -> None:
    raise RuntimeError("what is this")


def uncaught(path: Path) -> None:
    raise KeyError("labels")


def beside(path: Path) -> None:
    import os

    os.write(2, b"libimage: bad data\n")
    clean(path)


def hungry(path: Path) -> None:
    bytearray(4 * 1024**3)


def dies(path: Path) -> None:
    import os

    os.abort()


def main() -> None:
    scratch = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        warm(scratch / "warm")
        escaped, raw = scratch / "escaped.html", scratch / "raw.html"
        escaped.write_text("<p title='x5s'>&lt;x5s&gt;</p>")
        raw.write_text("<p><x5s></p>")
        found = {
            "clean": read_by(clean, scratch / "in"),
            "swallowed": read_by(lambda path: path.read_bytes().hex(), scratch / "in", "sha256 inside"),
            "control character": read_by(with_control, scratch / "in"),
            "unforeseen": read_by(unforeseen, scratch / "in"),
            "uncaught": read_by(uncaught, scratch / "in"),
            "a line beside": read_by(beside, scratch / "in"),
            "memory": read_by(hungry, scratch / "in"),
            "crash": read_by(dies, scratch / "in"),
            "escaped": in_page(escaped),
            "not escaped": in_page(raw),
            "kill": not_atomic(scratch / "kill", partial(Killing, drawn=False)),
            "disk": not_atomic(scratch / "disk", Filling),
            "race": without_lock(scratch / "race"),
        }
        print(json.dumps(found))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
