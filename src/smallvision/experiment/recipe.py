"""The [recipe] table (optimiser, learning rate, batches, precision, weights kept) and the [protocol] table."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from smallvision.experiment.base import BelowOne, Bool, Count, Epochs, NonNegative, Positive, Spec, Whole


class Constant(Spec):
    """The learning rate is constant."""

    kind: Literal["constant"]


class Exponential(Spec):
    """The learning rate is multiplied by `gamma` after every epoch."""

    kind: Literal["exponential"]
    gamma: Annotated[Positive, Field(le=1)] = 0.95


class StepDecay(Spec):
    """The learning rate is multiplied by `gamma` after every `epochs` epochs."""

    kind: Literal["step"]
    epochs: Count = 10
    gamma: Annotated[Positive, Field(le=1)] = 0.1


class Cosine(Spec):
    """Half a cosine from the learning rate down to `final` times it, step by step (Loshchilov & Hutter 2016)."""

    kind: Literal["cosine"]
    final: BelowOne = 0.0


class OneCycle(Spec):
    """Up from rate / `start` in the first share `warmup` of all steps, then down to rate / `finish` (Smith 2018)."""

    kind: Literal["one-cycle"]
    warmup: Annotated[Positive, Field(lt=1)] = 0.3
    start: Annotated[Positive, Field(ge=1)] = 25.0
    finish: Annotated[Positive, Field(ge=1)] = 1e4
    shape: Literal["cosine", "linear"] = "cosine"


Schedule = Annotated[Constant | Exponential | StepDecay | Cosine | OneCycle, Field(discriminator="kind")]


class RecipeSpec(Spec):
    """How a network is trained. Keys that have no effect with the others, such as a momentum for Adam, are refused."""

    # The keys in KEEP_TIME do not change how long a run takes. Those in SWITCHES change it only by whether they are
    # above 0. All other keys change it.
    KEEP_TIME: ClassVar[frozenset[str]] = frozenset(
        {
            *("order", "classes_per_batch", "images_per_class", "learning_rate", "momentum", "nesterov", "betas"),
            *("weight_decay", "schedule", "select", "patience"),
        }
    )
    SWITCHES: ClassVar[frozenset[str]] = frozenset({"clip", "average"})

    epochs: Epochs = 10
    batch_size: Count = 64
    order: Literal["shuffled", "sequential", "classes"] = "shuffled"
    classes_per_batch: Whole = 0  # order "classes": number of different classes in every batch
    images_per_class: Whole = 0  # order "classes": number of different images of each of them
    drop_last: Bool = False  # leave out a last batch that is smaller than the others
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    learning_rate: Positive = 0.01
    momentum: BelowOne = 0.0  # sgd
    nesterov: Bool = False  # sgd
    betas: tuple[BelowOne, BelowOne] = (0.9, 0.999)  # adam, adamw
    weight_decay: NonNegative = 0.0  # not of norms and biases
    schedule: Schedule = Constant(kind="constant")
    clip: NonNegative = 0.0  # the largest norm of the gradient of all parameters; 0: no clipping
    average: BelowOne = 0.0  # decay of the weights' moving average; 0: no average
    select: Literal["last", "best-validation"] = "last"
    patience: Whole = 0  # epochs without a better validation score (accuracy, then loss); 0: never stop
    precision: Literal["fp32", "bf16"] = "fp32"
    deterministic: Bool = True  # matters on CUDA only

    def time_key(self) -> str:
        """Recipes with equal texts take equally long for the same data, network and task."""
        values = self.model_dump(exclude=set(self.KEEP_TIME))
        return repr({key: value > 0 if key in self.SWITCHES else value for key, value in values.items()})

    @field_validator("schedule", mode="before")
    @classmethod
    def _word_or_table(cls, schedule: Any) -> Any:
        return {"kind": schedule} if isinstance(schedule, str) else schedule

    @model_validator(mode="before")
    @classmethod
    def _batch_of_classes(cls, values: Any) -> Any:
        """With order "classes", batch_size defaults to classes_per_batch * images_per_class."""
        if isinstance(values, dict) and values.get("order") == "classes" and "batch_size" not in values:
            classes, images = values.get("classes_per_batch"), values.get("images_per_class")
            if type(classes) is int and type(images) is int and min(classes, images) > 0:
                return {**values, "batch_size": classes * images}
        return values

    @model_validator(mode="after")
    def _classes_and_images(self) -> "RecipeSpec":
        counts = {"classes_per_batch": self.classes_per_batch, "images_per_class": self.images_per_class}
        if self.order != "classes":
            if any(counts.values()):
                raise ValueError(
                    f'classes_per_batch and images_per_class have no effect with order "{self.order}"; '
                    'use order = "classes"'
                )
            return self
        for key, count in counts.items():
            if count < 2:
                raise ValueError(
                    f'order "classes" needs {key} of 2 or more, so that a batch has pairs of one class and pairs of '
                    f"two; got {count}"
                )
        product = self.classes_per_batch * self.images_per_class
        if self.batch_size != product:
            raise ValueError(
                f"batch_size is {self.batch_size}, but {self.classes_per_batch} classes with {self.images_per_class} "
                f"images each make {product} images; leave batch_size out, or set it to {product}"
            )
        if self.drop_last:
            raise ValueError(
                'drop_last has no effect with order "classes", because all its batches are full; leave it out'
            )
        return self

    @model_validator(mode="after")
    def _every_key_has_an_effect(self) -> "RecipeSpec":
        if self.optimizer != "sgd" and (self.momentum or self.nesterov):
            raise ValueError(
                f'momentum and nesterov have no effect with optimizer "{self.optimizer}", which uses betas; leave '
                "them out"
            )
        if self.optimizer == "sgd" and self.betas != (0.9, 0.999):
            raise ValueError('betas have no effect with optimizer "sgd", which uses momentum; leave them out')
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class ProtocolSpec(Spec):
    """When the test split is scored: once, after training; watched, after every epoch, for a curve only; or never."""

    test: Literal["once", "watched", "never"] = "once"  # never: while a recipe is being tuned on validation
