"""The table of a study, with a row for each case, and the selection of the best case on validation images. No torch."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smallvision.metrics.metric import Metric
from smallvision.runs.read import RunRecord
from smallvision.tasks import task_of


def row(case: str, runs: Sequence[RunRecord], folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a case in the table of `study.json`: its size, its cost, and its scores over the seeds.

    Parameters
    ----------
    case : its name.
    runs : finished, one for each seed.
    folder : of the runs; paths in the row are relative to it.
    settings : the best settings of a search for the case.

    Returns
    -------
    dict : `case`, `hash`, `settings`, `parameters`, `multiply_adds`, `bytes`, `seconds` (mean of a run's training),
        `runs` [{`seed`, `path`, `looks`, `validation`, `test`?}], `validation` and, if all its runs were scored on it,
        `test`: {`accuracy`, `accuracy_sd` (over seeds; None with one), `loss`}. Another task has its own metric in the
        place of accuracy.
    """
    results = [run.result or {} for run in runs]
    first, key = results[0], task_of(runs[0].experiment).metric.key
    out: dict[str, Any] = {"case": case, "hash": first["experiment"], "settings": dict(settings)}
    out |= {key: first[key] for key in ("parameters", "multiply_adds", "bytes")}
    out["seconds"] = statistics.fmean(result["seconds"] for result in results)
    out["runs"] = [
        {
            "seed": result["seed"],
            "path": run.path.relative_to(folder).as_posix(),
            "looks": result["looks"],
            **{split: _scores(result[split], key) for split in ("validation", "test") if result.get(split)},
        }
        for run, result in zip(runs, results, strict=True)
    ]
    for split in ("validation", "test"):
        if all(result.get(split) for result in results):
            out[split] = _summary([_scores(result[split], key) for result in results], key)
    return out


def ranked(rows: Sequence[Mapping[str, Any]], metric: Metric) -> list[str]:
    """The names of the cases, best first: by mean validation score, then by lower loss, then in the order of the rows.

    Parameters
    ----------
    rows : of all cases, as `row` makes them.
    metric : of the study's task.
    """
    order = sorted(rows, key=lambda row: metric.merit(row["validation"]), reverse=True)
    return [str(row["case"]) for row in order]


def winner(rows: Sequence[Mapping[str, Any]], metric: Metric) -> str:
    """The case that comes first in `ranked`."""
    return ranked(rows, metric)[0]


def reason(metric: Metric) -> str:
    """How `winner` chooses, in words."""
    return f"{'highest' if metric.higher else 'lowest'} mean validation {metric.name}, then lowest loss"


def _scores(split: Mapping[str, Any], key: str) -> dict[str, float]:
    return {key: split[key], "loss": split["loss"]}


def _summary(scores: Sequence[Mapping[str, float]], key: str) -> dict[str, float | None]:
    values = [row[key] for row in scores]
    spread = statistics.stdev(values) if len(values) > 1 else None
    return {key: statistics.fmean(values), f"{key}_sd": spread, "loss": statistics.fmean(row["loss"] for row in scores)}
