"""The schema of a verifier's files: scores, arrays of evidence.npz, and how they must agree. No torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from smallvision.metrics.metric import Metric
from smallvision.storage.arrays import ArraySchema
from smallvision.storage.schema import AMOUNT, NUMBER, SHARE, TEXT, WHOLE, damaged
from smallvision.tasks.base import Schema


class PairMetric(Metric):
    """A metric of pairs of images. Verdicts rest on pairs that share no image, since those are independent."""

    @property
    def of_independent(self) -> str:
        """What a verdict says that it rests on."""
        return f"{self.of} that share no image"


ACCURACY = PairMetric("pair_accuracy", "accuracy on pairs", True, 100.0, "%", 2, share=True, of="pairs")
AUC = Metric("auc", "AUC", True, 1.0, "", 4)
GALLERIES = ("right_same", "right_other", "wrong_same", "wrong_other")  # a verifier's clearest answers, right and wrong
OF_GALLERIES = ("pixels", "near", "near_labels", "near_distances")  # what there is of each beside the rows
Arrays = Mapping[str, np.ndarray]


def verified(file: Path, arrays: Arrays, sizes: Mapping[str, int]) -> None:
    """Pairs are of two images, the same or not as their labels are, at distances, with probabilities; galleries hold
    pairs of their kind.

    Parameters
    ----------
    arrays : of the right kinds and lengths, with indices that point at something.
    sizes : the length of each axis; unused, all is in the arrays.

    Raises
    ------
    BadInput : naming the array that contradicts another.
    """
    for part, own in (("", ""), ("alone_", ""), ("unseen_", "unseen_")):
        if f"{part}pairs" in arrays:
            _paired(file, arrays, part, arrays[f"{own}labels"])
    for part in ("", "unseen_"):  # both kinds are balanced; what is left of those that share no image need not be
        same = arrays.get(f"{part}same", np.array([0, 1]))
        if same.all() or not same.any():
            raise damaged(file, f"{part}pairs are all of one class, or all of two")
    if "alone_pairs" in arrays:
        _alone(file, *(arrays[f"alone_{name}"] for name in ("pairs", "same", "right", "probabilities")))
    if "reliability" in arrays:
        said, found, counts = arrays["reliability"].T
        _reliable(file, counts, ((found, arrays["same"]), (said, arrays["probabilities"])))
        if (np.diff(said) < 0).any():
            raise damaged(file, "reliability is not in the order of the probability")
    _shown(file, arrays)


def _paired(file: Path, arrays: Arrays, part: str, labels: np.ndarray) -> None:
    """Each pair is of two images, `same` says whether these are of one class, distances and probabilities are such."""
    pairs, likely = arrays[f"{part}pairs"], arrays[f"{part}probabilities"]
    if (pairs[:, 0] == pairs[:, 1]).any():
        raise damaged(file, f"{part}pairs has a pair of an image with itself")
    if not np.array_equal(arrays[f"{part}same"], labels[pairs[:, 0]] == labels[pairs[:, 1]]):
        raise damaged(file, f"{part}same does not say which {part}pairs are of one class")
    if len(likely) and not 0 <= likely.min() <= likely.max() <= 1:
        raise damaged(file, f"{part}probabilities has values outside 0 to 1")
    if (arrays.get(f"{part}distances", likely) < 0).any():
        raise damaged(file, f"{part}distances has values below 0")


def _alone(file: Path, pairs: np.ndarray, same: np.ndarray, right: np.ndarray, likely: np.ndarray) -> None:
    """No image is in two pairs, and one threshold separates pairs answered same from pairs answered different."""
    if len(np.unique(pairs)) != pairs.size:
        raise damaged(file, "alone_pairs has the same image in two pairs")
    said = same == right  # both 1: said so, and it is; both 0: said so, and it is not
    if not np.isin(right, (0, 1)).all() or (
        said.any() and not said.all() and likely[said].min() <= likely[~said].max()
    ):
        raise damaged(file, "alone_right does not match alone_probabilities")


def _reliable(file: Path, counts: np.ndarray, means: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Bins hold every pair once, and their means are shares of which the sum over all pairs is that of the pairs' own
    values.
    """
    whole = (counts >= 1).all() and np.array_equal(counts, counts.round())
    for mean, values in means:
        close = abs(float(mean @ counts) - float(values.sum())) <= 1e-6 * len(values)
        if not whole or counts.sum() != len(values) or not ((mean >= 0) & (mean <= 1)).all() or not close:
            raise damaged(file, "reliability does not match the probabilities of the pairs")


