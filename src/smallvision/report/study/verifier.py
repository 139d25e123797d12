"""The best verifier of a study on the study's page: how to ask it, which answers are right and which wrong, and why."""

from collections.abc import Sequence
from typing import Any

from smallvision.metrics.metric import Metric
from smallvision.report.study.cases import Case, Run
from smallvision.tasks.score_rows import judged_split
from smallvision.tasks.verification import section

PREFIX = "best-"  # keeps its ids apart from the study's own


def best(every: Sequence[Case], winner: str | None, one: Metric) -> dict[str, Any] | None:
    """What a verifier's own page shows, of the first run of the best case; None where nothing is verified, or its files are gone.

    Parameters
    ----------
    winner : the best case on validation images; None before there is one.
    one : what the study's cases are judged by.

    Returns
    -------
    dict : the values of the section, with `case`, `seed`, `shown` (the split), `judged` (its scores) and `prefix`.
    """
    run = _first(every, winner)
    if one.of != "pairs" or run is None or run.record is None:
        return None
    split = judged_split(run.record)
    if split is None or not run.evidence(split):
        return None
    found = section.section(run.record, PREFIX, split).values
    judged = next((row for row in found["splits"] if row["split"] == split), None)
    return {
        **found,
        "case": run.case,
        "seed": run.seed,
        "shown": split,
        "split": split,
        "judged": judged,
        "prefix": PREFIX,
    }


def _first(every: Sequence[Case], winner: str | None) -> Run | None:
    return next((case.runs[0] for case in every if case.name == winner and case.runs), None)
