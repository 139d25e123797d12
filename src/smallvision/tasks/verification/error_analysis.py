"""Why a verifier's wrong answers are wrong, in sentences that are computed from the answers and from what lies near the
images.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from smallvision.rendering import format, style
from smallvision.rendering.format import listed
from smallvision.tasks.verification.pair_galleries import apart, kinds

NAMED = 3  # pairs of classes, or classes, that a sentence names
SHARED = 12  # images at most that half of the wrong pairs have, for these to be named
NARROW = 0.1  # of the threshold's distance, or of probability: within that of the threshold an answer is nearly right
Classes = Counter[tuple[int, ...]]  # how many pairs are of which two classes
TITLES = {"wrong_same": "Two classes taken for one", "wrong_other": "One class taken for two"}
KNOWN = "the nearest training images of both images are mostly of their own class, so the encoder recognises both"
# why such an answer is wrong: an image is taken for another class; both are known (where the distance judges, where a
# head does); neither
REASONS = {
    "wrong_same": (
        "the nearest training images of one of the two images are mostly of the class of the other, so the encoder "
        "confuses it with that class",
        (
            "the two images lie between their classes, and their distance is below the threshold",
            "the head makes the mistake",
        ),
        "the nearest training images of at least one image are mostly of a third class, or of several classes, so "
        "the encoder does not recognise it",
    ),
    "wrong_other": (
        "the nearest training images of at least one of the two images are mostly of another class, so the encoder "
        "confuses it with that class",
        (("both images lie in their class, but their distance is above the threshold"), "the head makes the mistake"),
        "the nearest training images of at least one image are of several classes, so the encoder does not recognise "
        "it",
    ),
}


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
        return [("How many", [f"None of the {format.whole(len(same))} pairs is judged wrongly."])]
    counts = [
        f"{_of(int(falsely.sum()), int((~same).sum()))} pairs of two classes {_are(falsely)} judged to be of one class",
        f"{_of(int(missed.sum()), int(same.sum()))} pairs of one class {_are(missed)} judged to be of two classes",
    ]
    every = f"{_of(int(wrong.sum()), len(same))} pairs {_are(wrong)} judged wrongly: {listed(counts)}."
    out = [("How many", [every, *_nearly(evidence, wrong, threshold, distance), *_shared(evidence["pairs"][wrong])])]
    return out + [
        (TITLES[kind], _kind(evidence, classes, kind, answers[kind], distance))
        for kind in TITLES
        if answers[kind].any()
    ]


def _kind(
    evidence: Mapping[str, np.ndarray], classes: Sequence[str], kind: str, wrong: np.ndarray, distance: float | None
) -> list[str]:
    """Of one kind of wrong answers: of which classes the pairs are, how far apart, and whether what is near their
    images says why.
    """
    both = np.sort(evidence["labels"][evidence["pairs"]], axis=1)  # (M, 2)
    found, every = (
        Counter(map(tuple, both[some].tolist())) for some in (wrong, evidence["same"] == (kind == "wrong_other"))
    )
    of = "one class" if kind == "wrong_other" else "two classes"
    out = [_most(found, every, of, classes), _apart(evidence["distances"][wrong], distance)]
    counts = _neighbours(evidence, kind)
    if sum(counts):
        taken, known, elsewhere = REASONS[kind]
        reasons = (taken, f"{KNOWN}: {known[distance is None]}", elsewhere)
        out.append(_reasons(int(wrong.sum()), list(zip(counts, reasons, strict=True))))
    return out


def _neighbours(evidence: Mapping[str, np.ndarray], kind: str) -> tuple[int, int, int]:
    """What lies near the images of a gallery's pairs: in how many pairs an image is among the other's class (of pairs
    of one class: among another), in how many both are among their own, in how many neither."""
    near = evidence.get(f"gallery_{kind}_near_labels", np.zeros((0, 2, 1), np.int64))
    if not near.size:
        return 0, 0, 0
    labels = evidence["labels"][evidence["pairs"][evidence[f"gallery_{kind}"]]]  # (n, 2)
    among = np.array([[_majority(row) for row in pair] for pair in near.tolist()])  # (n, 2), -1 for none
    taken = (among == labels[:, ::-1] if kind == "wrong_same" else (among >= 0) & (among != labels)).any(1)
    known = (among == labels).all(1)
    return int(taken.sum()), int(known.sum()), int((~taken & ~known).sum())


def _majority(labels: Sequence[int]) -> int:
    """The class that more than half of them are of; -1 for none."""
    label, count = Counter(labels).most_common(1)[0]
    return label if 2 * count > len(labels) else -1


def _reasons(every: int, found: Sequence[tuple[int, str]]) -> str:
    """ "Of the 12 surest, in 7 ...; in 3 ..." of those reasons that occur, the most frequent first."""
    some, shown = sorted((one for one in found if one[0]), key=lambda one: -one[0]), sum(count for count, _ in found)
    if shown == 1:
        return f"In the {'only' if every == 1 else 'most confident'} one, shown below, {some[0][1]}."
    each = "; ".join(f"in {format.whole(count)} {reason}" for count, reason in some)
    return f"Of the {format.whole(shown)}{'' if shown == every else ' most confident'} pairs shown below, {each}."


def _most(found: Classes, every: Classes, of: str, classes: Sequence[str]) -> str:
    """Which classes the wrong pairs are of, the most frequent first, and how many of all such pairs are."""
    order = sorted(found, key=lambda one: (-found[one], one))
    named = [
        f"{_called(one, classes)} ({format.whole(found[one])} of {format.whole(every[one])} such pairs)"
        for one in order[:NAMED]
    ]
    if len(order) <= NAMED:
        return f"All of them are pairs of {listed(named)}."
    share, usual = (sum(some[one] for one in order[:NAMED]) / some.total() for some in (found, every))
    return (
        f"{format.percent(share, 0)} of them are pairs of {listed(named)}, compared with {format.percent(usual, 0)} "
        f"of all pairs of {of}."
    )


def _apart(distances: np.ndarray, threshold: float | None) -> str:
    """How far wrong pairs lie apart."""
    middle = float(np.median(distances))
    if threshold is None or threshold <= 0:
        return f"The median of their distances is {apart(middle)}."
    share = format.percent(middle / threshold, 0)
    return f"The median of their distances is {apart(middle)}, which is {share} of the threshold ({apart(threshold)})."


def _nearly(
    evidence: Mapping[str, np.ndarray], wrong: np.ndarray, threshold: float, distance: float | None
) -> list[str]:
    """How many wrong answers would have been right with a threshold a little elsewhere."""
    if distance is not None and distance > 0:
        near = np.abs(evidence["distances"][wrong] - distance) <= NARROW * distance
        return [
            f"{_of(int(near.sum()), len(near))} have a distance within {format.percent(NARROW, 0)} of the threshold."
        ]
    near = np.abs(evidence["probabilities"][wrong] - threshold) <= NARROW
    return [f"{_of(int(near.sum()), len(near))} have a probability within {100 * NARROW:.0f} points of the threshold."]


def _shared(pairs: np.ndarray) -> list[str]:
    """Whether a few images are in half of the wrong pairs: each time the one that is in most of those left."""
    left, chosen = pairs, []
    while 2 * len(left) > len(pairs):
        image, _ = max(Counter(left.reshape(-1).tolist()).items(), key=lambda one: (one[1], -one[0]))
        chosen.append(image)
        left = left[(left != image).all(1)]
        if len(chosen) > SHARED or 4 * len(chosen) > len(pairs):
            return []
    images = f"{len(chosen)} images are" if chosen[1:] else "One image is"
    among = (
        f"{format.whole(len(pairs) - len(left)) + ' of the' if len(left) else 'all'} {format.whole(len(pairs))} wrong "
        "pairs"
    )
    return [f"{images} in {among} (no. {', '.join(map(str, chosen))})."]


def _of(some: int, every: int) -> str:
    return f"{format.whole(some)} of {format.whole(every)}"


def _are(some: np.ndarray) -> str:
    return "is" if some.sum() == 1 else "are"


def _called(pair: tuple[int, ...], classes: Sequence[str]) -> str:
    """Both classes of a pair, or the one that both are."""
    return listed([style.short(classes[one] if one < len(classes) else str(one), 40) for one in dict.fromkeys(pair)])
