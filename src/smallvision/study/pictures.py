"""Writes and reads the images that a report shows, by their ids, in one .npz. No torch."""

import io
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from smallvision.data.ids import Id
from smallvision.storage.arrays import ArraySchema, check_arrays, unpacked
from smallvision.storage.files import write_bytes
from smallvision.storage.schema import damaged

SCHEMA = ArraySchema(
    table={"ids": ("i", ("N", "2")), "pixels": ("u", ("N", "C", "H", "W")), "sizes": ("i", ("N", "2"))},
    always=("ids", "pixels", "sizes"),
)


def write(file: Path, images: Mapping[Id, np.ndarray]) -> None:
    """Write images of one size or several; the file appears whole or not at all.

    Parameters
    ----------
    file : the .npz.
    images : id -> uint8 (C, H, W); all images have the same number of channels.

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
    """The images of a file that `write` wrote: id -> uint8 (C, H, W). Empty where there is no such file.

    Raises
    ------
    BadInput : the file is damaged.
    """
    if not os.path.lexists(file):
        return {}
    arrays = unpacked(file)
    check_arrays(file, arrays, SCHEMA)
    ids, pixels, sizes = (arrays[name] for name in ("ids", "pixels", "sizes"))
    if len(sizes) and not (sizes.min() >= 1 and (sizes <= pixels.shape[2:]).all()):
        raise damaged(file, f"sizes has a side outside 1 to {pixels.shape[2]} x {pixels.shape[3]}, the size of pixels")
    entries = zip(ids.tolist(), pixels, sizes.tolist(), strict=True)
    return {(first, second): image[:, :height, :width] for (first, second), image, (height, width) in entries}
