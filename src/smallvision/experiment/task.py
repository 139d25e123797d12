"""Specs of tasks, the [task] table of an experiment: the three built-in ones, and those that installed packages add.

A package adds a task by an entry point of the group "smallvision.tasks", whose name is the task's kind. In its
pyproject.toml::

    [project.entry-points."smallvision.tasks"]
    tag = "my_package.tagging:TASK"

The entry point's object has `kind` ("tag") and `spec` (a subclass of TaskSpec with `kind: Literal["tag"]`).
"""

from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import Field, PlainValidator, SerializeAsAny, TypeAdapter, model_validator
from pydantic_core import PydanticKnownError

from smallvision.experiment.base import BelowOne, Count, NonNegative, Positive, Spec, Text
from smallvision.experiment.data import DataSpec, Numbers
from smallvision.experiment.model.autoencoders import AutoencoderSpec
from smallvision.experiment.model.base import NetworkSpec, Purpose
from smallvision.experiment.model.siamese import SiameseSpec
from smallvision.experiment.recipe import RecipeSpec

GROUP = "smallvision.tasks"  # of entry points
RANGES = {"sigmoid": (0.0, 1.0), "relu": (0.0, float("inf")), "tanh": (-1.0, 1.0)}  # of values; "linear" has no bounds


class Tables(Protocol):
    """The tables of an experiment that a task may have to agree with; an `experiment.Experiment` has them."""

    @property
    def data(self) -> DataSpec:
        """The [data] table."""
        ...

    @property
    def model(self) -> NetworkSpec:
        """The [model] table."""
        ...

    @property
    def recipe(self) -> RecipeSpec:
        """The [recipe] table."""
        ...


class TaskSpec(Spec):
    """The [task] table of an experiment. Every task has a subclass, which narrows `kind` to its own word."""

    network: ClassVar[Purpose] = "scores classes"  # only networks of this purpose can learn the task

    kind: Text

    def check(self, experiment: Tables) -> None:
        """Refuse keys of an experiment that contradict this task. The network's purpose has been checked before.

        A subclass that can be scored on classes that training never saw overrides this method without calling it.

        Parameters
        ----------
        experiment : the experiment whose task this is; all its tables are valid on their own.

        Raises
        ------
        ValueError : names the keys, what does not go together, and the ways out.
        """
        if experiment.data.unseen_classes:
            raise ValueError(
                "data.unseen_classes: only a verifier can be scored on classes that it was not trained on; set "
                'task.kind = "verify"'
            )


class ClassifySpec(TaskSpec):
    """Each image is of one of K classes. The loss is the cross-entropy of the logits unless a function is passed in."""

    kind: Literal["classify"]
    label_smoothing: BelowOne = 0.0  # Szegedy et al. 2015, section 7; training loss only
    loss: Text = "cross-entropy"  # "custom:NAME" when a person's own function was passed in
    loss_digest: Text | None = None  # the fingerprint of the function, filled in by smallvision


class Corruption(Spec):
    """Noise on a denoising autoencoder's input (Vincent et al. 2008), as the augmentation "noise" adds it."""

    distribution: Literal["uniform", "gaussian"] = "gaussian"
    amount: Annotated[Positive, Field(le=1)] = 0.1  # uniform in +-amount, or a standard deviation


class ReconstructSpec(TaskSpec):
    """The network gives the image back from its representation."""

    network: ClassVar[Purpose] = "makes images"

    kind: Literal["reconstruct"]
    loss: Literal["mse", "bce"] = "mse"  # squared error or cross-entropy of each pixel, averaged over the pixels
    target: Literal["pixels", "normalized"] = (
        "pixels"  # the loss is of pixels in [0, 1], or as data.normalize gives them
    )
    denoise: Corruption | None = None  # noise on the input, drawn anew in every step; the target stays clean
    beta: Positive | None = None  # variational only: weight of the divergence (Higgins et al. 2017); None is 1

    @model_validator(mode="after")
    def _possible(self) -> "ReconstructSpec":
        if self.loss == "bce" and self.target == "normalized":
            raise ValueError(
                'loss "bce" needs targets in [0, 1], and normalized targets leave that range; use target = "pixels", '
                'or loss = "mse"'
            )
        return self

    def check(self, experiment: Tables) -> None:
        """Refuse an autoencoder whose output cannot reach the targets, and keys without effect; see TaskSpec.check.

        A ReLU or a sigmoid never goes below 0 and standardised pixels do, so the loss could not fall to 0, which looks
        like a network that learns badly.
        """
        model, normalize = experiment.model, experiment.data.normalize
        assert isinstance(model, AutoencoderSpec)
        if self.beta is not None and not model.variational:
            raise ValueError(f"task.beta: {self.beta:g} has no effect unless model.variational = true; leave it out")
        if self.loss == "bce" and model.output != "sigmoid":
            raise ValueError(
                f'model.output: "{model.output}" gives values outside 0 to 1, and task.loss = "bce" needs values '
                'from 0 to 1; use model.output = "sigmoid", or task.loss = "mse"'
            )
        if self.target == "normalized":
            if normalize == "none":
                raise ValueError(
                    'task.target: "normalized" has no effect with data.normalize = "none"; use target = "pixels"'
                )
            _refuse_unreachable_targets(model.output, normalize)
        super().check(experiment)


