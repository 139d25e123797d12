"""Defines a task: one `Task` object owns everything that differs from task to task, and a `Learner` does its
arithmetic.

No torch is imported here: lists of runs, pages and comparisons ask a task about files alone. `Task.learner` imports it
when called.
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
from smallvision.stats.mean_score import MeanScore, student_interval
from smallvision.storage.arrays import ArraySchema

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from smallvision.data.batching.batch import Batch
    from smallvision.data.imageset import ImageSet, Splits

SPLITS = ("train", "validation", "test")
BEST = "best on validation"  # the mark of the case that is best on validation images
PLACES = ("cases", "after-cases", "after-cost", "after-probes")  # of a StudySection, in the order of the page
PLAIN_SECTION = Path(__file__).with_name("plain_section.html")  # of tasks without a template of their own

# logits (B, K), targets (B,) or (B, K) -> a scalar, the mean over the batch
Loss = Callable[["Tensor", "Tensor"], "Tensor"]


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
        """The sort key by which the best epoch is selected: larger is better; later entries decide between equals."""
        ...

    def warning(self, model: "nn.Module", validation: Scores) -> str | None:
        """A sentence that should not wait for the end of training; None without one."""
        ...

    def check_data(self, splits: "Splits") -> tuple[str, ...]:
        """Notes for the person, said before training.

        Raises BadInput for splits that could not be scored in the end.
        """
        ...

    def calibrate(self, model: "nn.Module", train: "ImageSet", validation: "ImageSet | None") -> Any:
        """What scoring needs beyond the weights; None where it needs nothing."""
        ...

    def answer(self, model: "nn.Module", pixels: "Tensor") -> "Tensor":
        """What the network says of images, pixels (B, C, H, W) in [0, 1]: class probabilities (B, K), or a
        reconstruction, for example.
        """
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
    def steps(self) -> list[dict[str, Any]]: ...
    @property
    def layers(self) -> dict[str, Any] | None: ...
    @property
    def result(self) -> dict[str, Any] | None: ...
    @property
    def evidence(self) -> dict[str, np.ndarray] | None: ...


class StudyRun(Protocol):
    """What a task may know of one run of a study or of a comparison: see `report.study.cases.Run`.

    `record` is None and `result` is empty where the run directory is gone; `stated` is what the study remembers of the
    run.
    """

    @property
    def case(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def record(self) -> FinishedRun | None: ...
    @property
    def result(self) -> Mapping[str, Any]: ...
    @property
    def stated(self) -> Mapping[str, Any]: ...
    @property
    def metric(self) -> Metric: ...

    def score(self, split: str) -> float | None:
        """The run's value of the metric on a split; None where it was not scored there."""
        ...

    def evidence(self, split: str) -> Mapping[str, np.ndarray]:
        """The arrays of evidence.npz on a split; empty where there are none."""
        ...


class StudyCase(Protocol):
    """What a task may know of one case of a study, or of one side of a comparison: see `report.study.cases.Case`.

    `marks` may hold "baseline" and BEST; `scores` has the splits that all runs of the case were scored on.
    """

    @property
    def name(self) -> str: ...
    @property
    def runs(self) -> Sequence[StudyRun]: ...
    @property
    def marks(self) -> Sequence[str]: ...
    @property
    def metric(self) -> Metric: ...
    @property
    def scores(self) -> Mapping[str, MeanScore]: ...

    def mean(self, split: str, key: str) -> float | None:
        """The mean over the runs of another score of a split, such as "psnr"; None where a run does not have it."""
        ...


