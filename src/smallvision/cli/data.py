"""The commands of `smallvision data`: which data sets there are, what is in them, getting them.

Imports happen when one is called.
"""

from pathlib import Path
from typing import Annotated

import typer

from smallvision.cli.options import Debug, Overrides, Root
from smallvision.cli.synthetic import make_app
from smallvision.errors import printable, shown

MOST_CLASSES = 200  # in the table
DUPLICATES = {"train": "inside train", "test": "inside test", "train_test": "test images that are also in train"}

data_app = typer.Typer(help="Data sets: which there are, what is in them, getting them.", no_args_is_help=True)
data_app.add_typer(make_app, name="make")


@data_app.command("list")
def data_list(root: Root = None, debug: Debug = False) -> None:
    """The data sets, and whether they are here."""
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
    debug: Debug = False,
) -> None:
    """Sizes, class counts, mean and standard deviation, duplicates, licence; and a labelled grid as a picture."""
    from smallvision.api import data
    from smallvision.console import run as display

    console = display.Console()
    found = data.data_info(name, root, picture, overrides or ())
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
    from smallvision.api import data

    for path in data.data_get(name, root):
        print(printable(str(path)))
