"""What each JSON file of a run directory looks like, and whether a value looks so: docs/architecture.md for a machine."""

from pathlib import Path
from typing import Any

from smallvision.errors import BadInput
from smallvision.experiment.text import short

WHOLE, NUMBER, SHARE, TEXT = "a whole number >= 0", "a number", "a number from 0 to 1", "text"
AMOUNT = "a number >= 0"
_SIZES = {"parameters": WHOLE, "multiply_adds": WHOLE, "parameter_bytes": WHOLE, "output_bytes": WHOLE}
# a shape: a leaf above, {key: shape} ("key?" may be absent), [shape] for a list of any length, [shape, shape] for one of two,
# alternatives in a tuple
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
}
_EPOCH = {"epoch": WHOLE, "step": WHOLE, "examples": WHOLE, "learning_rate": NUMBER, "seconds": NUMBER, "alarm?": TEXT}

# what a split's scores are, by task: those of every epoch, and what the result has beside them
_SCORES: dict[str, dict[str, Any]] = {
    "classify": {"loss": NUMBER, "accuracy": SHARE},
    "reconstruct": {
        "loss": NUMBER,
        "mse": AMOUNT,
        "psnr?": NUMBER,
        "ssim?": NUMBER,
        "noisy_mse?": AMOUNT,
        "kl?": NUMBER,
        "elbo?": NUMBER,
    },
    "verify": {
        "loss": NUMBER,
        "pair_accuracy": SHARE,
        "auc": SHARE,
        "equal_error": SHARE,
        "calibration_error": SHARE,
        "true_accept_1?": SHARE,
        "true_accept_01?": SHARE,
        "effective_rank": AMOUNT,
        "distance": AMOUNT,
    },
}
_TRAINED: dict[str, dict[str, Any]] = {
    "verify": {"loss": NUMBER, "head?": NUMBER}
}  # of training itself, where it is less
_FITTED: dict[str, dict[str, Any]] = {  # what scoring needs beside the weights
    "verify": {
        "verifier": {"slope": NUMBER, "intercept": NUMBER, "threshold": SHARE, "false_accept": SHARE, "pairs": AMOUNT}
    },
}
_FULL: dict[str, dict[str, Any]] = {
    "classify": {
        "accuracy_interval?": [SHARE, SHARE],
        "per_class?": [{"class": TEXT, "precision": SHARE, "recall": SHARE, "f1": SHARE, "support": WHOLE}],
        "by_size?": [
            {
                "smallest": [WHOLE, WHOLE],
                "largest": [WHOLE, WHOLE],
                "count": WHOLE,
                "accuracy": SHARE,
                "accuracy_interval": [SHARE, SHARE],
            }
        ],
    },
    "reconstruct": {
        "mse_interval?": [NUMBER, NUMBER],
        "pca?": {"components": WHOLE, "mse": AMOUNT},
        "per_class?": [
            {"class": TEXT, "support": WHOLE, "mse": (AMOUNT, None), "psnr": (NUMBER, None), "ssim": (NUMBER, None)}
        ],
        "dimensions?": {"dead": WHOLE, "duplicates": WHOLE, "effective_rank": AMOUNT},
    },
    "verify": {
        "pairs?": WHOLE,
        "threshold?": SHARE,
        "intervals?": {
            "pair_accuracy?": [NUMBER, NUMBER],
            "auc?": [NUMBER, NUMBER],
            "equal_error?": [NUMBER, NUMBER],
            "true_accept_1?": [NUMBER, NUMBER],
            "true_accept_01?": [NUMBER, NUMBER],
        },
        "false_accept?": SHARE,
        "true_accept?": SHARE,
        "precision_at_1?": SHARE,
        "r_precision?": SHARE,
        "knn_accuracy?": SHARE,
        "class_pairs?": [{"classes": [TEXT, TEXT], "pairs": WHOLE, "accuracy": SHARE, "distance": AMOUNT}],
        "dimensions?": {"dead": WHOLE, "duplicates": WHOLE, "effective_rank": AMOUNT},
    },
}


def shapes(task: str) -> dict[str, Any]:
    """Of every file of a run of a task, by its name."""
    scores, scored = _SCORES[task], {**_SCORES[task], "count": WHOLE, **_FULL[task]}
    result = {
        **_RESULT,
        "train?": scored,
        "validation?": (scored, None),
        "test?": (scored, None),
        "unseen?": (scored, None),
        **_FITTED.get(task, {}),
    }
    epoch = {**_EPOCH, "train": _TRAINED.get(task, scores), "validation?": (scores, None), "test?": (scores, None)}
    return {**SHAPES, "result.json": result, "metrics.jsonl": epoch}


def damaged(file: Path, what: str) -> BadInput:
    """The error for a file of a run that is not what the run wrote."""
    return BadInput(f"{file}: {what}; restore the file from a copy, or repeat the run")


def check(value: Any, shape: Any, file: Path, at: str = "") -> None:
    """Compare a JSON value with a shape. Raises BadInput naming the first place that differs."""
    for option in shape if isinstance(shape, tuple) else (shape,):
        if isinstance(option, dict) and isinstance(value, dict):
            for key, inner in option.items():
                name = key.removesuffix("?")
                if name in value:
                    check(value[name], inner, file, f"{at}.{name}" if at else name)
                elif name == key:
                    raise damaged(file, f'{at or "its table"} has no "{name}"')
            return
        if isinstance(option, list) and isinstance(value, list):
            if len(option) > 1 and len(value) != len(option):
                raise damaged(file, f"{at} has {len(value)} values, expected {len(option)}")
            for position, item in enumerate(value):
                check(item, option[0], file, f"{at}[{position}]")
            return
        if _fits(value, option):
            return
    names = {dict: "a table", list: "a list", type(None): "null"}
    words = [str(names.get(type(option), option)) for option in (shape if isinstance(shape, tuple) else (shape,))]
    raise damaged(file, f"{at or 'the file'} is {short(value)}, expected {' or '.join(words)}")


def _fits(value: Any, leaf: Any) -> bool:
    if leaf is None or leaf == TEXT:
        return value is None if leaf is None else isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**63:  # nor NaN
        return False
    whole = isinstance(value, int) and value >= 0
    return (
        leaf == NUMBER
        or (leaf == SHARE and 0 <= value <= 1)
        or (leaf == AMOUNT and value >= 0)
        or (leaf == WHOLE and whole)
    )