def _refuse_unreachable_targets(output: str, normalize: str | Numbers) -> None:
    """Refuse an output activation whose range does not include the darkest and the brightest normalised pixel."""
    if output not in RANGES:
        return
    if isinstance(normalize, Numbers):
        low = min(-mean / std for mean, std in zip(normalize.mean, normalize.std, strict=True))
        high = max((1 - mean) / std for mean, std in zip(normalize.mean, normalize.std, strict=True))
        span = f"from {low:.3g} to {high:.3g}"
    else:  # mean and deviation are measured later; the deviation of values from 0 to 1 is at most 1/2
        low, high = -float("inf"), float("inf")
        span = "below 0, and above 1 or below -1"
    least, most = RANGES[output]
    if low < least or high > most:
        reaches = f"from {least:g} to {most:g}" if most < float("inf") else f"from {least:g} upwards"
        raise ValueError(
            f'model.output: "{output}" gives values {reaches}, but the targets (pixels after data.normalize) go '
            f'{span}, so the loss cannot fall to 0; use model.output = "linear", or task.target = "pixels"'
        )


class VerifySpec(TaskSpec):
    """The network decides whether two images are of one class, by a threshold fitted on validation pairs."""

    network: ClassVar[Purpose] = "judges pairs of images"

    kind: Literal["verify"]
    loss: Annotated[str, Field(pattern=r"^(metric\.)?[A-Za-z][A-Za-z0-9-]*$")] = "triplet"  # of the table LOSSES
    margin: Positive | None = None  # triplet, contrastive: in units of the distance; None is 1
    mining: Annotated[str, Field(pattern=r"^(all|semi-hard|hard|metric\.[A-Za-z]+)$")] | None = (
        None  # triplet; None is "semi-hard"
    )
    loss_options: dict[str, Any] = Field(default_factory=dict)  # metric.<Name>: its arguments, as in { margin = 0.1 }
    mining_options: dict[str, Any] = Field(default_factory=dict)  # the same for the miner
    representation_penalty: NonNegative = 0.0  # cross-entropy: times the mean squared length of representations
    weight_penalty: NonNegative = 0.0  # cross-entropy: times the sum of squared weights, without biases and norms
    head_weight: Positive | None = None  # of a dense head's cross-entropy, added to another loss; None is 1
    false_accept: BelowOne = 0.0  # share of different-class pairs that may be accepted; 0: the equal error rate decides
    pairs: Annotated[Count, Field(ge=2, multiple_of=2)] = 20000  # that a split is scored on, or all that it has
    pairs_per_image: Count = 10  # at most

    @model_validator(mode="after")
    def _every_key_has_an_effect(self) -> "VerifySpec":
        if self.margin is not None and self.loss not in ("triplet", "contrastive"):
            raise ValueError(
                f'margin has no effect with loss "{self.loss}", only with "triplet" and "contrastive"; leave it out'
            )
        if self.mining is not None and self.loss != "triplet" and not self.loss.startswith("metric."):
            raise ValueError(f'mining has no effect with loss "{self.loss}", only with "triplet"; leave it out')
        if (self.mining or "").startswith("metric.") and not self.loss.startswith("metric."):
            raise ValueError(
                f'mining "{self.mining}" is for losses of pytorch-metric-learning; with "{self.loss}" use "all", '
                '"semi-hard" or "hard"'
            )
        for key, word in (("loss", self.loss), ("mining", self.mining)):
            if getattr(self, f"{key}_options") and not (word or "").startswith("metric."):
                raise ValueError(
                    f'{key}_options has no effect with {key} "{word or "semi-hard"}", only with "metric.<Name>"; '
                    "leave it out"
                )
        if self.loss != "cross-entropy" and (self.representation_penalty or self.weight_penalty):
            raise ValueError(
                f'representation_penalty and weight_penalty have no effect with loss "{self.loss}", only with '
                '"cross-entropy"; leave them out'
            )
        if self.loss == "cross-entropy" and self.head_weight is not None:
            raise ValueError(
                'head_weight has no effect with loss "cross-entropy", which trains the head already; leave it out'
            )
        if self.loss.startswith("metric.") and self.mining in ("semi-hard", "hard"):
            raise ValueError(
                f'mining "{self.mining}" is for loss "triplet"; with "{self.loss}" give a miner of the library, '
                'as in mining = "metric.MultiSimilarityMiner"'
            )
        return self

    def check(self, experiment: Tables) -> None:
        """Refuse a loss without its head, batches without pairs, data without validation images; see TaskSpec.check."""
        model, data = experiment.model, experiment.data
        assert isinstance(model, SiameseSpec)
        if self.loss == "cross-entropy" and model.head != "dense":
            raise ValueError(
                'task.loss: "cross-entropy" needs a dense head; set model.head = "dense", or use "triplet" or '
                '"contrastive"'
            )
        if self.head_weight is not None and model.head != "dense":
            raise ValueError(
                'task.head_weight: this key has no effect with model.head = "distance", which has nothing to train; '
                "leave it out"
            )
        if experiment.recipe.order != "classes":
            raise ValueError(
                'recipe.order: every batch needs several images of each class; set recipe.order = "classes", with '
                "recipe.classes_per_batch and recipe.images_per_class"
            )
        if data.validation == 0 and not data.may_bring_validation:
            raise ValueError(
                "data.validation: a verifier's threshold and calibration are fitted on validation pairs; set it, for "
                "example to 0.1"
            )


