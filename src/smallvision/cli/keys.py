"""The command `smallvision keys`: what an experiment can be told. Imports happen when it is called."""

from typing import Annotated

import typer

from smallvision.cli.options import Debug, Json
from smallvision.errors import BadInput, printable, shown


def keys(
    word: Annotated[
        str | None,
        typer.Argument(metavar="[TABLE or KEY]", help="recipe, data, model, task, protocol, or recipe.learning_rate."),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Every key of an experiment: what it means, its type, its allowed values and its default."""
    from dataclasses import asdict

    from smallvision.console import keys as display
    from smallvision.console import listing
    from smallvision.console.run import Console
    from smallvision.experiment.keys import TABLES, all_keys, keys_of, nearest_key

    found = list(all_keys()) if word is None else keys_of(word)
    if not found:
        hint = nearest_key(str(word)) or f"tables: {', '.join(TABLES)}; smallvision keys lists every key"
        raise BadInput(f'keys: no key or table of an experiment is named "{shown(printable(str(word)))}"; {hint}')
    if json:
        listing.show_json([asdict(key) for key in found])
    else:
        display.show(found, Console(), whole=len({key.key for key in found}) == 1)
