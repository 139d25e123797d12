"""What a classifier's score can hide: classes that are never predicted, and an accuracy that guessing reaches.

No torch.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from smallvision.errors import shown
from smallvision.metrics.metric import ACCURACY
from smallvision.tasks.base import FinishedRun, RunWarning
from smallvision.tasks.score_rows import judged_split
from smallvision.tasks.warnings import classes_without_images, named


def warnings(run: FinishedRun) -> tuple[RunWarning, ...]:
    """The warnings of a finished classification, on the split that its report judges by."""
    split = judged_split(run)
    if split is None:
        return ()
    row = (run.result or {})[split]
    return (*classes_without_images(run), *_never_predicted(row, split), *_guessed(row, split))


def _never_predicted(row: Mapping[str, Any], split: str) -> Iterator[RunWarning]:
    """Classes that have images and are never answered; runs of earlier versions did not record it."""
    missing = [one for one in row.get("per_class") or [] if one["support"] and one.get("predicted") == 0]
    if missing:
        count = sum(one["support"] for one in missing)
        names = named([one["class"] for one in missing])
        which = "is" if len(missing) == 1 else "are"
        yield RunWarning(
            "class never predicted",
            f"{names} {which} never predicted ({count:,} of {row['count']:,} {_of(split)} images); train longer, or "
            "train with equally many images of every class (data.limit_per_class)",
            split,
        )


def _guessed(row: Mapping[str, Any], split: str) -> Iterator[RunWarning]:
    """An accuracy whose interval reaches down to what always answering the largest class gives."""
    ends, classes = row.get("accuracy_interval"), row.get("per_class")
    if not ends or not classes:
        return
    largest = max(classes, key=lambda one: one["support"])
    share = largest["support"] / row["count"]
    if ends[0] <= share:
        yield RunWarning(
            "no better than guessing",
            f"the {_of(split)} accuracy of {ACCURACY.text(row['accuracy'])} ({ACCURACY.number(ends[0])} to "
            f'{ACCURACY.text(ends[1])}) is not clearly better than always answering "{shown(largest["class"])}", the '
            f"largest class ({ACCURACY.text(share)}); train longer, change recipe.learning_rate, or score more images",
            split,
        )


def _of(split: str) -> str:
    return "training" if split == "train" else split
