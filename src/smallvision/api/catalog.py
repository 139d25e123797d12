"""Lists the catalog's entries, the layers and cases of an entry, and the runs and studies in folders.

Imports that take long happen when a call needs them.
"""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import smallvision.experiment as experiments
from smallvision.api import study as studies
from smallvision.api.experiments import read
from smallvision.api.finished import Run
from smallvision.errors import BadInput
from smallvision.experiment import Experiment, Study
from smallvision.experiment.text import inline
from smallvision.runs import paths as run_paths
from smallvision.runs.read import list_runs, read_run
from smallvision.study.read import StudyRecord, read_study
from smallvision.tasks import task_of

if TYPE_CHECKING:
    from smallvision.training.user_objects import Network


def catalog() -> list[dict[str, Any]]:
    """The catalog: name, kind (experiment or study), task, data, model, minutes on 2 cores, what it shows."""
    rows = []
    for name in sorted([*experiments.catalog(), *experiments.studies()]):
        entry = experiments.load_any(name)
        base = entry.base if isinstance(entry, Study) else entry
        row = {
            "name": entry.name,
            "kind": "study" if isinstance(entry, Study) else "experiment",
            "task": task_of(base).kind,
        }
        row |= {"data": base.data.source, "model": "" if isinstance(entry, Study) else base.model.kind}
        rows.append({**row, "minutes": entry.minutes or None, "about": entry.about})
    return rows


def show(name: str, *overrides: str) -> Experiment | Study:
    """The experiment or study of a catalog name or TOML file, changed by "key.sub=value" overrides. Raises BadInput."""
    return read(name, overrides)


def layers(asked: Experiment, root: Path | str | None = None, trust_code: bool = False) -> dict[str, Any]:
    """The layer table of an experiment's network, as `layers.json` has it.

    The data is read only where its shape is not known beforehand. Raises BadInput where layers do not fit.
    """
    from smallvision.training import prepare
    from smallvision.training.user_objects import with_digests

    asked = with_digests(asked, None, None, None)  # fills in the encoder that the network takes over
    return prepare.layers(asked, *prepare.shape(asked, Path(root) if root else None), trust_code)


def cases(study: Study) -> list[dict[str, Any]]:
    """The cases of a study: name, what each sets, and the hash of the experiment that comes of it. Raises BadInput."""
    from smallvision.study.plan.cases import expand

    own = {case.name: ", ".join(f"{key} = {inline(value)}" for key, value in case.set.items()) for case in study.case}
    return [
        {"case": name, "experiment": experiment.hash(), "sets": own.get(name, "")}
        for name, experiment in expand(study).cases.items()
    ]


def find_runs(folder: Path | str | None = None) -> list[dict[str, Any]]:
    """A dict for each run in a folder, by default $SMALLVISION_RUNS or ./runs."""
    return list_runs(Path(folder) if folder is not None else run_paths.folder())


def open_run(path: Path | str, model: "Network | None" = None) -> Run:
    """A run that is there already.

    Parameters
    ----------
    path : the run directory.
    model : the network, its class, or the function that makes it, if the run was made with one passed in from Python.
        It gets the run's weights when it is asked for answers, and is refused then if they are not those that the run
        recorded.

    Raises
    ------
    BadInput : `path` holds no run, or a damaged one.
    """
    return Run(path, model)


def open_study(path: Path | str) -> StudyRecord:
    """A study that is there already: `<runs>/studies/<name>-<hash>`. Raises BadInput."""
    return read_study(path)


def report_of(paths: Sequence[Path | str], out: Path | str | None = None) -> Path:
    """Write the report of one run or one study (by default into its directory), or of several runs on one page (with
    `out`).
    """
    from smallvision.report.run import page

    if len(paths) == 1 and (Path(paths[0]) / "study.toml").is_file():
        return studies.report(read_study(paths[0]), Path(out) if out else None)
    records = [read_run(Path(path)) for path in paths]
    if out is None and len(records) > 1:
        raise BadInput("report: several runs on one page need --out FILE")
    return page.write(
        records if len(records) > 1 else records[0], Path(out) if out else records[0].path / "report.html"
    )


def remove(path: Path | str) -> None:
    """Delete a run directory, and nothing that is none.

    Raises
    ------
    BadInput : `path` holds no run, or a process is writing it.
    """
    from smallvision.runs.directory import unlocked
    from smallvision.storage.lock import RENAMED

    folder = Path(path)
    if folder.is_symlink() or not ((folder / "state.json").is_file() and (folder / "experiment.toml").is_file()):
        raise BadInput(f"{path}: is no run directory, so it is not removed")
    try:
        with unlocked(folder):
            if RENAMED:  # gone at once for every other process
                whole = folder.absolute()  # "." has neither a name nor a folder above
                begin = f".{whole.name[:100]}.{os.getpid()}-"
                folder = whole.rename(tempfile.mkdtemp(prefix=begin, suffix=".part", dir=whole.parent))
            shutil.rmtree(folder)
    except OSError as error:
        raise BadInput(f"{path}: cannot be removed: {error.strerror or error}") from None
