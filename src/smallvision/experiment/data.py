"""The [data] table: where images come from, which of them are used, and how they are varied while training."""

import os
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from smallvision.errors import BadInput, counted, nearest
from smallvision.experiment.base import (
    Bool,
    Class,
    Count,
    Float,
    Fraction,
    NonNegative,
    Positive,
    Share,
    Side,
    Spec,
    Text,
    Whole,
)
from smallvision.experiment.text import writable

LARGEST_LEVEL = 1e18  # that white and range can state


class Flip(Spec):
    """Mirror left and right with the given probability."""

    kind: Literal["flip"]
    probability: Fraction = 0.5


class Crop(Spec):
    """Pad every side by `padding` pixels, then crop to the original size at a random place (He et al. 2015, 4.2)."""

    kind: Literal["crop"]
    padding: Annotated[Count, Field(le=1024)] = 4
    fill: Literal["zero", "reflect"] = "zero"


class ResizedCrop(Spec):
    """Crop a random share `scale` of the area at aspect `ratio`, and resize (Szegedy et al. 2014, section 6)."""

    kind: Literal["resized-crop"]
    scale: tuple[Positive, Positive] = (0.08, 1.0)
    ratio: tuple[Positive, Positive] = (3 / 4, 4 / 3)

    @model_validator(mode="after")
    def _ordered(self) -> "ResizedCrop":
        if not self.scale[0] <= self.scale[1] <= 1:
            raise ValueError("scale must be [smallest, largest] with 0 < smallest <= largest <= 1")
        if not self.ratio[0] <= self.ratio[1]:
            raise ValueError("ratio must be [smallest, largest]")
        return self


class Rotate(Spec):
    """Rotate by an angle drawn uniformly from [-degrees, degrees], bilinear, zeros outside."""

    kind: Literal["rotate"]
    degrees: Annotated[Positive, Field(le=180)] = 10.0


class Noise(Spec):
    """Add noise, then clamp to [0, 1]: uniform from [-amount, amount], or Gaussian of standard deviation `amount`."""

    kind: Literal["noise"]
    distribution: Literal["uniform", "gaussian"] = "uniform"
    amount: Annotated[Positive, Field(le=1)] = 0.1


class Cutout(Spec):
    """Blank a square of `size` pixels around a random centre (DeVries & Taylor 2017). It may reach over the border."""

    kind: Literal["cutout"]
    size: Side = 8
    probability: Fraction = 1.0


Augment = Annotated[Flip | Crop | ResizedCrop | Rotate | Noise | Cutout, Field(discriminator="kind")]


class Expand(Spec):
    """Enlarge the training set once, before training, by mirrored images and by noisy copies of all of them."""

    flip: Bool = True
    noise: Annotated[NonNegative, Field(le=1)] = 0.1

    @model_validator(mode="after")
    def _does_something(self) -> "Expand":
        if not self.flip and self.noise == 0:
            raise ValueError("data.expand sets neither flip nor noise; set one of them, or leave data.expand out")
        return self


class Numbers(Spec):
    """Mean and standard deviation to standardise by, one number per channel each, for pixels in [0, 1]."""

    mean: tuple[Annotated[float, Field(ge=0, le=1)], ...]
    std: tuple[Positive, ...]

    @model_validator(mode="after")
    def _same_length(self) -> "Numbers":
        if len(self.mean) != len(self.std) or not self.mean:
            raise ValueError(
                f"mean has {counted(len(self.mean), 'number')} and std {len(self.std)}; each needs one number per "
                f"channel"
            )
        return self


