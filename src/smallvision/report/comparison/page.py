"""Finished runs compared, as one HTML page that needs nothing else: verdicts, and the images on which they disagree."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallvision.rendering import html
from smallvision.report.comparison import verdicts
from smallvision.report.study import cases, figures, reconstructions
from smallvision.report.study.cases import Case, Run

if TYPE_CHECKING:
    from smallvision.comparison.predictions import Answers
    from smallvision.comparison.runs import Compared, Side
    from smallvision.report.comparison.verdicts import Pictures


def page(compared: "Compared", answers: "Answers", images: "Pictures") -> str:
    """What a comparison found, as HTML. The same runs give the same bytes.

    Parameters
    ----------
    compared : of `smallvision.comparison.runs.compare`.
    answers : of its sides on its split, which is `compared.answers`.
    images : id -> uint8 (C, H, W); any may be missing.
    """
    first, *others = compared.sides
    measure = compared.answers.measure
    sides = [Case(side.name, tuple(_runs(side, compared))) for side in compared.sides]
    runs = [run for side in sides for run in side.runs]
    found = verdicts.listed(_entries(compared))
    galleries = [
        verdicts.gallery(answers, (side.name, first.name), images, only_disputes=number > 0)
        for number, side in enumerate(others)
    ]
    values = {
        "title": f"{others[0].name} against {first.name}" if len(others) == 1 else f"{len(sides)} experiments compared",
        "against": first.name,
        "split": compared.split,
        "images": compared.images,
        "cases": sides,
        "runs": runs,
        "verdicts": found,
        "together": verdicts.together(found),
        "forest": verdicts.forest(found),
        "forest_most": figures.FOREST,
        "measure": measure,
        "rows": [] if measure.share else reconstructions.rows(sides, (compared.split,)),
        "sheets": [] if measure.share else reconstructions.sheets(sides, (compared.split,)),
        "galleries": [one for one in galleries if one is not None],
        "environment": cases.environments(runs),
    }
    every = (
        ("top", "Comparison"),
        ("cases", "What was compared"),
        ("reconstructions", "Reconstructions"),
        ("verdicts", "Verdicts"),
        ("images", "Where they disagree"),
        ("runs", "Runs"),
        ("environment", "Environment"),
    )
    there = {"reconstructions": values["sheets"], "images": values["galleries"], "environment": values["environment"]}
    return html.render(
        "report/comparison/comparison.html", **values, sections=[one for one in every if there.get(one[0], True)]
    )


def write(compared: "Compared", answers: "Answers", images: "Pictures", out: str | Path) -> Path:
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


def _runs(side: "Side", compared: "Compared") -> list[Run]:
    """The runs of a side, with the scores that they were compared by."""
    measure, split = compared.answers.measure, compared.split
    of_pairs = {"alone": compared.images} if measure.of == "pairs" else {}
    return [
        Run(
            side.name,
            int(one.state["seed"]),
            str(one.path),
            one,
            {**(one.result or {}), split: {measure.key: score, **of_pairs}},
        )
        for one, score in zip(side.runs, side.scores, strict=True)
    ]


def _entries(compared: "Compared") -> list[dict[str, Any]]:
    """The verdicts as a study writes them."""
    rows = zip(compared.verdicts, compared.differing, compared.confounds, strict=True)
    return [
        {
            **asdict(one),
            "sentence": one.sentence,
            "pair": list(one.names),
            "split": compared.split,
            "differing": list(differing),
            "confound": confound,
        }
        for one, differing, confound in rows
    ]
