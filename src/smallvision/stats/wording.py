"""A verdict in one plain English sentence, with numbers rounded so that they still say what the verdict says.

An interval that leaves zero out is never printed with an end of 0.00, and a p-value on one side of the level is never
rounded onto the other. Nor is an end of an interval rounded across a margin.
"""

from dataclasses import replace
from math import floor, log10

from smallvision.metrics.metric import Metric
from smallvision.stats.comparison import Verdict
from smallvision.stats.equivalence import Equivalence


def sentence(verdict: Verdict) -> str:
    """The verdict, the figures behind it, and the sample sizes that would detect a difference that was not detected.

    Parameters
    ----------
    verdict : from `verdict.judge`, its `sentence` not yet set.

    Returns
    -------
    str : one sentence, ending in a full stop; differences are in percentage points, of the better side over the other.
    """
    v = _turned(verdict) if verdict.verdict == "B is better" else verdict
    return f"{_claim(v)}: {_figures(v)}{_outlook(v)}."


def equivalence(verdict: Verdict, found: Equivalence) -> str:
    """Whether a difference of more than the margin is ruled out, in one sentence with the figures behind it.

    Parameters
    ----------
    verdict : of the same comparison.
    found : its `sentence` not yet set.

    Returns
    -------
    str : one sentence, ending in a full stop; the side that the verdict calls better comes first.
    """
    turned = verdict.verdict == "B is better"
    a, b = reversed(verdict.names) if turned else verdict.names
    low, high = (-end for end in reversed(found.interval)) if turned else found.interval
    metric = verdict.measure
    share = metric is None or metric.share
    scale = 100.0 if share else metric.scale if metric else 1.0
    unit = "points" if share else " ".join(filter(None, (metric.unit, f"in {metric.name}"))) if metric else ""
    digits = max(2, len(str(min(verdict.images) - 1)) - 2) if share or metric is None else metric.digits

    def within(*ends: float) -> bool:
        return max(map(abs, ends)) < found.margin * scale

    texts = ["", ""]
    while digits < 15:
        texts = [f"{scale * end:.{digits}f}" for end in (low, high)]
        if within(*map(float, texts)) == found.ruled_out:
            break
        digits += 1
    texts = [text.removeprefix("-") if not float(text) else text for text in texts]
    ruled = "is ruled out" if found.ruled_out else "is not ruled out"
    parts = [f"{100 * found.confidence:.4g} % interval of {a} minus {b} {' to '.join(texts)}"]
    parts.append(probability(found.p, verdict.level))
    if verdict.comparisons > 1:
        adjusted = probability(found.adjusted_p, verdict.level)
        parts.append(f"{adjusted} after Holm's correction for {verdict.comparisons} comparisons")
    return (
        f"A difference of more than {scale * found.margin:g} {unit} between {a} and {b} {ruled} ({'; '.join(parts)})."
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
    """A p-value with three digits, or as many more as keep it on its side of the level: "p = 0.0213"."""
    if p < 0.0001 <= level:
        return "p < 0.0001"
    shown, digits = p, 3
    while digits < 15:
        shown = float(f"{p:.{digits}g}")
        if (shown < level, shown > level) == (p < level, p > level):
            break
        digits += 1
    return f"p = {shown:.15g}"


def count(number: int) -> str:
    """A whole number with its thousands set apart: "10 000"."""
    return f"{number:,}".replace(",", " ")


def about(number: int) -> str:
    """A planned number, rounded up to three digits: 81543 becomes "about 81 600"."""
    unit = 10 ** max(floor(log10(number)) - 2, 0)
    return f"about {count(-(-number // unit) * unit)}" if unit > 1 else count(number)


def _turned(v: Verdict) -> Verdict:
    """The verdict with the sides exchanged."""
    low, high = v.interval
    return replace(
        v,
        names=v.names[::-1],
        accuracies=v.accuracies[::-1],
        difference=-v.difference,
        interval=(-high, -low),
        verdict="A is better",
        runs=v.runs[::-1],
        images=v.images[::-1],
        only_right=v.only_right and v.only_right[::-1],
    )


def _claim(v: Verdict) -> str:
    a, b = v.names
    same = v.verdict == "not distinguishable"
    if "networks" in v.kind:
        first, rest = v.kind[0].upper(), v.kind[1:]
        apart = f"Of {v.kind}, {a} is better than {b}"
        return f"{first}{rest}, {a} and {b}, are not distinguishable" if same else apart
    how = "As recipes" if v.kind == "recipes" else "By the published figures"
    return f"{how}, {a} and {b} are not distinguishable" if same else f"{how}, {a} is better than {b}"


def _figures(v: Verdict) -> str:
    low, high = v.interval
    parts = [f"{100 * v.confidence:.4g} % interval {_gap(v, low)} to {_gap(v, high)}", probability(v.p, v.level)]
    if v.comparisons > 1:
        adjusted = probability(v.adjusted_p, v.level)
        parts.append(f"{adjusted} after Holm's correction for {v.comparisons} comparisons")
    if v.mid_p is not None:
        parts.append(
            f"mid-p {probability(v.mid_p, v.level).removeprefix('p = ').removeprefix('p ')}, for comparison only"
        )
    if v.only_right:
        only_a, only_b = map(count, v.only_right)
        parts.append(f"{only_a} {_of(v)} right by {v.names[0]} alone, {only_b} by {v.names[1]} alone")
    runs = f"{v.runs[0]} and {v.runs[1]} {'seeds' if v.kind == 'recipes' else 'runs'} on " if max(v.runs) > 1 else ""
    images = count(v.images[0]) if v.images[0] == v.images[1] else f"{count(v.images[0])} and {count(v.images[1])}"
    a, b = (_gap(v, score) for score in v.accuracies)
    gap, metric = _gap(v, v.difference), v.measure
    if metric is None or metric.share:
        a, b, gap = f"{a} %", f"{b} %", f"{gap} points"
    else:
        unit = f" {metric.unit}" if metric.unit else ""
        a, b, gap = f"{metric.name} {a}{unit}", f"{b}{unit}", f"{gap}{unit}"
    of = "images" if v.measure is None else v.measure.of_independent
    return f"{a} against {b} over {runs}{images} {of}, a difference of {gap} ({'; '.join(parts)})"


def _gap(v: Verdict, value: float) -> str:
    """A difference, or the score itself, with the digits that both need."""
    return difference(value, v.measure, v.interval, min(v.images))


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


def _of(v: Verdict) -> str:
    """What the sides were judged on: "images" or "pairs"."""
    return "images" if v.measure is None else v.measure.of


def amount(value: float, metric: Metric, interval: tuple[float, float] = (0.0, 0.0)) -> str:
    """A score or a difference: with the metric's digits, or more where an end of the interval would print as zero."""
    digits, ends = metric.digits, [abs(end) for end in (*interval, value) if end]
    while digits < 15 and any(round(metric.scale * end, digits) == 0 for end in ends):
        digits += 1
    text = f"{metric.scale * value:.{digits}f}"
    return text.removeprefix("-") if not float(text) else text


def _outlook(v: Verdict) -> str:
    few = "; to speak of the recipes takes at least five seeds a side" if "networks" in v.kind else ""
    if v.needed is None:
        return few
    if v.difference == 0:
        return f"; no number of {_of(v)} tells a difference of zero" + few
    seeds, images, together = v.needed.seeds, v.needed.images, v.needed.together
    if together:
        both = f"{about(together[0])} seeds a side with {about(together[1])} {_of(v)} would"
        would = f"neither more seeds nor more {_of(v)} alone would do, {both}"
    else:
        ways = [f"{about(n)} {what}" for n, what in ((seeds, "seeds a side"), (images, _of(v))) if n]
        would = "takes " + " or ".join(ways)
        if v.kind == "recipes" and len(ways) == 1 and seeds:
            would += f", no number of {_of(v)} alone would do"
    if v.needed.smallest is not None:
        share = v.measure is None or v.measure.share
        unit = "points" if v.measure is None or share else v.measure.unit
        smallest = " ".join(filter(None, (_gap(v, v.needed.smallest), unit)))
        none_at_all = share and v.needed.smallest > 1
        less = "any difference" if none_at_all else f"a difference below {smallest}"
        would += f"; on {count(min(v.images))} {_of(v)} no number of seeds tells {less}"
    settings = f"{100 * v.power:.4g} % power, {100 * (1 - v.confidence):.3g} % level, scatter as seen here"
    return f"; to tell a difference as large as this one ({settings}) {would}{few}"
