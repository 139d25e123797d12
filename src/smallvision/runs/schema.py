"""The shape of each JSON file of a run directory. docs/file-formats.md is made from it."""

from typing import Any

from smallvision.storage.schema import NUMBER, TEXT, WHOLE
from smallvision.tasks.base import Schema

_SIZES = {"parameters": WHOLE, "multiply_adds": WHOLE, "parameter_bytes": WHOLE, "output_bytes": WHOLE}
SHAPES: dict[str, Any] = {
    "state.json": {
        "format_version": WHOLE,
        "status": TEXT,
        "pid?": (WHOLE, None),
        "heartbeat?": (NUMBER, None),
        "started?": (NUMBER, TEXT, None),
        "finished?": (NUMBER, TEXT, None),
        "experiment": TEXT,
        "seed": WHOLE,
        "command": TEXT,
        "message?": (TEXT, None),
    },
    "environment.json": {"format_version": WHOLE, "packages?": {}},
    "layers.json": {
        "format_version": WHOLE,
        "input": [WHOLE],
        "totals": _SIZES,
        "rows": [{"name": TEXT, "type": TEXT, "output": [WHOLE], "receptive_field": (WHOLE, None), **_SIZES}],
    },
    "steps.jsonl": {"epoch": WHOLE, "step": WHOLE, "examples": WHOLE, "loss": [NUMBER], "seconds": NUMBER},
}
_RESULT = {
    "format_version": WHOLE,
    "name": TEXT,
    "experiment": TEXT,
    "seed": WHOLE,
    "parameters": WHOLE,
    "bytes": WHOLE,
    "multiply_adds": WHOLE,
    "epochs": WHOLE,
    "seconds": NUMBER,
    "seconds_per_epoch": NUMBER,
    "images_per_second": NUMBER,
    "precision": TEXT,
    "selected": {"epoch": WHOLE, "by": TEXT},
    "classes": [TEXT],
    "counts": {"train": WHOLE},
    "mean": [NUMBER],
    "std": [NUMBER],
    "notes": [TEXT],
    "model_sha256": TEXT,
    "looks": WHOLE,
    "sizes?": WHOLE,
    "pixel_range?": {"black": NUMBER, "white": NUMBER, "type": TEXT},
    "class_counts?": {"train?": [WHOLE], "validation?": [WHOLE], "test?": [WHOLE]},
}
_EPOCH = {"epoch": WHOLE, "step": WHOLE, "examples": WHOLE, "learning_rate": NUMBER, "seconds": NUMBER, "alarm?": TEXT}


def shapes(task: Schema) -> dict[str, Any]:
    """The shape of every JSON file of a run directory by its name, given the part that is the task's."""
    rest = {f"{key}?": shape for key, shape in task.without.items()}
    copies = {"images": WHOLE, "other_label": WHOLE, "rest?": {"count?": WHOLE, **rest}}
    scored = {**task.scores, "count": WHOLE, "copies?": copies, **task.full}
    result = {
        **_RESULT,
        "train?": scored,
        "validation?": (scored, None),
        "test?": (scored, None),
        "unseen?": (scored, None),
        **task.fitted,
    }
    training = task.scores if task.training is None else task.training
    epoch = {**_EPOCH, "train": training, "validation?": (task.scores, None), "test?": (task.scores, None)}
    return {**SHAPES, "result.json": result, "metrics.jsonl": epoch}
