"""What an experiment has beside its own words: what a person passes in from Python, or whose encoder it takes over.

Its content goes into the experiment's hash, so that two never share a run.
"""

import functools
import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallvision.errors import BadInput
from smallvision.experiment import Experiment
from smallvision.experiment.data import DataSpec
from smallvision.experiment.io import load_giver, located
from smallvision.experiment.model.encoder import EncoderSpec, OnEncoderSpec, protocol_aside
from smallvision.experiment.model.union import CustomSpec
from smallvision.experiment.task import ClassifySpec
from smallvision.experiment.text import expanded, short, writable
from smallvision.runs.read import read_run

if TYPE_CHECKING:
    from torch import Tensor, nn

Arrays = Mapping[str, Any] | Sequence[Any]


def arrays_by_name(data: Arrays) -> dict[str, Any]:
    """(x_train, y_train[, x_test, y_test]) or a mapping, as a dict with the names an .npz has. Raises BadInput."""
    if isinstance(data, Mapping):
        return dict(data)
    if len(data) not in (2, 4):
        raise BadInput(
            f"data: got {len(data)} arrays; expected (x_train, y_train) or (x_train, y_train, x_test, y_test), or a dict"
        )
    return dict(zip(("x_train", "y_train", "x_test", "y_test"), data, strict=False))


def with_digests(
    asked: Experiment, data: Arrays | None, model: "nn.Module | None", loss: "Callable[[Tensor, Tensor], Tensor] | None"
) -> Experiment:
    """The experiment as it is with what was passed in, and with the network and digest of the encoder that it takes over.

    Raises
    ------
    BadInput : a file that cannot be read; an encoder of something that is not there, cannot give one, or needs itself.
    """
    return _with_digests(asked, data, model, loss, {})


def _with_digests(
    asked: Experiment,
    data: Arrays | None,
    model: "nn.Module | None",
    loss: "Callable[[Tensor, Tensor], Tensor] | None",
    needing: dict[Path, str],
) -> Experiment:
    """`needing`: the files, and the names, of the experiments that need this one, the outermost first."""
    changes: dict[str, Any] = {}
    if data is not None:
        keep = asked.data.model_dump(exclude={"source", "path", "digest", "size", "color", "skip_bad"})
        changes["data"] = DataSpec(source="arrays", digest=_digest_of_arrays(arrays_by_name(data)), **keep)
    if model is not None:
        changes["model"] = CustomSpec(kind="custom", digest=_digest_of_module(model))
    elif isinstance(asked.model, CustomSpec) and ":" in asked.model.kind:
        from smallvision.nn import user_model

        file = asked.model.kind.rpartition(":")[0]
        changes["model"] = asked.model.model_copy(update={"digest": user_model.source_digest(Path(file))})
    elif isinstance(asked.model, OnEncoderSpec):
        changes["model"] = _with_encoder(asked.model, needing)
    if loss is not None:
        _refuse_loss(asked, loss)
        named = {"loss": f"custom:{getattr(loss, '__name__', type(loss).__name__)}", "loss_digest": _digest(loss)}
        changes["task"] = ClassifySpec(**{**asked.task.model_dump(), **named})
    return asked.model_copy(update=changes)


def _refuse_loss(asked: Experiment, loss: object) -> None:
    """Raise BadInput for a loss that is no function, and beside a task that has losses of its own."""
    if not isinstance(asked.task, ClassifySpec):
        raise BadInput(
            f'loss: one passed in is for task.kind = "classify", and that of {asked.name} is "{asked.task.kind}", '
            "which has losses of its own; leave it out, and choose one by task.loss"
        )
    if not callable(loss):
        raise BadInput(
            f"loss: got {short(loss)}; expected a function of logits (B, K) and labels (B,) that gives a scalar"
        )
    try:
        inspect.signature(loss).bind(None, None)
    except TypeError as error:
        raise BadInput(f"loss: is called with logits (B, K) and labels (B,), and does not take them: {error}") from None
    except ValueError:  # Python does not know what a compiled function takes
        pass