class DataSpec(Spec):
    """Where images come from and how they are prepared. `augment` and `expand` change the training split only.

    `source` is the name of a data set, "folder", "npz" or "arrays". Which names there are is known to the data package,
    which checks them by `refuse_unknown_source`.
    """

    source: Text
    path: Text | None = None  # folder: the directory; npz: the file
    digest: Text | None = None  # arrays: the sha256 of what was passed in, filled in by smallvision
    size: tuple[Side, Side] | None = None  # folder: (H, W) to resize to
    color: Literal["auto", "gray", "rgb"] = "auto"  # folder: auto is gray when every image is
    skip_bad: Bool = False  # folder: leave out files that cannot be read as an image
    white: Annotated[Positive, Field(le=LARGEST_LEVEL)] | None = (
        None  # folder, npz, arrays: the number that is white, 0 being black
    )
    range: tuple[Float, Float] | None = None  # folder, npz, arrays: the numbers that are black and white
    classes: tuple[Class, ...] | None = None  # a subset, by index or by name, in the order given
    unseen_classes: tuple[
        Class, ...
    ] = ()  # of `classes`; kept out of training, and a verifier is also scored on them alone
    limit: Share | None = None  # training images kept, seeded, classes in proportion
    limit_per_class: Count | None = None  # training images kept of each class
    validation: Share = 0  # taken from the training images, stratified
    seed: Whole = 0  # decides subset, split and expansion noise, whatever the seed of the run
    normalize: Literal["none", "standardize"] | Numbers = "standardize"
    expand: Expand | None = None
    augment: Annotated[tuple[Augment, ...], Field(max_length=100)] = ()

    @field_validator("size", mode="before")
    @classmethod
    def _square(cls, size: Any) -> Any:
        return (size, size) if isinstance(size, int) and not isinstance(size, bool) else size

    @field_validator("normalize", mode="before")
    @classmethod
    def _normalize_word_or_table(cls, value: Any) -> Any:
        if isinstance(value, str) and value not in ("none", "standardize"):
            raise ValueError('expected "none", "standardize" or { mean = [...], std = [...] }')
        return Numbers.model_validate(value) if isinstance(value, dict) else value

    @field_validator("limit")
    @classmethod
    def _keeps_something(cls, limit: int | float | None) -> int | float | None:
        if limit == 0:
            raise ValueError("a limit of 0 would keep no images; set 1 or more")
        return limit

    @field_validator("range")
    @classmethod
    def _black_below_white(cls, ends: tuple[float, float] | None) -> tuple[float, float] | None:
        if ends is not None and not -LARGEST_LEVEL <= ends[0] < ends[1] <= LARGEST_LEVEL:
            raise ValueError(
                "range must be [black, white] with black < white, such as [0, 16], where neither number is above "
                f"{LARGEST_LEVEL:.0e}"
            )
        return ends

    @property
    def stated_range(self) -> tuple[float, float] | None:
        """(black, white) as `white` or `range` state them; None where neither is given."""
        return self.range if self.white is None else (0.0, self.white)

    @property
    def may_bring_validation(self) -> bool:
        """Whether the source can have a validation split of its own, which is known when it is read."""
        return self.source in ("folder", "npz", "arrays")

    @model_validator(mode="after")
    def _keys_that_belong_together(self) -> "DataSpec":
        if self.source in ("folder", "npz") and not self.path:
            raise ValueError(f'source "{self.source}" needs data.path')
        if self.source not in ("folder", "npz") and self.path:
            raise ValueError(
                f'data.path is for the sources "folder" and "npz", not for "{self.source}"; use --root to say where '
                "that data set is"
            )
        if self.source != "folder" and (self.size or self.color != "auto" or self.skip_bad):
            raise ValueError(
                f'size, color and skip_bad are for the source "folder", not for "{self.source}"; leave them out'
            )
        if self.white is not None and self.range is not None:
            raise ValueError("white and range are both given; keep one (white = 4095 is range = [0, 4095])")
        if self.limit is not None and self.limit_per_class is not None:
            raise ValueError("limit and limit_per_class are both given; keep one")
        if self.classes is not None and len(set(self.classes)) < max(len(self.classes), 2):
            raise ValueError("classes needs at least two different classes")
        if self.unseen_classes and len(set(self.unseen_classes)) < max(len(self.unseen_classes), 2):
            raise ValueError(
                "unseen_classes needs at least two different classes, so that there are pairs of one class and pairs "
                "of two"
            )
        return self


def refuse_unknown_source(source: str, known: Iterable[str]) -> None:
    """Refuse a word for `data.source` that is not among the known ones.

    Parameters
    ----------
    source : the word of the [data] table.
    known : the words that the data package can load.

    Raises
    ------
    BadInput : names the nearest known word, or all of them.
    """
    names = tuple(known)
    if source in names:
        return
    said = writable(source)
    if "/" in source or "\\" in source or source.startswith("~") or source.endswith(".npz"):  # meant as a path
        kind, what = ("npz", "file") if source.endswith(".npz") else ("folder", "folder")
        there = "" if os.path.exists(os.path.expanduser(source)) else f" (there is no such {what} either)"
        raise BadInput(
            f'data.source: "{said}" is not the name of a data set{there}; to read images of your own, set '
            f"data.source={kind} data.path={said}"
        )
    raise BadInput(f'data.source: unknown source "{said}"; {nearest(source, names)}')
