"""The class `Run`: a run directory with its scores, figures (matplotlib's) and tables (lists of dicts), and its model.

Imports that take long happen when a call needs them.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from smallvision.api.quiet import quiet
from smallvision.errors import BadInput
from smallvision.experiment import Experiment, ProbeSpec
from smallvision.experiment.io import typed
from smallvision.rendering.cards import Rows
from smallvision.runs import probes as probe_files
from smallvision.runs.probes import ProbeRecord
from smallvision.runs.read import RunRecord, read_run
from smallvision.runs.unfinished import not_finished
from smallvision.tasks import TASKS, task_of, warnings

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from rich.console import Console
    from torch import Tensor

    from smallvision.inference.pairs import Images
    from smallvision.training.user_objects import Arrays, Network

    Pixels = Tensor | np.ndarray
    Files = str | Path | Sequence[str | Path]


Method = TypeVar("Method", bound=Callable[..., Any])


def _of_some_tasks(method: Method) -> Method:
    """A method of `Run` that only runs of those tasks have that name it in `Task.methods`; it raises BadInput for
    others.
    """

    @wraps(method)
    def checked(self: "Run", *args: Any, **kwargs: Any) -> Any:
        self._refuse_unless(method.__name__)
        return method(self, *args, **kwargs)

    return cast(Method, checked)


class Run:
    """A run directory, read: figures are matplotlib's, tables are lists of dicts.

    Parameters
    ----------
    path : the run directory.
    module : the person's own network, its class, or the function that makes it, if the run was made with one passed in
        from Python.

    Raises
    ------
    BadInput : `path` holds no run, or a damaged one.
    """

    def __init__(self, path: Path | str, module: "Network | None" = None) -> None:
        self.record: RunRecord = read_run(Path(path))
        self._module = module

    def _repr_html_(self) -> str:
        """A card for a notebook: scores with their intervals, warnings, the curves, and where the report stands."""
        from smallvision.rendering import cards, embed

        task = task_of(self.experiment)
        lines = []
        if self.result:
            table = task.score_table(self.result)
            for row in table.rows:
                said = [f"{name} {value}" for name, value in zip(table.columns[1:], row[1:], strict=True) if value]
                lines.append((row[0], ", ".join(said)))
            epochs, seconds = self.result["epochs"], self.result["seconds"]
            lines.append(("epochs", f"{epochs} in {seconds:.1f} s, seed {self.record.state['seed']}"))
        else:
            lines.append(("state", self.record.state["status"]))
        report = self.path / "report.html"
        lines.append(("report", str(report) if report.exists() else f"none yet; {self.path} has the run"))
        notes = [f"warning: {text}" for text in self.warnings]
        picture = embed.svg(self.curves(), "loss and score over the epochs", "curves-") if self.metrics else ""
        return cards.card(self.experiment.name, lines, notes, picture)

    def __repr__(self) -> str:
        state = self.record.state["status"]
        metric = task_of(self.experiment).metric
        scored = [split for split in ("test", "validation") if split in self.result]
        score = ""
        if scored:
            value = self.result[scored[0]][metric.key]
            score = f", {scored[0]} {metric.name} {metric.number(value)}{metric.unit}"
            beside = task_of(self.experiment).beside(self.result[scored[0]])
            score += "".join(f", {name} {metric.number(figure)}{metric.unit}" for name, figure in beside.items())
        said = "".join(f"; warning: {text}" for text in self.warnings)
        return f"Run({str(self.path)!r}: {state}{score}{said})"

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.record.path

    @property
    def experiment(self) -> Experiment:
        """The experiment that was run."""
        return self.record.experiment

    @property
    def result(self) -> dict[str, Any]:
        """The content of `result.json`; empty while the run is unfinished."""
        return self.record.result or {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the scores may mislead, a line each with what to do about it: copies of training images, a class that is
        never predicted, a score that guessing reaches, a loss that grew; empty for a healthy run."""
        return tuple(one.text for one in warnings.of_run(self.record, task_of(self.experiment)))

    @property
    def metrics(self) -> Rows:
        """A dict for each epoch; `.frame()` makes a pandas DataFrame of them."""
        return Rows(self.record.metrics)

    @property
    def layers(self) -> Rows:
        """A dict for each layer: type, output shape, parameters, multiply-adds, receptive field, bytes; `.frame()`
        makes a pandas DataFrame of them."""
        return Rows(self.record.layers["rows"] if self.record.layers else [])

    def curves(self) -> "Figure":
        """The loss and the metric of the task over epochs."""
        from smallvision.report.run import curves

        task = task_of(self.experiment)
        return curves.curves(self.record.metrics, task.loss_name(self.experiment), task.metric)

    @_of_some_tasks
    def confusion(self) -> "Figure":
        """The confusion matrix of the test split (of the validation split where there is no test split)."""
        from smallvision.tasks.classification import figures

        return figures.confusion(self._evidence()["confusion"], self.result["classes"])

    @_of_some_tasks
    def mistakes(self, n: int = 20, confident: bool = False) -> "Figure":
        """The first `n` images (at most 20) that were taken for another class, or the `n` most confident of these."""
        from smallvision.rendering import image_grids
        from smallvision.tasks import galleries

        tiles = galleries.tiles(self._evidence(), self.result["classes"], "confident" if confident else "mistake")[:n]
        if not tiles:
            raise BadInput(f"{self.path}: there are no mistakes to show")
        return image_grids.gallery([tile.pixels for tile in tiles], [tile.caption for tile in tiles])

    @_of_some_tasks
    def confused(self) -> Rows:
        """A dict for each pair of classes that were confused, the most frequent first."""
        from smallvision.tasks.classification import section

        return Rows(section.confused(self._evidence()["confusion"], self.result["classes"]))

    @_of_some_tasks
    def reconstructions(self, n: int = 10, worst: bool = False) -> "Figure":
        """The first `n` images (at most 20) above their reconstructions, or the `n` of highest error."""
        from smallvision.rendering import image_grids
        from smallvision.tasks.reconstruction import section

        found = section.stacks(self._evidence(), self.result["classes"], "worst" if worst else "first")[:n]
        parts = list(zip(*([part for _, part in stack.parts] for stack in found), strict=True))  # a row of images each
        captions = [*[""] * (len(parts) - 1) * len(found), *(stack.caption for stack in found)]
        return image_grids.gallery([pixels for row in parts for pixels in row], captions, columns=len(found))

    @_of_some_tasks
    def predict(self, images: "Pixels | Files", trust_code: bool = False) -> Any:
        """Probabilities (N, K) for pixels (N, C, H, W), a list of dicts for image files, a dict for one file.

        Pixels are uint8 or floats in [0, 1]. Where the run learned from arrays of other numbers, pixels of their type
        are read as theirs were (`result["pixel_range"]`), and so in `encode`, `reconstruct` and `same`.
        """
        import numpy as np
        import torch

        from smallvision.inference import predict

        loaded = predict.load(self.record, self._module, trust_code)
        if isinstance(images, torch.Tensor | np.ndarray):
            return predict.predict(loaded, predict.pixels(loaded, images, "predict"))
        found = predict.predict_files(loaded, _files(images))
        return found[0] if isinstance(images, str | Path) else found

    def encode(self, images: "Pixels | Files", trust_code: bool = False) -> "np.ndarray":
        """Representations float32 (N, D) of pixels (N, C, H, W), uint8 or float in [0, 1], or of image files; of a
        classifier, what its last layer sees."""
        from smallvision.inference import predict

        loaded = predict.load(self.record, self._module, trust_code)
        return predict.encode(loaded, predict.pixels(loaded, _several(images), "encode"))

    @_of_some_tasks
    def reconstruct(self, images: "Pixels | Files", trust_code: bool = False) -> "np.ndarray":
        """What an autoencoder makes of pixels (N, C, H, W), uint8 or float in [0, 1], or of image files: float32 (N, C,
        H, W) for pixels in [0, 1], not clamped. Nothing is added to them, whatever the task's noise."""
        from smallvision.inference import predict

        loaded = predict.load(self.record, self._module, trust_code)
        learner = task_of(self.experiment).learner(self.experiment.task)
        what = self.reconstruct.__name__
        return predict.answer(loaded, predict.pixels(loaded, _several(images), what), learner, what)

    @_of_some_tasks
    def same(self, image_a: "Images", image_b: "Images", trust_code: bool = False) -> Any:
        """Answer whether two images are of one class; the run must be a verifier's.

        Parameters
        ----------
        image_a, image_b : an image each: pixels (C, H, W), uint8 or float in [0, 1], or an image file of any size and
            mode. Or as many of either, to be paired in their order: pixels (N, C, H, W), or a list of files.

        Returns
        -------
        dict, or a list of them : `same`, by the threshold of the run; `probability` that they are, calibrated on
            validation pairs, of which half were; `distance` of the representations; of files that were brought to the
            model's size and mode also `notes`.

        Raises
        ------
        BadInput : a run of another task or unfinished, pixels of another shape, files that are not images.
        """
        from smallvision.inference import pairs, predict

        return pairs.same(predict.load(self.record, self._module, trust_code), image_a, image_b, self.verifier)

    @property
    @_of_some_tasks
    def verifier(self) -> dict[str, float]:
        """The verifier's calibration (slope, intercept), its threshold, and the pairs they were fitted on: their
        number, and the share of those of two classes that the threshold accepts.
        """
        if not self.result:
            raise not_finished(self.record, "it has no threshold yet")
        found: dict[str, float] = self.result["verifier"]
        return found

    @quiet()
    def probe(
        self,
        train: int | str | None = None,
        test: int | str | None = None,
        kinds: Sequence[str] = ("knn", "linear"),
        maps: Sequence[str] = ("pca", "tsne"),
        seed: int = 0,
        root: Path | str | None = None,
        trust_code: bool = False,
        data: "Arrays | None" = None,
        console: "Console | None" = None,
    ) -> ProbeRecord:
        """How good the representation is: simple classifiers on it, and on pixels, PCA and the untrained network beside
        it.

        What was probed already is shown, not repeated. The run's report is written again, with what was found.

        Parameters
        ----------
        train, test : images that classifiers learn from and are judged on, equally many of every class, or "all";
            10,000 and 1,000 unless given, or as many as can be equally many of every class. The split is validation
            where there is no test split, or the run must not meet it.
        kinds : "knn" (k nearest neighbours, by cosine and by Euclidean distance), "linear" (logistic regression).
        maps : "pca", "tsne", "umap".
        seed : which images are drawn, and what is random in a map.
        root : where the data sets are; by default $SMALLVISION_DATA or the user's cache.
        trust_code : allow `kind = "file.py:Net"` to execute that file.
        data : the arrays again, if the run was made with arrays passed in from Python.
        console : where progress is printed; by default the terminal or notebook.

        Returns
        -------
        ProbeRecord : `result` is the content of probe.json, `evidence` the arrays of probe.npz.

        Raises
        ------
        BadInput, RunFailed : see probing.run.probe.
        """
        from smallvision.console import output, probe
        from smallvision.data import load
        from smallvision.probing import run as probing
        from smallvision.training.user_objects import arrays_by_name

        asked = {"train": train, "test": test, "kinds": kinds, "maps": maps, "seed": seed}
        spec = typed(ProbeSpec, asked, "probe")
        splits = load.from_arrays(self.experiment.data, arrays_by_name(data)) if data is not None else None
        passed_in = data is not None or self._module is not None
        words = () if passed_in else probe_command(self.path, spec, root, trust_code)
        where = Path(root) if root is not None else None
        events = probing.probe(self.record, spec, where, self._module, trust_code, words, splits)
        shown = console or output.console()
        with output.closing(shown):
            path, new = probe.follow(events, shown)
        if new or not (self.path / "report.html").exists():
            self.report()
        return probe_files.read(path)

    @property
    def probes(self) -> list[ProbeRecord]:
        """The probes of this run's representation that stand in its directory. Raises BadInput when one is damaged."""
        return probe_files.standing(self.path)

    @quiet()
    def report(self, out: Path | str | None = None) -> Path:
        """Write the report, by default to `report.html` in the run directory, and return its path."""
        from smallvision.report.run import page

        return page.write(self.record, Path(out) if out else self.path / "report.html")

    def _evidence(self) -> "dict[str, np.ndarray]":
        """The arrays of evidence.npz. Raises BadInput where there are none."""
        if self.record.evidence is None and self.result:
            why = (
                "scoring on its test split began but did not end"
                if self.record.look_began
                else "its evidence.npz is missing"
            )
            raise BadInput(f"{self.path}: {why}, so there is nothing to draw; repeat the command that made it")
        if self.record.evidence is None:
            raise not_finished(self.record, "there is no evidence yet")
        return self.record.evidence

    def _refuse_unless(self, method: str) -> None:
        """Raise BadInput when runs of this task have no such method."""
        own = task_of(self.experiment)
        if method not in own.methods:
            kinds = [f'"{other.kind}"' for other in TASKS.values() if method in other.methods]
            raise BadInput(
                f"{self.path}: {method} is for runs of the task {' or '.join(kinds)}, but the task of this run is "
                f'"{own.kind}"; its methods are {", ".join(own.methods)}'
            )


def _files(images: "Files") -> list[Path]:
    """One image file, or several, as a list."""
    return [Path(image) for image in ([images] if isinstance(images, str | Path) else images)]


def _several(images: "Pixels | Files") -> "Pixels | Sequence[str | Path]":
    """Images as they are, and one file as a list."""
    return [images] if isinstance(images, str | Path) else images


def probe_command(path: Path, spec: ProbeSpec, root: Path | str | None, trust_code: bool) -> tuple[str, ...]:
    """The command line that repeats a probe, options at their default left out."""
    words = ["smallvision", "probe", str(path)]
    for key, value in spec.canonical().items():
        words += [f"--{key}", (",".join(value) or "none") if isinstance(value, list) else str(value)]
    words += ["--root", str(root)] if root is not None else []
    return (*words, *(["--trust-code"] if trust_code else []))
