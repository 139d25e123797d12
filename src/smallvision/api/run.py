"""The notebook's face: the same words as the command line. Imports happen when a call needs them."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallvision import experiment as experiments
from smallvision.api import study
from smallvision.api.compare import compare, compare_published
from smallvision.api.data import data_get, data_info, data_sets
from smallvision.api.experiments import read
from smallvision.api.finished import Run
from smallvision.api.study import preview
from smallvision.errors import BadInput
from smallvision.experiment import Experiment, Study
from smallvision.experiment.text import inline
from smallvision.runs import paths
from smallvision.runs.read import list_runs, read_run
from smallvision.study.plan import jobs
from smallvision.study.plan.jobs import Job
from smallvision.study.read import StudyRecord, read_study
from smallvision.training.user_objects import Arrays, arrays_by_name, with_digests

if TYPE_CHECKING:
    from rich.console import Console

    from smallvision.data.imageset import Splits
    from smallvision.training.user_objects import Loss, Network

__all__ = [
    "Run",
    "catalog",
    "compare",
    "compare_published",
    "data_get",
    "data_info",
    "data_sets",
    "find_runs",
    "layers",
    "open_run",
    "open_study",
    "preview",
    "remove",
    "report_of",
    "run",
    "show",
]


def catalog() -> list[dict[str, Any]]:
    """The catalog: name, kind (experiment or study), task, data, model, minutes on 2 cores, and what each entry shows."""
    rows = []
    for name in sorted([*experiments.catalog(), *experiments.studies()]):
        entry = experiments.load_any(name)
        base = entry.base if isinstance(entry, Study) else entry
        row = {
            "name": entry.name,
            "kind": "study" if isinstance(entry, Study) else "experiment",
            "task": base.task.kind,
        }
        row |= {"data": base.data.source, "model": "" if isinstance(entry, Study) else base.model.kind}
        rows.append({**row, "minutes": entry.minutes or None, "about": entry.about})
    return rows


def show(name: str, *overrides: str) -> Experiment | Study:
    """The experiment or study of a catalog name or TOML file, changed by "key.sub=value" overrides. Raises BadInput."""
    return read(name, overrides)


def run(
    what: str | Experiment | Study,
    *overrides: str,
    seed: int | None = None,
    out: Path | str | None = None,
    resume: bool = False,
    device: str = "auto",
    threads: int | None = None,
    root: Path | str | None = None,
    trust_code: bool = False,
    data: Arrays | None = None,
    model: "Network | None" = None,
    loss: "Loss | None" = None,
    workers: int | None = None,
    console: "Console | None" = None,
) -> Run | StudyRecord:
    """Run an experiment or a study to its end; what is finished already is shown, not repeated.

    An experiment that takes over the encoder of another one runs that first, unless a run of it stands in the folder of runs.

    Parameters
    ----------
    what : a catalog name, a TOML file, an Experiment or a Study.
    overrides : "key.sub=value" each; a study's experiments are changed under `set`, as in "set.recipe.epochs=2".
    seed : decides initial weights, order, augmentation and dropout; 0 unless given. A study has seeds of its own.
    out : the run directory; by default <name>-<hash>-s<seed> under $SMALLVISION_RUNS or ./runs.
    resume : go on with an unfinished run (begin it, if nothing is there yet). A study goes on in any case.
    device : "auto", "cpu", "cuda" or "mps".
    threads : of the CPU; by default torch's choice, one per physical core.
    root : where the data sets are; by default $SMALLVISION_DATA or the user's cache.
    trust_code : allow `kind = "file.py:Net"` to execute that file.
    data : arrays in place of the source: (x_train, y_train, x_test, y_test), or a dict with the names an .npz has.
    model : a network in place of the spec's: an nn.Module class, or a function without arguments that returns an nn.Module, called
        under the run's seed, so that the same call gives the same bits. An nn.Module itself is taken with its weights, which the seed
        does not decide; the run says so. (B, C, H, W) pixels in [0, 1] are standardised before it sees them.
    loss : (logits (B, K), labels (B,)) -> scalar, in place of the cross-entropy.
        The code, settings and weights of `model` and `loss` decide which run is shown as finished. Where a part cannot be told (a
        compiled function, an open file), the call always runs anew, and the run says so.
    workers : processes of a study at a time; by default as many as were measured to be fastest.
    console : where progress is printed; by default the terminal or notebook.

    Returns
    -------
    Run, or for a study StudyRecord : what stands in the directory that was written.

    Raises
    ------
    BadInput, RunFailed, Interrupted : see training_run.run and study.run.
    """
    asked = read(what, overrides)
    if isinstance(asked, Study):
        options = {
            "seed": seed,
            "out": out,
            "device": device,
            "threads": threads,
            "root": root,
            "trust_code": trust_code,
        }
        passed = {"data": data, "model": model, "loss": loss, "workers": workers}
        words = (what, *overrides) if isinstance(what, str) else ()
        return study.run(asked, study.study_options(asked, words, **options, **passed), console)
    if workers is not None:
        raise BadInput(
            f"--workers: {asked.name} is an experiment, one run; --workers is for a study (for one run give --threads)"
        )
    seed = seed or 0
    if not 0 <= seed < 2**63:
        raise BadInput(f"seed: got {seed}; expected 0 to 2**63 - 1")
    asked = with_digests(asked, data, model, loss)
    path = paths.place(asked, seed, out)
    standing = paths.standing(path, asked, seed)
    if standing == "unfinished" and not resume:
        raise BadInput(
            f"{path}: this run is there, unfinished; go on with it by --resume (resume=True), or choose another --out"
        )
    if standing != "finished":
        from smallvision.console import run
        from smallvision.data import load
        from smallvision.training import run as training_run

        splits = load.from_arrays(asked.data, arrays_by_name(data)) if data is not None else None
        where_data = Path(root) if root is not None else None
        options = {
            "--seed": seed,
            "--out": out,
            "--device": device,
            "--threads": threads,
            "--root": root,
            "--trust-code": trust_code,
        }
        passed_in = any(part is not None for part in (data, model, loss))
        words = (what, *overrides) if isinstance(what, str) else (str(path / "experiment.toml"),)
        command = () if passed_in else _command(words, options)
        where_run = {"device": device, "threads": threads, "root": root, "trust_code": trust_code, "console": console}
        encoder = _needed(asked, seed, path, splits, **where_run)
        run_options = training_run.RunOptions(path, seed, device, threads, where_data, trust_code, command, encoder)
        events = training_run.run(
            asked, run_options, standing == "unfinished", training_run.UserObjects(splits, model, loss)
        )
        run.follow(events, console or run.Console())
    done = Run(path, model)
    if standing != "finished" or not (path / "report.html").exists():
        done.report()  # a report made while the run was unfinished is out of date
    return done


def _needed(asked: Experiment, seed: int, path: Path, splits: "Splits | None", **options: Any) -> Path | None:
    """The finished run that an experiment begins with, run now if there is none yet; None where it needs none (any more)."""
    if (path / "checkpoint.safetensors").exists():  # it has all weights already
        return None
    needs = Job(asked.name, asked, seed).needs
    if not needs:
        return None
    job = needs[0]
    there = jobs.finished(paths.folder(), needs).get(job.key)
    if there is not None:
        return there
    from smallvision.console import run as display
    from smallvision.nn.pretrained import refuse_other_shape
    from smallvision.training import prepare

    folder = Path(options["root"]) if options["root"] is not None else None
    ours = splits.train.largest if splits is not None else prepare.shape(asked, folder)[0]
    refuse_other_shape(prepare.shape(job.experiment, folder)[0], ours, job.experiment.name)  # before it takes its time
    options["console"] = options["console"] or display.Console()
    begins = f"{asked.name} begins with the encoder of {job.experiment.name}, seed {job.seed}, which is run first"
    options["console"].print(begins, highlight=False, markup=False)
    done = run(job.experiment, seed=job.seed, resume=True, **options)
    assert isinstance(done, Run)
    return done.path


def find_runs(folder: Path | str | None = None) -> list[dict[str, Any]]:
    """A dict for each run in a folder, by default $SMALLVISION_RUNS or ./runs."""
    return list_runs(Path(folder) if folder is not None else paths.folder())


def open_study(path: Path | str) -> StudyRecord:
    """A study that is there already: `<runs>/studies/<name>-<hash>`. Raises BadInput."""
    return read_study(path)


def open_run(path: Path | str, model: "Network | None" = None) -> Run:
    """A run that is there already.

    Parameters
    ----------
    path : the run directory.
    model : the network, its class, or the function that makes it, if the run was made with one passed in from Python. It gets the run's
        weights when it is asked for answers, and is refused then if they are not those that the run recorded.

    Raises
    ------
    BadInput : `path` holds no run, or a damaged one.
    """
    return Run(path, model)


def report_of(paths: Sequence[Path | str], out: Path | str | None = None) -> Path:
    """Write the report of one run or one study (by default into its directory), or of several runs on one page (with `out`)."""
    from smallvision.report.run import page

    if len(paths) == 1 and (Path(paths[0]) / "study.toml").is_file():
        return study.report(read_study(paths[0]), Path(out) if out else None)
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

    folder = Path(path)
    if folder.is_symlink() or not ((folder / "state.json").is_file() and (folder / "experiment.toml").is_file()):
        raise BadInput(f"{path}: is no run directory, so it is not removed")
    try:
        with unlocked(folder):
            shutil.rmtree(folder)
    except OSError as error:
        raise BadInput(f"{path}: cannot be removed: {error.strerror or error}") from None


def layers(asked: Experiment, root: Path | str | None = None, trust_code: bool = False) -> dict[str, Any]:
    """The layer table of an experiment's network, as `layers.json` has it.

    The data is read only where its shape is not known beforehand. Raises BadInput, also for layers that do not fit.
    """
    from smallvision.training import prepare

    asked = with_digests(asked, None, None, None)  # whose encoder it takes over is looked up
    return prepare.layers(asked, *prepare.shape(asked, Path(root) if root else None), trust_code)


def cases(study: Study) -> list[dict[str, Any]]:
    """The cases of a study: name, what each sets, and the hash of the experiment that comes of it. Raises BadInput."""
    from smallvision.study.plan.cases import expand

    own = {case.name: ", ".join(f"{key} = {inline(value)}" for key, value in case.set.items()) for case in study.case}
    return [
        {"case": name, "experiment": experiment.hash(), "sets": own.get(name, "")}
        for name, experiment in expand(study).cases.items()
    ]


def _command(words: Sequence[str], options: dict[str, Any]) -> tuple[str, ...]:
    """The command line that repeats the run, options at their default left out; an Experiment stands in the run directory."""
    words = ["smallvision", "run", *words]
    for option, value in options.items():
        if value is True:
            words.append(option)
        elif value not in (None, False, 0, "auto"):
            words += [option, str(value)]
    return tuple(words)
