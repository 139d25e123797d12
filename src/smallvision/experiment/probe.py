"""What a probe of a run's representation is: which classifiers, on how many images, which maps; frozen, with a stable hash. No torch."""

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
}  # what each kind stands for, in the order of results
DEFAULT_TRAIN, DEFAULT_TEST = 10_000, 1_000
MOST_ON_MAPS = 100_000


def _images(value: Any) -> Any:
    """A count is strict, "all" takes every image, None the default or as many as there are."""
    if value is None or value == "all" or (type(value) is int and value >= 1):
        return value
    raise PydanticCustomError("images", 'expected a number of images from 1 on, or "all"')


def _each_once(known: tuple[str, ...], value: Any) -> Any:
    """Words in their own order, so that the same ones asked for in another order are the same probe."""
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
    """A probe of a finished run's representation, and of the baselines beside it.

    kinds : classifiers: "knn" (nearest neighbours, by cosine and by Euclidean distance), "linear" (logistic regression).
    train, test : images that classifiers are fitted on and judged on, equally many of every class, exactly as many as are said;
        "all" takes every image; None 10,000 and 1,000, or as many as can be equally many of every class where there are fewer.
    maps : two-dimensional maps of the judged images.
    map_images : that are on the maps, at most.
    seed : which images are drawn, and what is random in a map.
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
        found = _each_once(KINDS, kinds)
        if not found:
            raise PydanticCustomError("words", "expected at least one of {known}", {"known": ", ".join(KINDS)})
        return found

    @field_validator("maps", mode="before")
    @classmethod
    def _known_maps(cls, maps: Any) -> Any:
        return _each_once(MAPS, maps)

    @property
    def probes(self) -> tuple[str, ...]:
        """The probes of every source of features, in the order of results: "knn-cosine", "knn-euclidean", "linear"."""
        return tuple(probe for kind in self.kinds for probe in PROBES[kind])

    def canonical(self) -> dict[str, Any]:
        """Only what differs from the defaults, so that a key added later changes no hash."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @property
    def identity(self) -> str:
        """The whole canonical form as text: two probes are one where it is equal. The hash is for names."""
        return canonical_text(self.canonical())

    def hash(self) -> str:
        """The first 8 hexadecimal digits of the sha256 of the canonical form as JSON with sorted keys."""
        return hashlib.sha256(self.identity.encode()).hexdigest()[:8]
