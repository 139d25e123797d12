"""Scores beside the accuracy where classes have uneven sizes: balanced accuracy, and the share of the largest class.

Of 1 000 images of one class and 10 of another, 99 % are classified correctly by always answering the first. No torch.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from smallvision.metrics.classification import uneven

BALANCED, LARGEST = "balanced accuracy", "largest class"


def beside(scores: Mapping[str, Any]) -> dict[str, float]:
    """Both by name, shares between 0 and 1; empty where classes do not differ by more than a third.

    Parameters
    ----------
    scores : of a split, as in `result.json`. Earlier versions wrote the figures of each class alone.
    """
    if "balanced_accuracy" in scores and "majority" in scores:
        return {BALANCED: scores["balanced_accuracy"], LARGEST: scores["majority"]}
    rows = scores.get("per_class") or []
    counts = np.array([row["support"] for row in rows])
    if not counts.any() or not uneven(counts):
        return {}
    recalls = [row["recall"] for row in rows if row["support"]]
    return {BALANCED: float(np.mean(recalls)), LARGEST: float(counts.max() / counts.sum())}
