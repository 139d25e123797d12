"""The place of a run, and what is there already. No torch."""

import json
import os
import shlex
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from smallvision.errors import BadInput
from smallvision.experiment import Experiment, ProbeSpec, Study, build, to_toml
from smallvision.experiment.text import expanded, flat
from smallvision.storage.files import LARGEST_TEXT
from smallvision.storage.reading import read_limited

WORDS = ("name", "about", "minutes", "question")  # for people; no bit depends on them


def folder() -> Path:
    """Where runs are kept unless --out says otherwise: $SMALLVISION_RUNS, or ./runs. Raises BadInput for "~nobody"."""
    return expanded(os.environ.get("SMALLVISION_RUNS") or "runs")


def place(experiment: Experiment, seed: int, out: Path | str | None = None, runs: Path | None = None) -> Path:
    """`out` exactly, or <name>-<hash>-s<seed> under `runs`, by default $SMALLVISION_RUNS or ./runs.

    A leading "~" is the home folder. Raises BadInput for the home folder of nobody.
    """
    if out is not None:
        return expanded(out)
    return (runs or folder()) / f"{experiment.name}-{experiment.hash()}-s{seed}"


def resuming(command: Sequence[str], path: Path | None = None) -> str:
    """The whole command line that goes on with a run or a study, from any shell in the same folder.

    Parameters
    ----------
    command : the words of the command that began it.
    path : of the run; None for a study, which takes no --out.

    Returns
    -------
    str : with --resume; --out and --root stand for SMALLVISION_RUNS and SMALLVISION_DATA where these are set.
    """
    words, runs, data = list(command), os.environ.get("SMALLVISION_RUNS"), os.environ.get("SMALLVISION_DATA")
    if runs and path is not None and "--out" not in words:
        words += ["--out", str(path)]
    if data and "--root" not in words:
        words += ["--root", data]
    words += [] if "--resume" in words else ["--resume"]
    setting = f"SMALLVISION_RUNS={shlex.quote(runs)} " if runs and path is None and os.name == "posix" else ""
    return setting + shlex.join(words)


def standing(path: Path, experiment: Experiment, seed: int) -> Literal["nothing", "finished", "unfinished"]:
    """The state of the run at `path`.

    Raises
    ------
    BadInput : a file, a directory that is not a run, or a run of another experiment or seed; it is left as it is. Or a
        place that may not be looked at, a link to nowhere, a name too long.
    """
    try:
        if path.is_symlink() and not path.exists():
            raise BadInput(f"{path}: this link leads nowhere; choose another --out")
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            return "nothing"
    except OSError as error:
        raise BadInput(
            f"{path}: a run cannot be written here: {error.strerror or error}; choose another --out"
        ) from None
    try:
        state = json.loads(read_limited(path / "state.json", LARGEST_TEXT, "this file of a run"))
        found, status = (state["experiment"], state["seed"]), state["status"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise BadInput(
            f"{path}: this exists and is not a run directory; nothing is overwritten, so choose another --out"
        ) from None
    there = _experiment(path)
    if found != (experiment.hash(), seed) or not same(there, experiment):
        other = "; ".join(
            differences(there, experiment)[:3] + ([f"seed: {found[1]} there, {seed} asked"] if found[1] != seed else [])
        )
        raise BadInput(
            f"{path}: this folder holds another run ({other or found[0]}); nothing is overwritten, so choose another "
            "--out"
        )
    return "finished" if status == "finished" else "unfinished"


def _experiment(path: Path) -> Experiment:
    """The experiment of the run at `path`. Raises BadInput where there is none that can be read."""
    file = path / "experiment.toml"
    try:
        table = tomllib.loads(read_limited(file, LARGEST_TEXT, "this file of a run").decode())
    except (OSError, ValueError, RecursionError):
        raise BadInput(
            f"{path}: this folder holds a run whose experiment.toml cannot be read; nothing is overwritten, so "
            "choose another --out"
        ) from None
    return build(table, str(file))


def same(one: Experiment, other: Experiment) -> bool:
    """Whether two experiments are equal by their canonical forms, apart from empty tables, which no file holds."""
    return one.identity == other.identity or _written(one).identity == _written(other).identity


def _written(experiment: Experiment) -> Experiment:
    """An experiment as it comes back from its file."""
    return build(tomllib.loads(to_toml(experiment)), experiment.name)


def differences(there: Experiment | Study | ProbeSpec, asked: Experiment | Study | ProbeSpec) -> list[str]:
    """The keys whose values differ between two specs, each as "recipe.epochs: 3 there, 2 asked"."""
    one, other = (flat(spec.model_dump(mode="json", exclude_none=True)) for spec in (there, asked))
    keys = [
        key
        for key in sorted({*one, *other})
        if key.removeprefix("base.") not in WORDS and one.get(key) != other.get(key)
    ]
    return [f"{key}: {one.get(key, 'nothing')} there, {other.get(key, 'nothing')} asked for" for key in keys]
