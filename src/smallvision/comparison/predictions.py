"""The predictions of finished runs, aligned image by image in one order for all runs, from their files alone. No torch.

Images are identified by their ids, so runs may have met them in another order, or at another size. The predictions of
verifiers are aligned pair by pair, over pairs that share no image: such pairs are independent, as images are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallvision.errors import BadInput
from smallvision.metrics.metric import Metric
from smallvision.runs import evidence
from smallvision.runs.read import RunRecord
from smallvision.tasks import DEFAULT_METRIC, task_of

Evidence = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class AlignedPredictions:
    """The predictions of several sides, each of one run or more, for the same images or pairs of images."""

    split: str  # "test" or "validation"
    ids: NDArray[np.int64]  # (N, 2), ascending; of pairs (N, 4), of the one image and of the other
    labels: NDArray[np.int64]  # (N,)
    classes: tuple[str, ...]
    # side -> (runs, N); empty where the task gives a number for each image, and no answer that is right or wrong
    predictions: dict[str, NDArray[np.int64]] = field(repr=False)
    metric: Metric = DEFAULT_METRIC  # what runs are judged by
    # side -> (runs, N), a number for each image; None where answers are right or wrong
    values: dict[str, NDArray[np.float64]] | None = field(repr=False, default=None)

    def images(self, rows: NDArray[np.int64]) -> list[tuple[int, int]]:
        """The ids of the images of some rows, in their order; of a pair both."""
        return [(content, occurrence) for content, occurrence in self.ids[rows].reshape(-1, 2).tolist()]

    def scores(self, side: str) -> tuple[float, ...]:
        """The score of each run of a side: the mean over the images."""
        each = self.correct(side) if self.values is None else self.values[side]
        return tuple(float(mean) for mean in each.mean(1))

    def correct(self, side: str) -> NDArray[np.bool_]:
        """Which images each run of a side got right, bool (runs, N)."""
        found: NDArray[np.bool_] = self.predictions[side] == self.labels
        return found


def gather(sides: Mapping[str, Sequence[RunRecord]], split: str) -> AlignedPredictions:
    """The answers of all runs to the images of a split.

    Parameters
    ----------
    sides : name -> runs, at least one each, finished and scored on the split (see `common`).
    split : "test" or "validation".

    Raises
    ------
    BadInput : a run without answers to that split, runs on other images or other labels, damaged evidence.
    """
    first: AlignedPredictions | None = None
    rows: dict[str, list[NDArray[Any]]] = {side: [] for side in sides}
    are_values = False
    where = Path()
    for side, runs in sides.items():
        for run in runs:
            task = task_of(run.experiment)
            answers = task.predictions(run, scored(run, split))
            order = np.lexsort(answers.ids.T)
            ids, labels = (np.asarray(array[order], np.int64) for array in (answers.ids, answers.labels))
            if first is None:
                first, where = AlignedPredictions(split, ids, labels, answers.classes, {}, task.metric), run.path
            _refuse_others(run.path, ids, labels, first, where)
            are_values = answers.predictions is None
            each = answers.values if answers.predictions is None else answers.predictions
            assert each is not None
            rows[side].append(each[order])
    if first is None:
        raise BadInput("compare: got no runs; expected at least one")
    if are_values:
        return replace(first, values={side: np.stack(own).astype(np.float64) for side, own in rows.items()})
    return replace(first, predictions={side: np.stack(own).astype(np.int64) for side, own in rows.items()})


def scored(run: RunRecord, split: str) -> Evidence:
    """The evidence of a run on a split, whether or not it met another since.

    Returns
    -------
    dict : as evidence.npz.

    Raises
    ------
    BadInput : it was never scored on that split.
    """
    if split not in _splits(run):
        raise BadInput(f"{run.path}: this run has no answers to {split} images")
    if run.evidence is not None and str(run.evidence["split"]) == split:
        return run.evidence
    return evidence.read(
        run.path / evidence.VALIDATION_EVIDENCE, len((run.result or {})["classes"]), task_of(run.experiment)
    )


def common(runs: Iterable[RunRecord]) -> str:
    """The split that all runs were scored on, the test split if there is a choice.

    A run that met the test split after its study keeps what it said of the validation images beside it.

    Raises
    ------
    BadInput : there is none.
    """
    paths: dict[str, list[Path]] = {"test": [], "validation": []}
    count = 0
    for run in runs:
        count += 1
        for split in _splits(run):
            paths[split].append(run.path)
    for split, there in paths.items():
        if len(there) == count:
            return split
    raise BadInput(
        f"{paths['validation'][0]}: this run was scored on validation images, but {paths['test'][0]} was scored on "
        "test images; compare runs that were scored on the same images"
    )


def _splits(run: RunRecord) -> list[str]:
    if run.evidence is None and run.look_began:
        raise BadInput(
            f"{run.path}: scoring on its test split began but did not end, and there are no other answers to single "
            "images; run the study that scored it again"
        )
    if run.evidence is None:
        raise BadInput(
            f"{run.path / 'evidence.npz'}: this file is missing, so there are no answers to single images; repeat the "
            "run"
        )
    main = str(run.evidence["split"])
    if main not in ("test", "validation"):
        raise BadInput(
            f"{run.path}: this run was scored on its training images only; train it with validation images "
            "(data.validation = 0.1)"
        )
    kept = main == "test" and (run.path / evidence.VALIDATION_EVIDENCE).is_file()
    return [main, "validation"] if kept else [main]


def _refuse_others(
    path: Path, ids: NDArray[np.int64], labels: NDArray[np.int64], first: AlignedPredictions, where: Path
) -> None:
    """Raise BadInput for another set of images than the first run's, or other labels."""
    of = first.metric.of
    if not np.array_equal(ids, first.ids):
        shared = len(set(map(tuple, ids.tolist())) & set(map(tuple, first.ids.tolist())))
        raise BadInput(
            f"{path}: this run has {len(ids):,} {of}, {where} has {len(first.ids):,}, and only {shared:,} are the "
            f"same; accuracies on different {of} cannot be compared"
        )
    if not np.array_equal(labels, first.labels):
        raise BadInput(
            f"{path}: this run has the same {of} as {where}, but other labels; compare runs with the same labels"
        )
