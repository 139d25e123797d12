"""The command line's face: the same words as the notebook. Imports happen when a command needs them."""

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

from smallvision.cli.assign import assign
from smallvision.cli.conv import conv_app
from smallvision.cli.probe import probe
from smallvision.cli.same import same
from smallvision.cli.synthetic import make_app
from smallvision.errors import BadInput, SmallvisionError

app = typer.Typer(
    help="A laboratory for learning from small images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Data sets: which there are, what is in them, getting them.", no_args_is_help=True)
app.add_typer(data_app, name="data")
data_app.add_typer(make_app, name="make")
app.add_typer(conv_app, name="conv")
app.command("assign")(assign)
app.command("probe")(probe)
app.command("same")(same)

Name = Annotated[str, typer.Argument(help='A catalog name, or a TOML file (with "/" or ".toml").', show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY.SUB=VALUE]...", help="Change keys of the experiment.", show_default=False),
]
Root = Annotated[
    Path | None, typer.Option(help="Where the data sets are. (default: $SMALLVISION_DATA or the user's cache)")
]
Trust = Annotated[bool, typer.Option("--trust-code", help='Execute the file of `model.kind = "file.py:Net"`.')]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@app.command("list")
def list_catalog() -> None:
    """The catalog: every experiment and study that runs by its name."""
    from smallvision.api import run
    from smallvision.console import run as display

    display.Console().print(display.rows_table(run.catalog()))


@app.command()
def show(
    name: Name, overrides: Overrides = None, root: Root = None, trust_code: Trust = False, debug: Debug = False
) -> None:
    """The whole experiment as TOML, defaults filled in, then its layers; of a study, its cases."""
    from smallvision.api import run
    from smallvision.console import run as display
    from smallvision.experiment import Study, study_to_toml, to_toml

    experiment = run.show(name, *overrides or ())
    if isinstance(experiment, Study):
        print(study_to_toml(experiment))
        display.Console().print(display.rows_table(run.cases(experiment), "Cases"))
        return
    print(to_toml(experiment))
    layers = run.layers(experiment, root, trust_code)
    display.Console().print(display.layers_table(layers))


@app.command()
def run(
    name: Name,
    overrides: Overrides = None,
    seed: Annotated[
        int | None, typer.Option(help="Decides initial weights, order, augmentation, dropout. (default: 0)")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run directory. (default: runs/<name>-<hash>-s<seed>)")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads. (default: one per physical core)")] = None,
    root: Root = None,
    trust_code: Trust = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the result only.")] = False,
    workers: Annotated[int | None, typer.Option(help="Processes of a study at a time. (default: measured)")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="What a study would run, and how long; nothing is written.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Run an experiment or a study: train, score, save, report. What is finished is shown, not repeated."""
    from smallvision.api import run
    from smallvision.console import run as display

    console = display.Console()
    if dry_run:
        from smallvision.console import study

        options: dict[str, Any] = {"device": device, "root": root, "trust_code": trust_code, "workers": workers}
        console.print(study.estimate_table(run.preview(name, *overrides or (), **options)))
        return
    done = run.run(
        name,
        *overrides or (),
        seed=seed,
        out=out,
        resume=resume,
        device=device,
        threads=threads,
        root=root,
        trust_code=trust_code,
        workers=workers,
        console=display.Console(quiet=True) if quiet else console,
    )
    if not isinstance(done, run.Run):
        from smallvision.console import study

        console.print(study.result_table(done))
        console.print(
            f"study   {done.path}\nreport  {done.path / 'report.html'}", highlight=False, soft_wrap=True, markup=False
        )
        return
    from smallvision.tasks import task_of

    console.print(display.result_table(task_of(done.experiment), done.result, done.result["name"]))
    console.print(
        f"run     {done.path}\nreport  {done.path / 'report.html'}", highlight=False, soft_wrap=True, markup=False
    )


@app.command()
def runs(
    folder: Annotated[
        Path | None, typer.Argument(help="(default: $SMALLVISION_RUNS or ./runs)", show_default=False)
    ] = None,
    remove: Annotated[
        list[Path] | None, typer.Option(help="Remove this run directory (can be given several times).")
    ] = None,
    debug: Debug = False,
) -> None:
    """The runs in a folder."""
    from smallvision.api import run
    from smallvision.console import run as display

    console = display.Console()
    for path in remove or ():
        run.remove(path)
        console.print(f"removed {path}", highlight=False, soft_wrap=True, markup=False)
    if remove:
        return
    rows = run.find_runs(folder)
    console.print(display.rows_table(rows) if rows else "no runs here yet; begin with: smallvision run digits")


@app.command()
def report(
    paths: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run directories, or one of a study.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option(help="The page. (default: report.html in the directory)")] = None,
    debug: Debug = False,
) -> None:
    """Write the report of a run or a study, or of several runs on one page."""
    from smallvision.api import run

    print(run.report_of(paths, out))


