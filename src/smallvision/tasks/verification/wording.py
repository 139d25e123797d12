"""States a verifier's results in sentences, with intervals, beside guessing, and claims no more than was tested."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smallvision.rendering.format import SPACE, interval, listed, percent, whole
from smallvision.tasks.verification.pair_galleries import apart
from smallvision.tasks.verification.rates import chance_error, surest

GOOD, ROUGH = 0.02, 0.05  # calibration errors up to which probabilities can be taken as they are, and roughly
EVEN = 0.01  # by which shares may differ and still be called equal
SURE = {
    1: "overconfident",
    0: "neither overconfident nor underconfident overall",
    -1: "underconfident",
}  # by whether it is surer than it is right
ENOUGH = 20_000  # pairs for a calibration error that is steady


def threshold(verifier: Mapping[str, Any], false_accept: float, distance: float | None) -> str:
    """From where on a pair is said to be of one class, and how that was chosen.

    Parameters
    ----------
    verifier : of result.json.
    false_accept : the share of false accepts that was asked for; 0 for equal error rates.
    distance : where the threshold is, if the head is the distance.
    """
    at = f"its probability is at least {percent(verifier['threshold'], 1)}"
    at += f", that is, its distance is at most {apart(distance)}" if distance is not None else ""
    aim = (
        "so that the share of pairs of two classes that are accepted equals the share of pairs of one class that are "
        "rejected"
    )
    if false_accept:
        aim = f"so that at most {percent(false_accept)} of the pairs of two classes are accepted"
    pairs = f"{whole(round(verifier['pairs']))} pairs of validation images"
    let = f"{percent(verifier['false_accept'])} of the pairs of two classes"
    return (
        f"A pair is judged to be of one class if {at}. This threshold was chosen on {pairs}, {aim}; on these pairs "
        f"{let} are accepted."
    )


def function(verifier: Mapping[str, Any], metric: str, dense: bool, distance: float | None) -> str:
    """How two images become an answer, with the numbers that were fitted.

    Parameters
    ----------
    verifier : of result.json.
    metric : "euclidean" or "cosine".
    dense : whether a dense head judges.
    distance : where the threshold is, if the head is the distance.
    """
    slope, shift = verifier["slope"], verifier["intercept"]
    sign = "+" if shift >= 0 else "−"
    judged = (
        "From |a − b| and a · b of their representations a and b, a dense head computes a number s, which does not "
        "depend on the order of the images"
    )
    if not dense:
        judged = (
            f"The head computes s, the negative {'Euclidean ' if metric == 'euclidean' else 'cosine '}distance of "
            "their representations"
        )
    end = f" (a distance of at most {apart(distance)})" if distance is not None else ""
    likely = f"1 / (1 + exp(−({slope:.3g} s {sign} {abs(shift):.3g})))"
    return (
        f"Both images go through one encoder. {judged}; {likely} is the probability that they are of one class, if "
        "half of all pairs are. The answer is “the same” if this probability is at least "
        f"{percent(verifier['threshold'], 1)}{end}."
    )


def rates(scored: Mapping[str, Any], of: str) -> str:
    """What is accepted there on the shown split; "" where that was not recorded."""
    if "true_accept" not in scored or "false_accept" not in scored:
        return ""
    true, false = percent(scored["true_accept"]), percent(scored["false_accept"])
    return f"Of the {of} pairs, {true} of those of one class and {false} of those of two classes are accepted."


def guessing(share: float, ends: Sequence[float] | None) -> str:
    """What answers drawn at random would reach, and whether this is shown to be more.

    Parameters
    ----------
    share : of the pairs that are of one class, 0 to 1.
    ends : the interval of the accuracy.
    """
    best = max(share, 1 - share)
    text = (
        f"Guessing would be right for {percent(best, 0)} of them, with an AUC of 0.5 and an equal error rate of "
        f"50{SPACE}%."
    )
    if ends and ends[0] <= best:
        return (
            f"{text} The interval of the accuracy includes this value, so it is not shown that this verifier is "
            "better than guessing."
        )
    return text


def belief(error: float, reliability: np.ndarray | None, probabilities: np.ndarray, same: np.ndarray) -> str:
    """How far the probabilities can be believed.

    Parameters
    ----------
    error : the expected calibration error, 0 to 1.
    reliability : float64 (bins, 3), mean probability, share of one class, pairs; None where there is none.
    probabilities, same : (M,), of the pairs, and whether they are of one class, 0 or 1.
    """
    text = f"They differ from the observed shares by {percent(error)} on average"
    if reliability is not None:
        bins = f"{len(reliability)} bin{'s' if len(reliability) > 1 else ''} of equally many pairs"
        text += (
            f" (expected calibration error, {bins}; exactly right probabilities would have, by chance, "
            f"{percent(chance_error(reliability))})"
        )
    if float(np.ptp(probabilities)) < EVEN:
        return (
            f"{text}, but all pairs have the same probability, {percent(float(probabilities.mean()), 0)}, so it says "
            "nothing about a single pair."
        )
    sure, right = surest(probabilities, same)
    if error <= GOOD:
        verdict = "they can be trusted"
    else:
        verdict = "they can be trusted roughly" if error <= ROUGH else "they cannot be trusted"
        how = SURE[(sure > right + EVEN) - (sure < right - EVEN)]
        verdict += (
            f"; the verifier is {how} (its mean confidence is {percent(sure, 1)}, and it is right for "
            f"{percent(right, 1)} of the pairs)"
        )
    return f"{text}: {verdict}. They are valid for pairs of which half are of one class.{_rough(len(same))}"


def _rough(pairs: int) -> str:
    """A warning if there are too few pairs for a calibration error, else an empty text."""
    return (
        ""
        if pairs >= ENOUGH
        else f" The calibration error of {whole(pairs)} pairs is imprecise; with {whole(ENOUGH)} pairs it is reliable."
    )


def unseen(found: Mapping[str, Any], seen: Mapping[str, Any], names: Sequence[str], of: str) -> list[str]:
    """What it does with classes that it never saw in training, beside those it did.

    Parameters
    ----------
    found, seen : the scores of the images of such classes, and of the shown split.
    names : of the classes that were kept out.
    of : the shown split, as a word.
    """
    ends = found.get("intervals", {}).get("pair_accuracy")
    between = f" (95{SPACE}% interval {interval(ends)})" if ends else ""
    pairs = f"{whole(found['pairs'])} pairs of " if "pairs" in found else "pairs of "
    kept = f" ({listed(list(names))})" if names else ""
    points = 100 * (found["pair_accuracy"] - seen["pair_accuracy"])
    against = (
        "as many as" if abs(points) < 0.005 else f"{abs(points):.2f} points {'fewer' if points < 0 else 'more'} than"
    )
    out = [
        f"Of {pairs}images of classes kept out of training{kept}, {percent(found['pair_accuracy'])} are judged "
        f"correctly{between}: {against} of the training classes ({of}, {percent(seen['pair_accuracy'])}). AUC "
        f"{found['auc']:.4f}, equal error rate {percent(found['equal_error'])}."
    ]
    if "false_accept" in found and "true_accept" in found:
        true, false = percent(found["true_accept"]), percent(found["false_accept"])
        out.append(
            f"Threshold and probabilities were fitted on the training classes. Of these pairs, {true} of those of "
            f"one class and {false} of those of two classes are accepted."
        )
    if 1 - found["equal_error"] - found["pair_accuracy"] > EVEN:
        out.append(
            f"With the threshold of equal error rates on these pairs, {percent(1 - found['equal_error'])} would be "
            "judged correctly."
        )
    error = found["calibration_error"]
    verdict = "can be trusted" if error <= GOOD else "can be trusted roughly" if error <= ROUGH else "cannot be trusted"
    return [
        *out,
        f"The probabilities differ from the observed shares by {percent(error)} on average: here they "
        f"{verdict}.{_rough(found.get('pairs', ENOUGH))}",
    ]


def dimensions(found: Mapping[str, Any], size: int, of: str) -> str:
    """How much of the representation is used."""
    dead, twins = found["dead"], found["duplicates"]
    many = "s" if size != 1 else ""
    return (
        f"Of {whole(size)} dimension{many}, {whole(dead)} {'is' if dead == 1 else 'are'} dead (the same for every "
        f"{of} image) and {whole(twins)} repeat{'s' if twins == 1 else ''} another one. The effective rank is "
        f"{found['effective_rank']:.1f}: the representation is as spread out as that many directions of equal "
        "variance (Roy & Vetterli 2007). K classes, each at one point and all equally far apart, need K − 1 "
        "directions."
    )
