"""Scores the test split by a finished run that was trained without it. Every such evaluation is counted in `looks`."""

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
from smallvision.runs.evidence import VALIDATION_EVIDENCE
from smallvision.runs.read import RunRecord, read_run
from smallvision.runs.unfinished import not_finished
from smallvision.storage.arrays import LARGEST_ARRAYS
from smallvision.storage.files import write_bytes, write_json
from smallvision.storage.reading import read_limited
from smallvision.tasks import task_of
from smallvision.training import device, prepare, results


def evaluate_on_test(
    path: Path,
    root: Path | None = None,
    device_name: str = "auto",
    trust_code: bool = False,
    splits: Splits | None = None,
) -> dict[str, Any]:
    """Score the test split by the selected weights of a finished run, and write the scores into the run.

    `result.json` gets `test`, and its `looks` grows by one; `evidence.npz` holds the test split from then on, and its
    former content is kept as `evidence-validation.npz`. The evaluation is counted before any of its results is written,
    and the scores are written last. If the process is killed in between, the evaluation is counted,
    `RunRecord.look_began` is true, and readers get the evidence of the validation images as before. A second call then
    completes the evaluation without counting it again. If the run had test scores before, every call is counted.

    Parameters
    ----------
    path : the run directory.
    root : where the data sets are.
    device_name : "auto", "cpu", "cuda" or "mps". On the CPU the threads are those of the run.
    trust_code : whether the file of `kind = "file.py:Net"` may be executed.
    splits : the run's data, if they are in memory already.

    Returns
    -------
    dict : the content of `result.json`.

    Raises
    ------
    BadInput : the run is unfinished, has no test split, is being written, or its data have changed since training.
    """
    _finished(path)  # raises before a lock file is made where there is no run
    with device.settings_kept(), unlocked(path):
        record, result = _finished(path)
        experiment = record.experiment
        where = device.resolve(device_name)
        device.settle(
            where, record.environment.get("threads"), experiment.recipe.precision, experiment.recipe.deterministic
        )
        splits = (splits or load.load(experiment.data, root, where)).to(where)
        prepare.refuse_other_data(path, splits, record.state.get("data"), "its test score would belong to other data")
        if splits.test is None:
            raise BadInput(f"{path}: its data ({experiment.data.source}) have no test split, so nothing was scored")
        loaded = predict.load(record, trust_code=trust_code)
        model = prepare.placed(loaded.model, where)
        learner = task_of(experiment).learner(experiment.task)
        with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
            fitted = learner.calibrate(model, splits.train, splits.validation)
            held_out = {"test": splits.test, "unseen": splits.unseen}
            scores = {
                name: learner.score(model, split, fitted) for name, split in held_out.items() if split is not None
            }
            evidence = results.evidence(model, splits, experiment, scores)
        packed = io.BytesIO()
        np.savez_compressed(packed, **evidence)  # type: ignore[arg-type]
        looks = result["looks"] if result["looks"] and record.look_began else result["looks"] + 1
        counted = {**result, "looks": looks}
        counts = {**result["counts"], **{name: score.count for name, score in scores.items()}}
        if scores["test"].fitted:  # on another device its last digits differ
            result = {**result, task_of(experiment).fitted_key: scores["test"].fitted}
        of_classes = {**result.get("class_counts", {}), **results.class_counts(splits, scores)}
        result = {
            **result,
            "counts": counts,
            "class_counts": of_classes,
            **results.splits_of(experiment, splits, scores),
            "looks": looks,
        }
        _keep_validation_evidence(record)
        _write_result(path, counted)  # before any result on the test split is written
        write_bytes(path / "evidence.npz", packed.getvalue())
        _write_result(path, result)
        return result


def _finished(path: Path) -> tuple[RunRecord, dict[str, Any]]:
    """A run and its result. Raises BadInput where it has none."""
    record = read_run(path)
    if record.result is None:
        raise not_finished(record, "it cannot be scored")
    return record, record.result


def _keep_validation_evidence(record: RunRecord) -> None:
    """Keep a copy of evidence.npz if it is of validation images, since that of the test split replaces it."""
    written = record.written_evidence
    if written is not None and str(written["split"]) == "validation":
        write_bytes(
            record.path / VALIDATION_EVIDENCE, read_limited(record.path / "evidence.npz", LARGEST_ARRAYS, "such a file")
        )


def _write_result(path: Path, result: dict[str, Any]) -> None:
    write_json(path / "result.json", {key: value for key, value in result.items() if key != "format_version"})
