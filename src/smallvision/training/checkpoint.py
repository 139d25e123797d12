"""TrainState to one safetensors file and back. The file checks itself: a sha256 over its content stands inside it."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from smallvision.errors import BadInput, RunFailed
from smallvision.runs import weights
from smallvision.runs.logs import LOGS, LogMark, marks
from smallvision.storage.files import FORMAT_VERSION, write_bytes
from smallvision.training.state import Best, TrainState

FILES = "files."  # before the names of files of the run that a checkpoint holds
COUNTERS = ("epoch", "batch", "step", "examples", "count", "since_best", "seconds")


@dataclass(frozen=True)
class Beside:
    """What a checkpoint holds beside the state of training.

    Attributes
    ----------
    experiment, seed : the hash of the experiment and the seed of the run.
    logs : each log of the run at this moment.
    files : the content of small files of the run, which are put back on resume should they be damaged.
    """

    experiment: str
    seed: int
    logs: dict[str, LogMark] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


def save(state: TrainState, path: Path, beside: Beside) -> None:
    """Replace the checkpoint at `path` by `state`.

    Parameters
    ----------
    state : at any yield of the engine.
    path : checkpoint.safetensors of the run.
    beside : what it is a checkpoint of; given back by `load`.

    Raises
    ------
    RunFailed : a weight is not finite (the older checkpoint stays), or the disk is full.
    """
    tensors = _tensors(state)
    for name, value in tensors.items():
        if name.startswith(("model.", "average.")) and not bool(torch.isfinite(value).all()):
            raise RunFailed(
                f"{name} is not finite after step {state.step}; the last good checkpoint was kept; lower "
                "recipe.learning_rate, or set recipe.clip, for example to 1.0"
            )
    belongs = {
        "experiment": beside.experiment,
        "seed": beside.seed,
        "lengths": {name: log.length for name, log in beside.logs.items()},
        "sha256": {name: log.sha256 for name, log in beside.logs.items()},
    }
    contents = {name: log.content for name, log in beside.logs.items() if log.content is not None} | beside.files
    tensors |= {FILES + name: _as_tensor(content) for name, content in contents.items()}
    meta = {"format_version": FORMAT_VERSION, "belongs": belongs, **{name: getattr(state, name) for name in COUNTERS}}
    meta["best"] = {"epoch": state.best.epoch, "merit": state.best.merit} if state.best else None
    text = json.dumps(meta, sort_keys=True)
    write_bytes(path, safetensors.torch.save(tensors, {"meta": text, "sha256": digest(tensors, text)}))


def load(state: TrainState, path: Path) -> Beside:
    """Fill a fresh `state` from the checkpoint at `path`; afterwards training goes on as if it had never stopped.

    Returns
    -------
    Beside : as it was given to `save`.

    Raises
    ------
    BadInput : missing, damaged, changed, of a newer format or of another network; `state` is then as it was.
    """
    tensors, meta = read(path)
    expected = _tensors(state)
    for name, value in expected.items():
        found = tensors.get(name)
        if not name.startswith(("optimizer.", "sums.", "best.")) and (found is None or found.shape != value.shape):
            what = "nothing" if found is None else f"shape {tuple(found.shape)}"
            raise BadInput(
                f"{path}: it has {what} for {name}, but the network needs {tuple(value.shape)}; this is the "
                "checkpoint of another run"
            )
    state.model.load_state_dict(_under(tensors, "model."))  # copies into place: device and memory format stay
    if state.average is not None:
        state.average.load_state_dict(_under(tensors, "average."))
    try:
        _restore_optimizer(state, _under(tensors, "optimizer."))
    except (IndexError, ValueError, RuntimeError):
        raise BadInput(
            f"{path}: its optimiser belongs to another network; this is the checkpoint of another run"
        ) from None
    device = next(state.model.parameters()).device
    state.sums = {name: value.to(device) for name, value in _under(tensors, "sums.").items()}
    for name in COUNTERS:
        setattr(state, name, meta[name])
    if meta["best"]:
        best = {name: value.to(device) for name, value in _under(tensors, "best.").items()}
        state.best = Best(meta["best"]["epoch"], tuple(meta["best"]["merit"]), best)
    belongs = meta["belongs"]
    files = {name: bytes(value.numpy()) for name, value in _under(tensors, FILES).items()}
    known = marks(belongs["lengths"], belongs.get("sha256", {}), files)
    return Beside(
        belongs["experiment"], belongs["seed"], known, {name: data for name, data in files.items() if name not in LOGS}
    )


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All tensors and the metadata of a checkpoint whose content matches its sha256. Raises BadInput."""
    try:
        weights.check(path)
        with safetensors.safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is not a dict)
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except BadInput:
        raise
    except (OSError, safetensors.SafetensorError, ValueError) as error:
        raise BadInput(
            f"{path}: the file is damaged, or it is not a safetensors file ({error}); start the run anew in another "
            "--out"
        ) from None
    text = header.get("meta", "")
    if header.get("sha256") != digest(tensors, text):
        raise BadInput(
            f"{path}: its content does not have the recorded sha256, so it was damaged or changed; start the run "
            "anew in another --out"
        )
    meta = json.loads(text)
    if meta["format_version"] > FORMAT_VERSION:
        newer = f"format version {meta['format_version']}, but this smallvision reads versions up to {FORMAT_VERSION}"
        raise BadInput(f"{path}: {newer}; update smallvision")
    return tensors, meta


def digest(tensors: dict[str, Tensor], text: str) -> str:
    """sha256 over the metadata, then every tensor's name, dtype, shape and bytes, in the order of names."""
    hashed = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        hashed.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        hashed.update(value.reshape(-1).view(torch.uint8).numpy().data if value.numel() else b"")
    return hashed.hexdigest()


def _tensors(state: TrainState) -> dict[str, Tensor]:
    """Everything that is a tensor, flat, on the CPU, contiguous, no two sharing memory."""
    parts: dict[str, dict[str, Tensor]] = {
        "model.": dict(state.model.state_dict()),
        "average.": dict(state.average.state_dict()) if state.average is not None else {},
        "optimizer.": {
            f"{index}.{key}": value
            for index, entry in state.optimizer.state_dict()["state"].items()
            for key, value in entry.items()
            if value is not None  # SGD without momentum keeps None
        },
        "sums.": state.sums,
        "best.": state.best.weights if state.best else {},
    }
    return {
        prefix + name: value.detach().to("cpu", copy=True).contiguous()
        for prefix, part in parts.items()
        for name, value in part.items()
    }


def _as_tensor(content: bytes) -> Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.empty(0, dtype=torch.uint8)


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _restore_optimizer(state: TrainState, values: dict[str, Tensor]) -> None:
    """torch keeps an optimiser's tensors in the layout it is given: give them the parameters' own."""
    parameters = [parameter for group in state.optimizer.param_groups for parameter in group["params"]]
    entries: dict[int, dict[str, Tensor]] = {}
    for name, value in values.items():
        number, key = name.split(".", 1)
        parameter = parameters[int(number)]
        if value.shape == parameter.shape:
            value = torch.empty_like(parameter, requires_grad=False).copy_(value)
        entries.setdefault(int(number), {})[key] = value
    table = state.optimizer.state_dict()
    state.optimizer.load_state_dict({"state": entries, "param_groups": table["param_groups"]})
