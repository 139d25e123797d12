"""Data sets: which there are, getting them, what is in them. Imports happen when a call needs them."""

from pathlib import Path
from typing import Any

import smallvision.experiment as experiments
from smallvision.errors import BadInput, nearest
from smallvision.experiment import Study


def data_sets(root: Path | str | None = None) -> list[dict[str, Any]]:
    """A dict for each public data set: name, whether its files are here, what it is."""
    from smallvision.data.datasets import files, published

    folder = Path(root) if root else files.default_root()
    return [
        {
            "name": dataset.name,
            "here": not files.missing(dataset, files.present(dataset, folder)),
            "about": dataset.about,
        }
        for dataset in published().values()
    ]


def data_get(name: str, root: Path | str | None = None) -> list[Path]:
    """The files of a public data set, downloaded and verified where they are missing. Raises BadInput."""
    from smallvision.data.datasets import lookup
    from smallvision.data.datasets.files import locate

    return list(locate(lookup(name), Path(root) if root else None).values())


def data_info(name: str, root: Path | str | None = None, picture: Path | str | None = None) -> dict[str, Any]:
    """What is in a data set, or in the data of an experiment; and a labelled grid of its first images as a PNG.

    Parameters
    ----------
    name : a public data set; an experiment's catalog name or file; a folder of images or an .npz file.
    root : where the data sets are.
    picture : the PNG to write; by default <name>.png in the current folder.

    Returns
    -------
    dict : as data.describe gives it, and `picture`, the path written.
    """
    from smallvision.data import describe, load
    from smallvision.data.datasets import published

    if name in published():
        spec = experiments.io.build_data({"source": name}, name)
    elif Path(name).is_dir() or name.endswith(".npz"):
        spec = experiments.io.build_data({"source": "npz" if name.endswith(".npz") else "folder", "path": name}, name)
    elif name in experiments.io.entries() or name.endswith(".toml"):
        asked = experiments.load_any(name)
        spec = (asked.base if isinstance(asked, Study) else asked).data
    else:
        raise BadInput(f'no data set named "{name}"; {nearest(name, published())}')
    splits = load.load(spec, Path(root) if root else None)
    out = Path(picture) if picture else Path(f"{Path(name).stem}.png")
    if out.exists() and not describe.is_grid(out):
        raise BadInput(f"{out}: something else is there already, and nothing is overwritten; give --picture FILE.png")
    try:
        describe.grid(splits.train).savefig(out, dpi=120, format="png", metadata={"Software": "smallvision"})
    except OSError as error:
        raise BadInput(
            f"{out}: the picture cannot be written: {error.strerror or error}; give --picture FILE.png"
        ) from None
    return {**describe.describe(splits), "picture": out}
