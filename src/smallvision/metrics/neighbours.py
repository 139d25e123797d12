"""Exact nearest neighbours of features: which images are near a query, and which class most of them have.

k-nearest-neighbour classification: Cover & Hart 1967, IEEE Trans. Inf. Theory 13. All distances are one matrix product,
but |q|² − 2 q·g + |g|² cancels, and a product of doubles costs twice that of floats. So a product of floats only names
candidates; their distances are taken from the features themselves, in doubles; and a bound on the product's rounding
(Higham 2002, "Accuracy and Stability of Numerical Algorithms", 3.1) says whether a neighbour can be missing among them:
if so, more are taken. The result is the neighbours by distances in doubles, whatever the blocks and threads.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from smallvision.errors import BadInput
from smallvision.metrics.features import checked, checked_labels

KS = (1, 3, 5, 7, 9, 13, 19, 27, 39)
SPARE = 8  # candidates beyond k, so that rounding seldom makes more necessary
MORE = 8  # times as many candidates where it does
SCORES = 2**22  # of queries against the gallery at a time: 16 MB
ELEMENTS = 2**18  # doubles at a time: 2 MB, which stay in the cache
CENTRED_ON = 1000  # images of the gallery whose mean is its centre; the result does not depend on which
UNIT = 2.0**-24  # the relative rounding of one operation on floats


def nearest(
    queries: np.ndarray, gallery: np.ndarray, k: int, metric: str = "euclidean"
) -> tuple[np.ndarray, np.ndarray]:
    """The k images of the gallery nearest to each query, nearest first, of equally near ones the first.

    Parameters
    ----------
    queries : (Q, D) features, float32 or float64.
    gallery : (N, D) features.
    k : how many, 1 to N.
    metric : "euclidean", or "cosine": 1 − cos of the angle, 0 to 2, and 1 for a vector of zeros, as scikit-learn has
        it.

    Returns
    -------
    tuple of np.ndarray : distances float64 (Q, k), ascending; indices int64 (Q, k) into the gallery.

    Raises
    ------
    BadInput : features of other shapes or not finite, an unknown metric, a k the gallery does not have.
    """
    if metric not in METRICS:
        raise BadInput(f'metric: got "{metric}"; known: {", ".join(METRICS)}')
    queries, gallery = checked("queries", queries), checked("gallery", gallery)
    if queries.shape[1] != gallery.shape[1]:
        raise BadInput(
            f"queries: got {queries.shape[1]:,} features for each image, but the gallery has {gallery.shape[1]:,}"
        )
    if not 1 <= k <= len(gallery):
        raise BadInput(f"k: got {k}; expected 1 to {len(gallery):,}, the images of the gallery")
    with torch.inference_mode():
        return _nearest(torch.from_numpy(queries), torch.from_numpy(gallery), k, metric)


def votes(labels: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """The class that most of each query's neighbours have; among classes with equally many the lowest, as in
    scikit-learn.

    Parameters
    ----------
    labels : int64 (N,), 0..K-1, of the gallery.
    indices : int64 (Q, k), as from `nearest`.

    Returns
    -------
    np.ndarray : int64 (Q,).
    """
    classes, queries = int(labels.max()) + 1, len(indices)
    cells = np.arange(queries)[:, None] * classes + labels[indices]  # (Q, k)
    counts = np.bincount(cells.reshape(-1), minlength=queries * classes).reshape(queries, classes)
    return np.asarray(counts.argmax(axis=1), np.int64)


def classify(
    queries: np.ndarray, gallery: np.ndarray, labels: np.ndarray, k: int, metric: str = "euclidean"
) -> np.ndarray:
    """Classes of the queries by their k nearest neighbours, each with one vote; see `nearest` and `votes`.

    Parameters
    ----------
    labels : int64 (N,), 0..K-1, of the gallery.

    Returns
    -------
    np.ndarray : int64 (Q,).

    Raises
    ------
    BadInput : as `nearest`; labels that do not fit the gallery.
    """
    labels = checked_labels("labels", labels, len(gallery))
    return votes(labels, nearest(queries, gallery, k, metric)[1])


def choose_k(
    queries: np.ndarray,
    truth: np.ndarray,
    gallery: np.ndarray,
    labels: np.ndarray,
    ks: Sequence[int] = KS,
    metric: str = "euclidean",
) -> tuple[int, dict[int, float]]:
    """The k that classifies most validation images correctly; the smallest of several that are equally good.

    Parameters
    ----------
    queries, truth : (Q, D) features and int64 (Q,) labels of the validation images.
    gallery, labels : (N, D) features and int64 (N,) labels of the training images.
    ks : the numbers of neighbours to try, each 1 to N.

    Returns
    -------
    tuple : the k chosen; {k: accuracy on validation, 0 to 1} of every k, ascending.

    Raises
    ------
    BadInput : as `classify`; nothing to choose from.
    """
    truth, labels = checked_labels("truth", truth, len(queries)), checked_labels("labels", labels, len(gallery))
    tried = sorted(set(ks))
    if not tried or tried[0] < 1:
        raise BadInput(f"ks: got {list(ks)}; expected numbers of neighbours, such as 1, 3, 5")
    indices = nearest(queries, gallery, tried[-1], metric)[1]  # the first few of these are those of a smaller k
    accuracies = {k: float((votes(labels, indices[:, :k]) == truth).mean()) for k in tried}
    return max(tried, key=lambda k: (accuracies[k], -k)), accuracies


def _nearest(queries: Tensor, gallery: Tensor, k: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """`nearest` of checked features. A score is half a squared distance, or a cosine distance, up to a constant of each
    query."""
    centre = _rows(gallery[:: -(-len(gallery) // CENTRED_ON)], metric).mean(0)  # (D,)
    centred_queries, query_lengths, _ = _centred(queries, centre, metric)  # (Q, D), (Q,)
    centred_gallery, lengths, offsets = _centred(gallery, centre, metric)  # (N, D), (N,), (N,)
    margins = 2 * _rounding(queries.shape[1], query_lengths, lengths.max(), offsets.abs().max())  # (Q,)
    distances, indices = np.empty((len(queries), k)), np.empty((len(queries), k), np.int64)
    for block in torch.arange(len(queries)).split(max(1, SCORES // len(gallery))):  # type: ignore[no-untyped-call]
        scores = torch.addmm(offsets.float()[None], centred_queries[block], centred_gallery.T, alpha=-1)  # (b, N)
        open_, taken = torch.arange(len(block)), min(len(gallery), k + SPARE)
        while len(open_):
            rows = scores if len(open_) == len(block) else scores[open_]
            candidates = rows.topk(taken, largest=False)  # (b, taken), sorted
            exact = _distances(queries, gallery, block[open_], candidates.indices, metric)
            # By distance, equal ones by place.
            order = torch.from_numpy(np.lexsort((candidates.indices.numpy(), exact.numpy())))[:, :k]
            distances[block[open_]] = exact.gather(1, order).numpy()
            indices[block[open_]] = candidates.indices.gather(1, order).numpy()
            if taken == len(gallery):
                break
            # Nothing left out scores less than the last candidate: can it be as near as the farthest neighbour taken?
            farthest = candidates.values.gather(1, order).amax(1).double()
            sure = candidates.values[:, -1].double() > farthest + margins[block[open_]]  # false of NaN, too
            open_, taken = open_[~sure], min(len(gallery), MORE * taken)
    return distances, indices


def _rows(features: Tensor, metric: str) -> Tensor:
    """Features in doubles, (n, D); for cosine of length one, zeros left as they are."""
    rows = features.double()
    return torch.nn.functional.normalize(rows, eps=torch.finfo(torch.float64).tiny) if metric == "cosine" else rows


def _centred(features: Tensor, centre: Tensor, metric: str) -> tuple[Tensor, Tensor, Tensor]:
    """Centred features (N, D), whose rounding is small, their norms (N,), and the term added to −q·g in each score
    (N,)."""
    floats = torch.empty(features.shape, dtype=torch.float32)
    lengths, offsets = torch.empty(2, len(features), dtype=torch.float64)
    at_once = max(1, ELEMENTS // features.shape[1])
    for start in range(0, len(features), at_once):
        some = slice(start, start + at_once)
        rows = _rows(features[some], metric)
        moved = rows - centre
        floats[some] = moved
        squares = moved.square_().sum(1)
        lengths[some] = squares.sqrt()
        # For cosine, −u·v = −(u − c)·(v − c) − c·v, up to what is the query's own.
        offsets[some] = -(rows @ centre) if metric == "cosine" else squares / 2
    return floats, lengths, offsets


def _rounding(width: int, lengths: Tensor, longest: Tensor, offset: Tensor) -> Tensor:
    """How far a score in floats can be from the true one, (Q,), from the lengths of queries and the largest of the
    gallery.

    A product of D terms is off by at most about D roundings of |q| |g|; eight more, and a tenth, are for the features
    themselves, the offset, the sum of both, and the bound's second order; the last term is for what is too small for
    floats.
    """
    of_product = 1.1 * (width + 8) * UNIT * (lengths + longest) * longest
    return of_product + 4 * UNIT * offset + width * torch.finfo(torch.float32).tiny


def _distances(queries: Tensor, gallery: Tensor, rows: Tensor, indices: Tensor, metric: str) -> Tensor:
    """Distances in doubles, (b, m), of some queries (b,) to candidates (b, m), from the features as they were given."""
    query, candidate = rows.repeat_interleave(indices.shape[1]), indices.reshape(-1)
    if len(candidate) == 1:
        query, candidate = query.expand(2), candidate.expand(2)
    out = torch.empty(len(candidate), dtype=torch.float64)
    # Two at least: torch would share the sum of one long row among its threads, and it would differ in its last bits
    # from that of an equal row.
    at_once = max(2, ELEMENTS // queries.shape[1])
    for start in range(0, len(candidate), at_once):
        some = slice(min(start, len(candidate) - 2), start + at_once)
        out[some] = METRICS[metric](_rows(queries[query[some]], metric), _rows(gallery[candidate[some]], metric))
    return out[: indices.numel()].reshape(indices.shape)


def _cosine(queries: Tensor, gallery: Tensor) -> Tensor:
    return (1 - (queries * gallery).sum(1)).clamp(0, 2)


def _euclidean(queries: Tensor, gallery: Tensor) -> Tensor:
    return (queries - gallery).square().sum(1).sqrt()


METRICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cosine": _cosine,
    "euclidean": _euclidean,
}  # (P, D), (P, D) -> (P,)
