"""The notebook's face: the same words as the command line. Imports happen when a call needs them."""

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallvision import experiment as experiments
from smallvision.errors import BadInput
from smallvision.experiment import Experiment
from smallvision.experiment.data import DataSpec
from smallvision.experiment.model import CustomSpec
from smallvision.experiment.task import ClassifySpec
from smallvision.runs import where
from smallvision.runs.read import RunRecord, list_runs, read_run

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from rich.console import Console
    from torch import Tensor, nn

    from smallvision.data.images import Splits

__all__ = ["Run", "catalog", "experiment", "open_run", "report", "run", "runs"]

Arrays = Mapping[str, Any] | Sequence[Any]


class Run:
    """A run directory, read: figures are matplotlib's, tables are lists of dicts.

    Parameters
    ----------
    path : the run directory.
    module : the person's own network, if the run was made with one passed in from Python.

    Raises
    ------
    BadInput : `path` holds no run, or a damaged one.
    """

    def __init__(self, path: Path | str, module: "nn.Module | None" = None) -> None:
        self.record: RunRecord = read_run(Path(path))
        self._module = module

    def __repr__(self) -> str:
        state = f"{self.record.state['status']}"
        score = next((f", {s} accuracy {self.result[s]['accuracy']:.2%}" for s in ("test", "validation") if s in self.result), "")
        return f"Run({str(self.path)!r}: {state}{score})"

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.record.path

    @property
    def experiment(self) -> Experiment:
        """What was run."""
        return self.record.experiment

    @property
    def result(self) -> dict[str, Any]:
        """The content of `result.json`; empty while the run is unfinished."""
        return self.record.result or {}

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """A dict for each epoch."""
        return self.record.metrics

    @property
    def layers(self) -> list[dict[str, Any]]:
        """A dict for each layer: type, output shape, parameters, multiply-adds, receptive field, bytes."""
        rows: list[dict[str, Any]] = self.record.layers["rows"]
        return rows

    def curves(self) -> "Figure":
        """Loss and accuracy over epochs."""
        from smallvision.report import figures

        return figures.curves(self.record.metrics)

    def confusion(self) -> "Figure":
        """The confusion matrix of the test split (of the validation split where there is no test split)."""
        from smallvision.report import figures

        return figures.confusion(self._evidence["confusion"], self.result["classes"])

    def mistakes(self, n: int = 20, confident: bool = False) -> "Figure":
        """The first `n` images (at most 20) that were taken for another class, or the `n` most confident of these."""
        from smallvision.report import figures

        found, classes = self._evidence, self.result["classes"]
        which = "confident" if confident else "mistake"
        index = found[f"{which}_index"][:n]
        captions = [
            f"#{i}: {classes[found['labels'][i]]}\ntaken for {classes[found['predictions'][i]]}"
            f" ({100 * found['probabilities'][i].max():.0f} %)"
            for i in index
        ]
        return figures.gallery(found[f"{which}_pixels"][:n], captions)

    def predict(self, images: "Tensor | np.ndarray | Sequence[str | Path]", trust_code: bool = False) -> Any:
        """Probabilities (N, K) for pixels (N, C, H, W), uint8 or float in [0, 1]; a list of dicts for image files."""
        import numpy as np
        import torch

        from smallvision import infer

        loaded = infer.load(self.record, self._module, trust_code)
        if isinstance(images, torch.Tensor | np.ndarray):
            pixels = torch.as_tensor(images)
            if pixels.ndim != 4 or tuple(pixels.shape[1:]) != loaded.shape:
                raise BadInput(f"predict: got pixels of shape {tuple(pixels.shape)}; the model takes (N, {', '.join(map(str, loaded.shape))})")
            return infer.predict(loaded, pixels)
        return infer.predict_files(loaded, [Path(image) for image in images])

    def report(self, out: Path | str | None = None) -> Path:
        """Write the report, by default to `report.html` in the run directory, and return its path."""
        from smallvision.report import page

        return page.write(self.record, Path(out) if out else self.path / "report.html")

    @property
    def _evidence(self) -> "dict[str, np.ndarray]":
        if self.record.evidence is None:
            raise BadInput(f"{self.path}: the run is not finished, so there is no evidence yet; go on with it by --resume")
        return self.record.evidence


def catalog() -> list[dict[str, Any]]:
    """The catalog: name, task, data, model, minutes on 2 cores, and what each entry shows."""
    entries = (experiments.load(name) for name in experiments.catalog())
    return [
        {
            "name": entry.name,
            "task": entry.task.kind,
            "data": entry.data.source,
            "model": entry.model.kind,
            "minutes": entry.minutes,
            "about": entry.about,
        }
        for entry in entries
    ]


def experiment(name: str, *overrides: str) -> Experiment:
    """The experiment of a catalog name or TOML file, changed by "key.sub=value" overrides. Raises BadInput."""
    return experiments.load(name, overrides)


