"""Where a run lives, and what stands there already. No torch."""

import json
import os
from pathlib import Path
from typing import Literal

from smallvision.errors import BadInput
from smallvision.experiment import Experiment


def folder() -> Path:
    """Where runs are kept unless --out says otherwise: $SMALLVISION_RUNS, or ./runs."""
    return Path(os.environ.get("SMALLVISION_RUNS") or "runs")


def place(experiment: Experiment, seed: int, out: Path | str | None = None) -> Path:
    """`out` exactly, or <name>-<hash>-s<seed> under $SMALLVISION_RUNS or ./runs."""
    if out is not None:
        return Path(out)
    return folder() / f"{experiment.name}-{experiment.hash()}-s{seed}"


def standing(path: Path, experiment: Experiment, seed: int) -> Literal["nothing", "finished", "unfinished"]:
    """What is at `path`.

    Raises
    ------
    BadInput : a file, a directory that is no run, or a run of another experiment or seed; it is left as it is.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return "nothing"
    try:
        state = json.loads((path / "state.json").read_text(encoding="utf-8"))
        found, status = (state["experiment"], state["seed"]), state["status"]
    except (OSError, ValueError, KeyError, TypeError):
        raise BadInput(f"{path}: there is something here that is no run directory; nothing is overwritten, choose another --out") from None
    if found != (experiment.hash(), seed):
        raise BadInput(
            f"{path}: holds a run of experiment {found[0]} with seed {found[1]}, not of {experiment.hash()} with seed {seed}; "
            "nothing is overwritten, choose another --out"
        )
    return "finished" if status == "finished" else "unfinished"
