"""A look at the test split by a run that was trained without it: later, once it is chosen, and counted."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from smallvision.data import load
from smallvision.data.load import Splits
from smallvision.errors import BadInput
from smallvision.inference import predict
from smallvision.runs.directory import unlocked
from smallvision.runs.read import read_run
from smallvision.storage.files import VALIDATION_EVIDENCE, write_bytes, write_json
from smallvision.tasks import task_of
from smallvision.training import device, prepare, results


def look(
    path: Path,
    root: Path | None = None,
    device_name: str = "auto",
    trust_code: bool = False,
    splits: Splits | None = None,
) -> dict[str, Any]:
    """Score the test split by the selected weights of a finished run, and write what was found into the run.

    `result.json` gets `test` and one more in `looks`; `evidence.npz` is of the test split from then on, and what it was
    before is kept as `evidence-validation.npz`. The result comes last: killed before it, a look has told nobody
    anything, and the next is the first.

    Parameters
    ----------
    path : the run directory.
    root : where the data sets are.
    device_name : "auto", "cpu", "cuda" or "mps". On the CPU the threads are those of the run.
    trust_code : whether the file of `kind = "file.py:Net"` may be executed.
    splits : the run's data, where they are in memory already.

    Returns
    -------
    dict : the content of `result.json`.

    Raises
    ------
    BadInput : the run is unfinished, has no test split, is being written, or its data are no longer those it was trained on.
    """
    read_run(path)  # no lock is put where no run is
    with device.settings_kept(), unlocked(path):
        record = read_run(path)
        if record.result is None:
            raise BadInput(f"{path}: the run is not finished, so it has nothing to score; go on with it by --resume")
        experiment, result = record.experiment, record.result
        where = device.resolve(device_name)
        device.settle(
            where, record.environment.get("threads"), experiment.recipe.precision, experiment.recipe.deterministic
        )
        splits = (splits or load.load(experiment.data, root, where)).to(where)
        _refuse_other_data(path, splits, record.state.get("data"))
        if splits.test is None:
            raise BadInput(f"{path}: its data have no test split ({experiment.data.source}); nothing was scored")
        loaded = predict.load(record, trust_code=trust_code)
        model = prepare.placed(loaded.model, where)
        learner = task_of(experiment).learner(experiment.task)
        with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
            fitted = learner.calibrate(model, splits.train, splits.validation)
            met = {"test": splits.test, "unseen": splits.unseen}
            scores = {name: learner.score(model, split, fitted) for name, split in met.items() if split is not None}
            found = results.evidence(model, splits, experiment, scores)
        counts = {**result["counts"], **{name: score.count for name, score in scores.items()}}
        if scores["test"].fitted:  # on another device it differs in its last digits, and is what judged
            result = {**result, "verifier": scores["test"].fitted}
        met_now = {**results.splits_of(experiment, splits, scores), "looks": result["looks"] + 1}
        result = {**result, "counts": counts, **met_now}
        before = record.evidence
        if before is not None and str(before["split"]) == "validation":
            write_bytes(path / VALIDATION_EVIDENCE, (path / "evidence.npz").read_bytes())
        packed = io.BytesIO()
        np.savez_compressed(packed, **found)  # type: ignore[arg-type]
        write_bytes(path / "evidence.npz", packed.getvalue())
        write_json(path / "result.json", {key: value for key, value in result.items() if key != "format_version"})
        return result


def _refuse_other_data(path: Path, splits: Splits, recorded: str | None) -> None:
    """A run that never met the test split was recorded without it; one that did, with it."""
    if recorded not in (None, prepare.digest(splits), prepare.digest(replace(splits, test=None, unseen=None))):
        raise BadInput(
            f"{path}: the images or labels are not those this run was trained on, so its test score would be of something else"
        )
