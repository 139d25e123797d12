"""The verdicts of a study: one for every comparison declared beforehand, and one for its winner on the test split.

The declared comparisons are judged together on validation images, on which all cases are scored. The winner, which was
selected on validation images, is then compared with the baseline on the test split, on which no case was scored before:
one comparison by itself. No torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from smallvision.comparison.confounders import config_differences, confounder
from smallvision.comparison.predictions import AlignedPredictions, gather
from smallvision.comparison.runs import compare_sides
from smallvision.experiment import Study
from smallvision.metrics.metric import Metric
from smallvision.runs.read import RunRecord
from smallvision.stats import wording
from smallvision.stats.comparison import Verdict
from smallvision.stats.verdict import judge
from smallvision.study import selection

Runs = Sequence[RunRecord]
Pair = tuple[str, str]

MOST_OF_ANSWER, MOST_OF_OTHERS = 20, 10  # images of each kind of disagreement


def verdicts(study: Study, cases: Mapping[str, Runs], pairs: Sequence[Pair], split: str) -> list[dict[str, Any]]:
    """The verdicts of pairs of cases that were declared together.

    Parameters
    ----------
    study : names what is meant to vary.
    cases : name -> its finished runs, one for each seed, all scored on the split.
    pairs : cases by name; none gives no verdict.
    split : "validation" or "test".

    Returns
    -------
    list of dict : for each pair the fields of `stats.comparison.Verdict`, and `pair`, `split`, `differing` (the keys in
        which the experiments differ) and `confound` (one line; "" where only what is meant to vary differs).
    """
    if not pairs:
        return []
    wanted = {name: cases[name] for name in dict.fromkeys(name for pair in pairs for name in pair)}
    answers = gather(wanted, split)
    judged = judge([compare_sides(answers, a, b) for a, b in pairs], equivalence=study.equivalence)
    return [_entry(study, cases, pair, split, verdict) for pair, verdict in zip(pairs, judged, strict=True)]


def answer(
    table: Sequence[Mapping[str, Any]],
    winner: str,
    baseline: str,
    found: Sequence[Mapping[str, Any]],
    metric: Metric,
    texts: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The study's answer in a sentence or two, with the pair and the split that it rests on.

    Parameters
    ----------
    table : a row for each case, from `selection.row`.
    winner, baseline : names of cases.
    found : all verdicts.
    metric : of the study's task.
    texts : how sentences call the cases, by name; those without one by their name.

    Returns
    -------
    dict : `sentence`, `pair` (None when nothing was compared), `split`.
    """
    tested = [verdict for verdict in found if verdict["split"] == "test"]
    if tested:
        return _answer(tested[-1], "On the test images, ", texts)
    rank = {case: place for place, case in enumerate(selection.ranked(table, metric))}
    called = (texts or {}).get(winner, winner)
    best = f"The best on validation images is {called}{', the baseline' if winner == baseline else ''}"
    with_best = [verdict for verdict in found if winner in verdict["pair"]]
    if not with_best:
        return nothing_compared(called)
    nearest = min(with_best, key=lambda verdict: sum(rank[name] for name in verdict["pair"]))
    return _answer(nearest, f"{best}. On the same images, ", texts)


def nothing_compared(winner: str, why: str = "") -> dict[str, Any]:
    """The answer of a study in which no case was compared with the winner; `why` says why no case could be."""
    sentence = (
        f"The best on validation images is {winner}, and nothing was compared with it{f': {why}' if why else ''}."
    )
    return {"sentence": sentence, "pair": None, "split": "validation"}


def shown(
    answers: Mapping[str, AlignedPredictions], result: Mapping[str, Any], pairs: Sequence[Pair]
) -> list[tuple[str, Pair, int]]:
    """The pairs whose disagreements are shown as images: (split, pair, images of each kind), the answer's pair first.

    Parameters
    ----------
    answers : predictions by split; on the test split, of the cases that were scored on it.
    result : what `answer` returned.
    pairs : the declared comparisons.
    """
    first = [(str(result["split"]), (result["pair"][0], result["pair"][1]), MOST_OF_ANSWER)] if result["pair"] else []
    rest = [
        ("validation", pair, MOST_OF_OTHERS)
        for pair in pairs
        if ("validation", list(pair)) != (result["split"], result["pair"])
    ]
    return [one for one in (*first, *rest) if one[0] in answers]


def _answer(verdict: Mapping[str, Any], before: str, texts: Mapping[str, str] | None) -> dict[str, Any]:
    sentence = str(verdict["sentence"])
    labels = tuple(str(name) for name in verdict["names"] if name not in (texts or {}))
    lower = sentence if sentence.startswith(labels) else sentence[:1].lower() + sentence[1:]
    equivalence = verdict.get("equivalence")
    lower += f" {equivalence['sentence']}" if equivalence else ""
    return {"sentence": before + lower, "pair": list(verdict["pair"]), "split": verdict["split"]}


def _entry(study: Study, cases: Mapping[str, Runs], pair: Pair, split: str, verdict: Verdict) -> dict[str, Any]:
    verdict = with_texts(verdict, study.texts)
    runs = cases[pair[0]][0], cases[pair[1]][0]
    return {
        "pair": list(pair),
        "split": split,
        **asdict(verdict),
        "differing": list(config_differences(*runs)),
        "confound": confounded(study, cases, pair),
    }


def with_texts(verdict: Verdict, texts: Mapping[str, str]) -> Verdict:
    """The verdict with its sentences made anew, which call each case by its text where it has one."""
    if not any(name in texts for name in verdict.names):
        return verdict
    a, b = verdict.names
    both = texts.get(a, a), texts.get(b, b)
    verdict = replace(verdict, sentence=wording.sentence(verdict, both))
    found = verdict.equivalence
    if found is None:
        return verdict
    return replace(verdict, equivalence=replace(found, sentence=wording.equivalence(verdict, found, both)))


def confounded(study: Study, cases: Mapping[str, Runs], pair: Pair) -> str:
    """What differs between two cases beyond what the study varies, searches or solves for; "" if nothing else does."""
    tuned = (*(study.search.over if study.search else ()), *(study.match.vary if study.match else ()))
    return confounder(pair, (cases[pair[0]][0], cases[pair[1]][0]), study.varies, tuned)
