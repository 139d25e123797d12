"""The schema of a classification's files: scores, arrays of evidence.npz, and how they must agree. No torch."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from smallvision.storage.arrays import ArraySchema
from smallvision.storage.schema import NUMBER, SHARE, TEXT, WHOLE, damaged
from smallvision.tasks.base import Schema

ARRAYS = ArraySchema(
    table={
        "probabilities": ("f", ("N", "K")),
        "predictions": ("i", ("N",)),
        "confusion": ("i", ("K", "K")),
        "mistake_index": ("i", ("mistakes",)),
        "mistake_pixels": ("u", ("mistakes", "C", "H", "W")),
        "confident_index": ("i", ("confident",)),
        "confident_pixels": ("u", ("confident", "C", "H", "W")),
        "sizes": ("i", ("N", "2")),
        "first_sizes": ("i", ("first", "2")),
        "mistake_sizes": ("i", ("mistakes", "2")),
        "confident_sizes": ("i", ("confident", "2")),
        "train_sizes": ("i", ("shown", "2")),
        "scales": ("f", ("scales",)),
        "scaled_index": ("i", ("scaled",)),
        "scaled_predictions": ("i", ("scales", "scaled")),
    },
    always=("probabilities", "predictions", "confusion"),
    points={
        **dict.fromkeys(("predictions", "scaled_predictions"), "K"),
        **dict.fromkeys(("mistake_index", "confident_index", "scaled_index"), "N"),
    },
    together=(
        ("mistake_index", "mistake_pixels"),
        ("confident_index", "confident_pixels"),
        ("scales", "scaled_index"),
        ("scales", "scaled_predictions"),
    ),
)


def check(file: Path, arrays: Mapping[str, np.ndarray], sizes: Mapping[str, int]) -> None:
    """Sizes lie within their pixels, the confusion matrix counts the answers, mistakes are mistakes."""
    for name in ("first", "mistake", "confident", "train"):
        shown, pixels = arrays.get(f"{name}_sizes"), arrays.get(f"{name}_pixels")
        if shown is not None and (pixels is None or (shown < 1).any() or (shown > pixels.shape[2:]).any()):
            raise damaged(file, f"{name}_sizes does not match {name}_pixels")
    labels, predictions, count = arrays["labels"], arrays["predictions"], sizes["K"]
    if not np.array_equal(np.bincount(labels * count + predictions, minlength=count**2), arrays["confusion"].ravel()):
        raise damaged(file, "confusion does not match labels and predictions")
    for name in ("mistake_index", "confident_index"):
        index = arrays.get(name, np.zeros(0, np.int64))
        if (labels[index] == predictions[index]).any():
            raise damaged(file, f"{name} refers to images that are not mistakes")


DESCRIPTIONS = {
    "loss": "The mean loss of an image, in nats, without label smoothing.",
    "accuracy": "The share of images that are classified correctly.",
    "balanced_accuracy": "The mean recall of the classes, where these differ by more than a third in number.",
    "majority": "The share of the largest class, which is the accuracy of always answering this class.",
    "accuracy_interval": "Wilson's 95 % interval of the accuracy.",
    "per_class": "The figures of each class.",
    "per_class[].class": "The name of the class.",
    "per_class[].precision": "The share of the answers with this class that are right.",
    "per_class[].recall": "The share of the images of this class that are found.",
    "per_class[].f1": "The harmonic mean of precision and recall.",
    "per_class[].support": "The number of images of this class.",
    "per_class[].predicted": "The number of images that were predicted as this class.",
    "by_size": "The accuracy by image size, where there are several sizes.",
    "by_size[].smallest": "Height and width of the smallest image of the row.",
    "by_size[].largest": "Height and width of the largest image of the row.",
    "by_size[].count": "The number of images of these sizes.",
    "by_size[].accuracy": "Their accuracy.",
    "by_size[].accuracy_interval": "Wilson's 95 % interval of it.",
    "probabilities": "The probability of each class, for each image.",
    "predictions": "The class of the highest probability.",
    "confusion": "How many images of each class (row) were predicted as each class (column).",
    "mistake_index": "The first 20 mistakes in the split's order: their rows.",
    "mistake_pixels": "Their pixels.",
    "confident_index": "The 20 mistakes of the highest probability, the most confident first: their rows.",
    "confident_pixels": "Their pixels.",
    "sizes": "Height and width of each image, where there are several sizes.",
    "first_sizes": "How much of each of first_pixels is the image, from its upper left corner.",
    "mistake_sizes": "The same for mistake_pixels.",
    "confident_sizes": "The same for confident_pixels.",
    "train_sizes": "The same for train_pixels.",
    "scales": "The scales at which a network that takes any size was evaluated again.",
    "scaled_index": "The images on which it was evaluated: their rows.",
    "scaled_predictions": "Its answers at each scale.",
}

SCHEMA = Schema(
    scores={"loss": NUMBER, "accuracy": SHARE, "balanced_accuracy?": SHARE, "majority?": SHARE},
    full={
        "accuracy_interval?": [SHARE, SHARE],
        "per_class?": [
            {"class": TEXT, "precision": SHARE, "recall": SHARE, "f1": SHARE, "support": WHOLE, "predicted?": WHOLE}
        ],
        "by_size?": [
            {
                "smallest": [WHOLE, WHOLE],
                "largest": [WHOLE, WHOLE],
                "count": WHOLE,
                "accuracy": SHARE,
                "accuracy_interval": [SHARE, SHARE],
            }
        ],
    },
    without={"accuracy": SHARE},
    arrays=ARRAYS,
    check=check,
    descriptions=DESCRIPTIONS,
)
