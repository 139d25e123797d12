"""Damage to folders: other things than files, files and folders in other places, of hostile names."""

import contextlib
import os
import random
import shutil
import socket
from pathlib import Path

from campaign.bases import Bases

SPECIAL = ("folder", "pipe", "socket", "nowhere", "loop", "zeros")  # what may lie where a file is expected


def special(kind: str, path: Path) -> None:
    """Put something that is no regular file in the place of a file."""
    path.unlink(missing_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            before = Path.cwd()
            os.chdir(path.parent)  # the path of a socket is short
            one.bind(path.name)
            os.chdir(before)
    elif kind == "nowhere":
        path.symlink_to("is-not-there")
    elif kind == "loop":
        path.symlink_to(path.name)
    else:
        path.symlink_to("/dev/zero")


def rearranged(draw: random.Random, kind: str, work: Path, bases: Bases) -> None:
    """A folder of images with folders and files in other places, of other kinds, of hostile names."""
    train, images = work / "train", [one for files in bases.images.values() for one in files]
    for _ in range(draw.choice((1, 1, 2, 3))):
        folders = [train, *(path for path in sorted(train.rglob("*")) if path.is_dir() and not path.is_symlink())]
        files = [path for path in sorted(train.rglob("*")) if path.is_file() and not path.is_symlink()]
        folder, file = draw.choice(folders), draw.choice(files) if files else train / "new.png"
        if kind == "spliced":
            name = draw.choice(("train", "test", "val", "validation", "valid", "a", "c", "A", "Train"))
            try:
                shutil.copytree(draw.choice(folders), folder.with_name(name) if folder != train else train / name)
            except RecursionError:  # a folder copied into itself: hundreds of folders inside one another
                return
            except (OSError, shutil.Error):
                pass
        elif kind == "wrong field":
            name = draw.choice(("train", "test", "c", ".hidden", "b", "x.png", "Thumbs.db", ".DS_Store", "0"))
            with contextlib.suppress(OSError):
                if draw.random() < 0.3 and folder != train:
                    shutil.rmtree(folder)
                else:
                    os.rename(draw.choice((file, folder if folder != train else file)), folder / name)
        elif kind == "swapped files":
            if draw.random() < 0.5 and file.parent.is_dir():
                special(draw.choice(SPECIAL), file)
            elif folder != train:
                shutil.rmtree(folder)
                if draw.random() < 0.5:
                    folder.write_bytes(draw.choice(images))
                else:
                    special(draw.choice(SPECIAL), folder)
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(draw.choice(images))
        else:
            _hostile_names(draw, train, folder, images)


def _hostile_names(draw: random.Random, train: Path, folder: Path, images: list[bytes]) -> None:
    names = (
        *("a\x1b[31mb", "\u202eabc", "<script>", "two\nlines", "$x^2$", "x" * 250, "\x85", "con", " ", "-rf", "{0}"),
        *("\udcff", "é", "e\u0301", "[bold]x[/]", "'; --", "\U0001f600" * 60),
    )
    name, way = os.fsencode(draw.choice(names)), draw.randrange(5)
    with contextlib.suppress(OSError):
        if way == 0:
            for number in range(draw.choice((50, 1000))):
                (train / f"c{number}").mkdir(exist_ok=True)
        elif way == 1:
            for number in range(200):
                (folder / f"{number}.png").write_bytes(b"")
        elif way == 2:
            new = Path(os.fsdecode(os.fsencode(train) + b"/" + name))
            new.mkdir()
            for number in range(2):
                (new / f"{number}.png").write_bytes(draw.choice(images))
        elif way == 3:
            Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(draw.choice(images))
        else:
            deep = folder
            for _ in range(40):
                deep = deep / "d"
                deep.mkdir()
