"""Undamaged inputs of every reader: what is damaged, and the folders that the damaged file is put into."""

import gzip
import hashlib
import os
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from campaign import formats
from campaign.damage import png
from campaign.plan import available
from campaign.scenarios import PROBED, SCENARIOS, Scenario, Stage

RULES = """
name = "two"
about = "Two rules"
text = "Train it."
optional = ["data.augment"]
[inputs]
dd = { about = "day", low = 1, high = 31 }
abc = { about = "number", digits = 3 }
[set]
data.source = "digits"
model.kind = "cnn"
model.dense = [8]
[[rule]]
name = "even"
when = "abc % 2 == 0 and digit_sum(abc) < 30"
say = "four channels"
[rule.set]
model.blocks = [{ channels = 4, kernel = 3 }]
data.augment = [{ kind = "noise" }]
[[rule]]
name = "odd"
when = "abc % 2 == 1 or last_digit(dd) > 40"
say = "six channels"
[rule.set]
model.blocks = [{ channels = 6, kernel = 3, pool = 2 }]
"""
IMAGES = {  # row -> what Pillow calls the format
    **{kind: kind for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", "AVIF")},
    "WebP": "WEBP",
    "JPEG 2000": "JPEG2000",
}
ROSTER = 'id,dd,abc,name\ns1,18,052,Ada\ns2,3,417,Émile\ns3,31,998,"Li, Na"\n'
OVERRIDES = (
    "recipe.epochs=3",
    "model.dense=[16, 8]",
    "data.augment=[{kind='crop', padding=1}, {kind='noise'}]",
    "recipe.schedule={kind='cosine'}",
    "model.blocks.1.channels=8",
    "task.label_smoothing=0.1",
    "data.normalize={mean=[0.5], std=[0.2]}",
    "data.classes=[1, 3, '5']",
    "name=other",
    "protocol.test=never",
)
STACKS = (
    "3x32x32 conv(16, k=3, p=1) relu pool(2) flat dense(10)",
    "1x28x28 conv(8, k=5x3, s=2, p=same) batchnorm gelu meanpool(2, ceil=true) dropout(0.5) global(mean) dense(10)",
    "784 dense(64) tanh unflatten(4x4x4) transposed(8, k=2, s=2, op=0) upsample(2) sigmoid",
)


@dataclass(frozen=True)
class Original:
    """A file before it is damaged: its content, where it lies in a folder, and what else is there.

    `others` is the folder whose copy it lies in; None: it lies alone. Words of the command line have no `path`.
    """

    data: bytes
    path: str = ""
    others: Path | None = None


class Bases:
    """Makes the undamaged inputs once, below a folder.

    Parameters
    ----------
    folder : for them.
    made : what warm.warm made.
    """

    def __init__(self, folder: Path, made: dict[str, Path]) -> None:
        self.folder, self.runs, self.draw = folder, {}, random.Random(20)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("classify", "reconstruct", "verify"):
            self.runs[name] = folder / name / "run"
            shutil.copytree(made[name], self.runs[name])
        self._command("probe", "probe", str(self.runs["classify"]), "--train", "40", "--test", "40", "--maps", "pca")
        self.other = folder / "pair"
        self.other.mkdir()
        shutil.copytree(self.runs["classify"], self.other / "first")
        self._run("classify", self.other / "second", "model.dense=[4]")
        for path in folder.rglob("report.html"):
            path.unlink()
        self.unfinished = folder / "unfinished"
        self.unfinished.mkdir()
        self._run("classify", self.unfinished / "run", stopped=True)
        self.study = folder / "study"
        stage = Stage(Scenario("probed", "", SCENARIOS["study"].words, (), (("study.toml", PROBED),)), folder / "stage")
        ended = stage.give(stage.scenario.words)
        if ended.status:
            raise RuntimeError(ended.err)
        stage.left_behind()
        shutil.move(stage.place / "runs", self.study)
        self.numbers = np.random.default_rng(5)
        self._data()

    def _command(self, name: str, *words: str, stopped: bool = False) -> None:
        def prepare() -> None:
            if stopped:
                from smallvision.training import run

                run._score = lambda *_: os._exit(0)  # after the last checkpoint

        stage = Stage(Scenario(name, "", words), self.folder / "stage")
        ended = stage.give(words, prepare=prepare)
        if ended.status:
            raise RuntimeError(f"{name}: {ended.err[-1000:]}")
        stage.remove()

    def _run(self, name: str, out: Path, *changes: str, stopped: bool = False) -> None:
        words = SCENARIOS[name].words
        at = words.index("--out")
        self._command(name, *words[:at], *changes, "--out", str(out), *words[at + 2 :], stopped=stopped)

    def _data(self) -> None:
        """Files of data sets."""
        made, draw = self.numbers, self.draw
        self.mnist: dict[str, bytes] = {}
        for split, count in (("train", 14), ("t10k", 10)):
            self.mnist[f"{split}-images-idx3-ubyte"] = formats.idx(made.integers(0, 256, (count, 28, 28), np.uint8))
            self.mnist[f"{split}-labels-idx1-ubyte"] = formats.idx((np.arange(count) % 10).astype(np.uint8))
        names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
        pixels = {name: made.integers(0, 256, (4, 3072), np.uint8) for name in names}
        labels = {name: [(place + number) % 10 for number in range(4)] for place, name in enumerate(names)}
        self.pickles = {name: formats.cifar_pickle(pixels[name], labels[name]) for name in names}
        self.binaries = {f"{name}.bin": formats.cifar_binary(pixels[name], labels[name]) for name in names}
        self.npz = formats.npz(
            {
                "x_train": made.integers(0, 256, (12, 8, 8, 3), np.uint8),
                "y_train": (np.arange(12) % 3).astype(np.int64),
                "x_test": made.integers(0, 256, (6, 8, 8, 3), np.uint8),
                "y_test": (np.arange(6) % 3).astype(np.int64),
                "classes": np.array(["a", "b", "c"]),
            }
        )
        self.images = {kind: formats.images(kind, draw) for row, kind in IMAGES.items() if available(row)}
        for name, files in (
            ("mnist/MNIST/raw", self.mnist),
            ("mnist-gz/MNIST/raw", {f"{file}.gz": gzip.compress(data, mtime=0) for file, data in self.mnist.items()}),
            ("py/cifar-10-batches-py", self.pickles),
            ("bin/cifar-10-batches-bin", self.binaries),
        ):
            (self.folder / name).mkdir(parents=True)
            for file, data in files.items():
                (self.folder / name / file).write_bytes(data)
        for label in "ab":
            (self.folder / "pictures" / "train" / label).mkdir(parents=True)
            for number in range(2):
                (self.folder / "pictures" / "train" / label / f"{number}.png").write_bytes(
                    draw.choice(self.images["PNG"])
                )

    def file(self, folder: Path, path: str) -> Original:
        """A file of a folder of undamaged inputs."""
        return Original((folder / path).read_bytes(), path, folder)

    def strangers(self) -> list[bytes]:
        """Files of all kinds, for the place of another."""
        from_runs = [
            path.read_bytes() for run in self.runs.values() for path in sorted(run.rglob("*")) if path.is_file()
        ]
        studies = [path.read_bytes() for path in sorted((self.study / "studies").rglob("*.json"))]
        images = [files[0] for files in self.images.values()]
        texts = [
            RULES.encode(),
            ROSTER.encode(),
            b"#!/bin/sh\n",
            b"<html></html>",
            png([]),
            b"\0" * 4096,
            b"%PDF-1.4\n",
        ]
        data = [*self.mnist.values(), self.pickles["test_batch"], self.binaries["test_batch.bin"], self.npz]
        return [*from_runs, *studies, *images, *texts, *data]

    def digest(self) -> str:
        """Of all undamaged inputs."""
        return hashlib.sha256(b"".join(hashlib.sha256(one).digest() for one in self.strangers())).hexdigest()[:16]