def _with_encoder(model: OnEncoderSpec, needing: dict[Path, str]) -> OnEncoderSpec:
    """The spec with the network and the digest of the encoder filled in, as they are now.

    Where these are known already (from a run's experiment.toml), what they were taken from need not be there any more.
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
    name = str(encoder.experiment)
    where = f"model.encoder.experiment: {writable(name)}"
    try:
        file = located(name).resolve()
    except BadInput as error:
        raise FileNotFoundError(f"model.encoder.experiment: {error}") from None
    if file in needing:
        names = list(needing.values())[list(needing).index(file) :]
        raise BadInput(f"model.encoder: needs go in a circle: {' needs '.join([*names, name])}; break it")
    if not file.exists():
        raise FileNotFoundError(f"{where}: no such file")
    try:
        other = load_giver(encoder)
    except BadInput as error:
        raise BadInput(f"model.encoder.experiment: {error}") from None
    other = _with_digests(other, None, None, None, {**needing, file: name})
    return {"digest": protocol_aside(other), "model": other.model}


def _of_run(folder: str) -> dict[str, Any]:
    """Network and digest of a finished run. Raises FileNotFoundError where there is none, BadInput."""
    path = expanded(folder)
    if not path.exists():
        raise FileNotFoundError(
            f"model.encoder.run: {path}: no such run; make one with smallvision run, or name an experiment instead"
        )
    try:
        record = read_run(path)
    except BadInput as error:
        raise BadInput(f"model.encoder.run: {error}") from None
    if record.result is None:
        from smallvision.nn.pretrained import resuming

        raise BadInput(
            f"model.encoder.run: {path}: is not finished, so it has no encoder to take over; finish it: {resuming(record)}"
        )
    other = record.experiment.model
    if isinstance(other, CustomSpec) and other.kind == "custom":
        raise BadInput(
            f"model.encoder.run: {path}: its network was passed in from Python, so its encoder cannot be built again; "
            'make it a file (model.kind = "file.py:Net")'
        )
    return {"digest": record.result["model_sha256"], "model": other}


def _digest_of_arrays(arrays: dict[str, Any]) -> str:
    import numpy as np

    from smallvision.data.datasets.arrays import in_memory

    hashed = hashlib.sha256()
    for name in sorted(arrays):
        if name == "classes" or arrays[name] is None:
            hashed.update(f"{name} {[str(one) for one in arrays[name] or ()]}".encode())
            continue
        value = np.ascontiguousarray(in_memory(name, arrays[name]).whole())
        hashed.update(f"{name} {value.dtype} {value.shape}".encode())
        hashed.update(value.data)
    return hashed.hexdigest()


def _digest_of_module(module: "nn.Module") -> str:
    """Of the printed structure, the source and the weights."""
    hashed = hashlib.sha256(f"{module!r} {_source(type(module))}".encode())
    for name, value in module.state_dict().items():
        hashed.update(f"{name} {_digest(value)}".encode())
    return hashed.hexdigest()


def _digest(thing: Any) -> str:
    """What a loss is made of: source, defaults, what it closes over, arguments bound to it, a module's weights.

    Raises
    ------
    BadInput : something whose content cannot be told, so that two different losses could share a run.
    """
    import torch

    if isinstance(thing, torch.nn.Module):
        return _digest_of_module(thing)
    if isinstance(thing, torch.Tensor):
        value = thing.detach().cpu().contiguous()
        data = value.reshape(-1).view(torch.uint8).numpy().tobytes()
        return hashlib.sha256(f"{value.dtype} {tuple(value.shape)}".encode() + data).hexdigest()
    if isinstance(thing, functools.partial):
        return _joined("partial", [thing.func, *thing.args, *sorted(thing.keywords.items())])
    if inspect.isfunction(thing):
        closed = [cell.cell_contents for cell in thing.__closure__ or ()]
        return _joined(
            _source(thing), [*closed, *(thing.__defaults__ or ()), *sorted((thing.__kwdefaults__ or {}).items())]
        )
    if (
        thing is None
        or isinstance(thing, bool | int | float | str | bytes)
        or inspect.isbuiltin(thing)
        or inspect.isclass(thing)
    ):
        return hashlib.sha256(repr(thing).encode()).hexdigest()
    if isinstance(thing, tuple | list):
        return _joined(type(thing).__name__, thing)
    raise BadInput(
        f"loss: cannot tell what is in a {type(thing).__name__}; pass a function, a functools.partial or an nn.Module"
    )


def _joined(head: str, parts: Iterable[Any]) -> str:
    return hashlib.sha256(" ".join([head, *map(_digest, parts)]).encode()).hexdigest()


def _source(thing: Any) -> str:
    """The sha256 of a function's or class's source; of its compiled code or name where Python cannot tell the source."""
    try:
        text = inspect.getsource(thing)
    except (OSError, TypeError):
        code = getattr(thing, "__code__", None)
        text = (
            f"{code.co_code!r} {code.co_consts!r} {code.co_names!r}"
            if code
            else repr(getattr(thing, "__qualname__", thing))
        )
    return hashlib.sha256(text.encode()).hexdigest()
