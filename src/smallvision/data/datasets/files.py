"""Where the files of data sets lie on disk, and how those that are missing get there.

The layouts are torchvision's, so that files which are already on a disk are used.
"""

import gzip
import hashlib
import os
import shlex
import zlib
from collections.abc import Sequence
from pathlib import Path

from smallvision.data.datasets.base import Dataset
from smallvision.data.datasets.download import fetch, how_to_provide
from smallvision.errors import BadInput
from smallvision.experiment.text import expanded
from smallvision.storage.reading import open_regular, require_regular

_LARGEST_PROOF = 1_000_000  # bytes; the test labels of MNIST have 10 008


def default_root() -> Path:
    """$SMALLVISION_DATA, else the system's cache folder for programs. Raises BadInput."""
    if given := os.environ.get("SMALLVISION_DATA"):
        return expanded(given)
    from platformdirs import user_cache_path

    return user_cache_path("smallvision") / "data"


def locate(
    dataset: Dataset, root: Path | None = None, mirrors: Sequence[str] | None = None, make: bool = False
) -> dict[str, Path]:
    """Paths of the files of a data set; files that are missing are downloaded and verified first.

    Parameters
    ----------
    dataset : an entry of DATASETS.
    root : the folder of the data sets; `default_root()` if None.
    mirrors : base addresses to download from, in place of the official ones.
    make : whether a root that somebody named, and that does not exist, is made. If False it is taken for a mistake.

    Returns
    -------
    dict : file name as published, without ".gz" or ".bin" -> path. Empty for data sets without files.

    Raises
    ------
    BadInput : a file is missing and no mirror delivered it intact; the folder of the data sets does not exist.
    """
    named = "--root" if root is not None else "SMALLVISION_DATA" if os.environ.get("SMALLVISION_DATA") else ""
    root = default_root() if root is None else expanded(root)
    paths = present(dataset, root)
    if names := missing(dataset, paths):
        if named and not make and not root.exists():
            raise BadInput(
                f"{named}: {root}: there is no such folder, so {dataset.name} cannot be read from it; name the "
                f"folder that has it, or download it there: smallvision data get {dataset.name} --root "
                f"{shlex.quote(str(root))}"
            )
        fetch(dataset, root, names, dataset.mirrors if mirrors is None else mirrors)
        paths = present(dataset, root)
        if names := missing(dataset, paths):
            where = root / dataset.download_folder / names[0]
            raise BadInput(
                f"{where}: the file is missing, and it is not one of the files that are downloaded; "
                f"{how_to_provide(dataset, names[0])}"
            )
    return paths


def present(dataset: Dataset, root: Path) -> dict[str, Path]:
    """The files on disk, of the first complete layout, else of the last one; keys as `locate`.

    Raises
    ------
    BadInput : a folder that may not be entered.
    """
    paths: dict[str, Path] = {}
    for layout in dataset.layouts:
        paths = {}
        for file in layout:
            if path := _find(dataset, root, file):
                paths[file.removesuffix(".bin")] = path
        if len(paths) == len(layout):
            break
    return paths


def missing(dataset: Dataset, paths: dict[str, Path]) -> list[str]:
    """Names of the files that are not among `paths`, which `present` returned."""
    names = dataset.layouts[-1] if dataset.layouts else ()
    return [file for file in names if file.removesuffix(".bin") not in paths]


def _find(dataset: Dataset, root: Path, file: str) -> Path | None:
    for folder in dataset.folders:
        path = _raw_or_zipped(root / folder, file)
        if path is not None and (folder or _proven(dataset, root)):
            return path
    return None


def _raw_or_zipped(folder: Path, file: str) -> Path | None:
    for candidate in (folder / file, folder / f"{file}.gz"):
        try:
            if candidate.is_file():
                return candidate
            if os.path.lexists(candidate) and not candidate.is_dir():
                require_regular(candidate)
        except OSError as error:
            raise BadInput(
                f"{candidate}: {error.strerror or error}; use --root or SMALLVISION_DATA to name a folder that can be "
                "read"
            ) from None
    return None


def _proven(dataset: Dataset, root: Path) -> bool:
    """Whether files that lie in the root itself belong to this data set, see `Dataset.proof`."""
    if not dataset.proof:
        return True
    path = _raw_or_zipped(root, dataset.layouts[-1][-1])
    if path is None:
        return False
    try:
        with open_regular(path) as raw, gzip.open(raw) if path.suffix == ".gz" else raw as file:
            content = file.read(_LARGEST_PROOF)
    except (OSError, EOFError, zlib.error):
        return False
    return hashlib.md5(content, usedforsecurity=False).hexdigest() == dataset.proof
