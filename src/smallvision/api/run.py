"""`run`: an experiment or a study, from its name to its report.

Imports that take long happen when a call needs them.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from smallvision.api import interruptions, study
from smallvision.api.experiments import read
from smallvision.api.finished import Run as Run
from smallvision.api.names import StudyName
from smallvision.api.quiet import quiet
from smallvision.errors import BadInput, DiskFull, Interrupted
from smallvision.experiment import Experiment, Study
from smallvision.runs import paths
from smallvision.runs.directory import RUNNING, tidy
from smallvision.storage.lock import refuse_held
from smallvision.study.plan import jobs
from smallvision.study.plan.jobs import Job
from smallvision.study.read import StudyRecord
from smallvision.training.user_objects import Arrays, arrays_by_name, with_digests

if TYPE_CHECKING:
    from rich.console import Console

    from smallvision.data.imageset import Splits
    from smallvision.training.user_objects import Loss, Network


@dataclass(frozen=True)
class _Options:
    """How and where an experiment is run: the options of `run` that are not part of the experiment."""

    out: Path | str | None = None
    resume: bool = False
    device: str = "auto"
    threads: int | None = None
    root: Path | None = None
    trust_code: bool = False
    console: "Console | None" = None


@dataclass(frozen=True)
class _Objects:
    """What is passed in from Python in place of parts of the experiment."""

    data: Arrays | None = None
    model: "Network | None" = None
    loss: "Loss | None" = None

    def __bool__(self) -> bool:
        return any(part is not None for part in (self.data, self.model, self.loss))


@overload
def run(  # type: ignore[overload-overlap]
    what: StudyName | Study,
    *overrides: str,
    seed: int | None = ...,
    out: Path | str | None = ...,
    resume: bool = ...,
    device: str = ...,
    threads: int | None = ...,
    root: Path | str | None = ...,
    trust_code: bool = ...,
    data: Arrays | None = ...,
    model: "Network | None" = ...,
    loss: "Loss | None" = ...,
    workers: int | None = ...,
    console: "Console | None" = ...,
) -> StudyRecord: ...
@overload
def run(
    what: str | Experiment,
    *overrides: str,
    seed: int | None = ...,
    out: Path | str | None = ...,
    resume: bool = ...,
    device: str = ...,
    threads: int | None = ...,
    root: Path | str | None = ...,
    trust_code: bool = ...,
    data: Arrays | None = ...,
    model: "Network | None" = ...,
    loss: "Loss | None" = ...,
    workers: int | None = ...,
    console: "Console | None" = ...,
) -> Run: ...
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

    An experiment that takes over the encoder of another one runs that first, unless a run of it stands in the folder of
    runs.

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
    model : a network in place of the spec's: an nn.Module class, or a function without arguments that returns an
        nn.Module, called under the run's seed, so that the same call gives the same bits. An nn.Module itself is taken
        with its weights, which the seed does not decide; the run says so. (B, C, H, W) pixels in [0, 1] are
        standardised before it sees them.
    loss : (logits (B, K), labels (B,)) -> scalar, in place of the cross-entropy. The code, settings and weights of
        `model` and `loss` decide which run is shown as finished. Where a part cannot be told (a compiled function, an
        open file), the call always runs anew, and the run says so.
    workers : processes of a study at a time; by default as many as were measured to be fastest.
    console : where progress is printed; by default the terminal or notebook.

    Returns
    -------
    Run, or for a study StudyRecord : what stands in the directory that was written. Type checkers know the studies of
        the catalog by their names and take every other text for an experiment; for the file of a study of your own,
        give them `run(load_study("mine.toml"))`.

    Raises
    ------
    BadInput, RunFailed, Interrupted : see training.run.run and study.runner.run.
    """
    given = {"seed": seed, "out": out, "device": None if device == "auto" else device, "threads": threads}
    given |= {"root": root, "trust_code": trust_code or None, "workers": workers}
    passed = {"data": data, "model": model, "loss": loss}
    with quiet(own_code=model is not None or loss is not None), interruptions.told(what, overrides, given, passed):
        asked = read(what, overrides)
        words = (what, *overrides) if isinstance(what, str) else ()
        if isinstance(asked, Study):
            options = {
                "seed": seed,
                "out": out,
                "device": device,
                "threads": threads,
                "root": root,
                "trust_code": trust_code,
            }
            return study.run(asked, study.study_options(asked, words, **options, **passed, workers=workers), console)
        if workers is not None:
            raise BadInput(
                f"--workers: {asked.name} is an experiment, and --workers is for studies; for a single run use "
                "--threads"
            )
        folder = Path(root) if root is not None else None
        return _run_experiment(
            asked,
            seed or 0,
            _Options(out, resume, device, threads, folder, trust_code, console),
            _Objects(data, model, loss),
            words,
        )


