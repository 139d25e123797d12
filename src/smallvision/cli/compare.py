"""The command `smallvision compare`: is the difference between runs real? Imports happen when it is called."""

from pathlib import Path
from typing import Annotated

import typer

from smallvision.cli.options import Debug, Root
from smallvision.errors import BadInput


def compare(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN...", help="Run directories.", show_default=False)
    ] = None,
    question: Annotated[
        list[str] | None, typer.Option(help="A key that is meant to differ (can be given several times).")
    ] = None,
    published: Annotated[tuple[str, str] | None, typer.Option(help="Two published accuracies instead of runs.")] = None,
    of: Annotated[int | None, typer.Option(help="Number of test images of each published accuracy.")] = None,
    equivalence: Annotated[
        float | None,
        typer.Option(help="Also say whether a difference of more than this is ruled out; 0.005 is 0.5 points."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write a page with the images on which the runs disagree.")
    ] = None,
    root: Root = None,
    debug: Debug = False,
) -> None:
    """Is the difference real? Compare runs with those of the first experiment, or two published accuracies."""
    from smallvision.api import compare as api
    from smallvision.console import run as display
    from smallvision.stats.wording import least_difference

    console = display.Console()
    if published is not None:
        if paths or question or out or of is None:
            raise BadInput(
                "compare: --published A B needs --of IMAGES and cannot be combined with runs; for example "
                "--published 98.93 99.07 --of 10000"
            )
        verdicts = [api.compare_published(*published, of, equivalence=equivalence)]
        confounders: list[str] = []
    else:
        if not paths or of is not None:
            raise BadInput("compare: name runs of at least two experiments, or --published A B --of IMAGES")
        found = api.compare(*paths, question=question or (), equivalence=equivalence, out=out, root=root)
        console.print(display.comparison_table(found))
        for line in display.config_difference_lines(found):
            console.print(line, highlight=False, markup=False, style="dim")
        display.say_warnings(found.warnings, console)
        verdicts, confounders = [*found.verdicts], [line for line in found.confounders if line]
    for one in verdicts:
        console.print(one.sentence, highlight=False, markup=False)
        if one.equivalence is not None:
            console.print(one.equivalence.sentence, highlight=False, markup=False)
        if one.needed is not None and (least := least_difference(one)):
            console.print(least, highlight=False, markup=False, style="dim")
        for note in one.notes:
            console.print(f"note: {note}", highlight=False, markup=False)
    for line in confounders:
        console.print(f"confounded: {line}", highlight=False, markup=False, style="yellow")
    if out:
        console.print(f"page    {out}", highlight=False, soft_wrap=True, markup=False)
