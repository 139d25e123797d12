"""The tables of a report as plain data: scores, confused pairs, layers, environment."""

from collections.abc import Mapping
from typing import Any

from smallvision.rendering import format
from smallvision.runs.read import RunRecord


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
    if record.look_began:
        return (
            "The run was trained and chosen without the test split. "
            "A look at the test split began afterwards and did not end: "
            "the test split counts as looked at, and no figure of it is shown here."
        )
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
            ("loss", str(getattr(asked.task, "loss", "")).startswith("custom:")),
        )
        if there
    ]
    what = f"its {' and its '.join(passed)} {'were' if passed[1:] else 'was'}" if passed else "something it needs was"
    return (
        f"No command repeats this run, because {what} passed in from Python: repeat the call of smallvision.run with "
        "the same seed."
    )
