"""Figures of a classification: scikit-learn's, as plain tables."""

from typing import Any

import numpy as np


def confusion(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """How often each class (row) was taken for each class (column).

    Parameters
    ----------
    labels, predictions : int64 (N,), 0..classes-1.

    Returns
    -------
    np.ndarray : int64 (classes, classes); its sum is N.
    """
    from sklearn.metrics import confusion_matrix

    return np.asarray(confusion_matrix(labels, predictions, labels=np.arange(classes)), np.int64)


def per_class(labels: np.ndarray, predictions: np.ndarray, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Precision, recall, F1 and number of images of each class, and how many images were taken for it.

    A figure is 0 where there is no image to compute it from.
    """
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(labels, predictions, labels=np.arange(len(classes)), zero_division=0)
    taken = np.bincount(predictions, minlength=len(classes))
    return [
        {
            "class": name,
            "precision": float(p),
            "recall": float(r),
            "f1": float(f),
            "support": int(n),
            "predicted": int(m),
        }
        for name, p, r, f, n, m in zip(classes, *columns, taken, strict=True)
    ]


def uneven(counts: np.ndarray) -> bool:
    """Whether classes differ by more than a third: the smallest has less than two thirds of the largest's images.

    Parameters
    ----------
    counts : int (K,), the number of images of each class; one without an image counts.
    """
    return 3 * int(counts.min()) < 2 * int(counts.max())


def balanced_accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """The mean recall of the classes that have an image: every class counts alike, however many images it has.

    scikit-learn's `balanced_accuracy_score`, without importing scikit-learn after every epoch.

    Parameters
    ----------
    labels, predictions : int64 (N,), N >= 1.
    """
    counts = np.bincount(labels)
    right = np.bincount(labels[labels == predictions], minlength=len(counts))
    return float((right[counts > 0] / counts[counts > 0]).mean())
