"""What a study answers: a verdict for every comparison declared beforehand, and one for its winner on the test split. No torch.

The comparisons declared are judged together, on validation images, since all cases have met those. The winner, which validation
chose, is then compared with the baseline on the test split, which nobody had met: one comparison, by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from smallvision.comparison.confounders import confound, differing
from smallvision.comparison.predictions import Answers, gather
from smallvision.comparison.runs import compare_sides
from smallvision.experiment import Study
from smallvision.runs.read import RunRecord
from smallvision.stats.verdict import Verdict, judge
from smallvision.tasks import metric_in

Runs = Sequence[RunRecord]
Pair = tuple[str, str]

MOST_OF_ANSWER, MOST_OF_OTHERS = 20, 10  # pictures of each kind of disagreement


def verdicts(study: Study, cases: Mapping[str, Runs], pairs: Sequence[Pair], split: str) -> list[dict[str, Any]]:
    """The verdicts of pairs of cases that were declared together.

    Parameters
    ----------
    study : what it says is meant to vary.
    cases : name -> its finished runs, one for each seed, all scored on the split.
    pairs : cases by name; none gives no verdict.
    split : "validation" or "test".

    Returns
    -------
    list of dict : for each pair the fields of `stats.verdict.Verdict` with its `sentence`, and `pair`, `split`, `differing` (what the
        experiments differ in), `confound` (one line; "" where only what is meant differs).
    """
    if not pairs:
        return []
    wanted = {name: cases[name] for name in dict.fromkeys(name for pair in pairs for name in pair)}
    answers = gather(wanted, split)
    judged = judge([compare_sides(answers, a, b) for a, b in pairs])
    return [_entry(study, cases, pair, split, verdict) for pair, verdict in zip(pairs, judged, strict=True)]


def answer(
    table: Sequence[Mapping[str, Any]], winner: str, baseline: str, found: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The study's answer in a sentence or two, with the pair and the split that it rests on.

    Parameters
    ----------
    table : a row for each case, as of `choice.row`.
    winner, baseline : cases.
    found : all verdicts.

    Returns
    -------
    dict : `sentence`, `pair` (None when nothing was compared), `split`.
    """
    met = [one for one in found if one["split"] == "test"]
    if met:
        return _said(met[-1], "On the test images: ")
    order = sorted(table, key=lambda row: metric_in(row["validation"]).merit(row["validation"]), reverse=True)
    rank = {row["case"]: place for place, row in enumerate(order)}
    best = f"The best on validation images is {winner}{', the baseline' if winner == baseline else ''}"
    with_best = [one for one in found if winner in one["pair"]]
    if not with_best:
        return nothing_compared(winner)
    nearest = min(with_best, key=lambda one: sum(rank[name] for name in one["pair"]))
    return _said(nearest, f"{best}. Beside the next best that it was compared with, on the validation images: ")


def nothing_compared(winner: str, why: str = "") -> dict[str, Any]:
    """The answer of a study in which nothing was compared with the winner, or nothing could be, and why."""
    sentence = (
        f"The best on validation images is {winner}, and nothing was compared with it{f': {why}' if why else ''}."
    )
    return {"sentence": sentence, "pair": None, "split": "validation"}


def shown(
    answers: Mapping[str, Answers], told: Mapping[str, Any], pairs: Sequence[Pair]
) -> list[tuple[str, Pair, int]]:
    """Whose disagreements are shown as pictures: (split, pair, how many images of each kind), the answer's pair first.

    Parameters
    ----------
    answers : by split; those of the test split hold the cases that met it.
    told : what `answer` gave.
    pairs : the comparisons declared.
    """
    first = [(str(told["split"]), (told["pair"][0], told["pair"][1]), MOST_OF_ANSWER)] if told["pair"] else []
    rest = [
        ("validation", pair, MOST_OF_OTHERS)
        for pair in pairs
        if ("validation", list(pair)) != (told["split"], told["pair"])
    ]
    return [one for one in (*first, *rest) if one[0] in answers]


def _said(verdict: Mapping[str, Any], before: str) -> dict[str, Any]:
    sentence = str(verdict["sentence"])
    name = str(verdict["names"][0])
    lower = sentence if sentence.startswith(name) else sentence[:1].lower() + sentence[1:]
    return {"sentence": before + lower, "pair": list(verdict["pair"]), "split": verdict["split"]}


def _entry(study: Study, cases: Mapping[str, Runs], pair: Pair, split: str, verdict: Verdict) -> dict[str, Any]:
    runs = cases[pair[0]][0], cases[pair[1]][0]
    return {
        "pair": list(pair),
        "split": split,
        **asdict(verdict),
        "sentence": verdict.sentence,
        "differing": list(differing(*runs)),
        "confound": confounded(study, cases, pair),
    }


def confounded(study: Study, cases: Mapping[str, Runs], pair: Pair) -> str:
    """What two cases differ in beside what the study means to vary, searched or solved; "" where that is all."""
    tuned = (*(study.search.over if study.search else ()), *(study.match.vary if study.match else ()))
    return confound(pair, (cases[pair[0]][0], cases[pair[1]][0]), study.varies, tuned)
