"""The probes of a study in its report: their results, the verdicts on them, and their use of the test split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smallvision.errors import BadInput
from smallvision.report.probe import study
from smallvision.runs import probes

if TYPE_CHECKING:
    from smallvision.report.study.cases import Case
    from smallvision.runs.probes import ProbeRecord
    from smallvision.study.read import StudyRecord

BETWEEN = "Case against case"


@dataclass(frozen=True)
class Group:
    """Verdicts that belong together: of one case against other features, or of cases against one another."""

    title: str
    rows: tuple[Mapping[str, Any], ...]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.rows)

    @property
    def better(self) -> int:
        """How many of them say that a side is better."""
        return sum(row["verdict"] != "not distinguishable" for row in self.rows)


def probed(record: "StudyRecord", every: "Sequence[Case]") -> dict[str, Any]:
    """What the template needs.

    Parameters
    ----------
    every : the study's cases.

    Returns
    -------
    dict : `probed`, the section of what the probes found, empty where there are none; `probe_verdicts`, all verdicts in
        groups; `probe_told`, the few that are told first; `probe_confounders`, what else sides differ in, each once;
        `probe_problems`, why a probe could not be read; `probe_looks`, how many met the test split.
    """
    standing: dict[str, list[ProbeRecord]] = {case.name: [] for case in every}
    problems, met = [], 0
    for one in record.result.get("probes", []):
        try:
            found = probes.read(record.folder / one["path"])
        except BadInput as error:
            problems.append(str(error))
            continue
        met += found.result["looks"]
        standing.setdefault(one["case"], []).append(found)
    judged = record.probe_verdicts
    return {
        "probed": study.section(list(standing.items())),
        "probe_verdicts": _groups(judged),
        "probe_problems": problems,
        "probe_told": [row for row in judged if row.get("told")],
        "probe_confounders": list(dict.fromkeys(row["confound"] for row in judged if row.get("confound"))),
        "probe_looks": met,
    }


def _groups(judged: Sequence[Mapping[str, Any]]) -> list[Group]:
    """Cases against one another first, then each case against other features."""
    between = tuple(row for row in judged if row["of"] == "cases")
    names = dict.fromkeys(row["case"] for row in judged if row["of"] == "sources")
    beside = [
        Group(
            f"{name}: its representation against other features",
            tuple(row for row in judged if (row["case"], row["of"]) == (name, "sources")),
        )
        for name in names
    ]
    return ([Group(BETWEEN, between)] if between else []) + beside