SPECS: dict[str, type[TaskSpec]] = {"classify": ClassifySpec, "reconstruct": ReconstructSpec, "verify": VerifySpec}

_BUILT_IN: TypeAdapter[TaskSpec] = TypeAdapter(
    Annotated[ClassifySpec | ReconstructSpec | VerifySpec, Field(discriminator="kind")]
)


def added_task(kind: str) -> Any | None:
    """The object of the entry point that adds a task of this kind, or None where no installed package adds one.

    Raises
    ------
    ValueError : the entry point cannot be loaded, or its object has another `kind` or no `spec` of this kind.
    """
    entry = next(iter(entry_points(group=GROUP, name=kind)), None)
    if entry is None:
        return None
    owner = _owner(entry)
    try:
        task = entry.load()
    except Exception as error:  # code of another package: anything can go wrong in it
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(
            f'kind "{kind}" comes from {owner}, and {entry.value} cannot be loaded ({what}); repair or remove that '
            "package"
        ) from None
    spec = getattr(task, "spec", None)
    if getattr(task, "kind", None) != kind or not (isinstance(spec, type) and issubclass(spec, TaskSpec)):
        raise ValueError(
            f'kind "{kind}" comes from {owner}, and {entry.value} is not a task; expected an object with kind = '
            f'"{kind}" and spec, a subclass of smallvision.experiment.task.TaskSpec'
        )
    return task


def added_kinds() -> list[str]:
    """The kinds of task that installed packages add, in alphabetical order; none of these packages is imported."""
    return sorted(entry_points(group=GROUP).names)


def _owner(entry: EntryPoint) -> str:
    return f"the package {entry.dist.name}" if entry.dist is not None else "an installed package"


def _validated(value: Any) -> TaskSpec:
    """A task's spec from a raw table or a spec. A kind that is not built in is looked up among the entry points."""
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    if not isinstance(kind, str) or kind in SPECS:
        return _BUILT_IN.validate_python(value)
    task = added_task(kind)
    if task is None:
        known = [*SPECS, *added_kinds()]
        tags = ", ".join(f"'{name}'" for name in known)
        raise PydanticKnownError("union_tag_invalid", {"discriminator": "'kind'", "tag": kind, "expected_tags": tags})
    spec: type[TaskSpec] = task.spec
    return spec.model_validate(value)


AnyTaskSpec = Annotated[  # TaskSpec itself stands for the kinds that packages add
    ClassifySpec | ReconstructSpec | VerifySpec | TaskSpec, PlainValidator(_validated), SerializeAsAny()
]
