"""The collapse alarm: whether a network gives all images the same representation, to which losses with a margin can
lead.

When most triplets violate the margin, as with hard mining, the loss falls fastest by pulling everything together: at
one point every distance is 0, a triplet costs just the margin, and its gradient is zero (Schroff, Kalenichenko &
Philbin 2015, "FaceNet", section 3.2, of the hardest negatives; Hermans, Beyer & Leibe 2017, "In defense of the triplet
loss", of the loss that stays at the margin). That looks like slow learning; distances compared with the margin tell the
two apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smallvision.errors import BadInput
from smallvision.metrics.dimensions import effective_rank
from smallvision.metrics.features import checked
from smallvision.metrics.neighbours import METRICS
from smallvision.metrics.pair_distances import pair_distances

IMAGES = 1000  # that are measured, spread over the split: half a million pairs
NEAR = 0.1  # share of the margin below which a distance counts as near zero
MOST = 0.9  # share of pairs near zero above which all lie at one point; two classes at a point each have at most half
LINE = 1.1  # effective rank below which more than two classes lie on one line
REMEDIES = ("semi-hard mining", "a lower learning rate", "normalised representations")


@dataclass(frozen=True)
class Spread:
    """Where representations lie, measured on at most IMAGES of them.

    Parameters
    ----------
    dimensions : D.
    effective_rank : how many directions they use, 0 to D (see `dimensions.effective_rank`).
    mean_distance : between two images, as a multiple of the margin.
    near_zero : the share of pairs that are less than NEAR of the margin apart, 0 to 1.
    """

    dimensions: int
    effective_rank: float
    mean_distance: float
    near_zero: float


def spread(representations: np.ndarray, margin: float, metric: str = "euclidean") -> Spread:
    """Measure a batch or a split.

    Parameters
    ----------
    representations : (N, D), of images of several classes.
    margin : of the loss, above 0, in units of the distance.
    metric : the loss's, "euclidean" or "cosine".

    Raises
    ------
    BadInput : fewer than two images, representations that are not finite, an unknown metric, a margin that is not above
        0.
    """
    if metric not in METRICS:
        raise BadInput(f'metric: got "{metric}"; known: {", ".join(METRICS)}')
    if not margin > 0:
        raise BadInput(f"margin: got {margin:g}; expected a distance above 0")
    rows = checked("representations", representations)
    if len(rows) < 2:
        raise BadInput("representations: got those of 1 image; expected at least 2")
    some = rows[np.linspace(0, len(rows) - 1, min(len(rows), IMAGES)).astype(np.int64)]
    relative = pair_distances(some, np.stack(np.triu_indices(len(some), 1), axis=1), metric) / margin
    return Spread(rows.shape[1], effective_rank(some), float(relative.mean()), float((relative < NEAR).mean()))


def collapsed(measured: Spread, classes: int, remedies: Sequence[str] = REMEDIES) -> str | None:
    """A sentence for a person whose network has collapsed, with what helps; None when it has not.

    Parameters
    ----------
    measured : from `spread`, after an epoch or more: an untrained network's distances may be small, too.
    classes : of the images measured. Two may well lie on one line.
    remedies : those of REMEDIES that are not in use; at least one.
    """
    if measured.mean_distance < NEAR or measured.near_zero > MOST:
        where = "at one place"
    elif measured.dimensions > 1 and classes > 2 and measured.effective_rank < LINE:
        where = "on one line"
    else:
        return None
    helping = f"{remedies[0]} helps" if len(remedies) == 1 else f"{', '.join(remedies[:-1])} or {remedies[-1]} help"
    return (
        f"the representation has collapsed: nearly all images lie {where} (their mean distance is "
        f"{measured.mean_distance:.2g} margins, {measured.near_zero:.0%} of the pairs are nearer than {NEAR:g} "
        f"margins, and the effective rank is {measured.effective_rank:.1f} of {measured.dimensions}); {helping}"
    )