def _shown(file: Path, arrays: Arrays) -> None:
    """Galleries hold pairs of their kind, each once, the surest first; what was said to be the same was likelier to be
    than what was not; training images near them are such, the nearest first."""
    accepted, rejected = [1.0], [-1.0]
    for kind in GALLERIES:
        rows = arrays.get(f"gallery_{kind}", np.zeros(0, np.int64))
        likely, said = arrays["probabilities"][rows], kind.endswith("_same")
        if (arrays["same"][rows] != (kind in ("right_same", "wrong_other"))).any():
            raise damaged(file, f"gallery_{kind} refers to pairs of another kind")
        if len(np.unique(rows)) != len(rows) or (np.diff(likely if said else -likely) > 0).any():
            raise damaged(file, f"gallery_{kind} does not list the most confident pairs first, each once")
        near = arrays.get(f"gallery_{kind}_near_distances", np.zeros((0, 2, 1)))
        if (near < 0).any() or (np.diff(near) < 0).any():
            raise damaged(file, f"gallery_{kind}_near_distances does not list the nearest images first")
        (accepted if said else rejected).extend(likely.tolist())
    if min(accepted) <= max(rejected):
        raise damaged(
            file,
            "gallery_right_same to gallery_wrong_other: no threshold separates the pairs judged to be of one class "
            "from the others",
        )


ARRAYS = ArraySchema(
    table={
        "representation": ("f", ("N", "D")),
        "pairs": ("i", ("M", "2")),
        "same": ("i", ("M",)),
        "distances": ("f", ("M",)),
        "scores": ("f", ("M",)),
        "probabilities": ("f", ("M",)),
        "reliability": ("f", ("bins", "3")),
        "unseen_labels": ("i", ("U",)),
        "unseen_pairs": ("i", ("V", "2")),
        "unseen_same": ("i", ("V",)),
        "unseen_classes": ("U", ("u",)),
        "unseen_distances": ("f", ("V",)),
        "unseen_probabilities": ("f", ("V",)),
        "alone_pairs": ("i", ("A", "2")),
        "alone_same": ("i", ("A",)),
        "alone_right": ("i", ("A",)),
        "alone_probabilities": ("f", ("A",)),
        **{
            name: entry
            for kind in GALLERIES
            for name, entry in {
                f"gallery_{kind}": ("i", (kind,)),
                f"gallery_{kind}_pixels": ("u", (kind, "2", "C", "H", "W")),
                f"gallery_{kind}_near": ("u", (kind, "2", "near", "C", "train H", "train W")),
                f"gallery_{kind}_near_labels": ("i", (kind, "2", "near")),
                f"gallery_{kind}_near_distances": ("f", (kind, "2", "near")),
            }.items()
        },
    },
    always=("representation", "pairs", "same", "distances", "scores", "probabilities"),
    points={
        **dict.fromkeys((f"gallery_{kind}" for kind in GALLERIES), "M"),
        **dict.fromkeys((f"gallery_{kind}_near_labels" for kind in GALLERIES), "K"),
        "pairs": "N",
        "alone_pairs": "N",
        "unseen_labels": "u",
        "unseen_pairs": "U",
    },
    together=(
        ("alone_pairs", "alone_same"),
        ("alone_pairs", "alone_right"),
        ("alone_pairs", "alone_probabilities"),
        *((f"gallery_{kind}", f"gallery_{kind}_{part}") for kind in GALLERIES for part in OF_GALLERIES),
        *(("unseen_pairs", f"unseen_{part}") for part in ("labels", "same", "distances", "probabilities", "classes")),
    ),
)

