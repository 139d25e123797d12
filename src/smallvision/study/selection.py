"""What a study found: a row for each case, and the case that is best on validation images. Reads run files only. No torch."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smallvision.runs.read import RunRecord
from smallvision.tasks import metric_in, task_of


def row(case: str, runs: Sequence[RunRecord], folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A case in `study.json`: size, cost, and its scores over the seeds.

    Parameters
    ----------
    case : its name.
    runs : finished, one for each seed.
    folder : of the runs; paths are written as seen from there.
    settings : what a search found best for the case.

    Returns
    -------
    dict : `case`, `hash`, `settings`, `parameters`, `multiply_adds`, `bytes`, `seconds` (mean of a run's training),
        `runs` [{`seed`, `path`, `looks`, `validation`, `test`?}], `validation` and, when all its runs met it, `test`:
        {`accuracy`, `accuracy_sd` (over seeds; None with one), `loss`}; of another task its own score (see `metrics/metric.py`)
        in the place of accuracy.
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


def winner(rows: Sequence[Mapping[str, Any]]) -> str:
    """The case of best mean validation score; between equals of lowest loss, then the first."""
    return str(max(rows, key=lambda row: metric_in(row["validation"]).merit(row["validation"]))["case"])


def reason(rows: Sequence[Mapping[str, Any]]) -> str:
    """How `winner` chooses, in words."""
    one = metric_in(rows[0]["validation"])
    return f"{'highest' if one.higher else 'lowest'} mean validation {one.name}, then lowest loss"


def _scores(split: Mapping[str, Any], key: str) -> dict[str, float]:
    return {key: split[key], "loss": split["loss"]}


def _summary(scores: Sequence[Mapping[str, float]], key: str) -> dict[str, float | None]:
    values = [one[key] for one in scores]
    spread = statistics.stdev(values) if len(values) > 1 else None
    return {key: statistics.fmean(values), f"{key}_sd": spread, "loss": statistics.fmean(one["loss"] for one in scores)}
