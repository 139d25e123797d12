"""The commands of `smallvision data`: which data sets there are, what is in them, getting them.

Imports happen when one is called.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from smallvision.cli.options import Debug, Json, Overrides, Root
from smallvision.cli.synthetic import make_app
from smallvision.errors import printable, shown

MOST_CLASSES = 200  # in the table
DIGITS = 4  # of means and deviations: the last one is a fortieth of a grey level of 256
DUPLICATES = {"train": "inside train", "test": "inside test", "train_test": "test images that are also in train"}

data_app = typer.Typer(help="Data sets: list them, describe them, download them.", no_args_is_help=True)
data_app.add_typer(make_app, name="make")


@data_app.command("list")
def data_list(root: Root = None, debug: Debug = False) -> None:
    """List the data sets, and whether they are on this machine."""
    from smallvision.api import data
    from smallvision.console import run as display

    display.Console().print(display.rows_table(data.data_sets(root)))


@data_app.command("info")
def data_info(
    name: Annotated[
        str,
        typer.Argument(
            help="A data set's name, a folder of images, an .npz file, or an experiment.", show_default=False
        ),
    ],
    overrides: Overrides = None,
    root: Root = None,
    picture: Annotated[Path | None, typer.Option(help="Where the labelled grid is drawn. (default: NAME.png)")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show sizes, class counts, mean and standard deviation, duplicates, licence; draw a labelled grid of images."""
    from smallvision.api import data
    from smallvision.console import listing
    from smallvision.console import run as display

    console = display.Console()
    found = data.data_info(name, root, picture, overrides or ())
    if json:
        listing.show_json(found)
        return
    rows = [
        {"class": shown(label), **{split: one["class_counts"][label] for split, one in found["splits"].items()}}
        for label in found["classes"][:MOST_CLASSES]
    ]
    if len(found["classes"]) > MOST_CLASSES:
        rows.append(
            {"class": f"... and {len(found['classes']) - MOST_CLASSES:,} more", **dict.fromkeys(found["splits"])}
        )
    rows.append({"class": "all", **{split: one["count"] for split, one in found["splits"].items()}})
    console.print(display.rows_table(rows, f"{found['name']}: images of each class"))
    console.print(display.rows_table(channel_rows(found), "training pixels in [0, 1], each channel"))
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


def channel_rows(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row for each channel with its mean, standard deviation, least and largest value, four digits each.

    The standard deviation of a sample has a column where it differs in these digits; --json prints all digits.
    """
    measured = {key: [f"{value:.{DIGITS}f}" for value in found[key]] for key in ("mean", "std", "std_sample")}
    measured |= {key: [f"{value:.{DIGITS}g}" for value in found[key]] for key in ("min", "max")}
    if measured["std_sample"] == measured["std"]:
        del measured["std_sample"]
    count = len(measured["mean"])
    return [{"channel": str(one), **{key: row[one] for key, row in measured.items()}} for one in range(count)]


@data_app.command("get")
def data_get(
    name: Annotated[str, typer.Argument(help="A data set's name.", show_default=False)],
    root: Root = None,
    debug: Debug = False,
) -> None:
    """Download what is missing of a data set and verify it."""
    from smallvision.api import data

    for path in data.data_get(name, root):
        print(printable(str(path)))
