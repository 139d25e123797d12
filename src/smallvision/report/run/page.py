"""One run, or several, as one self-contained HTML file, which opens without a network and prints well."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smallvision.errors import BadInput, counted
from smallvision.experiment import changes
from smallvision.metrics.metric import Metric
from smallvision.rendering import format
from smallvision.rendering.html import GENERATOR, refuse_to_overwrite, render, save
from smallvision.rendering.svg import inline
from smallvision.report.probe import section as probe
from smallvision.report.run import curves, tables
from smallvision.report.run.series import LOSS, minimised, panels, per_step
from smallvision.runs import probes
from smallvision.runs.read import RunRecord, read_run, status
from smallvision.tasks import galleries, task_of, warnings
from smallvision.tasks.base import SPLITS
from smallvision.tasks.score_rows import judged_split, score_rows, written

__all__ = ["GENERATOR", "page", "page_of_many", "write"]


def page(record: RunRecord) -> str:
    """The report of a run as HTML; of an unfinished run, what there is of it, with a banner that says so.

    The same record gives the same bytes, unless the run is still going on.

    Raises
    ------
    BadInput : evidence.npz or a probe is damaged.
    """
    run = _run(record, "")
    return render(
        "report/run/page.html", title=f"{run['name']}, seed {run['seed']}", runs=[run], many=False, score=run["score"]
    )


def page_of_many(records: Sequence[RunRecord]) -> str:
    """Several runs on one page: a table that puts them side by side, then the report of each.

    Raises
    ------
    BadInput : no run given, or evidence.npz or a probe of one is damaged.
    """
    if not records:
        raise BadInput("report: got no runs; name at least one run directory")
    runs = [_run(record, f"r{number}-") for number, record in enumerate(records, start=1)]
    judged = {run["score"] for run in runs}  # of several tasks: each by its own
    return render(
        "report/run/page.html",
        title=f"{len(runs)} runs",
        runs=runs,
        many=True,
        score=judged.pop() if len(judged) == 1 else "score",
    )


def write(records: RunRecord | Sequence[RunRecord], out: str | Path) -> Path:
    """Write the report of one run or of several; the file appears whole or not at all.

    Parameters
    ----------
    records : one run, or a sequence of them.
    out : the .html file; a former report is replaced, anything else is not.

    Returns
    -------
    Path : `out`.

    Raises
    ------
    BadInput : `out` is something else, or in no folder; a run is damaged.
    RunFailed : the disk is full or refuses.
    """
    out = Path(out)
    refuse_to_overwrite(out, own=isinstance(records, RunRecord) and out == records.path / "report.html")
    if not isinstance(records, RunRecord):
        return save(page_of_many(records), out)
    save(page(records), out)
    if records.state["status"] != "finished":
        now = read_run(records.path)
        if now.state["status"] == "finished":  # by another process, meanwhile
            save(page(now), out)
    return out


def _run(record: RunRecord, prefix: str) -> dict[str, Any]:
    """All that the template needs of one run; `prefix` keeps its ids apart from other runs' on the page."""
    result, evidence = record.result, record.evidence
    now = status(record.state)
    split = judged_split(record)
    run: dict[str, Any] = {
        "prefix": prefix,
        "name": record.experiment.name,
        "seed": record.state["seed"],
        "status": now,
        "message": record.state.get("message") or "",
        **_asked(record),
        "hash": record.state["experiment"],
        "command": format.relative_command(record.state["command"], record.path),
        "epochs": record.metrics[-1]["epoch"] if record.metrics else 0,
        "planned": record.experiment.recipe.epochs,
        "result": result,
        "scores": score_rows(record, task_of(record.experiment).metric),
        "split": split,
        "looks": tables.looks(record),
        "layers": tables.layers(record.layers) if record.layers else None,
        "environment": tables.environment(record),
        "changed": record.experiment.hash() != record.state["experiment"],
        "without_command": tables.without_command(record),
        "never": record.experiment.protocol.test == "never",
        "watched": any(line.get("test") for line in record.metrics),
        "last": record.metrics[-1] if record.metrics else None,
    }
    run["beside"] = [
        f"{name} {written(task_of(record.experiment).metric, value)}"
        for name, value in (task_of(record.experiment).beside(result[split]) if result and split else {}).items()
    ]
    found = warnings.of_run(record, task_of(record.experiment))
    run["warnings"] = [one.text for one in found if one.kind != "no test images"]  # the page says that already
    run["test_images"] = warnings.test_images(record)
    run["no_copies"] = warnings.no_copies(record)
    run["judged"] = next((row for row in run["scores"] if row["split"] == split), None)
    shown = str(evidence["split"]) if evidence else split or ""
    run["shown"] = "training" if shown == "train" else shown
    task = task_of(record.experiment)
    judge = task.metric
    run["score"] = judge.name
    run["ends"], run["alarms"] = _ends(run["last"], judge), _alarms(record.metrics)
    section = task.section(record, prefix, shown)
    run.update(_figures(record, prefix), **section.values)
    run["template"], run["middle"], run["details"] = section.template.as_posix(), section.contents, section.details
    classes = result["classes"] if result else []
    run["training"] = galleries.training(evidence, classes) if evidence else []
    run["panel"] = galleries.panel(evidence) if evidence else []
    run["probes"] = probe.parts(probes.standing(record.path), prefix, result.get("model_sha256")) if result else []
    run["sections"] = _sections(run)
    return run


