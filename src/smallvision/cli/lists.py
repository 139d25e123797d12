"""The commands that list: `list` (the catalog) and `runs`. Imports happen when one is called."""

from pathlib import Path
from typing import Annotated

import typer

from smallvision.cli.options import Debug, Json
from smallvision.errors import printable

Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help='Only rows with this value in a column, or of a key of the experiment: model.kind=cnn, "test>=98". '
        "Can be given several times.",
    ),
]
Sort = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Sort by a column or key; with - before it, the largest first.")
]


def list_catalog(where: Where = None, sort: Sort = None, json: Json = False, debug: Debug = False) -> None:
    """The catalog: every experiment and study that runs by its name."""
    from smallvision.api import lists
    from smallvision.console import listing
    from smallvision.console.run import Console

    rows = lists.catalog(where or (), sort)
    if json:
        listing.show_json(rows)
    elif rows:
        listing.show(rows, listing.CATALOG, Console())
    else:
        print("no entry fulfils these conditions")


def runs(
    folder: Annotated[
        Path | None, typer.Argument(help="(default: $SMALLVISION_RUNS or ./runs)", show_default=False)
    ] = None,
    where: Where = None,
    sort: Sort = None,
    json: Json = False,
    remove: Annotated[
        list[Path] | None, typer.Option(help="Remove this run directory (can be given several times).")
    ] = None,
    debug: Debug = False,
) -> None:
    """The runs in a folder."""
    if remove:
        from smallvision.api import catalog

        for path in remove:
            catalog.remove(path)
            print(f"removed {printable(str(path))}")
        return
    from smallvision.api import lists
    from smallvision.console import listing
    from smallvision.console.run import Console

    rows = lists.find_runs(folder, where or (), sort)
    if json:
        listing.show_json(rows)
    elif rows:
        shown = [{**row, "test": row["test_score"]} for row in rows]
        listing.show(shown, listing.RUNS, Console())
        for row in rows:
            if row["problem"]:
                print(f"broken: {printable(row['problem'])}")
    else:
        print("no run fulfils these conditions" if where else "no runs here yet; begin with: smallvision run digits")
