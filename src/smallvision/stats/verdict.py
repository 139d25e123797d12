"""The rule by which smallvision says "better" or "not distinguishable".

What is compared depends on what there is (`compare_runs`, `compare_published`):

    at least five seeds a side   the recipes: interval and t-test over seeds and test images      stats/seeds.py
    one run a side               these two trained networks: exact McNemar, Tango's interval      stats/paired.py
    anything in between          these trained networks, averaged; too few seeds for recipes      stats/networks.py
    two published figures        unpaired score test and interval                                 stats/published.py
    another score than accuracy  the same three by seeds, over a number for each image            stats/values.py

Then (`judge`), over all comparisons that a study declared beforehand:

    1. p-values are adjusted by Holm's method.
    2. Adjusted p <= level: the side with the higher accuracy (or lower error) is better. Else: not distinguishable.
    3. The interval is shown at confidence 1 - level / f, f being the factor by which Holm multiplied this p-value: 95 %
       for a single comparison, more in a family. Every interval here is one with its test, so it leaves zero out
       exactly if the verdict is "better". Verdict, p-value and interval cannot contradict one another.
    4. Not distinguishable comes with the seeds or test images that would tell a difference as large as the one seen,
       with 80 % power at the same level.
    5. With a margin, a second question is answered beside the first: whether a difference of more than the margin is
       ruled out (stats/equivalence.py). These p-values are a family of their own: Holm's method adjusts them among
       themselves, so that the chance of even one margin wrongly ruled out is at most the level as well. Their intervals
       are shown at confidence 1 - 2 level / f, and lie within the margin exactly if the verdict says "ruled out".

No two intervals here are simultaneous: each holds its own difference at its own confidence, not all of them together.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, SupportsFloat

from smallvision.errors import BadInput
from smallvision.metrics.metric import Metric
from smallvision.stats import least, values, wording
from smallvision.stats.arguments import correctness, inside, same_images
from smallvision.stats.comparison import Comparison, Kind, Outcome, Verdict
from smallvision.stats.corrections import holm, holm_factors
from smallvision.stats.equivalence import Equivalence, checked_margin, equivalence_p
from smallvision.stats.networks import networks
from smallvision.stats.paired import discordant, mcnemar, mcnemar_mid_p, paired_interval
from smallvision.stats.power import Needed, mean_images, paired_images, published_images, recipe_needed
from smallvision.stats.published import images_right, score_interval, score_test
from smallvision.stats.seeds import recipes

if TYPE_CHECKING:
    import numpy as np

ENOUGH_SEEDS = 5  # a side, to speak of recipes


def compare_runs(a_right: "np.ndarray", b_right: "np.ndarray", names: tuple[str, str] = ("A", "B")) -> Comparison:
    """Compares two recipes, or the networks that there are, from the correctness of their runs.

    Parameters
    ----------
    a_right : bool (runs of A, N) or (N,), True where the run gets the image right.
    b_right : bool (runs of B, N) or (N,), the same test images in the same order.
    names : what to call the sides, two different names.

    Returns
    -------
    Comparison : of kind "recipes", "these two trained networks" or "these trained networks".

    Raises
    ------
    BadInput : other shapes or values, two different numbers of images, names alike.
    """
    a, b = correctness("a_right", a_right, 2), correctness("b_right", b_right, 2)
    same_images("b_right", b.shape[1], "a_right", a.shape[1])
    _different(names)
    runs, n = (a.shape[0], b.shape[0]), a.shape[1]
    if min(runs) >= ENOUGH_SEEDS and n > 1:
        found = recipes(a, b)
        return Comparison(
            "recipes",
            names,
            (found.accuracy_a, found.accuracy_b),
            found.difference,
            runs,
            (n, n),
            None,
            found.p,
            found.interval,
            lambda power, level: recipe_needed(found.spread, found.difference, *runs, n, power, level),
            least=lambda level: least.recipes(n, level),
        )
    if runs == (1, 1):
        only_a, only_b, _ = discordant(a[0], b[0])
        return Comparison(
            "these two trained networks",
            names,
            (float(a.mean()), float(b.mean())),
            (only_a - only_b) / n,
            runs,
            (n, n),
            (only_a, only_b),
            mcnemar(only_a, only_b),
            lambda confidence: paired_interval(only_a, only_b, n, confidence),
            lambda power, level: Needed(None, paired_images(only_a / n, only_b / n, power, level, n), None),
            mid_p=mcnemar_mid_p(only_a, only_b),
            least=lambda level: least.two_networks(n, level),
        )
    some = networks(a, b)
    return Comparison(
        "these trained networks",
        names,
        (some.accuracy_a, some.accuracy_b),
        some.difference,
        runs,
        (n, n),
        None,
        some.p,
        some.interval,
        lambda power, level: Needed(None, mean_images(some.variance, some.difference, power, level, n), None),
        least=lambda level: least.networks(n, *runs, level),
    )


def compare_values(
    a_values: "np.ndarray", b_values: "np.ndarray", measure: Metric, names: tuple[str, str] = ("A", "B")
) -> Comparison:
    """Compares two recipes, or the networks that there are, from a number for each run and image.

    Parameters
    ----------
    a_values, b_values : float (runs, N) or (N,), the same test images in the same order, at least 2.
    measure : what the numbers are, and whether more of them is better.
    names : what to call the sides, two different names.

    Returns
    -------
    Comparison : of kind "recipes", "these two trained networks" or "these trained networks"; `accuracies` are means.

    Raises
    ------
    BadInput : other shapes or values, two different numbers of images, names alike.
    """
    import numpy as np

    _different(names)
    a, b = np.atleast_2d(a_values), np.atleast_2d(b_values)
    runs, n = (a.shape[0], b.shape[0]), a.shape[1]
    enough = min(runs) >= ENOUGH_SEEDS
    found = values.recipes(a, b) if enough else values.networks(a, b)
    kind: Kind = "recipes" if enough else "these two trained networks" if runs == (1, 1) else "these trained networks"

    def needed(power: float, level: float) -> Needed:
        if found.spread is not None:
            return recipe_needed(found.spread, found.difference, *runs, n, power, level, correctness=False)
        return Needed(None, mean_images(found.variance, found.difference, power, level, n), None)

    means = found.mean_a, found.mean_b
    return Comparison(
        kind, names, means, found.difference, runs, (n, n), None, found.p, found.interval, needed, measure=measure
    )


def compare_published(
    accuracy_a: str | Decimal | SupportsFloat,
    accuracy_b: str | Decimal | SupportsFloat,
    images_a: int,
    images_b: int | None = None,
    names: tuple[str, str] = ("A", "B"),
) -> Comparison:
    """Compares two published accuracies, unpaired, each taken as the nearest whole number of images.

    Parameters
    ----------
    accuracy_a, accuracy_b : shares from 0 to 1; text or Decimal keeps the digits as printed.
    images_a, images_b : test images of each, at least 1; images_b is images_a unless given.
    names : what to call the sides, two different names.

    Returns
    -------
    Comparison : of kind "published figures", with a note for a figure that no number of images gives.

    Raises
    ------
    BadInput : an accuracy that is no share, a number of images that is no whole number, names alike.
    """
    _different(names)
    m, n = images_a, images_a if images_b is None else images_b
    (x, note_a), (y, note_b) = images_right(accuracy_a, m), images_right(accuracy_b, n)
    p, q = x / m, y / n
    return Comparison(
        "published figures",
        names,
        (p, q),
        (x * n - y * m) / (m * n),
        (0, 0),
        (m, n),
        None,
        score_test(x, m, y, n),
        lambda confidence: score_interval(x, m, y, n, confidence),
        lambda power, level: Needed(None, _more(published_images(p, q, power, level), min(m, n)), None),
        tuple(f"{name}: {note}" for name, note in zip(names, (note_a, note_b), strict=True) if note),
        least=lambda level: least.published(m, n, level),
    )


def judge(
    comparisons: Sequence[Comparison], level: float = 0.05, power: float = 0.8, equivalence: float | None = None
) -> tuple[Verdict, ...]:
    """The verdicts over all comparisons that were declared together, by the rule above.

    Parameters
    ----------
    comparisons : the whole family, at least one; leaving some out makes the others look better than they are.
    level : the chance allowed for even one false "better" in the family, between 0 and 1.
    power : the chance to find the difference that `needed` plans for, between 0 and 1.
    equivalence : a margin, in the unit of the differences (a share: 0.005 is 0.5 percentage points); every comparison
        is then also judged by whether a difference of more than this is ruled out. None asks nothing.

    Returns
    -------
    tuple of Verdict : in the same order.

    Raises
    ------
    BadInput : no comparison, a level or power outside (0, 1), a margin that is not above 0 or, of shares, above 0.2.
    """
    inside("level", level, 0.05)
    inside("power", power, 0.8)
    if not comparisons:
        raise BadInput("comparisons: got none; expected at least one")
    p_values = [comparison.p for comparison in comparisons]
    verdicts = tuple(
        _verdict(comparison, adjusted, factor, len(comparisons), level, power)
        for comparison, adjusted, factor in zip(comparisons, holm(p_values), holm_factors(p_values), strict=True)
    )
    return verdicts if equivalence is None else _with_equivalence(comparisons, verdicts, equivalence, level)


def _with_equivalence(
    comparisons: Sequence[Comparison], verdicts: Sequence[Verdict], margin: float, level: float
) -> tuple[Verdict, ...]:
    """The verdicts with what each says of the margin; these tests are a family of their own for Holm's method."""
    for one in comparisons:
        margin = checked_margin("equivalence", margin, one.measure is None or one.measure.share)
    p_values = [equivalence_p(one.interval, one.difference, margin) for one in comparisons]
    out = []
    for comparison, verdict, p, adjusted, factor in zip(
        comparisons, verdicts, p_values, holm(p_values), holm_factors(p_values), strict=True
    ):
        confidence = 1 - 2 * level / factor
        found = Equivalence(margin, comparison.interval(confidence), confidence, p, adjusted, adjusted <= level)
        found = replace(found, sentence=wording.equivalence(verdict, found))
        out.append(replace(verdict, equivalence=found))
    return tuple(out)


def _verdict(c: Comparison, adjusted: float, factor: float, family: int, level: float, power: float) -> Verdict:
    outcome: Outcome = "not distinguishable"
    if adjusted <= level:
        more = c.measure is None or c.measure.higher
        outcome = "A is better" if (c.difference > 0) == more else "B is better"
    needed = c.needed(power, level / factor) if outcome == "not distinguishable" else None
    confidence = 1 - level / factor
    verdict = Verdict(
        c.kind,
        c.names,
        c.accuracies,
        c.difference,
        c.interval(confidence),
        confidence,
        c.p,
        adjusted,
        family,
        level,
        outcome,
        c.runs,
        c.images,
        c.only_right,
        power,
        needed,
        c.notes,
        c.measure,
        mid_p=c.mid_p,
        least_difference=c.least(level / factor) if c.least else None,
    )
    return replace(verdict, sentence=wording.sentence(verdict))


def _different(names: tuple[str, str]) -> None:
    if len(names) != 2 or names[0] == names[1]:
        raise BadInput(f"names: got {names!r}; expected two different names")


def _more(images: int | None, there: int) -> int | None:
    return None if images is None else max(images, there + 1)
