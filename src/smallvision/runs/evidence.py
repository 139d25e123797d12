"""The arrays of evidence.npz: those of every task, and the task's own, checked against each other. No torch."""

from pathlib import Path

import numpy as np

from smallvision.errors import short
from smallvision.storage.arrays import ArraySchema, check_arrays, unpacked
from smallvision.storage.schema import damaged
from smallvision.tasks.base import SPLITS, Task

VALIDATION_EVIDENCE = "evidence-validation.npz"  # evidence.npz as it was before the run was scored on the test split

# N images of the split that is shown, K classes
EVERY_TASK = ArraySchema(
    table={
        "split": ("U", ()),
        "labels": ("i", ("N",)),
        "ids": ("iu", ("N", "2")),
        "first_index": ("i", ("first",)),
        "first_pixels": ("u", ("first", "C", "H", "W")),
        "train_labels": ("i", ("shown",)),
        "train_pixels": ("u", ("shown", "C", "train H", "train W")),
        "filters": ("f", ("F", "c", "h", "w")),
        "panel_kinds": ("U", ("kinds",)),
        "panel_pixels": ("u", ("kinds", "n", "C", "panel H", "panel W")),
    },
    always=("split", "labels"),
    points={"labels": "K", "train_labels": "K", "first_index": "N"},
    together=(
        ("first_index", "first_pixels"),
        ("train_labels", "train_pixels"),
        ("panel_kinds", "panel_pixels"),
    ),
)


def read(file: Path, classes: int | None, task: Task) -> dict[str, np.ndarray]:
    """All arrays of an evidence.npz.

    Parameters
    ----------
    file : the .npz.
    classes : the number of classes, None where it is not known.
    task : whose arrays they are.

    Raises
    ------
    BadInput : an array is missing, damaged, or contradicts another.
    """
    arrays = unpacked(file)
    lengths = check_arrays(file, arrays, task.schema.arrays | EVERY_TASK, {} if classes is None else {"K": classes})
    task.schema.check(file, arrays, lengths)
    if str(arrays["split"]) not in SPLITS:
        raise damaged(file, f"split is {short(str(arrays['split']))}; expected one of {', '.join(SPLITS)}")
    return arrays
