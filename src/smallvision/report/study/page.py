"""A study as one self-contained HTML page: the question, the answer, and everything that the answer rests on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallvision.errors import BadInput
from smallvision.experiment import changes, study_to_toml
from smallvision.metrics.metric import Metric
from smallvision.rendering import format, html
from smallvision.report.comparison import verdicts
from smallvision.report.probe import study
from smallvision.report.study import cases, curves, figures, probes, score_points
from smallvision.report.study.cases import Case, Run
from smallvision.runs.read import read_run, status
from smallvision.tasks import warnings
from smallvision.tasks.base import BEST

if TYPE_CHECKING:
    from smallvision.comparison.predictions import AlignedPredictions
    from smallvision.report.comparison.verdicts import Pictures
    from smallvision.study.read import StudyRecord

# The anchors of the page before which a task's own sections stand, by place.
BEFORE = {"after-cases": "verdicts", "after-cost": "probes", "after-probes": "images"}


def page(record: "StudyRecord", answers: Mapping[str, "AlignedPredictions"], images: "Pictures") -> str:
    """The report of a study as HTML; of an unfinished one what there is so far, with a banner that says so.

    The same record gives the same bytes, unless the study is still going on.

    Parameters
    ----------
    record : of a study directory.
    answers : by split, "validation" of all cases and "test" of those that met it; may be empty, then no image is shown.
    images : id -> uint8 (C, H, W); any may be missing.
    """
    result, plan = record.result, record.plan
    every = _cases(record)
    task = record.task
    parts = task.study_sections(every)
    runs = [run for case in every for run in case.runs]
    told = result.get("answer") or {}
    letters = {case.name: case.letter for case in every}
    found = verdicts.listed(result.get("verdicts", []), letters, str(told.get("sentence", "")))
    split = str(told.get("split", "validation"))
    pair = tuple(told["pair"]) if told.get("pair") else None
    planned = _planned(record)
    values = {
        "title": record.study.name,
        "about": record.study.about,
        "question": result.get("question", record.study.question),
        "status": status(record.state),
        "message": record.state.get("message", ""),
        "done": sum(run.status == "finished" for run in planned),
        "planned": len(planned),
        "waiting": [] if result else [run for run in planned if run.status != "finished"],
        "missing": _missing(record, every),
        "warnings": warnings.of_many([(run.case, run.record) for run in runs if run.record], task),
        "answer": told,
        "split": split,
        "verdict": next((row for row in found if (tuple(row["pair"]), row["split"]) == (pair, split)), None),
        "choice": result.get("choice"),
        "looks": _looks(result, runs),
        "cases": every,
        "scores": score_points.drawn(every, task.metric),
        "confounders": _confounders(found, pair, split),
        "baseline": result.get("baseline"),
        "tested": any("test" in case.scores for case in every),
        "searched": record.study.search is not None,
        "seeds": sorted({len(case.runs) for case in every}),
        "verdicts": found,
        "together": verdicts.together(found),
        "forest": verdicts.forest(found),
        "forest_most": figures.FOREST,
        "galleries": _galleries(result, answers, images, letters),
        "tries": _tries(plan, every, task.metric),
        "search": record.study.search,
        "edges": record.edges,
        "sampler": plan["search"]["sampler"],
        "matched": plan["match"],
        "match": record.study.match,
        "plan": plan,
        "toml": study_to_toml(record.study).strip(),
        "stated": changes.stated_study(record.study).strip(),
        "differences": changes.study_from_catalog(record.study),
        "metric": task.metric,
        "task": task,
        "short": figures.short(task.metric),
        "runs": runs,
        "environment": cases.environments(runs),
        "command": format.relative_command(record.state["command"], record.path.parent),
        "hash": record.state["study"],
        "started": record.state.get("started"),
        "finished": record.state.get("finished"),
        "trained": _seconds(runs),
        "parts": parts,
        **curves.drawn(record, every, task),
        **probes.probed(record, every),
    }
    return html.render("report/study/study.html", **values, sections=_sections(values))


def write(
    record: "StudyRecord",
    answers: Mapping[str, "AlignedPredictions"],
    images: "Pictures",
    out: str | Path | None = None,
) -> Path:
    """Write the report of a study; the file appears whole or not at all.

    Parameters
    ----------
    record, answers, images : as for `page`.
    out : the .html file, by default report.html in the study's directory; a former report is replaced, anything else is
        not.

    Returns
    -------
    Path : where it was written.

    Raises
    ------
    BadInput : `out` is something else, or in no folder.
    RunFailed : the disk is full or refuses.
    """
    own = record.path / "report.html"
    path = own if out is None else Path(out)
    html.refuse_to_overwrite(path, own=path == own)
    return html.save(page(record, answers, images), path)


def _cases(record: "StudyRecord") -> list[Case]:
    """The cases of study.json; before it exists, the cases that have a finished run."""
    if record.table:
        marks = {
            "baseline": record.result.get("baseline"),
            BEST: (record.result.get("choice") or {}).get("winner"),
        }
        return cases.lettered(
            [
                Case(
                    row["case"],
                    tuple(_run(record, row["case"], run["seed"], run["path"], run) for run in row["runs"]),
                    row,
                    tuple(mark for mark, case in marks.items() if case == row["case"]),
                )
                for row in record.table
                if row["runs"]
            ]
        )
    finished = [run for run in _planned(record) if run.result]
    names = dict.fromkeys(run.case for run in finished)
    return cases.lettered([Case(name, tuple(run for run in finished if run.case == name)) for name in names])


def _confounders(found: Sequence[Mapping[str, Any]], pair: tuple[str, ...] | None, split: str) -> list[str]:
    """What else the sides of some comparison differ in, each once, those of the answer's pair first."""
    return verdicts.confounders(sorted(found, key=lambda row: (tuple(row["pair"]), row["split"]) != (pair, split)))


