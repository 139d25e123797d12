"""The spec of a probe of a run's representation: classifiers, numbers of images, two-dimensional maps. No torch."""

import hashlib
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from smallvision.errors import nearest
from smallvision.experiment.base import Count, Spec, Whole, canonical_text

KINDS = ("knn", "linear")
MAPS = ("pca", "tsne", "umap")
PROBES = {
    "knn": ("knn-cosine", "knn-euclidean"),
    "linear": ("linear",),
}  # the classifiers of each kind, in the order of results
DEFAULT_TRAIN, DEFAULT_TEST = 10_000, 1_000
MOST_ON_MAPS = 100_000


def _images(value: Any) -> Any:
    """A count, "all" for every image, or None for the default, which is lowered where there are fewer images."""
    if value is None or value == "all" or (type(value) is int and value >= 1):
        return value
    raise PydanticCustomError("images", 'expected a number of images, 1 or more, or "all"')


def _each_once(known: tuple[str, ...], value: Any) -> Any:
    """The words in the order of `known`, so that the order in which they are given changes no hash."""
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise PydanticCustomError("words", "expected a list of {known}", {"known": ", ".join(known)})
    words = tuple(value)
    for word in words:
        if word not in known:
            raise PydanticCustomError(
                "words", '"{word}" is not known; {hint}', {"word": word, "hint": nearest(word, known)}
            )
        if words.count(word) > 1:
            raise PydanticCustomError("words", '"{word}" is given twice; keep one', {"word": word})
    return tuple(word for word in known if word in words)


Images = Annotated[int | Literal["all"] | None, BeforeValidator(_images)]


class ProbeSpec(Spec):
    """A probe of a finished run's representation and of the baselines that it is compared with.

    kinds : classifiers: "knn" (nearest neighbours, by cosine and Euclidean distance), "linear" (logistic regression).
    train, test : numbers of images that classifiers are fitted on and scored on, with equally many of every class.
        "all" takes every image. None takes 10,000 and 1,000, or the largest possible number where there are fewer.
    maps : two-dimensional maps of the test images.
    map_images : the largest number of images on a map.
    seed : decides which images are drawn, and the random part of a map.
    """

    kinds: tuple[Literal["knn", "linear"], ...] = ("knn", "linear")
    train: Images = None
    test: Images = None
    maps: tuple[Literal["pca", "tsne", "umap"], ...] = ("pca", "tsne")
    map_images: Annotated[Count, Field(le=MOST_ON_MAPS)] = 2000
    seed: Whole = 0

    @field_validator("kinds", mode="before")
    @classmethod
    def _some_kinds(cls, kinds: Any) -> Any:
        words = _each_once(KINDS, kinds)
        if not words:
            raise PydanticCustomError("words", "expected at least one of {known}", {"known": ", ".join(KINDS)})
        return words

    @field_validator("maps", mode="before")
    @classmethod
    def _known_maps(cls, maps: Any) -> Any:
        return _each_once(MAPS, maps)

    @property
    def probes(self) -> tuple[str, ...]:
        """The classifiers fitted on every source of features, in the order of results."""
        return tuple(probe for kind in self.kinds for probe in PROBES[kind])

    def canonical(self) -> dict[str, Any]:
        """All values that differ from their defaults, so that a new key changes no hash."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @property
    def identity(self) -> str:
        """The whole canonical form as text: probes with equal texts are the same. The hash is only for names."""
        return canonical_text(self.canonical())

    def hash(self) -> str:
        """The first 8 hexadecimal digits of the sha256 of the canonical form as JSON with sorted keys."""
        return hashlib.sha256(self.identity.encode()).hexdigest()[:8]
