"""Comparisons of runs and of published figures: `compare` and `compare_published`.

Imports happen when a call needs them.
"""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from smallvision.api.paths import path_of
from smallvision.api.quiet import quiet
from smallvision.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

    from smallvision.api.finished import Run
    from smallvision.comparison.runs import RunComparison
    from smallvision.stats.comparison import Verdict


MOST_IMAGES = 10**9  # of a published test set; the intervals of larger ones are no wider than rounding


@quiet()
def compare(
    *paths: "Path | str | Run",
    question: Sequence[str] = (),
    equivalence: float | None = None,
    out: Path | str | None = None,
    root: Path | str | None = None,
) -> "RunComparison":
    """Finished runs of two or more experiments, compared: a verdict for each against the first, and what confounds it.

    Parameters
    ----------
    paths : run directories, or runs as `run` returned them; several seeds of one experiment are one side, and from five
        a side on recipes are compared.
    question : keys, or tables of keys, that are meant to differ: ("model",). By default whatever differs, if it is of
        one table.
    equivalence : a margin in the unit of the metric as files have it (0.005 of an accuracy is 0.5 percentage points):
        each verdict's `.equivalence` then says whether a difference of more than this is ruled out.
    out : an HTML page to be written, with the images on which the sides disagree.
    root : where the data sets are, which those images are taken from; by default $SMALLVISION_DATA or the user's cache.

    Raises
    ------
    BadInput : see comparison.runs.compare.
    """
    from smallvision.comparison import runs

    found = runs.compare([path_of(one) for one in paths], question, equivalence)
    if out is not None:
        from smallvision.report.comparison import page

        page.write(found, found.answers, _pictures(found, root), Path(out))
    return found


def _pictures(found: "RunComparison", root: Path | str | None) -> "dict[tuple[int, int], np.ndarray]":
    """The images that the page shows, from the first side's data: of every other side those on which the two disagree
    most clearly.
    """
    from smallvision.data import imageset, load

    kinds = [kind for side in range(1, len(found.sides)) for kind in found.disagreements(side)]
    ids = [one for kind in kinds for one in found.answers.images(kind.rows)]
    splits = load.load(found.sides[0].runs[0].experiment.data, Path(root) if root is not None else None)
    return imageset.by_id(splits.named()[found.split], dict.fromkeys(ids))


def compare_published(a: str | float, b: str | float, images: int, equivalence: float | None = None) -> "Verdict":
    """Whether the difference of two published accuracies, unpaired, is more than chance.

    Parameters
    ----------
    a, b : in per cent if above 1, else shares; text keeps the digits as they were printed.
    images : test images, at least 1.
    equivalence : as for `compare`.

    Raises
    ------
    BadInput : no accuracy, or no number of images.
    """
    from smallvision.stats import verdict

    shares = [_share(name, value) for name, value in (("A", a), ("B", b))]
    if images > MOST_IMAGES:
        raise BadInput(f"--of: got {images}; expected at most {MOST_IMAGES:,} images")
    (found,) = verdict.judge([verdict.compare_published(shares[0], shares[1], images)], equivalence=equivalence)
    return found


def _share(name: str, value: str | float) -> Decimal:
    try:
        number = Decimal(str(value).strip().removesuffix("%").strip())
    except InvalidOperation:
        raise BadInput(
            f'published figure {name}: got "{value}"; expected an accuracy such as 98.93 (percent) or 0.9893'
        ) from None
    if not 0 <= number <= 100:
        raise BadInput(f"published figure {name}: got {value}; expected an accuracy from 0 to 100 percent")
    return number / 100 if number > 1 or "%" in str(value) else number
