"""What a task is: one `Task` object owns everything that differs from task to task, and a `Learner` does its arithmetic.

No torch is imported here: lists of runs, pages and comparisons ask a task about files alone. `Task.learner` imports it when called.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from smallvision.errors import BadInput
from smallvision.experiment import Experiment
from smallvision.experiment.base import Spec
from smallvision.metrics.metric import Metric
from smallvision.storage.arrays import ArraySchema

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from smallvision.data.batching.batch import Batch
    from smallvision.data.imageset import ImageSet, Splits

SPLITS = ("train", "validation", "test")
PLAIN_SECTION = Path(__file__).with_name("plain_section.html")  # of tasks without a template of their own

Loss = Callable[
    ["Tensor", "Tensor"], "Tensor"
]  # logits (B, K), targets (B,) or (B, K) -> a scalar, the mean over the batch


@dataclass(frozen=True)
class Step:
    """One batch, forward.

    Attributes
    ----------
    loss : scalar tensor to differentiate, a mean over the batch.
    totals : what is reported, each summed over the batch's images and still on the device; "loss" is always there.
    count : images in the batch.
    """

    loss: "Tensor"
    totals: "dict[str, Tensor]"
    count: int


@dataclass(frozen=True)
class Scores:
    """One split, scored.

    Attributes
    ----------
    values : figures of the whole split.
    count : images in it.
    evidence : arrays with a row for each image, or for each pair of images.
    fitted : what scoring needed beyond the weights, where the task fits something on validation images.
    """

    values: dict[str, float]
    count: int
    evidence: dict[str, np.ndarray] = field(default_factory=dict)
    fitted: dict[str, float] = field(default_factory=dict)


class Learner(Protocol):
    """What training and scoring need of a task. Made by `Task.learner`; imports torch."""

    def step(self, model: "nn.Module", batch: "Batch", generator: "torch.Generator") -> Step:
        """The loss of a batch, and what is reported of it. Random numbers come from `generator` alone."""
        ...

    def averages(self, totals: dict[str, float], count: int) -> dict[str, float]:
        """The figures of an epoch from totals over `count` images."""
        ...

    def selection_key(self, values: dict[str, float]) -> tuple[float, ...]:
        """By which validation chooses weights: larger is better; later entries decide between equals."""
        ...

    def warning(self, model: "nn.Module", validation: Scores) -> str | None:
        """A sentence that should not wait for the end of training; None without one."""
        ...

    def check_data(self, splits: "Splits") -> tuple[str, ...]:
        """Notes for the person, said before training. Raises BadInput for splits that could not be scored in the end."""
        ...

    def calibrate(self, model: "nn.Module", train: "ImageSet", validation: "ImageSet | None") -> Any:
        """What scoring needs beyond the weights; None where it needs nothing."""
        ...

    def score(self, model: "nn.Module", images: "ImageSet", fitted: Any) -> Scores:
        """Score every image of a split once, in order, in fp32."""
        ...


class FinishedRun(Protocol):
    """What a task may know of a run directory that was read: see `runs.read.RunRecord`."""

    @property
    def path(self) -> Path: ...
    @property
    def experiment(self) -> Experiment: ...
    @property
    def state(self) -> dict[str, Any]: ...
    @property
    def metrics(self) -> list[dict[str, Any]]: ...
    @property
    def layers(self) -> dict[str, Any] | None: ...
    @property
    def result(self) -> dict[str, Any] | None: ...
    @property
    def evidence(self) -> dict[str, np.ndarray] | None: ...


@dataclass(frozen=True)
class Schema:
    """The task's part of the files of a run directory; shapes are those of `storage.schema`.

    Attributes
    ----------
    scores : of each split, in `metrics.jsonl` and `result.json`.
    training : of the training images while the weights still change, in `metrics.jsonl`; None where it is as `scores`.
    full : what the split that the report shows has beside them in `result.json`.
    fitted : keys of `result.json` that hold what scoring needs beyond the weights.
    arrays : the task's arrays of `evidence.npz`.
    check : compares the arrays with each other, given the file, the arrays, and the length of each axis. Raises BadInput.
    """

    scores: Mapping[str, Any]
    training: Mapping[str, Any] | None = None
    full: Mapping[str, Any] = field(default_factory=dict)
    fitted: Mapping[str, Any] = field(default_factory=dict)
    arrays: ArraySchema = field(default_factory=lambda: ArraySchema({}))
    check: Callable[[Path, Mapping[str, np.ndarray], Mapping[str, int]], None] = lambda file, arrays, lengths: None


@dataclass(frozen=True)
class Predictions:
    """The answers of one run that it can be compared by, a row for each image or for each pair of images.

    Attributes
    ----------
    ids : int64 (N, 2), or (N, 4) for pairs: what each row is known by in every run.
    labels : int64 (N,).
    classes : names of the labels.
    predictions : int64 (N,), where an answer is right or wrong; else None.
    values : float64 (N,), the task's metric of each row, where it is a number; else None.
    """

    ids: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    predictions: np.ndarray | None = None
    values: np.ndarray | None = None


@dataclass(frozen=True)
class Section:
    """The task's part of a page.

    Attributes
    ----------
    template : the HTML file with its macros, beside the code that fills it in.
    values : what the macros need, by name.
    contents : for each of its sections the anchor, the title, and whether there is one.
    """

    template: Path
    values: Mapping[str, Any]
    contents: Sequence[tuple[str, str, Any]] = ()


@dataclass(frozen=True)
class ScoreTable:
    """The scores of a finished run as a console shows them.

    Attributes
    ----------
    columns : headers; the first column is text, the others are numbers.
    rows : a row for each split, as text.
    caption : lines below the table.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: Sequence[str] = ()


