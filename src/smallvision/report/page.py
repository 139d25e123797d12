"""One run, or several, as one HTML file that needs nothing else: it opens without a network, and it prints."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smallvision.errors import BadInput
from smallvision.report import figures, galleries, pictures, resolution, tables, words
from smallvision.report.series import per_step
from smallvision.report.template import GENERATOR, refuse_to_overwrite, render, save
from smallvision.runs.evidence import SPLITS
from smallvision.runs.read import RunRecord, status

__all__ = ["GENERATOR", "page", "page_of_many", "write"]

PAIRS = 20                    # confused pairs that are listed


def page(record: RunRecord) -> str:
    """The report of a run as HTML; of an unfinished run, what there is of it, with a banner that says so.

    The same record gives the same bytes, unless the run is still going on.

    Raises
    ------
    BadInput : evidence.npz is damaged.
    """
    run = _run(record, "")
    return render("page.html", title=f"{run['name']}, seed {run['seed']}", runs=[run], many=False)


def page_of_many(records: Sequence[RunRecord]) -> str:
    """Several runs on one page: a table that puts them side by side, then the report of each.

    Raises
    ------
    BadInput : no run given, or evidence.npz of one is damaged.
    """
    if not records:
        raise BadInput("report: got no run; give at least one run directory")
    runs = [_run(record, f"r{number}-") for number, record in enumerate(records, start=1)]
    return render("page.html", title=f"{len(runs)} runs", runs=runs, many=True)


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
    return save(page(records) if isinstance(records, RunRecord) else page_of_many(records), out)


def _run(record: RunRecord, prefix: str) -> dict[str, Any]:
    """All that the template needs of one run; `prefix` keeps its ids apart from other runs' on the page."""
    result, evidence = record.result, record.evidence
    now = status(record.state)
    split = tables.judged(record)
    run: dict[str, Any] = {
        "prefix": prefix, "name": record.experiment.name, "about": record.experiment.about,
        "seed": record.state["seed"], "status": now, "message": record.state.get("message") or "",
        "toml": record.experiment_toml.strip(), "hash": record.state["experiment"], "command": record.state["command"],
        "epochs": record.metrics[-1]["epoch"] if record.metrics else 0, "planned": record.experiment.recipe.epochs,
        "result": result, "scores": tables.scores(record), "split": split, "looks": tables.looks(record),
        "layers": tables.layers(record.layers) if record.layers else None,
        "environment": tables.environment(record), "changed": record.experiment.hash() != record.state["experiment"],
        "without_command": tables.without_command(record), "never": record.experiment.protocol.test == "never",
        "watched": any(line.get("test") for line in record.metrics),
        "last": record.metrics[-1] if record.metrics else None,
    }  # fmt: skip
    run["judged"] = next((row for row in run["scores"] if row["split"] == split), None)
    size = record.layers["input"][1:] if record.layers and not (result or {}).get("sizes") else []
    run["by_size"] = resolution.by_size(result[split].get("by_size") or []) if result and split else []
    run["by_scale"] = resolution.by_scale(evidence, size) if evidence else []
    run["several"], run["several_training"] = ("first_sizes" in evidence, "train_sizes" in evidence) if evidence else (False, False)
    run.update(_figures(record, prefix), **_resolution(run, prefix))
    classes = result["classes"] if result else [str(i) for i in range(len(evidence["confusion"]))] if evidence else []
    run["per_class"] = (result[split].get("per_class") or []) if result and split else []
    run["pairs"] = tables.confused(evidence["confusion"], classes) if evidence else []
    run["listed"] = PAIRS
    shown = str(evidence["split"]) if evidence else split or ""
    run["shown"] = "training" if shown == "train" else shown
    run["scores_are_probabilities"] = galleries.are_probabilities(evidence["probabilities"]) if evidence else True
    for which in ("first", "mistake", "confident"):
        run[which] = galleries.tiles(evidence, classes, which) if evidence else []
    run["mistakes"] = int((evidence["labels"] != evidence["predictions"]).sum()) if evidence else None
    run["training"] = galleries.training(evidence, classes) if evidence else []
    run["panel"] = galleries.panel(evidence) if evidence else []
    run["sections"] = _sections(run)
    return run