def _asked(record: RunRecord) -> dict[str, Any]:
    """What was asked: `about`, `toml` with every key, `stated` with those that differ from their defaults, and
    `differences` from the catalog's experiment of that name, None where there is none.

    The catalog's description is left out where keys differ, since what it claims is of the catalog's experiment.
    """
    asked = record.experiment
    differences = changes.from_catalog(asked)
    claims = bool(differences) and asked.about == changes.catalog_about(asked)
    return {
        "about": "" if claims else asked.about,
        "toml": record.experiment_toml.strip(),
        "stated": changes.stated(asked).strip(),
        "differences": differences,
    }


def _figures(record: RunRecord, prefix: str) -> dict[str, Any]:
    """Inline SVG of each figure that there is something to draw for, else None."""
    result, evidence, split = record.result or {}, record.evidence, judged_split(record)
    out: dict[str, Any] = dict.fromkeys(("loss", "curves", "filters"))
    task = task_of(record.experiment)
    loss, judge = task.loss_name(record.experiment), task.metric
    losses = per_step(record.steps)[1]
    if len(losses):
        alt = f"Training loss over {counted(len(losses), 'step')}, from {losses[0]:.3g} to {losses[-1]:.3g}"
        out["loss"] = inline(
            curves.loss_curve(record.steps, minimised(record.metrics, judge), loss), alt, prefix + "loss"
        )
    if record.metrics:
        last, beside = record.metrics[-1], task.more_curves
        ends = [f"{name} {text}" for name, text in _ends(last, judge)]
        names = ["loss" if one is LOSS else one.name for one in panels(record.metrics, judge, beside)]
        drawn = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
        drawn = drawn[0].upper() + drawn[1:]
        alt = f"{drawn} over {counted(last['epoch'], 'epoch')}; {judge.name} at the end: {', '.join(ends)}"
        reference = task.reference(result[split]) if split else None
        mark = (reference[0], f"{reference[1]} ({split})") if reference else None
        out["curves_drawn"] = drawn
        out["curves"] = inline(curves.curves(record.metrics, loss, judge, mark, beside), alt, prefix + "curves")
    if evidence and evidence.get("filters", np.zeros(0)).size:
        weights = evidence["filters"]
        alt = f"The first layer's weights: {len(weights)} pictures of {weights.shape[2]} by {weights.shape[3]} weights"
        out["filters"] = inline(curves.filters(weights), alt, prefix + "filters")
        out["filter_channels"] = weights.shape[1]
    return out


def _ends(last: Mapping[str, Any] | None, judge: Metric) -> list[tuple[str, str]]:
    """Scores of the last epoch, as text, for each split that has one."""
    return [
        (name, written(judge, last[name][judge.key])) for name in SPLITS if last and judge.key in (last.get(name) or {})
    ]


def _alarms(metrics: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Which epochs in a row had an alarm, "Epochs 2 to 4", and the last one's."""
    runs: list[list[int]] = []
    said = {record["epoch"]: record["alarm"] for record in metrics if record.get("alarm")}
    for epoch in said:
        if runs and runs[-1][-1] == epoch - 1:
            runs[-1].append(epoch)
        else:
            runs.append([epoch])
    return [(f"Epoch {one[0]}" if len(one) == 1 else f"Epochs {one[0]} to {one[-1]}", said[one[-1]]) for one in runs]


def _sections(run: dict[str, Any]) -> list[tuple[str, str]]:
    """Anchors and titles of what the page holds, in its order."""
    every = [
        ("training", "Training", True),
        *run["middle"],
        *probe.sections(run["probes"]),
        ("scores", "Every split", run["scores"]),
        *run["details"],
        ("data", "Training images", run["training"] or run["panel"]),
        ("layers", "Layers", run["layers"]),
        ("filters", "First-layer filters", run["filters"]),
        ("asked", "What was asked", True),
        ("notes", "Notes", True),
        ("repeat", "How to repeat it", True),
        ("environment", "Environment", True),
    ]
    return [(run["prefix"] + anchor, title) for anchor, title, there in every if there]
