"""The tables of a report as plain data: scores, confused pairs, layers, environment."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smallvision.metrics.metric import Measure, measure
from smallvision.rendering import format
from smallvision.runs.arrays import SPLITS
from smallvision.runs.read import RunRecord


def scores(record: RunRecord, splits: Sequence[str] = SPLITS) -> list[dict[str, Any]]:
    """Each split scored with the selected weights: `split`, `count`, `loss`, the task's scores by their keys, `interval` (or None).

    Of a classification also `right`. `text` and `range` are the score that the task is judged by and its interval, as people read them.
    """
    result, judge = record.result or {}, measure(record.experiment)
    out = []
    for split in splits:
        if row := result.get(split):
            ends = row.get(f"{judge.key}_interval") or row.get("intervals", {}).get(judge.key)
            shown = {"text": written(judge, row[judge.key]), "range": ranged(judge, ends) if ends else ""}
            right = {"right": round(row["accuracy"] * row["count"])} if "accuracy" in row else {}
            out.append({**row, "split": split, "interval": ends, **right, **shown})
    return out


def written(judge: Measure, value: float) -> str:
    """A score as a page has it: 98.46 %, 0.01185."""
    return judge.text(value).replace(" ", format.SPACE)


def ranged(judge: Measure, ends: Sequence[float]) -> str:
    """An interval of a score as a page has it: 97.68 to 99.57 %, 0.01169 to 0.01201."""
    return f"{judge.number(ends[0])} to {written(judge, ends[1])}"


def judged(record: RunRecord) -> str | None:
    """The split a report judges by: test, else validation, else the training images; None before there is a result."""
    result = record.result or {}
    return next((split for split in reversed(SPLITS) if result.get(split)), None)


def confused(matrix: np.ndarray, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Pairs of classes that were taken for one another, most frequent first, then in the classes' order.

    Parameters
    ----------
    matrix : int (K, K), rows true.
    classes : K names.

    Returns
    -------
    list of dict : `true`, `predicted`, `count`, `share` (of the true class's images, 0 to 1).
    """
    wrong = matrix * (1 - np.eye(len(matrix), dtype=matrix.dtype))
    pairs = [(int(wrong[t, p]), int(t), int(p)) for t, p in zip(*np.nonzero(wrong), strict=True)]
    pairs.sort(key=lambda pair: (-pair[0], pair[1:]))
    totals = matrix.sum(axis=1)
    return [{"true": classes[t], "predicted": classes[p], "count": n, "share": n / int(totals[t])} for n, t, p in pairs]


def layers(table: Mapping[str, Any]) -> dict[str, Any]:
    """The layer table as text, its totals last."""
    rows = [
        [
            row["name"],
            row["type"],
            format.shape(row["output"]),
            format.whole(row["parameters"]),
            format.whole(row["multiply_adds"]),
            format.shape([row["receptive_field"]] * 2) if row["receptive_field"] else "",
            format.size(row["parameter_bytes"]),
            format.size(row["output_bytes"]),
        ]
        for row in table["rows"]
    ]
    totals = table["totals"]
    last = [
        "total",
        "",
        "",
        format.whole(totals["parameters"]),
        format.whole(totals["multiply_adds"]),
        "",
        format.size(totals["parameter_bytes"]),
        format.size(totals["output_bytes"]),
    ]
    return {"input": format.shape(table["input"]), "rows": rows, "totals": last}


def environment(record: RunRecord) -> list[tuple[str, str]]:
    """Where and with what it was computed, and when."""
    rows = []
    for key, value in record.environment.items():
        if key == "packages" and isinstance(value, dict):
            rows.append((key, ", ".join(f"{name} {version}" for name, version in value.items())))
        elif key != "format_version":
            text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
            rows.append((key.replace("_", " "), text))
    rows += [("experiment", record.state["experiment"]), ("seed", str(record.state["seed"]))]
    rows += [(key, format.moment(record.state.get(key))) for key in ("started", "finished")]
    if record.result and record.result.get("model_sha256"):
        rows.append(("sha256 of the weights", str(record.result["model_sha256"])))
    return rows


def looks(record: RunRecord) -> str:
    """How often the test split was scored, in a sentence."""
    watched = record.experiment.protocol.test == "watched"
    if record.experiment.protocol.test == "never" and not (record.result or {}).get("test"):
        return 'The test split was not looked at (protocol "never").'
    if record.result is None:
        return "The test split is scored after every epoch (watched), and nothing is selected by it." if watched else ""
    times = record.result["looks"]
    if not record.result.get("test"):
        return "There is no test split."
    often = {1: "once", 2: "twice"}.get(times, f"{format.whole(times)} times")
    if watched:
        return f"The test split was scored {often}: it is watched after every epoch. Nothing was selected by it."
    if record.experiment.protocol.test == "never":
        return f"The run was trained and chosen without the test split, which was scored {often} afterwards."
    return f"The test split was scored {often}{', at the end' if times == 1 else ''}."


def without_command(record: RunRecord) -> str:
    """Why no command repeats the run, in a sentence; "" when one does."""
    if record.state["command"]:
        return ""
    asked = record.experiment
    passed = [
        what
        for what, there in (
            ("data", asked.data.source == "arrays"),
            ("network", asked.model.kind == "custom"),
            ("loss", asked.task.loss.startswith("custom:")),
        )
        if there
    ]
    what = f"its {' and its '.join(passed)} {'were' if passed[1:] else 'was'}" if passed else "something it needs was"
    return f"No command repeats this run, because {what} passed in from Python: repeat the call of smallvision.run with the same seed."
