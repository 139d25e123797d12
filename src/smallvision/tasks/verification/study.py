"""The part that only studies of verifiers have: the best verifier, how to use it, and its right and wrong answers."""

from collections.abc import Sequence
from pathlib import Path

from smallvision.tasks.base import BEST, StudyCase, StudyRun, StudySection
from smallvision.tasks.score_rows import judged_split
from smallvision.tasks.verification import section

PREFIX = "best-"  # keeps the ids of the verifier's figures apart from the study's own
TEMPLATE = Path(__file__).with_name("study.html")


def study_sections(cases: Sequence[StudyCase]) -> Sequence[StudySection]:
    """What the page of a run shows, for the first run of the case that is best on validation images.

    Parameters
    ----------
    cases : of the study; none of them is marked BEST before the study has chosen.

    Returns
    -------
    Sequence[StudySection] : empty before there is a best case, or where the files of its first run are gone.
    """
    run = _first_run_of_best(cases)
    if run is None or run.record is None:
        return ()
    split = judged_split(run.record)
    if split is None or not run.evidence(split):
        return ()
    values = section.section(run.record, PREFIX, split).values
    judged = next((row for row in values["splits"] if row["split"] == split), None)
    more = {"case": run.case, "seed": run.seed, "shown": split, "split": split, "judged": judged, "prefix": PREFIX}
    return (StudySection("verifier", "The best verifier", TEMPLATE, {**values, **more}, "after-probes"),)


def _first_run_of_best(cases: Sequence[StudyCase]) -> StudyRun | None:
    return next((case.runs[0] for case in cases if BEST in case.marks and case.runs), None)