def run(
    what: str | Experiment,
    *overrides: str,
    seed: int = 0,
    out: Path | str | None = None,
    resume: bool = False,
    device: str = "auto",
    threads: int | None = None,
    root: Path | str | None = None,
    trust_code: bool = False,
    data: Arrays | None = None,
    model: "nn.Module | None" = None,
    loss: "Callable[[Tensor, Tensor], Tensor] | None" = None,
    console: "Console | None" = None,
) -> Run:
    """Run an experiment to its end and write its report; a run that is finished already is shown, not repeated.

    Parameters
    ----------
    what : a catalog name, a TOML file or an Experiment.
    overrides : "key.sub=value" each.
    seed : decides initial weights, order, augmentation and dropout.
    out : the run directory; by default <name>-<hash>-s<seed> under $SMALLVISION_RUNS or ./runs.
    resume : go on with an unfinished run (begin it, if nothing is there yet).
    device : "auto", "cpu", "cuda" or "mps".
    threads : of the CPU; by default torch's choice.
    root : where the data sets are; by default $SMALLVISION_DATA or the user's cache.
    trust_code : allow `kind = "file.py:Net"` to execute that file.
    data : arrays in place of the source: (x_train, y_train, x_test, y_test), or a dict with the names an .npz has.
    model : a network in place of the spec's; (B, C, H, W) pixels in [0, 1] are standardised before it sees them.
    loss : (logits (B, K), labels (B,)) -> scalar, in place of the cross-entropy.
    console : where progress is printed; by default the terminal or notebook.

    Raises
    ------
    BadInput, RunFailed, Interrupted : see lab.run.
    """
    if seed < 0:
        raise BadInput(f"seed: got {seed}; expected 0 or more")
    asked = experiments.load(what, overrides) if isinstance(what, str) else _changed(what, overrides)
    asked = _with_digests(asked, data, model, loss)
    path = where.place(asked, seed, out)
    standing = where.standing(path, asked, seed)
    if standing == "unfinished" and not resume:
        raise BadInput(f"{path}: this run is there, unfinished; go on with it by --resume (resume=True), or choose another --out")
    if standing != "finished":
        from smallvision import display, lab
        from smallvision.data import images

        splits = images.from_arrays(asked.data, arrays_by_name(data)) if data is not None else None
        place = lab.Place(
            path=path,
            seed=seed,
            device=device,
            threads=threads,
            root=Path(root) if root is not None else None,
            trust_code=trust_code,
            command=_command(what, overrides, seed, out, device, threads, root, trust_code, data, model, loss),
        )
        events = lab.run(asked, place, standing == "unfinished", lab.Passed(splits, model, loss))
        display.follow(events, console or display.Console())
    done = Run(path, model)
    if not (path / "report.html").exists():
        done.report()
    return done


def runs(folder: Path | str | None = None) -> list[dict[str, Any]]:
    """A dict for each run in a folder, by default $SMALLVISION_RUNS or ./runs."""
    return list_runs(Path(folder) if folder is not None else where.folder())


def open_run(path: Path | str, model: "nn.Module | None" = None) -> Run:
    """A run that is there already. Raises BadInput."""
    return Run(path, model)


def report(paths: Sequence[Path | str], out: Path | str | None = None) -> Path:
    """Write the report of one run (by default into its directory) or of several on one page (`out` is needed then)."""
    from smallvision.report import page

    records = [read_run(Path(path)) for path in paths]
    if len(records) == 1:
        return page.write(records[0], Path(out) if out else records[0].path / "report.html")
    if out is None:
        raise BadInput("report: several runs on one page need --out FILE")
    return page.write_many(records, Path(out))


def arrays_by_name(data: Arrays) -> dict[str, Any]:
    """(x_train, y_train[, x_test, y_test]) or a mapping, as a dict with the names an .npz has. Raises BadInput."""
    if isinstance(data, Mapping):
        return dict(data)
    if len(data) not in (2, 4):
        raise BadInput(f"data: got {len(data)} arrays; expected (x_train, y_train) or (x_train, y_train, x_test, y_test), or a dict")
    return dict(zip(("x_train", "y_train", "x_test", "y_test"), data, strict=False))


def _changed(asked: Experiment, overrides: Sequence[str]) -> Experiment:
    table = asked.model_dump(mode="json", exclude_none=True)
    for override in overrides:
        experiments.files.apply(table, override)
    return experiments.build(table, asked.name)


def _with_digests(
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


def _command(
    what: str | Experiment,
    overrides: Sequence[str],
    seed: int,
    out: Path | str | None,
    device: str,
    threads: int | None,
    root: Path | str | None,
    trust_code: bool,
    data: Arrays | None,
    model: Any,
    loss: Any,
) -> tuple[str, ...]:
    """The command line that repeats the run; empty where something was passed in from Python."""
    if not isinstance(what, str) or data is not None or model is not None or loss is not None:
        return ()
    words = ["smallvision", "run", what, *overrides]
    options = {"--seed": seed or None, "--out": out, "--device": None if device == "auto" else device, "--threads": threads, "--root": root}
    for option, value in options.items():
        words += [option, str(value)] if value is not None else []
    return tuple(words + (["--trust-code"] if trust_code else []))
