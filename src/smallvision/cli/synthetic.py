"""The commands of `smallvision data make`: data sets that are made here. Imports happen when a command needs them."""

import re
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from smallvision.errors import BadInput, Interrupted

make_app = typer.Typer(help="Make data sets from others.", no_args_is_help=True)

MANY = "--sizes"  # takes the numbers that follow it


class Many(TyperCommand):
    """Lets one option have several numbers after it, `--sizes 32 48 64`, which is repeated for each otherwise."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread(args))


def spread(words: list[str]) -> list[str]:
    """`--sizes 32 48 64` as `--sizes 32 --sizes 48 --sizes 64`; commas are taken for spaces."""
    out: list[str] = []
    rest = [
        part for word in words for part in ([MANY, word[len(MANY) + 1 :]] if word.startswith(f"{MANY}=") else [word])
    ]
    while rest:
        word = rest.pop(0)
        if word != MANY or not rest:
            out.append(word)
            continue
        first = True
        while rest and (first or re.fullmatch(r"[0-9]+(,[0-9]+)*,?", rest[0])):
            out += [part for size in rest.pop(0).strip(",").split(",") for part in (MANY, size)]
            first = False
    return out


@make_app.callback()
def make() -> None:
    """Make data sets from others."""


@make_app.command("mnist-varres", cls=Many)
def mnist_varres(
    dest: Annotated[
        Path | None, typer.Argument(help="The new folder.", show_default="mnist-varres among the data sets")
    ] = None,
    sizes: Annotated[
        list[int] | None, typer.Option(help="Sides of the images in pixels.", show_default="32 48 64")
    ] = None,
    train: Annotated[
        int | None, typer.Option(help="Training images, equally many of each digit.", show_default="all 60 000")
    ] = None,
    test: Annotated[
        int | None, typer.Option(help="Test images, equally many of each digit.", show_default="all 10 000")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the choice of digits, their sizes and their positions.")] = 0,
    root: Annotated[
        Path | None, typer.Option(help="Where the data sets are.", show_default="$SMALLVISION_DATA or the user's cache")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Make MNIST at several resolutions as a folder: scaled digits at random places in images of these sizes."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from smallvision.console import run
    from smallvision.data import synthetic
    from smallvision.training.signals import Signals

    console, began = run.Console(), time.perf_counter()
    columns = (
        TextColumn("writing"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} images"),
    )
    made: synthetic.Made | None = None
    with (
        Signals() as signals,
        Progress(*columns, TimeRemainingColumn(compact=True), console=console, transient=True) as bar,
    ):
        line = bar.add_task("", total=1)
        events = synthetic.make(dest, sizes or synthetic.SIZES, train, test, seed, root)
        for event in events:
            if isinstance(event, synthetic.Written):
                bar.update(line, completed=event.done, total=event.total)
                if signals.caught:
                    events.close()  # type: ignore[attr-defined]
                    raise Interrupted(
                        f"stopped after {event.done:,} of {event.total:,} images; nothing was kept",
                        signals.caught,
                    )
            else:
                made = event
    if made is None:
        raise BadInput("mnist-varres: nothing was written")
    rows: list[dict[str, Any]] = [
        {"split": split, "size": f"{size} x {size}", "images": sum(of_class), "of each digit": _range(of_class)}
        for split, by_size in made.counts.items()
        for size, of_class in by_size.items()
    ]
    console.print(run.rows_table(rows))
    count = sum(row["images"] for row in rows)
    lines = {
        "written": f"{count:,} images in {time.perf_counter() - began:.0f} s",
        "folder": made.path,
        "take it": f'data.source = "folder", data.path = "{made.path}"',
    }
    for key, value in lines.items():
        console.print(f"{key:<10}{value}", highlight=False, soft_wrap=True, markup=False)


def _range(counts: list[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
