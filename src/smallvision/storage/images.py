"""Images that a report shows, kept by their ids in one .npz beside what was found. No torch."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from smallvision.data.ids import Id
from smallvision.storage.arrays import unpacked
from smallvision.storage.files import write_bytes
from smallvision.storage.schema import damaged


def write(file: Path, images: Mapping[Id, np.ndarray]) -> None:
    """Write images of one size or several; the file appears whole or not at all.

    Parameters
    ----------
    file : the .npz.
    images : id -> uint8 (C, H, W), as many channels in all of them.

    Raises
    ------
    RunFailed : the disk is full or refuses.
    """
    sizes = np.array([image.shape[1:] for image in images.values()], np.int64).reshape(-1, 2)
    channels = max((image.shape[0] for image in images.values()), default=1)
    pixels = np.zeros((len(images), channels, *sizes.max(0, initial=1)), np.uint8)
    for place, image in enumerate(images.values()):
        pixels[place, :, : image.shape[1], : image.shape[2]] = image
    packed = io.BytesIO()
    np.savez_compressed(packed, ids=np.array(list(images), np.int64).reshape(-1, 2), pixels=pixels, sizes=sizes)
    write_bytes(file, packed.getvalue())


def read(file: Path) -> dict[Id, np.ndarray]:
    """The images of a file that `write` wrote: id -> uint8 (C, H, W). empty where there is no such file.

    Raises
    ------
    BadInput : the file is damaged.
    """
    if not file.is_file():
        return {}
    arrays = unpacked(file)
    for name, kind, axes in (("ids", "i", 2), ("pixels", "u", 4), ("sizes", "i", 2)):
        if name not in arrays or arrays[name].dtype.kind != kind or arrays[name].ndim != axes:
            raise damaged(file, f"has no array {name} of {axes} axes")
    ids, pixels, sizes = (arrays[name] for name in ("ids", "pixels", "sizes"))
    fits = ids.shape == sizes.shape == (len(pixels), 2) and pixels.dtype == np.uint8
    if not fits or (len(sizes) and not (sizes.min() >= 1 and (sizes <= pixels.shape[2:]).all())):
        raise damaged(file, "ids, pixels and sizes do not fit together")
    entries = zip(ids.tolist(), pixels, sizes.tolist(), strict=True)
    return {(first, second): image[:, :height, :width] for (first, second), image, (height, width) in entries}
