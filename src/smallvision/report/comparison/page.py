"""Finished runs compared, as one HTML page that needs nothing else: verdicts, and the images on which they disagree."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallvision.rendering import format, html
from smallvision.report.comparison import verdicts
from smallvision.report.study import cases, figures, score_points
from smallvision.report.study.cases import Case, Run
from smallvision.tasks import task_of

if TYPE_CHECKING:
    from smallvision.comparison.predictions import AlignedPredictions
    from smallvision.comparison.runs import RunComparison, Side
    from smallvision.report.comparison.verdicts import Pictures


def page(compared: "RunComparison", answers: "AlignedPredictions", images: "Pictures") -> str:
    """What a comparison found, as HTML. The same runs give the same bytes.

    Parameters
    ----------
    compared : of `smallvision.comparison.runs.compare`.
    answers : of its sides on its split, which is `compared.answers`.
    images : id -> uint8 (C, H, W); any may be missing.
    """
    first, *others = compared.sides
    task = task_of(first.runs[0].experiment)
    sides = cases.lettered([Case(side.name, tuple(_runs(side, compared))) for side in compared.sides])
    letters = {case.name: case.letter for case in sides}
    runs = [run for side in sides for run in side.runs]
    parts = task.comparison_sections(sides, compared.split)
    entries = _entries(compared)
    found = verdicts.listed(entries, letters, str(entries[0]["sentence"]) if len(entries) == 1 else "")
    galleries = [
        verdicts.gallery(answers, (side.name, first.name), images, number > 0, letters)
        for number, side in enumerate(others)
    ]
    values = {
        "title": f"{others[0].name} against {first.name}" if len(others) == 1 else f"{len(sides)} experiments compared",
        "against": first.name,
        "split": compared.split,
        "images": compared.images,
        "warnings": compared.warnings,
        "cases": sides,
        "scores": score_points.drawn(sides, task.metric, (compared.split,)),
        "confounders": verdicts.confounders(found),
        "runs": runs,
        "verdicts": found,
        "together": verdicts.together(found),
        "forest": verdicts.forest(found),
        "forest_most": figures.FOREST,
        "metric": task.metric,
        "task": task,
        "parts": parts,
        "galleries": [one for one in galleries if one is not None],
        "environment": cases.environments(runs),
    }
    sections = [
        ("top", "Comparison", True),
        ("cases", "What was compared", True),
        *((part.anchor, part.title, True) for part in parts if part.place == "after-cases"),
        ("verdicts", "Verdicts" if len(found) > 1 else "How it was judged", True),
        ("images", "Where they disagree", values["galleries"]),
        ("runs", "Runs", True),
        ("environment", "Environment", values["environment"]),
    ]
    shown = [(anchor, title) for anchor, title, there in sections if there]
    return html.render("report/comparison/comparison.html", **values, sections=shown)


def write(compared: "RunComparison", answers: "AlignedPredictions", images: "Pictures", out: str | Path) -> Path:
    """Write the page of a comparison; the file appears whole or not at all.

    Parameters
    ----------
    compared, answers, images : as for `page`.
    out : the .html file; a former report is replaced, anything else is not.

    Returns
    -------
    Path : `out`.

    Raises
    ------
    BadInput : `out` is something else, or in no folder.
    RunFailed : the disk is full or refuses.
    """
    out = Path(out)
    html.refuse_to_overwrite(out, own=False)
    return html.save(page(compared, answers, images), out)


def _runs(side: "Side", compared: "RunComparison") -> list[Run]:
    """The runs of a side, with the scores that they were compared by."""
    split, key = compared.split, compared.answers.metric.key
    return [
        Run(
            side.name,
            int(run.state["seed"]),
            format.run_path(run.path),
            run,
            {**(run.result or {}), split: {key: score, "compared": compared.images}},
        )
        for run, score in zip(side.runs, side.scores, strict=True)
    ]


def _entries(compared: "RunComparison") -> list[dict[str, Any]]:
    """The verdicts as a study writes them."""
    rows = zip(compared.verdicts, compared.config_differences, compared.confounders, strict=True)
    return [
        {
            **asdict(one),
            "sentence": one.sentence,
            "pair": list(one.names),
            "split": compared.split,
            "differing": list(differences),
            "confound": confounder,
        }
        for one, differences, confounder in rows
    ]
