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
    """Precision, recall, F1 and number of images of each class; 0 where there is no image to compute a figure from."""
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(labels, predictions, labels=np.arange(len(classes)), zero_division=0)
    return [
        {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
        for name, p, r, f, n in zip(classes, *columns, strict=True)
    ]