def _figures(record: RunRecord, prefix: str) -> dict[str, Any]:
    """Inline SVG of each figure that there is something to draw for, else None."""
    from markupsafe import Markup

    def inline(figure: Any, name: str, alt: str) -> Markup:
        return Markup(pictures.svg(figure, alt, prefix + name))

    result, evidence, split = record.result, record.evidence, tables.judged(record)
    out: dict[str, Any] = dict.fromkeys(("loss", "curves", "confusion", "classes", "filters"))
    asked = record.experiment.task.loss
    loss = figures.CROSS_ENTROPY if asked == "cross-entropy" else f"loss ({asked.removeprefix('custom:')})"
    losses = per_step(record.steps)[1]
    if len(losses):
        alt = f"Training loss over {len(losses)} steps, from {losses[0]:.3g} to {losses[-1]:.3g}"
        out["loss"] = inline(figures.loss_curve(record.steps, record.metrics, loss), "loss", alt)
    if record.metrics:
        last = record.metrics[-1]
        ends = [f"{name} {words.percent(last[name]['accuracy'])}" for name in SPLITS if last.get(name)]
        alt = f"Loss and accuracy over {last['epoch']} epochs; accuracy at the end: {', '.join(ends)}"
        out["curves"] = inline(figures.curves(record.metrics, loss), "curves", alt)
    if evidence and result:
        matrix = evidence["confusion"]
        right = f"{int(np.trace(matrix))} of {int(matrix.sum())} images"
        alt = f"Confusion matrix of {len(matrix)} classes; {right} on the diagonal"
        out["confusion"] = inline(figures.confusion(matrix, result["classes"]), "confusion", alt)
    if result and split and result[split].get("per_class"):
        alt = "Precision, recall and F1 of each class as bars; the numbers are in the table beside it"
        out["classes"] = inline(figures.per_class(result[split]["per_class"]), "classes", alt)
    if evidence and evidence.get("filters", np.zeros(0)).size:
        weights = evidence["filters"]
        alt = f"The first layer's weights: {len(weights)} pictures of {weights.shape[2]} by {weights.shape[3]} weights"
        out["filters"] = inline(figures.filters(weights), "filters", alt)
        out["filter_channels"] = weights.shape[1]
    return out


def _resolution(run: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Inline SVG of accuracy over size and over scale, else None."""
    from markupsafe import Markup

    asked = (("by_size", "square root of height × width (pixels)", None), ("by_scale", "scale", 1.0))
    out: dict[str, Any] = {}
    for name, label, mark in asked:
        rows = run[name]
        points = ", ".join(f"{row['text']} {words.percent(row['accuracy'])}" for row in rows)
        alt = f"Accuracy over {label}: {points}"
        drawn = pictures.svg(resolution.curve(rows, label, mark), alt, prefix + name) if rows else None
        out[f"{name}_figure"] = drawn and Markup(drawn)
    return out


def _sections(run: dict[str, Any]) -> list[tuple[str, str]]:
    """Anchors and titles of what the page holds, in its order."""
    every = [
        ("asked", "What was asked", True), ("training", "Training", True), ("scores", "Scores", run["scores"]),
        ("confusion", "Confusion", run["confusion"]), ("classes", "Classes", run["per_class"]),
        ("resolution", "Accuracy by resolution", run["by_size"] or run["by_scale"]),
        ("mistakes", "Mistakes", run["mistakes"] is not None), ("images", f"First {run['shown']} images", run["first"]),
        ("data", "Training images", run["training"] or run["panel"]), ("layers", "Layers", run["layers"]),
        ("filters", "First-layer filters", run["filters"]), ("notes", "Notes", True),
        ("environment", "Environment", True), ("repeat", "How to repeat it", True),
    ]  # fmt: skip
    return [(run["prefix"] + anchor, title) for anchor, title, there in every if there]
