"""What reads files and words from outside, and which kinds of damage each of it is given.

A parser that is added to smallvision gets a row here, or joins one; tests/structure/test_structure_reliability.py finds
every place in src/ that opens a file of others, and fails while its file is in no row. What a row is read by stands in
readers.py. No heavy import here: tables.py reads this list.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = ("truncated", "bit flips", "spliced", "wrong field", "swapped files", "hostile value")
EACH = 500  # damaged inputs in every cell that makes sense


@dataclass(frozen=True)
class Row:
    """A reader.

    Attributes
    ----------
    name : as the page shows it.
    parsers : the files of src/smallvision that read it.
    senseless : kinds of damage that make no sense, each with the reason.
    checksum : what guards the content, so that damaged content which is read without a word is a fault; "" if nothing.
    """

    name: str
    parsers: tuple[str, ...]
    senseless: Mapping[str, str] = field(default_factory=dict)
    checksum: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of damage that make sense."""
        return tuple(kind for kind in KINDS if kind not in self.senseless)


_TREE = {
    "truncated": "a folder has no bytes; its files are the rows of image formats",
    "bit flips": "a folder has no bytes; its files are the rows of image formats",
}
_IMAGES = (
    *("data/readers/image_file.py", "data/readers/open_image.py", "data/readers/orientation.py"),
    *("data/readers/png_chunks.py", "data/readers/levels.py", "data/datasets/folder.py"),
)
_RUN = ("runs/read.py", "storage/files.py")

ROWS: tuple[Row, ...] = (
    Row("experiment (TOML)", ("experiment/io.py",)),
    Row("study (TOML)", ("experiment/io.py",)),
    Row("overrides", ("experiment/io.py",)),
    Row("assignment rules (TOML)", ("experiment/io.py",)),
    Row("roster (CSV)", ("assign/roster.py",)),
    Row("stack of layers", ()),
    Row("IDX", ("data/readers/idx.py", "data/datasets/files.py")),
    Row("IDX, gzipped", ("data/readers/idx.py", "data/datasets/files.py"), checksum="CRC-32 of gzip"),
    Row("CIFAR-10, pickled", ("data/readers/cifar.py", "data/readers/pickle_scan.py")),
    Row("CIFAR-10, binary", ("data/readers/cifar.py",)),
    Row("arrays (NPZ)", ("data/datasets/npz.py",), checksum="CRC-32 of zip"),
    Row("folder of images", _IMAGES, _TREE),
    Row("PNG", _IMAGES, checksum="CRC-32 of each chunk"),
    Row("JPEG", _IMAGES),
    Row("GIF", _IMAGES),
    Row("BMP", _IMAGES),
    Row("TIFF", _IMAGES),
    Row("WebP", _IMAGES),
    Row("PPM", _IMAGES),
    Row("JPEG 2000", _IMAGES),
    Row("AVIF", _IMAGES),
    Row("picture that would be replaced (PNG)", ("data/describe.py",)),
    Row("run: experiment.toml", ("runs/read.py", "runs/paths.py", "experiment/quick.py")),
    Row("run: state.json", (*_RUN, "runs/paths.py", "study/plan/jobs.py")),
    Row("run: environment.json", (*_RUN, "study/plan/jobs.py")),
    Row("run: layers.json", _RUN),
    Row("run: result.json", _RUN),
    Row("run: metrics.jsonl", (*_RUN, "runs/listing.py")),
    Row("run: steps.jsonl", _RUN),
    Row("run: evidence.npz", ("storage/arrays.py",), checksum="CRC-32 of zip"),
    Row(
        "run: model.safetensors",
        ("inference/predict.py", "training/prepare.py", "runs/weights.py"),
        checksum="sha256 in result.json",
    ),
    Row("resumed: checkpoint.safetensors", ("training/checkpoint.py", "runs/weights.py"), checksum="sha256 inside"),
    Row("resumed: logs", ("runs/directory.py", "runs/logs.py", "runs/read.py")),
    Row("probe: probe.json", ("runs/probes.py", "storage/files.py")),
    Row("probe: probe.npz", ("storage/arrays.py",), checksum="CRC-32 of zip"),
    Row("study: study.toml", ("experiment/io.py",)),
    Row("study: plan.json", ("storage/files.py",)),
    Row("study: state.json", ("storage/files.py",)),
    Row("study: study.json", ("storage/files.py",)),
    Row("study: pictures.npz", ("storage/arrays.py",), checksum="CRC-32 of zip"),
    Row("comparison of runs", ("runs/read.py", "storage/arrays.py")),
)

# Formats that not every build of Pillow has: the row, and what PIL.features calls it.
OF_SOME_BUILDS: Mapping[str, str] = {"JPEG 2000": "jpg_2000", "AVIF": "avif", "WebP": "webp"}

# Files of src/smallvision that open something which is no input of others, and why.
NO_READERS: Mapping[str, str] = {
    "storage/reading.py": "the functions by which all others open files",
    "nn/neighbours.py": "a person's own source code, executed only with --trust-code",
    "nn/old_names.py": "an import of our own modules",
    "training/fingerprint.py": "digests of the source code of libraries and of what was passed in from Python",
    "training/evaluate_on_test.py": "copies evidence.npz, which has been read and checked",
    "rendering/html.py": "our own templates, and the first bytes of a page that would be replaced",
    "conv/bench.py": "the answer of our own measuring process",
    "conv/measure.py": "the job that our own process was given",
    "conv/memory.py": "/proc",
    "data/memory.py": "/proc and the limits of the control group",
    "runs/environment.py": "/proc",
    "storage/lock.py": "the file of a lock, whose content nobody reads",
    "cli/__init__.py": "/dev/null",
    "data/datasets/download.py": "archives whose checksum is compared before they are opened",
    "assign/rules.py": "the names of our own assignments; the files are read by experiment/io.py",
    "assign/folder.py": "writes",
    "api/filters.py": "a value of --where, which is compared with others and not used",
    "study/runner.py": "opens the directory of its own study, which study/read.py reads",
    "study/workers/pool.py": "the answers of our own worker processes",
    "study/workers/process.py": "the tasks from our own study",
}


def problem(found: dict[str, Any]) -> str:
    """Why results are out of date: a reader, a kind of damage, or a number that they lack; "" if they are good."""
    cells = {row["name"]: row["cells"] for row in found["inputs"]}
    for row in ROWS:
        for kind in row.kinds:
            if kind not in cells.get(row.name, {}):
                return f"lacks the {kind} of the reader {row.name}"
            if cells[row.name][kind]["inputs"] < EACH:
                return f"has fewer than {EACH} inputs, {kind}, of the reader {row.name}"
    old = sorted(set(cells) - {row.name for row in ROWS})
    return f"has a reader that there is no more, {old[0]}" if old else ""
