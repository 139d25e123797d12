"""Several comparisons in one study: Holm's correction, and the level each comparison's interval is shown at.

Holm (1979, Scand. J. Stat. 6, 65-70) keeps the chance of even one false "better" in the whole study at the level, asks
nothing about how the comparisons depend on one another, and is never weaker than Bonferroni's correction.
"""

from collections.abc import Sequence

from smallvision.stats.arguments import numbers, share


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted p-values, each to be compared with the level itself.

    Parameters
    ----------
    p_values : one per comparison that was declared beforehand, 0 to 1, in any order; at least one.

    Returns
    -------
    tuple of float : in the same order, 0 to 1; never below the p-value that was given.

    Raises
    ------
    BadInput : no p-value, or one that is not from 0 to 1.
    """
    return tuple(min(1.0, p * factor) for p, factor in zip(p_values, holm_factors(p_values), strict=True))


def holm_factors(p_values: Sequence[float]) -> tuple[float, ...]:
    """By how much Holm multiplies each p-value, before the cap at 1.

    An interval at confidence 1 - level / factor leaves zero out exactly if the adjusted p-value is below the level,
    whenever interval and test agree one by one. Factors are at least 1, so that each interval alone keeps its 95 %;
    they do not hold all together (bounds that do, and agree with Holm, are one-sided: Strassburger & Bretz 2008, Stat.
    Med. 27, 4914-27).

    Parameters
    ----------
    p_values : as for `holm`.

    Returns
    -------
    tuple of float : in the same order, from 1 to the number of comparisons.

    Raises
    ------
    BadInput : as for `holm`.
    """
    found = [share(f"p_values[{i}]", p) for i, p in enumerate(numbers("p_values", p_values, least=1))]
    factors, largest = [float(len(found))] * len(found), 0.0
    for rank, i in enumerate(sorted(range(len(found)), key=found.__getitem__)):
        largest = max(largest, (len(found) - rank) * found[i])  # step-down: no p-value overtakes a smaller one
        if found[i] > 0:
            factors[i] = largest / found[i]
    return tuple(factors)
