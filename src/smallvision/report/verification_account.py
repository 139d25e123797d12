"""Why a verifier's wrong answers are wrong, in sentences that are computed from the answers and from what lies near the images."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from smallvision.report import words
from smallvision.report.probe_words import listed
from smallvision.report.verification_pairs import kinds

NAMED = 3                     # pairs of classes, or classes, that a sentence names
NARROW = 0.1                  # of the threshold's distance, or of probability: within that of the threshold an answer is nearly right
FEW = 4                       # wrong pairs, below which nothing is said of images that they share
Neighbours = tuple[int, int, int, int]


def account(
    evidence: Mapping[str, np.ndarray], classes: Sequence[str], threshold: float, distance: float | None
) -> list[tuple[str, list[str]]]:
    """Paragraphs on the wrong answers of the shown split, each with what it is about; a single one where none is wrong.

    Parameters
    ----------
    evidence : arrays of evidence.npz.
    classes : K names.
    threshold : the probability from which pairs are said to be of one class.
    distance : where that is, if the head is the distance.
    """
    answers, same = kinds(evidence, threshold), evidence["same"] == 1
    falsely, missed = answers["wrong_same"], answers["wrong_other"]
    wrong = falsely | missed
    if not wrong.any():
        return [("How many", [f"None of {words.whole(len(same))} pairs is answered wrongly."])]
    counts = [f"{_of(int(falsely.sum()), int((~same).sum()))} pairs of two classes {_are(falsely)} said to be of one",
              f"{_of(int(missed.sum()), int(same.sum()))} pairs of one class {_are(missed)} said to be of two"]  # fmt: skip
    every = f"{_of(int(wrong.sum()), len(same))} pairs {_are(wrong)} answered wrongly: {listed(counts)}."
    return [
        ("How many", [every, *_nearly(evidence, wrong, threshold, distance), *_shared(evidence["pairs"][wrong])]),
        *([("Two classes taken for one", _falsely(evidence, classes, falsely, distance))] if falsely.any() else []),
        *([("One class taken for two", _missed(evidence, classes, missed, distance))] if missed.any() else []),
    ]  # fmt: skip


def _falsely(evidence: Mapping[str, np.ndarray], classes: Sequence[str], falsely: np.ndarray, distance: float | None) -> list[str]:
    """Of which classes pairs of two are that were said to be of one, and whether their neighbours say why."""
    both = np.sort(evidence["labels"][evidence["pairs"]], axis=1)                                  # (M, 2)
    found = Counter(map(tuple, both[falsely].tolist()))
    out = [_most(found, Counter(map(tuple, both[evidence["same"] == 0].tolist())), "two classes",
                 lambda pair: listed([_name(classes, one) for one in pair]))]
    out += _apart(evidence["distances"][falsely], distance)
    taken, elsewhere, known, total = _neighbours(evidence, "wrong_same")
    if total:
        out.append(f"Of the {_surest(total, int(falsely.sum()))}, " + _reasons([
            (taken, "the nearest training images of one of the two are for the most part of the other’s class: the encoder takes it for one"),
            (known, "both images’ nearest training images are for the most part of their own class: the encoder knows either, and the two "
                    "lie between their classes, nearer to one another than the threshold"),
            (elsewhere, "an image’s nearest training images are for the most part of a third class, or of several: the encoder does not know it"),
        ]))  # fmt: skip
    return out


def _missed(evidence: Mapping[str, np.ndarray], classes: Sequence[str], missed: np.ndarray, distance: float | None) -> list[str]:
    """Of which classes pairs of one are that were said to be of two, and whether their neighbours say why."""
    labels = evidence["labels"][evidence["pairs"][:, 0]]
    out = [_most(Counter(labels[missed].tolist()), Counter(labels[evidence["same"] == 1].tolist()), "one class",
                 lambda one: _name(classes, one))]
    out += _apart(evidence["distances"][missed], distance)
    taken, elsewhere, known, total = _neighbours(evidence, "wrong_other")
    if total:
        out.append(f"Of the {_surest(total, int(missed.sum()))}, " + _reasons([
            (taken, "the nearest training images of at least one of the two are for the most part of another class: the encoder takes it for that"),
            (known, "both images’ nearest training images are for the most part of their own class: the encoder knows either, but its images "
                    "lie farther apart than the threshold"),
            (elsewhere, "an image’s nearest training images are of several classes, none for the most part: the encoder does not know it"),
        ]))  # fmt: skip
    return out


def _neighbours(evidence: Mapping[str, np.ndarray], kind: str) -> Neighbours:
    """What lies near the images of a gallery's pairs: in how many pairs an image is among the other's class (of pairs of one class: among
    another), in how many not that but an image is among none or a third, in how many both are among their own; how many pairs."""
    near = evidence.get(f"gallery_{kind}_near_labels", np.zeros((0, 2, 1), np.int64))
    if not near.size:
        return 0, 0, 0, 0
    labels = evidence["labels"][evidence["pairs"][evidence[f"gallery_{kind}"]]]                    # (n, 2)
    among = np.array([[_majority(row) for row in pair] for pair in near.tolist()])                 # (n, 2), -1 for none
    own = among == labels
    taken = (among == labels[:, ::-1]) if kind == "wrong_same" else (among >= 0) & ~own
    mistaken, known = taken.any(1), own.all(1)
    return int(mistaken.sum()), int((~mistaken & ~known).sum()), int(known.sum()), len(near)


def _majority(labels: Sequence[int]) -> int:
    """The class that more than half of them are of; -1 for none."""
    label, count = Counter(labels).most_common(1)[0]
    return label if 2 * count > len(labels) else -1


def _reasons(found: Sequence[tuple[int, str]]) -> str:
    """ "in 7 ...; in 3 ..." of those that occur, the most frequent first."""
    some = sorted((one for one in found if one[0]), key=lambda one: -one[0])
    return "; ".join(f"in {words.whole(count)} {reason}" for count, reason in some) + "."


def _most(found: Counter[Any], every: Counter[Any], kind: str, called: Callable[[Any], str]) -> str:
    """Which classes the wrong pairs are of, the most frequent first, and how many of all such pairs are."""
    order = sorted(found, key=lambda one: (-found[one], one))
    named = [f"{called(one)} ({words.whole(found[one])} of {words.whole(every[one])} such pairs)" for one in order[:NAMED]]
    if len(order) <= NAMED:
        return f"All are of {listed(named)}."
    share, usual = (sum(some[one] for one in order[:NAMED]) / some.total() for some in (found, every))
    return f"{words.percent(share, 0)} are of {listed(named)}; of all pairs of {kind}, {words.percent(usual, 0)} are."


def _apart(distances: np.ndarray, threshold: float | None) -> list[str]:
    """How far wrong pairs lie apart."""
    middle = float(np.median(distances))
    if threshold is None or threshold <= 0:
        return [f"Half of them are at most {middle:.3g} apart."]
    return [f"Half of them are at most {middle:.3g} apart, {words.percent(middle / threshold, 0)} of the threshold’s {threshold:.3g}."]


def _nearly(evidence: Mapping[str, np.ndarray], wrong: np.ndarray, threshold: float, distance: float | None) -> list[str]:
    """How many wrong answers would have been right with a threshold a little elsewhere."""
    if distance is not None and distance > 0:
        near = np.abs(evidence["distances"][wrong] - distance) <= NARROW * distance
        return [f"{words.whole(int(near.sum()))} of them lie within {words.percent(NARROW, 0)} of the threshold’s distance."]
    near = np.abs(evidence["probabilities"][wrong] - threshold) <= NARROW
    return [f"{words.whole(int(near.sum()))} of them have a probability within {100 * NARROW:.0f} points of the threshold."]


def _shared(pairs: np.ndarray) -> list[str]:
    """Whether a few images are in half of the wrong pairs: each time the one that is in most of those left."""
    left, chosen = pairs, []
    while len(pairs) >= FEW and 2 * len(left) > len(pairs):
        image, count = max(Counter(left.reshape(-1).tolist()).items(), key=lambda one: (one[1], -one[0]))
        chosen.append(image)
        left = left[(left != image).all(1)]
        if count == 1:
            return []
    if not chosen or 4 * len(chosen) > len(pairs):
        return []
    numbers = f" (no. {', '.join(map(str, chosen[:6]))}{', …' if len(chosen) > 6 else ''})"
    images = f"{words.whole(len(chosen))} images are" if chosen[1:] else "One image is"
    return [f"{images} in {words.whole(len(pairs) - len(left))} of the {words.whole(len(pairs))} wrong pairs{numbers}."]


def _surest(shown: int, every: int) -> str:
    pairs = "pair" if shown == 1 else "pairs"
    return f"{words.whole(shown)} {pairs} shown below" if shown == every else f"{words.whole(shown)} surest, shown below"


def _of(some: int, every: int) -> str:
    return f"{words.whole(some)} of {words.whole(every)}"


def _are(some: np.ndarray) -> str:
    return "is" if some.sum() == 1 else "are"


def _name(classes: Sequence[str], index: int) -> str:
    return classes[index] if index < len(classes) else str(index)
