"""Data sets: which there are, getting them, what is in them. Imports happen when a call needs them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import smallvision.experiment as experiments
from smallvision.errors import BadInput, nearest, short
from smallvision.experiment import Study
from smallvision.experiment.data import DataSpec


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

    return list(locate(lookup(name), Path(root) if root else None, make=True).values())


def data_info(
    name: str, root: Path | str | None = None, picture: Path | str | None = None, overrides: Sequence[str] = ()
) -> dict[str, Any]:
    """What is in a data set, or in the data of an experiment; and a labelled grid of its first images as a PNG.

    Parameters
    ----------
    name : a public data set; an experiment's catalog name or file; a folder of images or an .npz file.
    root : where the data sets are.
    picture : the PNG to write; by default <name>.png in the current folder.
    overrides : "data.key=value" each, as of an experiment, such as "data.white=4095".

    Returns
    -------
    dict : as data.describe gives it, and `picture`, the path written.
    """
    from smallvision.data import describe, load
    from smallvision.data.datasets import published
    from smallvision.rendering import style

    if name in published():
        spec = _data({"source": name}, name, overrides)
    elif Path(name).is_dir() or name.endswith(".npz"):
        spec = _data({"source": "npz" if name.endswith(".npz") else "folder", "path": name}, name, overrides)
    elif name in experiments.io.entries() or name.endswith(".toml"):
        asked = experiments.load_any(name, overrides)
        spec = (asked.base if isinstance(asked, Study) else asked).data
    elif "/" in name:
        raise BadInput(f"{name}: there is no such folder; name a folder of images, an .npz file, or a data set")
    else:
        raise BadInput(f'there is no data set named "{name}"; {nearest(name, published())}')
    splits = load.load(spec, Path(root) if root else None)
    out = Path(picture) if picture else Path(f"{Path(name).stem}.png")
    if out.exists() and not describe.is_grid(out):
        raise BadInput(
            f"{out}: this exists and is not a picture made here, and nothing is overwritten; choose another file with "
            "--picture FILE.png"
        )
    try:
        style.save_png(style.styled(describe.grid)(splits.train), out, dpi=120)
    except OSError as error:
        raise BadInput(
            f"{out}: the picture cannot be written: {error.strerror or error}; choose another file with --picture "
            "FILE.png"
        ) from None
    return {**describe.describe(splits), "picture": out}


def _data(table: dict[str, Any], name: str, overrides: Sequence[str]) -> DataSpec:
    """A [data] table, changed by overrides. Raises BadInput."""
    whole: dict[str, Any] = {"data": table}
    for override in overrides:
        if not override.startswith("data."):
            raise BadInput(
                f"override {short(override)}: {name} is not an experiment; only keys of its data can be changed, "
                "data.KEY=VALUE"
            )
        experiments.io.apply(whole, override)
    return experiments.io.build_data(whole["data"], name)
