"""Retrieval: whether the images nearest to an image are of its class, by precision at 1 and R-precision, each image of
a split in turn.

As in Musgrave, Belongie & Lim 2020, "A metric learning reality check". No threshold is needed and no pair is drawn, so
these figures depend on the representation alone. The R nearest are found as a set, which is far less work than their
order.
"""

from dataclasses import dataclass

import numpy as np

from smallvision.errors import BadInput
from smallvision.metrics.features import checked, checked_labels
from smallvision.metrics.neighbours import METRICS

DISTANCES = 2**21  # held at a time: 16 MB
ROUNDING = 2.0**-43  # of half a squared distance in doubles, relative to squared size: some hundreds of roundings


@dataclass(frozen=True, eq=False)
class Retrieval:
    """The figures, and those of each image. An image that is alone in its class is left out of all of them.

    Parameters
    ----------
    precision_at_1 : share of images whose nearest other image is of their class, 0 to 1.
    r_precision : of the R nearest, R being how many others of its class there are, the share that are of it; a mean
        over images.
    asked : int64 (Q,), the images that are not left out, in the split's order.
    first : float64 (Q,), 1 where the nearest other image is of the class and 0 where not; see `retrieve` for equally
        near ones.
    found : float64 (Q,), the share of the R nearest that is.
    """

    precision_at_1: float
    r_precision: float
    asked: np.ndarray
    first: np.ndarray
    found: np.ndarray


def retrieve(representations: np.ndarray, labels: np.ndarray, metric: str = "euclidean") -> Retrieval:
    """Find the images nearest to each image among all others.

    Parameters
    ----------
    representations : (N, D), float32 or float64.
    labels : int64 (N,), 0..C-1.
    metric : "euclidean" or "cosine", as for `neighbours.nearest`, but by a product of doubles: images are equally near
        where their distances differ by no more than its rounding, so that neither threads nor blocks decide. Of equally
        near ones that are not all among the R, each counts in part, so that the order of the images does not matter.

    Returns
    -------
    Retrieval : of a representation that is the same for all images, what chance gives.

    Raises
    ------
    BadInput : representations that are not finite, an unknown metric, labels that do not fit, no two images of one
        class.
    """
    if metric not in METRICS:
        raise BadInput(f'metric: got "{metric}"; known: {", ".join(METRICS)}')
    rows = checked("representations", representations).astype(np.float64)
    truth = checked_labels("labels", labels, len(rows))
    others = np.bincount(truth)[truth] - 1  # (N,), R of each image
    asked = np.flatnonzero(others)
    if not len(asked):
        raise BadInput(
            f"labels: each of the {len(rows):,} images is the only one of its class; retrieval needs at least two "
            "images of one class"
        )
    if metric == "cosine":
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        rows /= np.where(lengths > 0, lengths, 1)  # −q·g then orders images as 1 − cos does
    else:
        rows -= np.median(rows, axis=0)  # |q|² + |g|² − 2 q·g cancels less about the origin; and a
        # median of floats is taken off without rounding
    sizes = np.sqrt(np.square(rows).sum(1))
    halves = np.zeros(len(rows)) if metric == "cosine" else np.square(rows).sum(1) / 2
    first, found = np.empty(len(rows)), np.empty(len(rows))
    for label in np.unique(truth[asked]):
        images = np.flatnonzero(truth == label)
        for some in np.array_split(images, -(-len(images) * len(rows) // DISTANCES)):
            distance = halves - rows[some] @ rows.T  # (b, N), half of |q − g|² up to what is the query's own
            distance[np.arange(len(some)), some] = np.inf
            first[some] = _share(distance, truth == label, 1, sizes, some)
            found[some] = _share(distance, truth == label, len(images) - 1, sizes, some)
    return Retrieval(float(first[asked].mean()), float(found[asked].mean()), asked, first[asked], found[asked])


def _share(
    distance: np.ndarray, of_class: np.ndarray, count: int, sizes: np.ndarray, queries: np.ndarray
) -> np.ndarray:
    """Precision among the `count` nearest (b,); ties at the last rank share its places equally.

    Half a squared distance is off by about D roundings of |q| |g|, and those of |g|^2 (Higham 2002, 3.1); an image as
    near as the last one, g, is no longer than 2 |q| + |g|.
    """
    place = np.argpartition(distance, count - 1, axis=1)[:, count - 1]  # (b,)
    last = np.take_along_axis(distance, place[:, None], 1)
    margin = (ROUNDING * np.square(2 * sizes[queries] + sizes[place]))[:, None]
    nearer, as_far = distance < last - margin, np.abs(distance - last) <= margin
    places = (count - nearer.sum(1)) / as_far.sum(1)  # of each of those, at most 1
    return np.asarray((nearer[:, of_class].sum(1) + places * as_far[:, of_class].sum(1)) / count)
