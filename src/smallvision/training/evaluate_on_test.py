"""A look at the test split by a run that was trained without it: later, once it is chosen, and counted."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch

from smallvision.data import load
from smallvision.data.imageset import Splits
from smallvision.errors import BadInput
from smallvision.inference import predict
from smallvision.runs.directory import unlocked
from smallvision.runs.read import RunRecord, read_run
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
    before is kept as `evidence-validation.npz`. The look is counted before anything of it is written, and the scores
    come last. Killed in between, a look is counted, `RunRecord.look_began` says so, and whoever reads the run is given
    the validation images' evidence as before. Looking again completes that look without counting it a second time; of a
    run that had met the test split already, every look that was begun is counted.

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
        prepare.refuse_other_data(path, splits, record.state.get("data"), "its test score would be of something else")
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
        packed = io.BytesIO()
        np.savez_compressed(packed, **found)  # type: ignore[arg-type]
        looks = result["looks"] if result["looks"] and record.look_began else result["looks"] + 1
        counted = {**result, "looks": looks}
        counts = {**result["counts"], **{name: score.count for name, score in scores.items()}}
        if scores["test"].fitted:  # on another device it differs in its last digits, and is what judged
            result = {**result, "verifier": scores["test"].fitted}
        result = {**result, "counts": counts, **results.splits_of(experiment, splits, scores), "looks": looks}
        _keep_validation_evidence(record)
        _write_result(path, counted)  # before anything of the test split can be seen
        write_bytes(path / "evidence.npz", packed.getvalue())
        _write_result(path, result)
        return result


def _keep_validation_evidence(record: RunRecord) -> None:
    """Keep what evidence.npz says of validation images, since the test split takes its place."""
    written = record.written_evidence
    if written is not None and str(written["split"]) == "validation":
        write_bytes(record.path / VALIDATION_EVIDENCE, (record.path / "evidence.npz").read_bytes())


def _write_result(path: Path, result: dict[str, Any]) -> None:
    write_json(path / "result.json", {key: value for key, value in result.items() if key != "format_version"})
