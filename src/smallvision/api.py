"""The notebook's face: the same words as the command line. Imports happen when a call needs them."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallvision import experiment as experiments
from smallvision.errors import BadInput, nearest
from smallvision.experiment import Experiment
from smallvision.experiment.data import DataSpec
from smallvision.passed import Arrays, arrays_by_name, with_digests
from smallvision.runs import where
from smallvision.runs.read import RunRecord, list_runs, read_run

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from rich.console import Console
    from torch import Tensor, nn

__all__ = ["Run", "catalog", "data_get", "data_info", "data_sets", "experiment", "layers", "open_run", "remove", "report", "run", "runs"]


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
        return self.record.layers["rows"] if self.record.layers else []

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
            "minutes": entry.minutes or None,
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
    asked = with_digests(asked, data, model, loss)
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


def remove(path: Path | str) -> None:
    """Delete a run directory, and nothing that is none.

    Raises
    ------
    BadInput : `path` holds no run, or a process is writing it.
    """
    from smallvision.runs.directory import unlocked

    read_run(Path(path))
    with unlocked(Path(path)):
        shutil.rmtree(path)


def layers(asked: Experiment, root: Path | str | None = None) -> dict[str, Any]:
    """The layer table of an experiment's network, as `layers.json` has it.

    The data is read only where its shape is not known beforehand. Raises BadInput, also for layers that do not fit.
    """
    from smallvision import nn as networks
    from smallvision.data import images, sources
    from smallvision.nn import summary

    known = sources.SOURCES.get(asked.data.source)
    if known is not None:
        shape, classes = known.shape, len(asked.data.classes or known.classes)
    else:
        train = images.load(asked.data, Path(root) if root else None).train
        shape, classes = train.shape, len(train.classes)
    ones = (1.0,) * shape[0]
    return summary.table(networks.build(asked.model, shape, classes, ones, ones, seed=0), shape)


def data_sets(root: Path | str | None = None) -> list[dict[str, Any]]:
    """A dict for each public data set: name, whether its files are here, what it is."""
    from smallvision.data import sources

    folder = Path(root) if root else sources.default_root()
    return [
        {
            "name": entry.name,
            "here": not sources.missing(entry, sources.present(entry, folder)),
            "about": entry.about,
        }
        for entry in sources.SOURCES.values()
    ]


def data_get(name: str, root: Path | str | None = None) -> list[Path]:
    """The files of a public data set, downloaded and verified where they are missing. Raises BadInput."""
    from smallvision.data import sources

    return list(sources.locate(name, Path(root) if root else None).values())


def data_info(name: str, root: Path | str | None = None, picture: Path | str | None = None) -> dict[str, Any]:
    """What is in a data set, or in the data of an experiment; and a labelled grid of its first images as a PNG.

    Parameters
    ----------
    name : a public data set; an experiment's catalog name or file; a folder of images or an .npz file.
    root : where the data sets are.
    picture : the PNG to write; by default <name>.png in the current folder.

    Returns
    -------
    dict : as data.describe gives it, and `picture`, the path written.
    """
    from smallvision.data import describe, images, sources

    if name in sources.SOURCES:
        spec = DataSpec.model_validate({"source": name})
    elif Path(name).is_dir() or name.endswith(".npz"):
        spec = DataSpec.model_validate({"source": "npz" if name.endswith(".npz") else "folder", "path": name})
    elif name in experiments.catalog() or name.endswith(".toml"):
        spec = experiments.load(name).data
    else:
        raise BadInput(f'no data set named "{name}"; {nearest(name, sources.SOURCES)}')
    splits = images.load(spec, Path(root) if root else None)
    out = Path(picture) if picture else Path(f"{Path(name).stem}.png")
    describe.grid(splits.train).savefig(out, dpi=120)
    return {**describe.describe(splits), "picture": out}


def _changed(asked: Experiment, overrides: Sequence[str]) -> Experiment:
    table = asked.model_dump(mode="json", exclude_none=True)
    for override in overrides:
        experiments.files.apply(table, override)
    return experiments.build(table, asked.name)


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
