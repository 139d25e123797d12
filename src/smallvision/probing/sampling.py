"""Draws the images to which a probe is fitted, on which its settings are chosen, and on which it is judged.

The three sets have no image in common. The labels of the images on which it is judged decide nothing: k and C are
chosen on other validation images, or else on training images that are held out.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from smallvision.data import split
from smallvision.data.imageset import ImageSet, Splits
from smallvision.data.seeds import mix
from smallvision.errors import BadInput
from smallvision.experiment.probe import DEFAULT_TEST, DEFAULT_TRAIN, ProbeSpec
from smallvision.metrics.linear_probe import each, subset

MOST_TO_CHOOSE = 5000
SHARE_HELD = 5  # at most one in five training images is held out
HELD_OUT = "training images held out"
_HELD, _CAPPED = 11, 12  # seeds that differ from that of the probe's own subsets


@dataclass(frozen=True, eq=False)
class Sample:
    """Three sets of images without a shared one.

    Parameters
    ----------
    train : classifiers learn from these.
    chosen_on : k and C are chosen on these.
    shown : classifiers are judged on these.
    split : which these last are of, "test" or "validation".
    chosen : what `chosen_on` is: "validation" or HELD_OUT.
    notes : what a person should know.
    """

    train: ImageSet
    chosen_on: ImageSet
    shown: ImageSet
    split: str
    chosen: str
    notes: tuple[str, ...]


def sample(splits: Splits, spec: ProbeSpec) -> Sample:
    """Draw a probe's images.

    Parameters
    ----------
    splits : of the run, without a test split if the run must not use it; without copies of images, see `originals`.
    spec : how many, and the seed.

    Raises
    ------
    BadInput : neither test nor validation images; more images are asked for than there are in each class.
    """
    shown_split = "test" if splits.test is not None else "validation"
    of = splits.named().get(shown_split)
    if of is None:
        raise BadInput(
            f"{splits.train.name}: there are no test or validation images to evaluate a probe on; run the experiment "
            "with data.validation = 0.1"
        )
    classes, notes = splits.train.classes, []
    shown, said = _drawn("test", of, spec.test, DEFAULT_TEST, spec.seed)
    notes += said
    train = splits.train
    if shown_split == "test" and splits.validation is not None:
        chosen, chosen_on = "validation", _capped(splits.validation, spec.seed)
    else:
        chosen = HELD_OUT
        rows = _held(train, len(shown) // len(classes), spec.seed)
        chosen_on, train = (
            _take(train, rows),
            _take(train, np.setdiff1d(np.arange(len(train)), rows, assume_unique=True)),
        )
    fitted, said = _drawn("train", train, spec.train, DEFAULT_TRAIN, spec.seed)
    return Sample(fitted, chosen_on, shown, shown_split, chosen, (*notes, *said))


def originals(images: ImageSet, kinds: int) -> ImageSet:
    """The images from which an expanded training set was made: the first of `kinds` parts, within each size.

    A mirrored copy in the training images of an image that is held out would give away its label.
    """
    groups, labels = [], []
    for group, part in zip(images.groups, images.labels.split([len(group) for group in images.groups]), strict=True):  # type: ignore[no-untyped-call]
        groups.append(group[: len(group) // kinds])
        labels.append(part[: len(group) // kinds])
    ids = images.ids.split([len(group) for group in images.groups])  # type: ignore[no-untyped-call]
    kept = torch.cat([part[: len(part) // kinds] for part in ids])
    return replace(images, groups=tuple(groups), labels=torch.cat(labels), ids=kept)


def _drawn(name: str, images: ImageSet, asked: int | str | None, default: int, seed: int) -> tuple[ImageSet, list[str]]:
    """The images for one of the two counts of a spec, and notes on them."""
    if asked == "all":
        return images, []
    classes, labels = images.classes, images.labels.numpy()
    counts = np.bincount(labels, minlength=len(classes))
    least = int(counts.argmin())
    most = int(counts[least]) * len(classes)
    if not most:
        raise BadInput(
            f'{name}: {images.name} has no images of class "{classes[least]}", so it is not possible to draw equally '
            f'many of every class; set {name} to "all" to use every image'
        )
    wanted = default if asked is None else int(asked)
    if asked is not None and wanted > most:
        raise BadInput(
            f"{name}: {wanted:,} images are too many to draw equally many of every class: {images.name} has "
            f'{len(labels):,}, and {counts[least]:,} of "{classes[least]}"; use at most {most:,}, or "all"'
        )
    share = each(wanted, classes, name) if asked is not None else max(1, min(wanted, most) // len(classes))
    taken = _take(images, subset(labels, share, classes, seed, name))
    fewer = asked is None and len(taken) < default
    note = (
        f"{name}: {len(taken):,} images instead of {default:,}, which is the most with equally many of every class "
        f"in {images.name}"
    )
    return taken, [note] if fewer else []


def _capped(images: ImageSet, seed: int) -> ImageSet:
    """The validation images; if there are more than MOST_TO_CHOOSE, equally many of every class, if possible."""
    if len(images) <= MOST_TO_CHOOSE:
        return images
    labels = images.labels.numpy()
    counts = np.bincount(labels, minlength=len(images.classes))
    wanted = np.minimum(counts, max(1, MOST_TO_CHOOSE // len(images.classes)))
    return _take(images, split.draw(labels, np.arange(len(labels)), wanted, mix(seed, _CAPPED)))


def _held(train: ImageSet, shown: int, seed: int) -> np.ndarray:
    """Rows of the training images on which k and C are chosen, at most `shown` of each class. Raises BadInput."""
    labels = train.labels.numpy()
    counts = np.bincount(labels, minlength=len(train.classes))
    least = int(counts.argmin())
    share = min(max(1, shown), int(counts[least]) // SHARE_HELD)
    if not share:
        raise BadInput(
            f"{train.name}: k and C are chosen on training images that are held out, but class "
            f'"{train.classes[least]}" has only {counts[least]:,} training images, too few for that; run the '
            "experiment with data.validation = 0.1"
        )
    return subset(labels, share, train.classes, mix(seed, _HELD), HELD_OUT)


def _take(images: ImageSet, rows: np.ndarray) -> ImageSet:
    """The images of ascending rows; the order stays the same with images of several sizes."""
    return images.take(torch.from_numpy(rows))
