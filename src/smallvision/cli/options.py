"""Arguments and options that several commands have, as annotated types."""

from pathlib import Path
from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(help='A catalog name, or a TOML file (with "/" or ".toml").', show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY.SUB=VALUE]...", help="Change keys of the experiment.", show_default=False),
]
Root = Annotated[
    Path | None, typer.Option(help="Where the data sets are. (default: $SMALLVISION_DATA or the user's cache)")
]
Trust = Annotated[bool, typer.Option("--trust-code", help='Execute the file of `model.kind = "file.py:Net"`.')]
Json = Annotated[bool, typer.Option("--json", help="Print everything, unrounded, as JSON.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