def _run_experiment(
    asked: Experiment, seed: int, options: _Options, objects: _Objects = _Objects(), words: Sequence[str] = ()
) -> Run:
    """Run an experiment to its end, unless a finished run of it is there.

    Parameters
    ----------
    words : the catalog name or file and the overrides, as they were typed; empty for an Experiment passed in from
        Python.
    """
    if not 0 <= seed < 2**63:
        raise BadInput(f"seed: got {seed}; expected 0 to 2**63 - 1")
    asked = with_digests(asked, objects.data, objects.model, objects.loss)
    path = paths.place(asked, seed, options.out)
    standing = paths.standing(path, asked, seed)
    command = () if objects else _command(words or (str(path / "experiment.toml"),), seed, options)
    if standing == "unfinished":
        refuse_held(path, RUNNING)  # by the process that trains it
    if standing == "unfinished" and not options.resume:
        again = f"(in Python: resume=True): {paths.resuming(command, path)}" if command else "resume=True"
        raise BadInput(
            f"{path}: this run exists already and is not finished; choose another --out, or go on with {again}"
        )
    if standing != "finished":
        try:
            _train(asked, path, seed, options, objects, command, standing == "unfinished")
        except (DiskFull, Interrupted) as error:  # maybe in the run whose encoder is taken over
            error.again = paths.resuming(command, path) if error.again and command else error.again
            raise
    if standing == "finished":
        tidy(path)
    done = Run(path, objects.model)
    if standing != "finished" or not (path / "report.html").exists():
        done.report()  # replaces a report that was made while the run was unfinished
    return done


def _train(
    asked: Experiment,
    path: Path,
    seed: int,
    options: _Options,
    objects: _Objects,
    command: tuple[str, ...],
    resume: bool,
) -> None:
    """Train and score an experiment in the directory `path`, and show its progress."""
    from smallvision.console import output
    from smallvision.console import run as display
    from smallvision.data import load
    from smallvision.training import run as training

    arrays = objects.data
    splits = load.from_arrays(asked.data, arrays_by_name(arrays)) if arrays is not None else None
    encoder = _encoder_run(asked, seed, path, splits, options)
    run_options = training.RunOptions(
        path, seed, options.device, options.threads, options.root, options.trust_code, command, encoder
    )
    events = training.run(asked, run_options, resume, training.UserObjects(splits, objects.model, objects.loss))
    shown = options.console or output.console()
    with closing(events), output.closing(shown):  # after Ctrl-C in the display, too, settings and lock are given back
        display.follow(events, shown)


def _encoder_run(asked: Experiment, seed: int, path: Path, splits: "Splits | None", options: _Options) -> Path | None:
    """The finished run whose encoder an experiment takes over, run now if there is none yet.

    None where the experiment takes over no encoder, or has its own checkpoint, which has all weights already.
    """
    if (path / "checkpoint.safetensors").exists():
        return None
    needs = Job(asked.name, asked, seed).needs
    if not needs:
        return None
    job = needs[0]
    there = jobs.finished(paths.folder(), needs).get(job.key)
    if there is not None:
        return there
    from smallvision.console import output
    from smallvision.nn.pretrained import refuse_other_shape
    from smallvision.training import prepare

    ours = splits.train.largest if splits is not None else prepare.shape(asked, options.root)[0]
    theirs = prepare.shape(job.experiment, options.root)[0]
    refuse_other_shape(theirs, ours, job.experiment.name)  # before the other run takes its time
    console = options.console or output.console()
    begins = (
        f"{asked.name} starts from the encoder of {job.experiment.name} with seed {job.seed}, so that experiment runs "
        "first"
    )
    console.print(begins, highlight=False, markup=False)
    own = _Options(None, True, options.device, options.threads, options.root, options.trust_code, console)
    return _run_experiment(job.experiment, job.seed, own).path


def _command(words: Sequence[str], seed: int, options: _Options) -> tuple[str, ...]:
    """The command line that repeats the run, options at their default left out."""
    values: dict[str, Any] = {
        "--seed": seed,
        "--out": options.out,
        "--device": options.device,
        "--threads": options.threads,
        "--root": options.root,
    }
    command = ["smallvision", "run", *words]
    for option, value in values.items():
        command += [option, str(value)] if value not in (None, 0, "auto") else []
    return (*command, *(["--trust-code"] if options.trust_code else []))
