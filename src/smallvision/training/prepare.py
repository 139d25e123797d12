"""Sets up a run: loads the data, builds the network and tries it on a copy, before any file is written."""

import bisect
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

import smallvision.nn as networks
from smallvision.data import load, memory
from smallvision.data.batching import buckets
from smallvision.data.datasets import published
from smallvision.data.imageset import Splits
from smallvision.errors import BadInput, SmallvisionError, first_line
from smallvision.experiment import Experiment
from smallvision.experiment.model.encoder import EncoderSpec, OnEncoderSpec
from smallvision.experiment.text import expanded
from smallvision.nn import made, summary
from smallvision.nn.batch_norm import exact
from smallvision.nn.pretrained import refuse_other_shape, take_over
from smallvision.nn.registry import measured, require_any_size
from smallvision.nn.shapes import Shape
from smallvision.nn.size import refuse
from smallvision.runs import weights
from smallvision.runs.read import RunRecord, read_run
from smallvision.runs.unfinished import not_finished
from smallvision.storage.files import FORMAT_VERSION
from smallvision.tasks import task_of
from smallvision.tasks.base import Learner
from smallvision.training import engine
from smallvision.training.fingerprint import UNKNOWN, fingerprint
from smallvision.training.rehearsal import rehearse


@dataclass(frozen=True)
class UserObjects:
    """What the user passes in from Python in place of a data source, a network or a loss.

    Attributes
    ----------
    splits : the images.
    model : a network, or a class or function that makes one and is called under the run's seed.
    loss : a function of logits (B, K) and targets (B,) that gives a scalar.
    """

    splits: Splits | None = None
    model: nn.Module | Callable[[], nn.Module] | None = None
    loss: Callable[[Tensor, Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Prepared:
    """What training begins with: images and network on the device, the learner, the layer table."""

    splits: Splits
    model: nn.Module
    learner: Learner
    layers: dict[str, Any]
    notes: tuple[str, ...] = ()  # what a person should know beforehand


def prepare(
    experiment: Experiment,
    seed: int,
    where: torch.device,
    root: Path | None = None,
    trust_code: bool = False,
    passed: UserObjects | None = None,
    encoder: RunRecord | None = None,
) -> Prepared:
    """Load the data, build the network, and try one step on a copy of it.

    Parameters
    ----------
    experiment : what is to be run.
    seed : decides the initial weights.
    where : the device for images and network.
    root : where the data sets are.
    trust_code : whether `kind = "file.py:Net"` may be executed.
    passed : the user's own data, network or loss.
    encoder : the finished run whose encoder is taken over; without it the encoder has fresh weights.

    Raises
    ------
    BadInput : data, network or encoder cannot be used, or do not fit together.
    """
    passed = passed or UserObjects()
    splits = _splits(experiment, root, passed, where)
    model = _model(experiment, seed, trust_code, passed, splits, where)
    if encoder is not None and isinstance(experiment.model, OnEncoderSpec) and isinstance(model, networks.OnEncoder):
        trained = encoder_weights(experiment.model.encoder, encoder, splits.train.largest)
        take_over(model.encoder, trained, str(encoder.path))
    learner = task_of(experiment).learner(experiment.task, passed.loss)
    notes = learner.check_data(splits)
    try:
        table = summary.table(model, splits.train.largest)
    except SmallvisionError:
        raise
    except Exception as error:  # anything can happen in code that is not ours
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise BadInput(f"model: the network fails on images in evaluation mode, which scoring uses: {reason}") from None
    model = exact(placed(model, where))
    said = rehearse(model, learner, splits, experiment, where)
    return Prepared(splits, model, learner, table, (*notes, *said, *_notes_on_passed(experiment, passed)))


def digests(experiment: Experiment) -> tuple[str | None, str | None]:
    """The digests of a network and of a loss passed in; None for each that was not."""
    return getattr(experiment.model, "digest", None), getattr(experiment.task, "loss_digest", None)


def _notes_on_passed(experiment: Experiment, passed: UserObjects) -> Iterator[str]:
    """Notes on what the user passed in: weights that the seed does not decide, objects without a fingerprint."""
    if isinstance(passed.model, nn.Module):
        yield (
            "the network was passed in with its weights, so they do not depend on the seed; pass its class, or a "
            "function that makes it, to draw them with the seed of the run"
        )
    for name, thing, digest in zip(("network", "loss"), (passed.model, passed.loss), digests(experiment), strict=True):
        if thing is not None and str(digest).startswith(UNKNOWN):
            why = fingerprint(thing).unknown or "it changed while the run was prepared"
            yield (
                f"the {name} holds something that no fingerprint can tell ({why}), so this run is never taken for an "
                "earlier one: the same call runs again, and an interrupted run is not resumed"
            )


def encoder_run(experiment: Experiment, seed: int, encoder: Path | None) -> RunRecord | None:
    """The run whose encoder an experiment takes over; None where it takes over none.

    Parameters
    ----------
    experiment : what is to be run.
    seed : of its run.
    encoder : the finished run of the experiment that the spec names; unused where the spec names a run.

    Raises
    ------
    BadInput : there is no such run; the message has the command that makes it.
    """
    model = experiment.model
    if not isinstance(model, OnEncoderSpec) or model.weights == "fresh":
        return None
    asked = model.encoder
    where = expanded(asked.run) if asked.run is not None else encoder
    if where is None:
        number = seed if asked.seed is None else asked.seed
        raise BadInput(
            f"model.encoder: there is no finished run of {asked.words} with seed {number}; make it first with: "
            f"smallvision run {asked.words} --seed {number}"
        )
    try:
        return read_run(where)
    except BadInput as error:
        raise BadInput(f"model.encoder: {error}") from None


def encoder_weights(asked: EncoderSpec, record: RunRecord, shape: Shape) -> dict[str, Tensor]:
    """The weights of a finished run, as its encoder is taken over from them.

    Parameters
    ----------
    asked : whose encoder is wanted, filled in.
    record : of the run.
    shape : (C, H, W) of the images that the encoder is for.

    Raises
    ------
    BadInput : the run is unfinished, is of images of another shape, or is not the run that was asked for; or its
        weights are missing or damaged.
    """
    where = f"model.encoder: {record.path}"
    if record.result is None or record.layers is None:
        raise BadInput(f"model.encoder: {not_finished(record, 'it has no encoder yet')}")
    refuse_other_shape(record.layers["input"], shape, str(record.path))
    path = record.path / "model.safetensors"
    try:
        data = weights.read(path)
    except OSError as error:
        raise BadInput(f"model.encoder: {path}: the file cannot be read: {error.strerror or error}") from None
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != record.result["model_sha256"]:
        raise BadInput(
            f"model.encoder: {path}: this is not the file that the run wrote (its sha256 differs from the one in "
            "result.json); repeat the run"
        )
    if asked.digest not in (None, record.experiment.training_hash(), sha256) or record.experiment.model != asked.model:
        raise BadInput(
            f"{where}: this is not the run that the experiment was written for (model.encoder.digest is "
            f"{str(asked.digest)[:12]}); leave out model.encoder.digest and .model to use the encoder that is there "
            "now"
        )
    try:
        return safetensors.torch.load(data)
    except (ValueError, safetensors.SafetensorError) as error:
        raise BadInput(
            f"model.encoder: {path}: the file is damaged, or it is not a safetensors file ({error}); repeat the run"
        ) from None


def provenance(run: RunRecord, folder: Path) -> dict[str, Any]:
    """What `state.json` records of the run whose encoder was taken over.

    Parameters
    ----------
    run : finished.
    folder : the recorded path of `run` is relative to it; the folder of the new run.
    """
    assert run.result is not None
    path = Path(os.path.relpath(run.path, folder)).as_posix()
    return {"run": path, **{key: run.result[key] for key in ("experiment", "seed", "model_sha256")}}


def provenance_note(origin: dict[str, Any] | None) -> tuple[str, ...]:
    """The content of `provenance` as a note for people; no note where no encoder was taken over."""
    if origin is None:
        return ()
    of = f"experiment {origin['experiment']}, seed {origin['seed']}, sha256 of its weights {origin['model_sha256']}"
    return (
        (
            f"the encoder was taken over from the run {origin['run']} ({of}), together with the mean and standard "
            "deviation of its training images"
        ),
    )


def placed(model: nn.Module, where: torch.device) -> nn.Module:
    """The network on the device, in the memory format in which it is trained and scored."""
    model = model.to(where)
    if engine.channels_last(model):
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's type hints
    return model


def digest(splits: Splits) -> str:
    """sha256 over the ids and labels of every split."""
    hashed = hashlib.sha256()
    for name, split in splits.named().items():
        hashed.update(name.encode())
        hashed.update(split.ids.cpu().numpy().tobytes())
        hashed.update(split.labels.cpu().numpy().tobytes())
    return hashed.hexdigest()


def without_test(splits: Splits) -> Splits:
    """The splits of a run with protocol.test = "never": no test images and no classes kept out of training."""
    return replace(splits, test=None, unseen=None)


def refuse_other_data(path: Path, splits: Splits, recorded: str | None, consequence: str) -> None:
    """Refuse images or labels that are not those of a finished run.

    Parameters
    ----------
    path : the run directory.
    splits : all splits of the data as they are now.
    recorded : the digest in the run's `state.json`; None for older runs, which recorded none and are not checked.
    consequence : what would go wrong, for the message.

    Raises
    ------
    BadInput : the digest is neither that of all splits nor that of the splits without the test split.
    """
    if recorded not in (None, digest(splits), digest(without_test(splits))):
        raise BadInput(f"{path}: the images or labels are not those that this run was trained on, so {consequence}")


def shape(experiment: Experiment, root: Path | None = None) -> tuple[Shape, int]:
    """(C, H, W) of an experiment's images and the number of classes; the data is read only if they are not known."""
    known = published().get(experiment.data.source)
    if known is not None and known.shape is not None:
        return known.shape, len(experiment.data.classes or known.classes)
    train = load.load(experiment.data, root).train
    return train.largest, len(train.classes)


def layers(experiment: Experiment, pixels: Shape, classes: int, trust_code: bool = False) -> dict[str, Any]:
    """The layer table of an experiment's network for images of shape `pixels`, as in `layers.json`.

    Raises
    ------
    BadInput : the network cannot be built, or its layers do not fit.
    """
    ones = (1.0,) * pixels[0]
    inputs = networks.InputSpec(pixels, task_of(experiment).outputs(classes), ones, ones)
    table = summary.table(networks.build(experiment.model, inputs, 0, trust_code), pixels)
    return {"format_version": FORMAT_VERSION, **table}


def _splits(experiment: Experiment, root: Path | None, passed: UserObjects, where: torch.device) -> Splits:
    """The data on the device, after a check that it has what the experiment needs."""
    if passed.splits is None:
        classes = load.class_count(experiment.data, root)  # known in a moment, where reading 100 000 folders takes long
        _refuse_too_many(experiment, classes, images=classes)
    splits = passed.splits.to(where) if passed.splits else load.load(experiment.data, root, where)
    if experiment.protocol.test == "never":
        splits = without_test(splits)
    _refuse_too_many(experiment, len(splits.train.classes), sum(map(len, splits.named().values())))
    sizes = sorted({size for split in splits.named().values() for size in split.sizes})
    own = None if passed.model is not None else experiment.model
    require_any_size(own, splits.train.largest[0], sizes, splits.train.name.rpartition(" ")[0])
    engine.rows(experiment.recipe, splits.train, 0, 0, buckets.assign(splits.train, experiment.recipe.batch_size))
    splits = replace(splits, notes=(*splits.notes, *buckets.note(splits.train, experiment.recipe.batch_size)))
    if splits.validation is None and (experiment.recipe.select != "last" or experiment.recipe.patience):
        raise BadInput(
            "recipe.select and recipe.patience need validation images, but this data has none; set data.validation, "
            "for example 0.1"
        )
    return splits


def _model(
    experiment: Experiment, seed: int, trust_code: bool, passed: UserObjects, splits: Splits, where: torch.device
) -> nn.Module:
    """The network before its first step, on the CPU; a module passed in is copied and stays as it is."""
    train = splits.train
    outputs = task_of(experiment).outputs(len(train.classes))
    inputs = networks.InputSpec(train.largest, outputs, splits.mean, splits.std)
    try:
        if passed.model is not None:
            module = made.network(passed.model, seed)
            return networks.adopt(module, inputs)
        _refuse_too_large(experiment, inputs, len(train), where)
        return networks.build(experiment.model, inputs, seed, trust_code)
    except (RuntimeError, MemoryError) as error:
        raise BadInput(f"model: the network cannot be built ({first_line(error)}); make its layers smaller") from None


def _refuse_too_many(experiment: Experiment, classes: int, images: int) -> None:
    """Refuse so many classes that their scores do not fit into memory."""
    free = memory.available_bytes()

    def needed(count: int) -> int:
        return task_of(experiment).scoring_bytes(count, images * count // max(classes, 1))

    if needed(classes) > free:
        fit = bisect.bisect_right(range(classes), free, key=needed) - 1
        raise BadInput(
            f'data: there are {classes:,} classes, and their scores with task.kind = "{experiment.task.kind}" would '
            f"take {memory.human(needed(classes))} of memory (for every pair of classes, and for every class of "
            f"every image), but only {memory.human(free)} are available; use at most {fit:,} classes (data.classes)"
        )


def _free_on(where: torch.device) -> int:
    """Bytes of a GPU that are free, with those that torch holds for later use."""
    held = torch.cuda.memory_reserved(where) - torch.cuda.memory_allocated(where)
    return int(torch.cuda.mem_get_info(where)[0]) + held


def _refuse_too_large(experiment: Experiment, inputs: networks.InputSpec, images: int, where: torch.device) -> None:
    """Refuse a network whose training would not fit into memory, before it is built.

    Counted are its weights, their gradients, what the optimiser keeps of them, their average, and the outputs of the
    layers for one batch.
    """
    recipe = experiment.recipe
    kept = {"sgd": int(recipe.momentum > 0)}.get(recipe.optimizer, 2) + int(recipe.average > 0)
    free = _free_on(where) if where.type == "cuda" else memory.available_bytes()
    size = measured(experiment.model, inputs)
    refuse(size, experiment.model, free, 2 + kept, min(recipe.batch_size, images) // (1 + (recipe.precision == "bf16")))
