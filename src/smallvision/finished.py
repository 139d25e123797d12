"""A run in a notebook: its scores, figures (matplotlib's) and tables (lists of dicts), and its model's answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallvision.errors import BadInput
from smallvision.experiment import Experiment
from smallvision.runs.read import RunRecord, read_run

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from torch import Tensor, nn


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
        from smallvision.report import figures, galleries

        tiles = galleries.tiles(self._evidence, self.result["classes"], "confident" if confident else "mistake")[:n]
        if not tiles:
            raise BadInput(f"{self.path}: there are no mistakes to show")
        return figures.gallery([tile.pixels for tile in tiles], [tile.caption for tile in tiles])

    def confused(self) -> list[dict[str, Any]]:
        """A dict for each pair of classes that was confused, most often first."""
        from smallvision.report import tables

        return tables.confused(self._evidence["confusion"], self.result["classes"])

    def predict(self, images: "Tensor | np.ndarray | Sequence[str | Path]", trust_code: bool = False) -> Any:
        """Probabilities (N, K) for pixels (N, C, H, W), uint8 or float in [0, 1]; a list of dicts for image files."""
        import numpy as np
        import torch

        from smallvision import infer

        loaded = infer.load(self.record, self._module, trust_code)
        if isinstance(images, torch.Tensor | np.ndarray):
            return infer.predict(loaded, torch.as_tensor(images))
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