@app.command()
def compare(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN...", help="Run directories.", show_default=False)
    ] = None,
    question: Annotated[
        list[str] | None, typer.Option(help="A key that is meant to differ (can be given several times).")
    ] = None,
    published: Annotated[
        tuple[str, str] | None, typer.Option(help="Two published accuracies in place of runs.")
    ] = None,
    of: Annotated[int | None, typer.Option(help="Test images behind each published accuracy.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write a page, with the images on which the runs disagree.")
    ] = None,
    root: Root = None,
    debug: Debug = False,
) -> None:
    """Is the difference real? Runs against those of the first one's experiment, or two published figures."""
    from smallvision.api import run
    from smallvision.console import run as display

    console = display.Console()
    if published is not None:
        if paths or question or out or of is None:
            raise BadInput(
                "compare: --published A B needs --of IMAGES, and takes no runs; for example --published 98.93 99.07 --of 10000"
            )
        verdicts = [run.compare_published(*published, of)]
        confounds: list[str] = []
    else:
        if not paths or of is not None:
            raise BadInput("compare: give runs of at least two experiments, or --published A B --of IMAGES")
        found = run.compare(*paths, question=question or (), out=out, root=root)
        console.print(display.compared_table(found))
        for line in display.differing_lines(found):
            console.print(line, highlight=False, markup=False, style="dim")
        verdicts, confounds = [*found.verdicts], [line for line in found.confounds if line]
    for one in verdicts:
        console.print(one.sentence, highlight=False, markup=False)
        for note in one.notes:
            console.print(f"note: {note}", highlight=False, markup=False)
    for line in confounds:
        console.print(f"confounded: {line}", highlight=False, markup=False, style="yellow")
    if out:
        console.print(f"page    {out}", highlight=False, soft_wrap=True, markup=False)


@app.command()
def predict(
    path: Annotated[
        Path, typer.Argument(metavar="RUN", help="The run directory of a finished run.", show_default=False)
    ],
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Image files of any size and mode.", show_default=False)
    ],
    trust_code: Trust = False,
    debug: Debug = False,
) -> None:
    """Class and probability for image files."""
    from smallvision.api import run
    from smallvision.console import run as display

    rows = run.open_run(path).predict(images, trust_code)
    display.Console().print(
        display.rows_table([{key: _percent(key, value) for key, value in row.items()} for row in rows])
    )


@data_app.command("list")
def data_list(root: Root = None, debug: Debug = False) -> None:
    """The data sets, and whether they are here."""
    from smallvision.api import run
    from smallvision.console import run as display

    display.Console().print(display.rows_table(run.data_sets(root)))


@data_app.command("info")
def data_info(
    name: Annotated[
        str, typer.Argument(help="A data set's name, or an experiment file or catalog name.", show_default=False)
    ],
    root: Root = None,
    picture: Annotated[Path | None, typer.Option(help="Where the labelled grid is drawn. (default: NAME.png)")] = None,
    debug: Debug = False,
) -> None:
    """Sizes, class counts, mean and standard deviation, duplicates, licence; and a labelled grid as a picture."""
    from smallvision.api import run
    from smallvision.console import run as display

    console = display.Console()
    found = run.data_info(name, root, picture)
    rows = [
        {"class": label, **{split: one["class_counts"][label] for split, one in found["splits"].items()}}
        for label in found["classes"]
    ]
    rows.append({"class": "all", **{split: one["count"] for split, one in found["splits"].items()}})
    console.print(display.rows_table(rows, f"{found['name']}: images of each class"))
    measured = ("mean", "std", "std_sample", "min", "max")
    columns = zip(*(found[key] for key in measured), strict=True)
    channels = [
        {"channel": number, **dict(zip(measured, map(str, row), strict=True))} for number, row in enumerate(columns)
    ]
    console.print(display.rows_table(channels, "training pixels in [0, 1], each channel"), markup=False)
    sizes = ["x".join(map(str, shape)) for shape in found["shapes"]]
    doubles = [f"{count:,} {DUPLICATES[where]}" for where, count in found["duplicates"].items() if count is not None]
    lines = {
        "size": ", ".join(sizes[:8]) + (", ..." if len(sizes) > 8 else ""),
        "duplicates": ", ".join(doubles),
        "licence": found["license"] or "not known",
        "homepage": found["homepage"] or "not known",
        "picture": found["picture"],
    }
    for key, value in lines.items():
        console.print(f"{key:<11}{value}", highlight=False, soft_wrap=True, markup=False)
    for note in found["notes"]:
        console.print(f"note       {note}", highlight=False, soft_wrap=True, markup=False)


@data_app.command("get")
def data_get(
    name: Annotated[str, typer.Argument(help="A data set's name.", show_default=False)],
    root: Root = None,
    debug: Debug = False,
) -> None:
    """Download what is missing of a data set and verify it."""
    from smallvision.api import run

    for path in run.data_get(name, root):
        print(path)


DUPLICATES = {"train": "inside train", "test": "inside test", "train_test": "test images that are also in train"}


def _percent(key: str, value: Any) -> Any:
    return f"{100 * value:.2f} %" if key.endswith("probability") else value


def main() -> None:
    """Run the command line: an error foreseen is one line on standard error and its own exit status."""
    debug = "--debug" in sys.argv
    try:
        app()
    except SmallvisionError as error:
        if debug:
            traceback.print_exc()
        print(f"smallvision: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        print("smallvision: interrupted; a run that had begun goes on with --resume", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except (OSError, MemoryError, RuntimeError) as error:  # not foreseen, and still no reason for a traceback
        if debug:
            traceback.print_exc()
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        print(f"smallvision: {reason} (--debug shows where)", file=sys.stderr)
        sys.exit(3)
