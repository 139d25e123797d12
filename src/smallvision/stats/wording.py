"""A verdict in a few plain English sentences, with numbers rounded so that they still say what the verdict says.

The side with the better score always comes first, and a difference says by how much it is better: an interval that
reaches below zero holds differences the other way. An interval that leaves zero out is never printed with an end of
0.00, and a p-value on one side of the level is never rounded onto the other. Nor is an end of an interval rounded
across a margin.
"""

from dataclasses import replace
from math import floor, log10

from smallvision.metrics.metric import Metric
from smallvision.stats.comparison import Verdict
from smallvision.stats.equivalence import Equivalence

SCOPES = {
    "recipes": "",
    "these two trained networks": "for these two trained networks, ",
    "these trained networks": "for these trained networks, ",
    "published figures": "by the published figures, ",
}
FEW = "Comparing the recipes takes at least five seeds a side."
DECIMALS = 4  # of a p-value at most, unless its side of the level takes more


def sentence(verdict: Verdict, texts: tuple[str, str] | None = None, opening: str = "") -> str:
    """The verdict with the figures behind it, and the sample sizes that would tell a difference that was not told.

    Parameters
    ----------
    verdict : from `verdict.judge`, its `sentence` not yet set.
    texts : how sentences call the two sides, in the verdict's order: "training with flips"; by default its names.
    opening : how the sentence begins where the sides are two sources of features of one network, which have no recipes
        and no runs: "By the linear probe, ".

    Returns
    -------
    str : sentences, each ending in a full stop; differences are in percentage points or in the metric's unit, of the
        better side over the other.
    """
    v = better_first(replace(verdict, names=texts or verdict.names))
    a, b = v.names
    be = "are" if a == "raw pixels" else "is"
    before = opening or SCOPES[v.kind]
    claim = before + (f"{a} and {b} are not distinguishable" if _open(v) else f"{a} {be} better than {b}")
    claim = _capital(claim) if before or texts else claim
    figures = f"({_scores(v)}; {_runs(v) if not opening else ''}{_images(v)}, {_p(v)})"
    few = "networks" in v.kind and not opening
    return " ".join([f"{claim} {figures}.", *_alone(v), *_outlook(v), *([FEW] if few else [])])


def equivalence(verdict: Verdict, found: Equivalence, texts: tuple[str, str] | None = None) -> str:
    """Whether a difference of more than the margin is ruled out, in one sentence with the figures behind it.

    Parameters
    ----------
    verdict : of the same comparison.
    found : its `sentence` not yet set.
    texts : how the sentence calls the two sides, in the verdict's order; by default the verdict's names.

    Returns
    -------
    str : one sentence, ending in a full stop; the better side comes first, and its lead is what the interval holds.
    """
    v = better_first(replace(verdict, names=texts or verdict.names, interval=found.interval))
    a, b = v.names
    low, high = _lead(v, *v.interval)
    metric = v.measure
    share = metric is None or metric.share
    scale = 100.0 if share else metric.scale if metric else 1.0
    unit = "points" if share else " ".join(filter(None, (metric.unit, f"in {metric.name}"))) if metric else ""
    digits = max(2, len(str(min(v.images) - 1)) - 2) if share or metric is None else metric.digits

    def within(*ends: float) -> bool:
        return max(map(abs, ends)) < found.margin * scale

    ends = ["", ""]
    while digits < 15:
        ends = [f"{scale * end:.{digits}f}" for end in (low, high)]
        if within(*map(float, ends)) == found.ruled_out:
            break
        digits += 1
    ends = [end.removeprefix("-") if not float(end) else end for end in ends]
    ruled = "is ruled out" if found.ruled_out else "is not ruled out"
    p = _corrected(probability(found.adjusted_p, v.level), v.comparisons)
    return (
        f"A difference of more than {scale * found.margin:g} {unit} between {a} and {b} {ruled} "
        f"({100 * found.confidence:.4g} % interval {' to '.join(ends)}; {p})."
    )


