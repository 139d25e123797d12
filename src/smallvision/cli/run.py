"""The commands about experiments, studies and runs: show, run, report, predict.

Imports happen when one is called.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from smallvision.cli.options import Debug, Name, Overrides, Root, Trust


def show(
    name: Name, overrides: Overrides = None, root: Root = None, trust_code: Trust = False, debug: Debug = False
) -> None:
    """Show a whole experiment as TOML with all defaults, and its layers; for a study, its cases."""
    from smallvision.api import catalog
    from smallvision.console import run as display
    from smallvision.errors import printable
    from smallvision.experiment import Study, study_to_toml, to_toml

    experiment = catalog.show(name, *overrides or ())
    if isinstance(experiment, Study):
        print(printable(study_to_toml(experiment), keep="\n"))
        display.Console().print(display.rows_table(catalog.cases(experiment), "Cases"))
        return
    print(printable(to_toml(experiment), keep="\n"))
    layers = catalog.layers(experiment, root, trust_code)
    display.Console().print(display.layers_table(layers))


def run(
    name: Name,
    overrides: Overrides = None,
    seed: Annotated[
        int | None,
        typer.Option(help=("Seed of initial weights, order of images, augmentation and dropout. (default: 0)")),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run directory. (default: runs/<name>-<hash>-s<seed>)")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads. (default: one per physical core)")] = None,
    root: Root = None,
    trust_code: Trust = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the result only.")] = False,
    workers: Annotated[int | None, typer.Option(help="Number of processes of a study. (default: measured)")] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help=("Show what a study would run and how long it would take; nothing is written.")),
    ] = False,
    debug: Debug = False,
) -> None:
    """Run an experiment or a study: train, score, save, report. A finished run is shown and not repeated."""
    import smallvision as sv
    from smallvision.console import run as display

    console = display.Console()
    if dry_run:
        from smallvision.console import study

        options: dict[str, Any] = {"device": device, "root": root, "trust_code": trust_code, "workers": workers}
        console.print(study.estimate_table(sv.preview(name, *overrides or (), **options)))
        return
    done = sv.run(
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
    if not isinstance(done, sv.Run):
        from smallvision.console import study

        console.print(study.result_table(done))
        console.print(
            f"study   {done.path}\nreport  {done.path / 'report.html'}", highlight=False, soft_wrap=True, markup=False
        )
        return
    from smallvision.tasks import task_of

    console.print(display.result_table(task_of(done.experiment), done.result, done.result["name"]))
    display.say_warnings(done.warnings, console)
    console.print(
        f"run     {done.path}\nreport  {done.path / 'report.html'}", highlight=False, soft_wrap=True, markup=False
    )


def report(
    paths: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run directories, or one of a study.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option(help="The page. (default: report.html in the directory)")] = None,
    debug: Debug = False,
) -> None:
    """Write the report of a run or a study, or of several runs on one page."""
    from smallvision.api import catalog

    print(catalog.report_of(paths, out))


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
    """Predict the class of image files, with its probability."""
    from smallvision.api import catalog
    from smallvision.console import run as display

    rows = catalog.open_run(path).predict(images, trust_code)
    display.Console().print(
        display.rows_table([{key: _percent(key, value) for key, value in row.items()} for row in rows])
    )


def _percent(key: str, value: Any) -> Any:
    return f"{100 * value:.2f} %" if key.endswith("probability") else value
