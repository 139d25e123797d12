"""Defines a data set: its facts, its files, and the function that reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smallvision.experiment.data import DataSpec

if TYPE_CHECKING:
    from smallvision.data.source import Raw


@dataclass(frozen=True)
class Dataset:
    """One entry of `DATASETS`: a published data set, or a format that people bring their own images in.

    Parameters
    ----------
    name : `data.source` in an experiment.
    about : one line for people.
    read : (this entry, data, folder of the data sets) -> the source, its labels read and its pixels not yet. It imports
        what only it needs when it is called. Raises BadInput.
    class_count : (data, folder of the data sets) -> how many classes there are, for a source whose images take far
        longer to list than its classes; None for the others. Raises BadInput.
    classes : K names; empty where the images decide.
    shape : (C, H, W) of every image; None where the images decide.
    license, homepage : None where nothing is known.
    folders : where the files may lie below the folder of the data sets, searched in this order. "" is that folder
        itself.
    layouts : alternative sets of file names; the first complete one is used, and the last one is what is downloaded.
    downloads : file name and md5 of each official file: the single files, or one archive (.tar.gz) that holds all of
        them.
    download_folder : where downloads go, below the folder of the data sets; one of `folders`.
    mirrors : base addresses, tried in order.
    proof : md5 of the last file of the last layout, unzipped, for data sets whose files are named like those of
        another. Files that lie in the folder of the data sets itself, where no folder's name tells whose they are, are
        then taken only if that file has this md5.
    """

    name: str
    about: str
    read: "Callable[[Dataset, DataSpec, Path | None], Raw]"
    class_count: "Callable[[DataSpec, Path | None], int] | None" = None
    classes: tuple[str, ...] = ()
    shape: tuple[int, int, int] | None = None
    license: str | None = None
    homepage: str | None = None
    folders: tuple[str, ...] = ()
    layouts: tuple[tuple[str, ...], ...] = ()
    downloads: tuple[tuple[str, str], ...] = ()
    download_folder: str = ""
    mirrors: tuple[str, ...] = ()
    proof: str = ""