@dataclass(frozen=True)
class Schema:
    """The task's part of the files of a run directory; shapes are those of `storage.schema`.

    Attributes
    ----------
    scores : of each split, in `metrics.jsonl` and `result.json`.
    training : of the training images while the weights still change, in `metrics.jsonl`; None where it is as `scores`.
    full : what the split that the report shows has beside them in `result.json`.
    without : keys of `Task.scores_without` beside `count`; the metric's.
    fitted : keys of `result.json` that hold what scoring needs beyond the weights.
    arrays : the task's arrays of `evidence.npz`.
    check : compares the arrays with each other, given the file, the arrays, and the length of each axis. Raises
        BadInput.
    descriptions : a sentence for each key of the others, nested ones as "per_class[].class", and for each array;
        docs/file-formats.md is made from it.
    """

    scores: Mapping[str, Any]
    training: Mapping[str, Any] | None = None
    full: Mapping[str, Any] = field(default_factory=dict)
    without: Mapping[str, Any] = field(default_factory=dict)
    fitted: Mapping[str, Any] = field(default_factory=dict)
    arrays: ArraySchema = field(default_factory=lambda: ArraySchema({}))
    check: Callable[[Path, Mapping[str, np.ndarray], Mapping[str, int]], None] = lambda file, arrays, lengths: None
    descriptions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunWarning:
    """Why the score of a finished run may mislead, in one line with what to do about it.

    Attributes
    ----------
    kind : what it is about, the same word in every run: "copies", "loss".
    text : the line.
    split : the split that it is about; "" where it is about the run.
    data : the line without what only one run knows, where it is about the data: several runs on the same data then
        have one line together; "" where it is about the run.
    """

    kind: str
    text: str
    split: str = ""
    data: str = ""


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
    details : the same for the sections of the macro `details`, which stand folded below the scores of every split; the
        template needs that macro only if there are some.
    """

    template: Path
    values: Mapping[str, Any]
    contents: Sequence[tuple[str, str, Any]] = ()
    details: Sequence[tuple[str, str, Any]] = ()


@dataclass(frozen=True)
class StudySection:
    """A part that a task adds to the page of a study, or of a comparison.

    Attributes
    ----------
    anchor : the id of the HTML section; it must differ from those of every other section.
    title : the heading.
    template : the HTML file with the macro, beside the code that fills it in; if it has a macro `style`, that is called
        once.
    values : what the macro is given.
    place : one of PLACES. The section at "cases" replaces the plain table of cases, and its macro is also given the
        caption and whether there was a search: `macro(values, caption, searched)`. All other macros are called as
        `macro(values)`.
    macro : the name of the macro.
    """

    anchor: str
    title: str
    template: Path
    values: Mapping[str, Any]
    place: str = "after-cases"
    macro: str = "section"

    def __post_init__(self) -> None:
        if self.place not in PLACES:
            raise ValueError(f"section {self.anchor}: its place is {self.place}; expected one of {', '.join(PLACES)}")


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

    A package can add a task by an entry point of the group "smallvision.tasks". A built-in one is a folder with a
    subclass, a spec in `experiment.task`, and a line in `tasks.TASKS`: see docs/extending.md.

    Attributes
    ----------
    kind : the value of `task.kind` in an experiment.
    spec : the class of the experiment's `[task]` table.
    metric : the one score that runs are judged by.
    schema : the task's part of the files of a run directory.
    fitted_key : the key of `result.json` that holds `Scores.fitted`; a key of `schema.fitted`.
    takes_loss : whether a loss can be passed in from Python; the spec then has the keys `loss` and `loss_digest`.
    methods : names of the methods of `api.finished.Run` that runs of this task have beside those of every run.
    progress : keys of averages and scores that are printed while training, each with its format.
    more_curves : metrics that are drawn over the epochs beside `metric`.
    same_loss : whether training and validation images have the same loss, so that their curves share an axis.
    costs : what the score of the cases of a study is drawn against: keys of `report.study.costs.COSTS`.
    interval_name : the method of `score_interval`, for a note below a table.
    compared_interval_name : its method for a side of a comparison of runs, judged on the rows of `predictions`.
    loss_note : a sentence below the loss curves of several cases; "" where there is nothing to say.
    verdict_note : a paragraph above verdicts about runs of this task; "" where there is nothing to say.
    """

    kind: ClassVar[str]
    spec: ClassVar[type[Spec]]
    metric: ClassVar[Metric]
    schema: ClassVar[Schema]
    fitted_key: ClassVar[str] = "fitted"
    takes_loss: ClassVar[bool] = False
    methods: ClassVar[tuple[str, ...]] = ("encode",)
    progress: ClassVar[tuple[tuple[str, str], ...]] = (("loss", "{:.4f}"),)
    more_curves: ClassVar[tuple[Metric, ...]] = ()
    same_loss: ClassVar[bool] = True
    costs: ClassVar[tuple[str, ...]] = ("parameters", "multiply_adds", "seconds", "bytes")
    interval_name: ClassVar[str] = "Student’s t"
    compared_interval_name: ClassVar[str] = "Student’s t"
    loss_note: ClassVar[str] = ""
    verdict_note: ClassVar[str] = ""

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

    def scoring_bytes(self, classes: int, images: int) -> int:
        """Memory that scoring and its files take at least, beside images and network: asked before images are read.

        Parameters
        ----------
        classes : K.
        images : of all splits that are scored.
        """
        return 0

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
        self, experiment: Experiment, model: "nn.Module", splits: "Splits", name: str, scores: Scores
    ) -> dict[str, np.ndarray]:
        """The task's arrays of `evidence.npz` beside `Scores.evidence`, of the split that the report shows. Imports
        torch.

        Parameters
        ----------
        model : with the weights that were scored.
        splits, name : as for `full_scores`.
        scores : of that split.
        """
        return {}

    def scores_without(self, scores: Scores, left_out: np.ndarray) -> dict[str, Any]:
        """The metric of a split without some of its images: those that are copies of training images.

        By default the mean of the evidence that has the metric's key.

        Parameters
        ----------
        scores : of the whole split, as the learner gave them.
        left_out : bool (N,), the images that are left out, in the order of the split.

        Returns
        -------
        dict : the metric by its key, and `count`, of how many images (or pairs of images) it is; empty where it cannot
            be told, or no image is left.
        """
        values = scores.evidence.get(self.metric.key)
        if values is None or len(values) != len(left_out) or left_out.all():
            return {}
        rest = values[~left_out]
        return {"count": len(rest), self.metric.key: float(rest.mean(dtype=np.float64))}

    def unseen_evidence(self, splits: "Splits", scores: Scores) -> dict[str, np.ndarray]:
        """The arrays of `evidence.npz` about images of classes that were kept out of training, given their scores."""
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

    def reference(self, scores: Mapping[str, Any]) -> tuple[float, str] | None:
        """A value of the metric to compare a run with, drawn as a line over its curves, and its name; None without one.

        Parameters
        ----------
        scores : of the split that the report judges by, as in `result.json`.
        """
        return None

    def beside(self, scores: Mapping[str, Any]) -> dict[str, float]:
        """Figures in the metric's unit that have to stand beside it, by name, since it misleads alone; mostly none.

        Parameters
        ----------
        scores : of a split, as in `result.json`.
        """
        return {}

    def warnings(self, run: FinishedRun) -> Sequence[RunWarning]:
        """Why the score of a finished run may mislead, beside what `tasks.warnings` finds in runs of every task.

        A healthy run has none.
        """
        return ()

    def score_interval(self, run: StudyRun, split: str) -> tuple[float, float] | None:
        """The 95 % interval of one run's score over the images of a split; None where they are not known.

        By default Student's t over the values in the evidence that has the metric's key.

        Parameters
        ----------
        run : scored on the split. `run.stated[split]["compared"]` is the number of rows of `predictions` that its score
            is the mean of, where that is not the score of the whole split.
        """
        values = run.evidence(split).get(self.metric.key)
        mean = run.score(split)
        if mean is None or values is None or len(values) < 2:
            return None
        return student_interval(mean, float(values.std(ddof=1, dtype="float64")), len(values), self.metric)

    def study_sections(self, cases: Sequence[StudyCase]) -> Sequence[StudySection]:
        """The task's parts of the page of a study, in the order in which they are to stand at each place."""
        return ()

    def comparison_sections(self, cases: Sequence[StudyCase], split: str) -> Sequence[StudySection]:
        """The task's parts of the page of a comparison, at the places "cases" and "after-cases".

        Parameters
        ----------
        cases : the sides.
        split : on which they are compared, "validation" or "test".
        """
        return ()

    def score_table(self, result: Mapping[str, Any]) -> ScoreTable:
        """The scores of a finished run for a console: by default the metric of each split."""
        rows = [
            (split, f"{result[split]['count']:,}", self.metric.text(result[split][self.metric.key]))
            for split in (*SPLITS, "unseen")
            if result.get(split)
        ]
        return ScoreTable(("split", self.metric.of, self.metric.name), rows)

    def refuse_loss(self, loss: object) -> None:
        """Raise BadInput when a loss is passed in from Python and the task takes none."""
        if loss is not None and not self.takes_loss:
            own = " and choose one by task.loss" if "loss" in self.spec.model_fields else ""
            raise BadInput(f'loss: the task "{self.kind}" has its own losses; leave loss= out{own}')