def better_first(v: Verdict) -> Verdict:
    """The verdict with the side of the better score first; a verdict between equal scores as it is."""
    if v.verdict != "B is better" and _lead(v, v.difference)[0] >= 0:
        return v
    low, high = v.interval
    return replace(
        v,
        names=v.names[::-1],
        accuracies=v.accuracies[::-1],
        difference=-v.difference,
        interval=(-high, -low),
        verdict="A is better" if v.verdict == "B is better" else v.verdict,
        runs=v.runs[::-1],
        images=v.images[::-1],
        only_right=v.only_right and v.only_right[::-1],
    )


def least_difference(verdict: Verdict) -> str:
    """The smallest difference that could be told on these images, in a line with its formula; "" without a limit."""
    found = verdict.least_difference
    return least_line(verdict.kind, found, verdict.confidence, min(verdict.images), _of(verdict))


def least_line(kind: str, least: float | None, confidence: float, images: int, of: str) -> str:
    """As `least_difference`, from the fields of a verdict; `of` is what there are so many of, "images" or "pairs"."""
    if least is None:
        return ""
    from scipy.stats import norm

    many = count(images)
    if least > 1:
        return f"On {many} {of} no difference can be told at all."
    if kind == "recipes":
        how = f"{float(norm.isf((1 - confidence) / 2)):.3g} x sqrt(2) / {many}"
    elif kind == "published figures":
        how = f"{least * images:.3g} {of}, where the other figure is 100 %"
    else:
        how = f"{least * images:.3g} {of}, all one way"
    return f"On {many} {of} no difference below {points(least, images)} points can be told ({how})."


def points(value: float, images: int) -> str:
    """A share as percent or a difference as percentage points: at least two decimals, enough to show one image.

    Parameters
    ----------
    value : a share or a difference of shares (0.9893, -0.0014).
    images : how many images it is of.

    Returns
    -------
    str : "98.93", "-0.14"; more decimals where a value that is not zero would print as zero.
    """
    decimals = max(2, len(str(images - 1)) - 2)
    while decimals < 9 and value and not float(f"{100 * value:.{decimals}f}"):
        decimals += 1
    text = f"{100 * value:.{decimals}f}"
    return text.removeprefix("-") if not float(text) else text


def probability(p: float, level: float) -> str:
    """A p-value with three digits and at most four decimals, or as many more as keep it on its side of the level."""
    if p < 0.0001 <= level:
        return "p < 0.0001"
    shown, digits = float(f"{p:.3g}"), 3
    if p >= 0.0001:
        shown = round(shown, DECIMALS)
    while digits < 15 and (shown < level, shown > level) != (p < level, p > level):
        digits += 1
        shown = float(f"{p:.{digits}g}")
    return f"p = {shown:.15g}"


def count(number: int) -> str:
    """A whole number with its thousands set apart: "10 000"."""
    return f"{number:,}".replace(",", " ")


def about(number: int) -> str:
    """A planned number, rounded up to three digits: 81543 becomes "about 81 600"."""
    unit = 10 ** max(floor(log10(number)) - 2, 0)
    return f"about {count(-(-number // unit) * unit)}" if unit > 1 else count(number)


def difference(value: float, metric: Metric | None, interval: tuple[float, float], images: int) -> str:
    """A score or a difference of scores, without its unit: of shares in percent or percentage points, else in the
    metric's digits.

    Parameters
    ----------
    metric : None for the accuracy on images.
    interval : of the difference; an end of it that is not zero never prints as zero.
    images : how many images, or pairs of images, a share is of.
    """
    return points(value, images) if metric is None or metric.share else amount(value, metric, interval)


def amount(value: float, metric: Metric, interval: tuple[float, float] = (0.0, 0.0)) -> str:
    """A score or a difference: with the metric's digits, or more where an end of the interval would print as zero."""
    digits, ends = metric.digits, [abs(end) for end in (*interval, value) if end]
    while digits < 15 and any(round(metric.scale * end, digits) == 0 for end in ends):
        digits += 1
    text = f"{metric.scale * value:.{digits}f}"
    return text.removeprefix("-") if not float(text) else text


def _open(v: Verdict) -> bool:
    return v.verdict == "not distinguishable"


