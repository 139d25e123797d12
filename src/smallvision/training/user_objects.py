"""Digests of what an experiment's spec only names: objects passed in from Python, and the encoder that it takes over.

They become part of the experiment's hash, so that experiments with different objects never share a run.
"""

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallvision.errors import BadInput, counted, short
from smallvision.experiment import Experiment
from smallvision.experiment.data import DataSpec
from smallvision.experiment.io import load_encoder_experiment, located
from smallvision.experiment.model.classifiers import CustomSpec
from smallvision.experiment.model.encoder import EncoderSpec, OnEncoderSpec
from smallvision.experiment.text import expanded, writable
from smallvision.runs.read import read_run
from smallvision.runs.unfinished import not_finished
from smallvision.tasks import task_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    Network = nn.Module | Callable[[], nn.Module]  # a network, or a class or function that makes one without arguments
    Loss = Callable[[Tensor, Tensor], Tensor]

Arrays = Mapping[str, Any] | Sequence[Any]
ACCEPTED = "expected an nn.Module, a class of one, or a function without arguments that makes one"


def arrays_by_name(data: Arrays) -> dict[str, Any]:
    """(x_train, y_train[, x_test, y_test]) or a mapping, as a dict with the names an .npz has. Raises BadInput."""
    if isinstance(data, Mapping):
        return dict(data)
    if len(data) not in (2, 4):
        raise BadInput(
            f"data: got {counted(len(data), 'array')}; expected (x_train, y_train) or (x_train, y_train, x_test, "
            f"y_test), "
            "or a dict"
        )
    return dict(zip(("x_train", "y_train", "x_test", "y_test"), data, strict=False))


def with_digests(asked: Experiment, data: Arrays | None, model: "Network | None", loss: "Loss | None") -> Experiment:
    """The experiment with the digests of what was passed in, and the spec and digest of an encoder that it takes over.

    Parameters
    ----------
    data : arrays in place of the source.
    model : in place of the spec's network: a network, whose digest includes its weights, or a class or function that
        makes one, whose digest is of its code.
    loss : (logits (B, K), labels (B,)) -> scalar.

    Raises
    ------
    BadInput : what was passed in is not a network or not a loss; a file cannot be read; the run or experiment of the
        encoder does not exist, has no encoder, or needs itself.
    """
    return _with_digests(asked, data, model, loss, {})


def _with_digests(
    asked: Experiment,
    data: Arrays | None,
    model: "Network | None",
    loss: "Loss | None",
    needing: dict[Path, str],
) -> Experiment:
    """`needing`: the files, and the names, of the experiments that need this one, the outermost first."""
    changes: dict[str, Any] = {}
    if data is not None:
        keep = asked.data.model_dump(exclude={"source", "path", "digest", "size", "color", "skip_bad"})
        changes["data"] = DataSpec(source="arrays", digest=_digest_of_arrays(arrays_by_name(data)), **keep)
    if model is not None:
        changes["model"] = CustomSpec(kind="custom", digest=_digest_of_model(model))
    elif isinstance(asked.model, CustomSpec) and ":" in asked.model.kind:
        from smallvision.nn import user_model

        file = asked.model.kind.rpartition(":")[0]
        changes["model"] = asked.model.model_copy(update={"digest": user_model.source_digest(Path(file))})
    elif isinstance(asked.model, OnEncoderSpec):
        changes["model"] = _with_encoder(asked.model, needing)
    if loss is not None:
        _refuse_loss(asked, loss)
        named = {
            "loss": f"custom:{getattr(loss, '__name__', type(loss).__name__)}",
            "loss_digest": _digest_of_loss(loss),
        }
        changes["task"] = type(asked.task)(**{**asked.task.model_dump(), **named})
    return asked.model_copy(update=changes)


def _refuse_loss(asked: Experiment, loss: object) -> None:
    """Raise BadInput for a loss that is not a function, or if the task has losses of its own."""
    task_of(asked).refuse_loss(loss)
    if not callable(loss):
        raise BadInput(
            f"loss: got {short(loss)}; expected a function of logits (B, K) and labels (B,) that gives a scalar"
        )
    try:
        inspect.signature(loss).bind(None, None)
    except TypeError as error:
        raise BadInput(
            f"loss: it is called with logits (B, K) and labels (B,), but it does not accept them: {error}"
        ) from None
    except ValueError:  # Python does not know what a compiled function takes
        pass


