"""Studies: `run`, `preview` and `report`. Imports happen when a call needs them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallvision.api import experiments
from smallvision.errors import BadInput
from smallvision.experiment import Study
from smallvision.runs import paths
from smallvision.study import directory
from smallvision.study.events import Estimated, StudyOptions
from smallvision.study.read import StudyRecord

if TYPE_CHECKING:
    from rich.console import Console

NOT_FOR_STUDIES = {
    "seed": "a study has its own seeds; set them with an override, such as seeds=3 or seeds=[4, 7]",
    "out": (
        "the runs of a study are stored with all other runs, so that none is repeated; set SMALLVISION_RUNS to use "
        "another folder"
    ),
    "threads": "a study divides the machine among its runs by itself; use --workers",
    "data": 'it cannot be passed to the processes of a study; save the arrays as .npz and set data.source = "npz"',
    "model": 'it cannot be passed to the processes of a study; save it as a file and set model.kind = "file.py:Net"',
    "loss": "it cannot be passed to the processes of a study; leave it out",
}


def run(study: Study, options: StudyOptions, console: "Console | None" = None) -> StudyRecord:
    """Run a study to its end, or go on with it, and write its report; a study that is finished already is shown, not
    repeated.

    Raises
    ------
    BadInput, RunFailed, Interrupted : see study.runner.run.
    """
    from smallvision.console import output
    from smallvision.console import study as display_study
    from smallvision.study import runner as running

    before = directory.place(study, options.folder) / "study.json"
    was = before.stat().st_mtime_ns if before.exists() else None
    shown = console or output.console()
    with output.closing(shown):
        record = display_study.follow(running.run(study, options), study, shown)
    if before.stat().st_mtime_ns != was or not (record.path / "report.html").exists():
        report(record)  # a report of before the study was finished is out of date
    return record


def report(record: StudyRecord, out: Path | None = None) -> Path:
    """Write the report of a study, by default into its directory. Raises BadInput, RunFailed."""
    from smallvision.report.study import page as pages

    return pages.write(record, record.answers(), record.pictures, out)


def preview(
    what: str | Study,
    *overrides: str,
    device: str = "auto",
    root: Path | str | None = None,
    trust_code: bool = False,
    workers: int | None = None,
) -> Estimated:
    """What running a study would do, and how long it takes, from a few timed steps. Nothing is written.

    Parameters
    ----------
    what : a catalog name, a TOML file or a Study; the others as for `run`.

    Raises
    ------
    BadInput : as `run`; an experiment, which has nothing to plan.
    """
    from smallvision.study import runner as running

    study = experiments.read_study(what, overrides)
    return running.preview(
        study, StudyOptions(paths.folder(), device, Path(root) if root is not None else None, trust_code, workers)
    )


def study_options(study: Study, words: Sequence[str], **options: Any) -> StudyOptions:
    """Where and how a study is run, with the command that repeats it.

    Parameters
    ----------
    words : its name and overrides as they were typed; empty for a Study passed in from Python, which stands in its
        directory.
    options : the options of `run`.

    Raises
    ------
    BadInput : an option that a study has no use for; the text says what to do instead.
    """
    for name, reason in NOT_FOR_STUDIES.items():
        if options[name] is not None:
            raise BadInput(
                f"{'--' if name in ('seed', 'out', 'threads') else ''}{name}: {study.name} is a study; {reason}"
            )
    folder = paths.folder()
    root = Path(options["root"]) if options["root"] is not None else None
    command = ["smallvision", "run", *(words or (str(directory.place(study, folder) / "study.toml"),))]
    for option in ("device", "root", "workers"):
        command += [f"--{option}", str(options[option])] if options[option] not in (None, "auto") else []
    command += ["--trust-code"] if options["trust_code"] else []
    return StudyOptions(folder, options["device"], root, options["trust_code"], options["workers"], tuple(command))