def _planned(record: "StudyRecord") -> list[Run]:
    """The runs of the cases, of a study that has no result yet."""
    return [_run(record, job["case"], job["seed"], job["path"]) for job in record.own_jobs] if not record.result else []


def _run(record: "StudyRecord", case: str, seed: int, path: str, stated: Mapping[str, Any] | None = None) -> Run:
    where, task = record.folder / path, record.task
    if not (where / "state.json").exists():
        gone = "its directory is gone" if stated else ""
        return Run(case, seed, path, stated=stated or {}, problem=gone, planned_task=task)
    try:
        return Run(case, seed, path, read_run(where), stated or {}, planned_task=task)
    except BadInput as error:
        return Run(case, seed, path, stated=stated or {}, problem=str(error), planned_task=task)


def _missing(record: "StudyRecord", every: Sequence[Case]) -> list[str]:
    """Cases that the study names and of which there is no finished run."""
    asked = [case.name for case in record.study.case] or [job["case"] for job in record.own_jobs]
    known = {case.name for case in every}
    return [name for name in dict.fromkeys(asked) if name not in known]


def _looks(result: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    """Which cases met the test split, and how often each run was scored on it."""
    met = list((result.get("choice") or {}).get("met_test", []))
    mine = [run for run in runs if run.looks]
    times = [run.looks or 0 for run in mine]
    return {
        "met": met,
        "runs": len(mine),
        "total": sum(times),
        "most": max(times, default=0),
        "later": [run for run in mine if run.later or run.case not in met],
    }


def _galleries(
    result: Mapping[str, Any],
    answers: Mapping[str, "AlignedPredictions"],
    images: "Pictures",
    letters: Mapping[str, str],
) -> list[verdicts.Gallery]:
    """All kinds of disagreement of the answer's pair; of every other declared pair the images that one side alone gets
    right.
    """
    told = result.get("answer") or {}
    first = (str(told["split"]), (told["pair"][0], told["pair"][1])) if told.get("pair") else None
    out = (
        [verdicts.gallery(answers[first[0]], first[1], images, False, letters)] if first and first[0] in answers else []
    )
    for a, b in result.get("pairs", []):
        if "validation" in answers and ("validation", (a, b)) != first:
            out.append(verdicts.gallery(answers["validation"], (a, b), images, True, letters))
    return [one for one in out if one is not None]


def _tries(plan: Mapping[str, Any], every: Sequence[Case], metric: Metric) -> list[dict[str, Any]]:
    """The search of each case: its tries in their order, the settings it went on with marked."""
    taken = {case.name: case.row.get("settings") for case in every}
    out = []
    for name in dict.fromkeys(one["case"] for one in plan["search"]["tries"]):
        rows = [
            {
                "number": one["try"] + 1,
                "settings": cases.written(one["settings"]),
                "seed": one["seed"],
                "validation": one["validation"],
                "score": _score(one["validation"], metric),
                "taken": one["settings"] == taken.get(name),
            }
            for one in plan["search"]["tries"]
            if one["case"] == name
        ]
        out.append({"case": name, "rows": rows, "best": next((row for row in rows if row["taken"]), None)})
    return out


def _score(scores: Mapping[str, Any] | None, metric: Metric) -> str:
    """The score of a try with its unit; "" where it failed."""
    if not scores:
        return ""
    return metric.number(scores[metric.key]) + (format.SPACE + metric.unit if metric.unit else "")


def _seconds(runs: Sequence[Run]) -> float:
    return sum(float(run.result["seconds"]) for run in runs if run.result)


def _sections(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Anchors and titles of what the page holds, in its order."""
    every = [
        ("top", "Answer", True),
        ("cases", "Cases", values["cases"]),
        ("verdicts", "Verdicts" if len(values["verdicts"]) > 1 else "How it was judged", values["verdicts"]),
        ("curves", "Curves", values["curves"]),
        ("cost", f"{values['short'][0].upper()}{values['short'][1:]} and cost", values["scatter"]),
        ("probes", study.TITLE, values["probed"]),
        ("judged", "Verdicts by the probes", values["probe_verdicts"]),
        ("images", "Where they disagree", values["galleries"]),
        ("search", "Search", values["searched"]),
        ("match", "Matched sizes", values["matched"]),
        ("asked", "What was asked", True),
        ("repeat", "How to repeat it", True),
        ("machine", "Machine", True),
        ("runs", "Runs", values["runs"] or values["waiting"]),
        ("environment", "Environment", values["environment"]),
    ]
    out: list[tuple[str, str]] = []
    for anchor, title, there in every:
        out += [(part.anchor, part.title) for part in values["parts"] if BEFORE.get(part.place) == anchor]
        out += [(anchor, title)] if there else []
    return out
