"""What a verifier's own report says of its wrong answers, as plain data for the committed results."""

from typing import Any

from smallvision.report.run import tables
from smallvision.runs.read import RunRecord
from smallvision.tasks.verification import section

CONFUSED = 6  # pairs of classes that are named


def account(record: RunRecord) -> dict[str, Any]:
    """What a finished verifier's report says about wrong answers, and the pairs of classes with the most of them.

    Returns
    -------
    dict : `account`, [[what about, sentences]], and `confused`, [{classes, pairs, wrong, distance}].
        The dictionary is empty for a run of another task.
    """
    if record.experiment.task.kind != "verify":
        return {}
    found = section.parts(record, "", str(tables.judged(record)))
    kept = ("classes", "pairs", "wrong", "distance")
    return {
        "account": [[about, sentences] for about, sentences in found["account"]],
        "confused": [{key: row[key] for key in kept} for row in found["confused"][:CONFUSED]],
    }
