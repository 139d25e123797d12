"""An entry of the catalog with its layers and cases, and the runs and studies in folders.

Imports that take long happen when a call needs them.
"""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from smallvision.api import study as studies
from smallvision.api.experiments import read, read_study
from smallvision.api.finished import Run
from smallvision.api.names import StudyName
from smallvision.api.paths import path_of
from smallvision.errors import BadInput
from smallvision.experiment import Experiment, Study
from smallvision.experiment.text import inline
from smallvision.rendering.cards import LayerTable, Rows
from smallvision.runs.read import read_run
from smallvision.study.read import StudyRecord
from smallvision.study.read import read_study as read_study_directory

if TYPE_CHECKING:
    from smallvision.training.user_objects import Network


Standing = Path | str | Run | StudyRecord  # a run or a study that is there already


@overload
def show(name: StudyName, *overrides: str) -> Study: ...  # type: ignore[overload-overlap]
@overload
def show(name: str, *overrides: str) -> Experiment: ...
def show(name: str, *overrides: str) -> Experiment | Study:
    """The experiment or study of a catalog name or TOML file, changed by "key.sub=value" overrides. Raises BadInput."""
    return read(name, overrides)


def load_study(name: str, *overrides: str) -> Study:
    """The study of a catalog name or TOML file, changed by "key.sub=value" overrides.

    Raises
    ------
    BadInput : an unknown name or key, a value of the wrong type, the name of an experiment.
    """
    return read_study(name, overrides)


def layers(asked: str | Experiment, root: Path | str | None = None, trust_code: bool = False) -> LayerTable:
    """The layer table of an experiment's network, as `layers.json` has it.

    The data is read only where its shape is not known beforehand.

    Parameters
    ----------
    asked : a catalog name, a TOML file or an Experiment.

    Raises
    ------
    BadInput : an unknown name, a study, layers that do not fit.
    """
    from smallvision.training import prepare
    from smallvision.training.user_objects import with_digests

    entry = read(asked, ())
    if isinstance(entry, Study):
        raise BadInput(f"{entry.name}: a study has the networks of its cases; give one of its experiments")
    asked = with_digests(entry, None, None, None)  # fills in the encoder that the network takes over
    return LayerTable(prepare.layers(asked, *prepare.shape(asked, Path(root) if root else None), trust_code))


def cases(study: Study) -> Rows:
    """The cases of a study: name, what each sets, and the hash of the experiment that comes of it. Raises BadInput."""
    from smallvision.study.plan.cases import expand

    own = {case.name: ", ".join(f"{key} = {inline(value)}" for key, value in case.set.items()) for case in study.case}
    return Rows(
        {"case": name, "experiment": experiment.hash(), "sets": own.get(name, "")}
        for name, experiment in expand(study).cases.items()
    )


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
    return read_study_directory(path)


def report_of(paths: "Standing | Sequence[Standing]", out: Path | str | None = None) -> Path:
    """Write the report of one run or one study (by default into its directory), or of several runs on one page.

    Parameters
    ----------
    paths : a run or a study, as a path or as `run` returned it; or a list of runs.
    out : the page; several runs need it.

    Raises
    ------
    BadInput : no run there, or several runs without `out`.
    """
    from smallvision.report.run import page

    places = [path_of(one) for one in ([paths] if isinstance(paths, str | Path | Run | StudyRecord) else paths)]
    if len(places) == 1 and (places[0] / "study.toml").is_file():
        return studies.report(read_study_directory(places[0]), Path(out) if out else None)
    records = [read_run(path) for path in places]
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
        raise BadInput(f"{path}: this is not a run directory, so it is not removed")
    try:
        with unlocked(folder):
            if RENAMED:  # gone at once for every other process
                whole = folder.absolute()  # "." has neither a name nor a folder above
                begin = f".{whole.name[:100]}.{os.getpid()}-"
                folder = whole.rename(tempfile.mkdtemp(prefix=begin, suffix=".part", dir=whole.parent))
            shutil.rmtree(folder)
    except OSError as error:
        raise BadInput(f"{path}: the run cannot be removed: {error.strerror or error}") from None