DESCRIPTIONS = {
    "loss": "The mean loss: of training images as they are trained by, else the cross-entropy in nats a pair.",
    "head": "The part of a dense head in it, where that learns beside another loss.",
    "pair_accuracy": "The share of pairs that are judged correctly, half of them of one class.",
    "auc": "The area under the ROC curve.",
    "equal_error": "The error rate at which false accepts and false rejects are as frequent.",
    "calibration_error": "The expected calibration error of the probabilities.",
    "true_accept_1": "The share of pairs of one class that is accepted at 1 % false accepts.",
    "true_accept_01": "The same at 0.1 % false accepts, where there are enough pairs.",
    "effective_rank": "The exponential of the entropy of the representation's spectrum (Roy & Vetterli 2007).",
    "distance": "The mean distance of pairs of two classes.",
    "pairs": "The number of pairs; as an array, the rows of the two images of each pair.",
    "threshold": "The lowest probability at which a pair is judged to be of one class.",
    "intervals": "The 95 % intervals of the figures, by a bootstrap over images.",
    "intervals.pair_accuracy": "That of pair_accuracy.",
    "intervals.auc": "That of auc.",
    "intervals.equal_error": "That of equal_error.",
    "intervals.true_accept_1": "That of true_accept_1.",
    "intervals.true_accept_01": "That of true_accept_01.",
    "false_accept": "The share of pairs of two classes that the threshold accepts.",
    "true_accept": "The share of pairs of one class that the threshold accepts.",
    "precision_at_1": "The share of images whose nearest other image is of their class.",
    "r_precision": "The mean share of an image's class among as many nearest images as the class has.",
    "knn_accuracy": "The accuracy of a vote of the nearest other images of the split.",
    "class_pairs": "The figures of each two classes.",
    "class_pairs[].classes": "The names of the two, or of one class twice.",
    "class_pairs[].pairs": "The number of pairs of these.",
    "class_pairs[].accuracy": "The share of them that is judged correctly.",
    "class_pairs[].distance": "Their mean distance.",
    "dimensions": "How many dimensions the representation really uses.",
    "dimensions.dead": "The number of dimensions that are constant.",
    "dimensions.duplicates": "The number of dimensions that another one determines, by its correlation with them.",
    "dimensions.effective_rank": "As effective_rank.",
    "verifier": "What was fitted on validation pairs.",
    "verifier.slope": "The slope of the logistic curve from score to probability (Platt 1999).",
    "verifier.intercept": "Its intercept.",
    "verifier.threshold": "The lowest probability at which a pair is judged to be of one class.",
    "verifier.false_accept": "The share of the validation pairs of two classes that it accepts.",
    "verifier.pairs": "The number of validation pairs.",
    "representation": "The representation of each image.",
    "same": "Whether a pair is of one class: 1 or 0.",
    "distances": "The distance of each pair's representations.",
    "scores": "The output of the head for each pair, before calibration.",
    "probabilities": "The probability that each pair is of one class.",
    "reliability": "For each bin of probabilities: the mean probability, the share of one class, the number of pairs.",
    "unseen_labels": "The class of each image of a class that was kept out of training.",
    "unseen_pairs": "Pairs of these images: their rows among them.",
    "unseen_same": "As same, of these pairs.",
    "unseen_classes": "The names of these classes.",
    "unseen_distances": "As distances, of these pairs.",
    "unseen_probabilities": "As probabilities, of these pairs.",
    "alone_pairs": "Pairs in which each image is once, by which runs are compared.",
    "alone_same": "As same, of these pairs.",
    "alone_right": "Whether each is judged correctly: 1 or 0.",
    "alone_probabilities": "As probabilities, of these pairs.",
    **{
        name: sentence
        for kind, what in (
            ("right_same", "judged to be of one class, correctly"),
            ("right_other", "judged to be of two classes, correctly"),
            ("wrong_same", "judged to be of one class, but are of two"),
            ("wrong_other", "judged to be of two classes, but are of one"),
        )
        for name, sentence in {
            f"gallery_{kind}": f"Pairs that are {what}, the most confident first: their rows in pairs.",
            f"gallery_{kind}_pixels": "Their pixels.",
            f"gallery_{kind}_near": "The training images nearest to each of the two.",
            f"gallery_{kind}_near_labels": "The classes of these.",
            f"gallery_{kind}_near_distances": "The distances of these.",
        }.items()
    },
}

SCHEMA = Schema(
    scores={
        "loss": NUMBER,
        "pair_accuracy": SHARE,
        "auc": SHARE,
        "equal_error": SHARE,
        "calibration_error": SHARE,
        "true_accept_1?": SHARE,
        "true_accept_01?": SHARE,
        "effective_rank": AMOUNT,
        "distance": AMOUNT,
    },
    training={"loss": NUMBER, "head?": NUMBER},
    full={
        "pairs?": WHOLE,
        "threshold?": SHARE,
        "intervals?": {
            "pair_accuracy?": [NUMBER, NUMBER],
            "auc?": [NUMBER, NUMBER],
            "equal_error?": [NUMBER, NUMBER],
            "true_accept_1?": [NUMBER, NUMBER],
            "true_accept_01?": [NUMBER, NUMBER],
        },
        "false_accept?": SHARE,
        "true_accept?": SHARE,
        "precision_at_1?": SHARE,
        "r_precision?": SHARE,
        "knn_accuracy?": SHARE,
        "class_pairs?": [{"classes": [TEXT, TEXT], "pairs": WHOLE, "accuracy": SHARE, "distance": AMOUNT}],
        "dimensions?": {"dead": WHOLE, "duplicates": WHOLE, "effective_rank": AMOUNT},
    },
    without={"pair_accuracy": SHARE},
    fitted={
        "verifier": {"slope": NUMBER, "intercept": NUMBER, "threshold": SHARE, "false_accept": SHARE, "pairs": AMOUNT}
    },
    arrays=ARRAYS,
    check=verified,
    descriptions=DESCRIPTIONS,
)