class Task(ABC):
    """A kind of task: what is learned, what it is judged by, what its files hold and how it is shown.

    A new task is a folder with a subclass, and a line in `tasks.TASKS`.

    Attributes
    ----------
    kind : the value of `task.kind` in an experiment.
    spec : the class of the experiment's `[task]` table.
    metric : the one score that runs are judged by.
    schema : the task's part of the files of a run directory.
    methods : names of the methods of `api.finished.Run` that runs of this task have beside those of every run.
    progress : keys of averages and scores that are printed while training, each with its format.
    more_curves : metrics that are drawn over the epochs beside `metric`.
    """

    kind: ClassVar[str]
    spec: ClassVar[type[Spec]]
    metric: ClassVar[Metric]
    schema: ClassVar[Schema]
    methods: ClassVar[tuple[str, ...]] = ("encode",)
    progress: ClassVar[tuple[tuple[str, str], ...]] = (("loss", "{:.4f}"),)
    more_curves: ClassVar[tuple[Metric, ...]] = ()

    @abstractmethod
    def learner(self, spec: Any, loss: Loss | None = None) -> Learner:
        """The arithmetic of the task; imports torch.

        Parameters
        ----------
        spec : the experiment's `[task]` table.
        loss : a function passed in from Python in place of the task's own loss.

        Raises
        ------
        BadInput : the task has no use for a loss that is passed in, or does not know the loss of its spec.
        """

    def full_scores(self, experiment: Experiment, splits: "Splits", name: str, scores: Scores) -> dict[str, Any]:
        """What `result.json` has, beside `Scores.values`, of the split that the report shows. Imports torch.

        Parameters
        ----------
        splits : the images of the run.
        name : the split.
        scores : its scores, as the learner gave them.
        """
        return {}

    def evidence(
        self, experiment: Experiment, model: "nn.Module", splits: "Splits", name: str, scores: Mapping[str, Scores]
    ) -> dict[str, np.ndarray]:
        """The task's arrays of `evidence.npz` beside `Scores.evidence`, of the split that the report shows. Imports torch.

        Parameters
        ----------
        model : with the weights that were scored.
        splits, name : as for `full_scores`.
        scores : of every split.
        """
        return {}

    @abstractmethod
    def predictions(self, run: FinishedRun, evidence: Mapping[str, np.ndarray]) -> Predictions:
        """What a finished run can be compared by. Raises BadInput where its evidence has nothing of the kind."""

    def outputs(self, classes: int) -> int:
        """How many outputs a classifying network needs for images of `classes` classes."""
        return classes

    def loss_name(self, experiment: Experiment) -> str:
        """The name of the loss that an experiment is trained by, with its unit, for an axis."""
        return f"loss ({getattr(experiment.task, 'loss', self.kind)})"

    def study_loss_name(self, experiment: Experiment) -> str:
        """The name of the loss that curves of several cases share, of training and of validation images."""
        return self.loss_name(experiment)

    def loss_is_metric(self, experiment: Experiment) -> bool:
        """Whether the loss of an experiment is the metric itself, so that a second curve would say nothing."""
        return False

    def section(self, run: FinishedRun, prefix: str, split: str) -> Section:
        """The task's part of the page of a run.

        Parameters
        ----------
        run : finished or not.
        prefix : keeps ids apart where several runs are on one page.
        split : the split whose images are shown: "train", "validation" or "test"; "" where there is none yet.
        """
        return Section(PLAIN_SECTION, {"metric": self.metric, "several_training": False})

    def score_table(self, result: Mapping[str, Any]) -> ScoreTable:
        """The scores of a finished run for a console: by default the metric of each split."""
        rows = [
            (split, f"{result[split]['count']:,}", self.metric.text(result[split][self.metric.key]))
            for split in (*SPLITS, "unseen")
            if result.get(split)
        ]
        return ScoreTable(("split", self.metric.of, self.metric.name), rows)

    def refuse_loss(self, loss: Loss | None) -> None:
        """Raise BadInput when a loss is passed in from Python and the task has no use for it."""
        if loss is not None:
            raise BadInput(
                f'loss: the task "{self.kind}" has losses of its own, set by task.loss; '
                'a loss passed in from Python is for task.kind = "classify"'
            )
