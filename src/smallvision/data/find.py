"""Images found again by their ids."""

from collections.abc import Iterable

import numpy as np
import torch

from smallvision.data.load import ImageSet
from smallvision.storage.images import Id


def by_id(images: ImageSet, ids: Iterable[Id]) -> dict[Id, np.ndarray]:
    """The pixels of some images: id -> uint8 (C, H, W); an id that is not there is left out.

    Parameters
    ----------
    images : where to look.
    ids : which, as in `images.ids`.
    """
    place = {(first, second): row for row, (first, second) in enumerate(images.ids.tolist())}
    out: dict[Id, np.ndarray] = {}
    for wanted in ids:
        if wanted in place:
            one = images.take(torch.tensor([place[wanted]]))
            out[wanted] = one.pixels[0].cpu().numpy()
    return out
