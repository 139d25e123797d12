"""What a person passes in from Python: its content goes into the experiment's hash, so that two never share a run."""

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallvision.errors import BadInput
from smallvision.experiment import Experiment
from smallvision.experiment.data import DataSpec
from smallvision.experiment.model import CustomSpec
from smallvision.experiment.task import ClassifySpec

if TYPE_CHECKING:
    from torch import Tensor, nn

Arrays = Mapping[str, Any] | Sequence[Any]


def arrays_by_name(data: Arrays) -> dict[str, Any]:
    """(x_train, y_train[, x_test, y_test]) or a mapping, as a dict with the names an .npz has. Raises BadInput."""
    if isinstance(data, Mapping):
        return dict(data)
    if len(data) not in (2, 4):
        raise BadInput(f"data: got {len(data)} arrays; expected (x_train, y_train) or (x_train, y_train, x_test, y_test), or a dict")
    return dict(zip(("x_train", "y_train", "x_test", "y_test"), data, strict=False))


def with_digests(
    asked: Experiment, data: Arrays | None, model: "nn.Module | None", loss: "Callable[[Tensor, Tensor], Tensor] | None"
) -> Experiment:
    """The experiment as it is with what was passed in: its content goes into the hash, so that two never share a run."""
    changes: dict[str, Any] = {}
    if data is not None:
        keep = asked.data.model_dump(exclude={"source", "path", "digest", "size", "color"})
        changes["data"] = DataSpec(source="arrays", digest=_digest_of_arrays(arrays_by_name(data)), **keep)
    if model is not None:
        changes["model"] = CustomSpec(kind="custom", digest=_digest_of_module(model))
    elif isinstance(asked.model, CustomSpec) and ":" in asked.model.kind:
        from smallvision.nn import custom

        file = asked.model.kind.rpartition(":")[0]
        changes["model"] = asked.model.model_copy(update={"digest": custom.source_digest(Path(file))})
    if loss is not None:
        named = {"loss": f"custom:{getattr(loss, '__name__', type(loss).__name__)}", "loss_digest": _source(loss)}
        changes["task"] = ClassifySpec(**{**asked.task.model_dump(), **named})
    return asked.model_copy(update=changes)


def _digest_of_arrays(arrays: dict[str, Any]) -> str:
    import numpy as np

    hashed = hashlib.sha256()
    for name in sorted(arrays):
        value = np.ascontiguousarray(arrays[name])
        hashed.update(f"{name} {value.dtype} {value.shape}".encode())
        hashed.update(value.tobytes())
    return hashed.hexdigest()


def _digest_of_module(module: "nn.Module") -> str:
    """Of the printed structure, the source and the initial weights."""
    hashed = hashlib.sha256(f"{module!r} {_source(type(module))}".encode())
    for name, value in module.state_dict().items():
        hashed.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        hashed.update(value.detach().cpu().contiguous().numpy().tobytes())
    return hashed.hexdigest()


def _source(thing: Any) -> str:
    """The sha256 of a function's or class's source; of its name where Python cannot tell the source."""
    try:
        text = inspect.getsource(thing)
    except (OSError, TypeError):
        text = repr(getattr(thing, "__qualname__", type(thing).__qualname__))
    return hashlib.sha256(text.encode()).hexdigest()