def _with_encoder(model: OnEncoderSpec, needing: dict[Path, str]) -> OnEncoderSpec:
    """The spec with the present network and digest of the encoder.

    If they are known already (from a run's experiment.toml), their source need not exist any more.
    """
    encoder = model.encoder
    try:
        found = _of_run(encoder.run) if encoder.run is not None else _of_experiment(encoder, needing)
    except FileNotFoundError as error:
        if encoder.digest is None or encoder.model is None:
            raise BadInput(str(error)) from None
        return model
    if model.weights == "fresh":  # its layers are all that matters then
        found = {**found, "digest": None}
    return model.model_copy(update={"encoder": encoder.model_copy(update=found)})


def _of_experiment(encoder: EncoderSpec, needing: dict[Path, str]) -> dict[str, Any]:
    """Network and digest of an experiment. Raises FileNotFoundError where there is no such experiment, BadInput."""
    from smallvision.data.datasets import check_source

    name = str(encoder.experiment)
    where = f"model.encoder.experiment: {writable(name)}"
    try:
        file = located(name).resolve()
    except BadInput as error:
        raise FileNotFoundError(f"model.encoder.experiment: {error}") from None
    if file in needing:
        names = list(needing.values())[list(needing).index(file) :]
        raise BadInput(
            f"model.encoder: the encoders depend on one another in a circle ({' needs '.join([*names, name])}); "
            "change one of them"
        )
    if not file.exists():
        raise FileNotFoundError(f"{where}: no such file")
    try:
        other = load_encoder_experiment(encoder)
        check_source(other.data)
    except BadInput as error:
        raise BadInput(f"model.encoder.experiment: {error}") from None
    other = _with_digests(other, None, None, None, {**needing, file: name})
    return {"digest": other.training_hash(), "model": other.model}


def _of_run(folder: str) -> dict[str, Any]:
    """Network and digest of a finished run. Raises FileNotFoundError where there is none, BadInput."""
    path = expanded(folder)
    if not path.exists():
        raise FileNotFoundError(
            f"model.encoder.run: {path}: there is no such run; make one with smallvision run, or name an experiment "
            "instead"
        )
    try:
        record = read_run(path)
    except BadInput as error:
        raise BadInput(f"model.encoder.run: {error}") from None
    if record.result is None:
        raise BadInput(f"model.encoder.run: {not_finished(record, 'it has no encoder yet')}")
    other = record.experiment.model
    if isinstance(other, CustomSpec) and other.kind == "custom":
        raise BadInput(
            f"model.encoder.run: {path}: its network was passed in from Python, so its encoder cannot be built "
            'again; write the network to a file (model.kind = "file.py:Net")'
        )
    return {"digest": record.result["model_sha256"], "model": other}


def _digest_of_arrays(arrays: dict[str, Any]) -> str:
    import numpy as np

    from smallvision.data.datasets.members import in_memory

    hashed = hashlib.sha256()
    unnamed = [name for name in arrays if not isinstance(name, str)]
    if unnamed:
        raise BadInput(f"data: got the name {short(unnamed[0])}; expected names as in an .npz, such as x_train")
    for name in sorted(arrays):
        if name == "classes" or arrays[name] is None:
            hashed.update(f"{name} {[str(one) for one in (() if arrays[name] is None else arrays[name])]}".encode())
            continue
        member = in_memory(name, arrays[name])
        value = np.ascontiguousarray(
            np.concatenate([*member.parts(max(1, member.shape[0]))] or [np.empty(member.shape, member.dtype)])
        )
        hashed.update(f"{name} {value.dtype} {value.shape}".encode())
        hashed.update(value.reshape(-1).view(np.uint8).data)
    return hashed.hexdigest()


def _digest_of_model(model: Any) -> str:
    """The digest of a network with its weights, or of the class or function that makes it. Raises BadInput for anything
    else."""
    import torch

    from smallvision.training.fingerprint import fingerprint

    if isinstance(model, type) and not issubclass(model, torch.nn.Module):
        raise BadInput(f"model: got the class {model.__name__}, which is not an nn.Module; {ACCEPTED}")
    if not isinstance(model, torch.nn.Module) and not callable(model):
        raise BadInput(f"model: got {short(model)} ({type(model).__name__}); {ACCEPTED}")
    return fingerprint(model).digest


def _digest_of_loss(loss: Any) -> str:
    """The digest of a function or a module that is a loss. Raises BadInput for anything else."""
    from smallvision.training.fingerprint import fingerprint

    if isinstance(loss, type):
        raise BadInput(f"loss: got the class {loss.__name__}; pass an instance of it, as in loss={loss.__name__}()")
    if not callable(loss):
        raise BadInput(
            f"loss: got {short(loss)} ({type(loss).__name__}); expected a function of (logits, labels), or an nn.Module"
        )
    return fingerprint(loss).digest
