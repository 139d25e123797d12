"""Where a run lives, and what stands there already. No torch."""

import json
import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from smallvision.errors import BadInput
from smallvision.experiment import Experiment, to_toml


def folder() -> Path:
    """Where runs are kept unless --out says otherwise: $SMALLVISION_RUNS, or ./runs."""
    return Path(os.environ.get("SMALLVISION_RUNS") or "runs")


def place(experiment: Experiment, seed: int, out: Path | str | None = None, runs: Path | None = None) -> Path:
    """`out` exactly, or <name>-<hash>-s<seed> under `runs`, by default $SMALLVISION_RUNS or ./runs."""
    if out is not None:
        return Path(out)
    return (runs or folder()) / f"{experiment.name}-{experiment.hash()}-s{seed}"


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
        other = "; ".join(_differences(path, experiment)[:3] + ([f"seed: {found[1]} there, {seed} asked"] if found[1] != seed else []))
        raise BadInput(f"{path}: holds another run ({other or found[0]}); nothing is overwritten, choose another --out")
    return "finished" if status == "finished" else "unfinished"


def _differences(path: Path, experiment: Experiment) -> list[str]:
    """The keys in which the experiment at `path` is another one, as "recipe.epochs: 3 there, 2 asked" each."""
    try:
        there = _flat(tomllib.loads((path / "experiment.toml").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return []
    asked = _flat(tomllib.loads(to_toml(experiment)))
    keys = [key for key in sorted({*there, *asked}) if key not in ("name", "about", "minutes") and there.get(key) != asked.get(key)]
    return [f"{key}: {there.get(key, 'nothing')} there, {asked.get(key, 'nothing')} asked" for key in keys]


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """{"recipe": {"epochs": 2}} -> {"recipe.epochs": 2}, lists by their indices."""
    if not isinstance(value, dict | list):
        return {prefix: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {k: v for key, inner in items for k, v in _flat(inner, f"{prefix}.{key}" if prefix else str(key)).items()}