def _lead(v: Verdict, *differences: float) -> list[float]:
    """Differences of A over B as by how much A is better, the lowest first: of errors, by how much they are lower."""
    higher = v.measure is None or v.measure.higher
    return sorted(end if higher else -end for end in differences)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _scores(v: Verdict) -> str:
    """Both scores, by how much the first is better, and the interval of that."""
    (lead,), (low, high) = _lead(v, v.difference), _lead(v, *v.interval)
    metric, (a, b) = v.measure, v.accuracies
    between = f"{100 * v.confidence:.4g} % interval {_text(v, low)} to {_text(v, high)}"
    if metric is None or metric.share:
        return f"{_text(v, a)} % against {_text(v, b)} %, difference {_text(v, lead)} points, {between}"
    unit = f" {metric.unit}" if metric.unit else ""
    way = "higher" if metric.higher else "lower"
    scores = f"{metric.name} {_text(v, a)}{unit} against {_text(v, b)}{unit}"
    return f"{scores}, {way} by {_text(v, lead)}{unit}, {between}"


def _text(v: Verdict, value: float) -> str:
    """A score or a difference of one sentence: of shares one decimal where the difference is a point or more."""
    figures = (v.difference, *v.interval)
    share = v.measure is None or v.measure.share
    if share and abs(v.difference) >= 0.01 and all(round(100 * abs(one), 1) or not one for one in figures):
        return f"{100 * value:.1f}"
    return difference(value, v.measure, v.interval, min(v.images))


def _images(v: Verdict) -> str:
    of = "images" if v.measure is None else v.measure.of_independent
    sizes = dict.fromkeys(v.images)
    return f"{' and '.join(map(count, sizes))} {of}{'' if v.runs[0] else ' each'}"


def _runs(v: Verdict) -> str:
    """How many seeds or runs a side; "" for published figures."""
    one, other = v.runs
    if not one:
        return ""
    what = "seed" if v.kind == "recipes" else "run"
    several = "s" if max(v.runs) > 1 else ""
    return f"{one} {what}{several} each, " if one == other else f"{one} and {other} {what}s, "


def _p(v: Verdict) -> str:
    p = _corrected(probability(v.adjusted_p, v.level), v.comparisons)
    return p if v.mid_p is None else f"{p}, mid-{probability(v.mid_p, v.level)}"


def _corrected(p: str, comparisons: int) -> str:
    return f"{p} after Holm's correction for {comparisons} comparisons" if comparisons > 1 else p


def _of(v: Verdict) -> str:
    """What the sides were judged on: "images" or "pairs"."""
    return "images" if v.measure is None else v.measure.of


def _alone(v: Verdict) -> list[str]:
    if not v.only_right:
        return []
    of, (a, b) = _of(v), v.names
    ours, theirs = (f"{count(one)} {of.removesuffix('s') if one == 1 else of}" for one in v.only_right)
    return [_capital(f"{ours} {'is' if v.only_right[0] == 1 else 'are'} right by {a} alone, {theirs} by {b} alone.")]


def _outlook(v: Verdict) -> list[str]:
    """What would tell a difference that was not told."""
    if v.needed is None:
        return []
    of = _of(v)
    if v.difference == 0:
        return [f"No number of {of} tells a difference of zero."]
    seeds, images, together = v.needed.seeds, v.needed.images, v.needed.together
    ways = [f"{about(n)} {what}" for n, what in ((seeds, "seeds a side"), (images, of)) if n]
    if together:
        ways = [f"{about(together[0])} seeds a side with {about(together[1])} {of}"]
    telling = f"{' or '.join(ways)} would tell a difference this large ({100 * v.power:.4g} % power)"
    if together or (v.kind == "recipes" and seeds and not images):
        telling += f"; more {'seeds or ' if together else ''}{of} alone would not"
    said = [f"{_capital(telling)}."] if ways else []
    if v.needed.smallest is not None:
        said.append(f"On {count(min(v.images))} {of} no number of seeds tells {_smallest(v, v.needed.smallest)}.")
    return said


def _smallest(v: Verdict, least: float) -> str:
    share = v.measure is None or v.measure.share
    if share and least > 1:
        return "any difference"
    unit = "points" if v.measure is None or share else v.measure.unit
    return "a difference below " + " ".join(filter(None, (_text(v, least), unit)))
