"""What a verifier is worth, in sentences: plain, with its intervals, beside guessing, and without calling sure what is not."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smallvision.report import words
from smallvision.report.probe_words import listed
from smallvision.report.verification_rates import chance_error, surest

GOOD, ROUGH = 0.02, 0.05      # calibration errors up to which probabilities can be taken as they are, and roughly
EVEN = 0.01                   # by which sureness and share of right answers may differ and be called equal; range of equal probabilities


def threshold(verifier: Mapping[str, Any], false_accept: float, distance: float | None) -> str:
    """From where on a pair is said to be of one class, and how that was chosen.

    Parameters
    ----------
    verifier : of result.json.
    false_accept : the share of false accepts that was asked for; 0 for equal error rates.
    distance : where the threshold is, if the head is the distance.
    """
    at = f"a probability of {words.percent(verifier['threshold'], 1)} on" + (f", a distance of at most {distance:.3g}" if distance is not None else "")
    let = words.percent(verifier["false_accept"])
    pairs = f"{words.whole(round(verifier['pairs']))} pairs of validation images"
    if false_accept:
        return (f"A pair is said to be of one class from {at}: as low as may be with at most {words.percent(false_accept)} of the pairs of two "
                f"classes accepted, on {pairs} ({let} were).")  # fmt: skip
    return (f"A pair is said to be of one class from {at}: where, on {pairs}, as large a share of those of two classes was accepted ({let}) as "
            "of those of one class was not.")  # fmt: skip


def rates(scored: Mapping[str, Any], of: str) -> str:
    """What is accepted there on the shown split; "" where that was not recorded."""
    if "true_accept" not in scored or "false_accept" not in scored:
        return ""
    return (f"Of the {of} pairs it accepts {words.percent(scored['true_accept'])} of those of one class and "
            f"{words.percent(scored['false_accept'])} of those of two.")  # fmt: skip


def guessing(share: float, interval: Sequence[float] | None) -> str:
    """What answers drawn at random would reach, and whether this is shown to be more.

    Parameters
    ----------
    share : of the pairs that are of one class, 0 to 1.
    interval : of the accuracy.
    """
    best = max(share, 1 - share)
    text = f"Guessing would be right for {words.percent(best, 0)} of them, with an AUC of 0.5 and an equal error rate of 50{words.SPACE}%."
    if interval and interval[0] <= best:
        return f"{text} The interval of the accuracy reaches down to that: it is not shown that this verifier does better than guessing."
    return text


def belief(error: float, reliability: np.ndarray | None, probabilities: np.ndarray, same: np.ndarray) -> str:
    """How far the probabilities can be believed.

    Parameters
    ----------
    error : the expected calibration error, 0 to 1.
    reliability : float64 (bins, 3), mean probability, share of one class, pairs; None where there is none.
    probabilities, same : (M,), of the pairs, and whether they are of one class, 0 or 1.
    """
    text = f"Its probabilities are off by {words.percent(error)} on average"
    if reliability is not None:
        text += (f" (expected calibration error, {len(reliability)} bins of equally many pairs; by chance alone it would be "
                 f"{words.percent(chance_error(reliability))} on so many pairs, were they exactly right)")  # fmt: skip
    if float(np.ptp(probabilities)) < EVEN:
        return f"{text}, but they are the same for all pairs, {words.percent(float(probabilities.mean()), 0)}: they tell nothing."
    sure, right = surest(probabilities, same)
    if error <= GOOD:
        verdict = "they can be taken as they are"
    else:
        how = "too sure of itself" if sure > right + EVEN else "not sure enough" if sure < right - EVEN else "neither too sure nor too unsure on the whole"
        taken = "they can be taken roughly" if error <= ROUGH else "they are not to be taken as they are"
        verdict = f"{taken}, and it is {how} (sure by {words.percent(sure, 1)} on average, right for {words.percent(right, 1)})"
    return f"{text}: {verdict}, where half of all pairs are of one class."


def unseen(found: Mapping[str, Any], seen: Mapping[str, Any], names: Sequence[str], of: str) -> list[str]:
    """What it does with classes that it never saw in training, beside those it did.

    Parameters
    ----------
    found, seen : the scores of the images of such classes, and of the shown split.
    names : of the classes that were kept out.
    of : the shown split, as a word.
    """
    ends = found.get("intervals", {}).get("pair_accuracy")
    between = f" (95{words.SPACE}% interval {words.interval(ends)})" if ends else ""
    pairs = f"{words.whole(found['pairs'])} pairs of " if "pairs" in found else "pairs of "
    out = [f"Of {pairs}images of classes kept out of training ({listed(list(names))}), {words.percent(found['pair_accuracy'])} are judged rightly{between}, "
           f"{_against(found['pair_accuracy'], seen['pair_accuracy'])} those of the classes seen ({of}, {words.percent(seen['pair_accuracy'])}). "
           f"AUC {found['auc']:.4f}, equal error rate {words.percent(found['equal_error'])}."]  # fmt: skip
    if "false_accept" in found and "true_accept" in found:
        out.append(f"The threshold and the probabilities were fitted on the classes seen. Here that threshold accepts {words.percent(found['true_accept'])} of the "
                   f"pairs of one class and {words.percent(found['false_accept'])} of those of two.")  # fmt: skip
        lost = 1 - found["equal_error"] - found["pair_accuracy"]
        if lost > EVEN:
            out.append(f"A threshold fitted on these classes would have {words.percent(1 - found['equal_error'])} right.")
    error = found["calibration_error"]
    verdict = "can be taken as they are here, too" if error <= GOOD else "can be taken roughly" if error <= ROUGH else "are not to be believed here"
    out.append(f"Its probabilities are off by {words.percent(error)} on average: they {verdict}.")
    return out


def _against(value: float, other: float) -> str:
    points = 100 * (value - other)
    if abs(points) < 0.005:
        return "as many as of"
    return f"{abs(points):.2f} points {'fewer' if points < 0 else 'more'} than of"


def dimensions(found: Mapping[str, Any], size: int, of: str) -> str:
    """How much of the representation is used."""
    dead, twins = found["dead"], found["duplicates"]
    return (f"Of {words.whole(size)} dimension{'s' if size != 1 else ''}, {words.whole(dead)} {'is' if dead == 1 else 'are'} dead (the same for every {of} image) and "
            f"{words.whole(twins)} say{'s' if twins == 1 else ''} what another does. The effective rank is {found['effective_rank']:.1f}: as many equally wide "
            "directions would be used as much (Roy & Vetterli 2007). Images of K classes that lie on K points, as far apart as can be, need K − 1 directions.")  # fmt: skip
